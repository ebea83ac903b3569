//! How the master behaves with thousands of agents: simulated ones, which speak the same protocol and run nothing.
//!
//! Prints a line of JSON: how long one allocation pass takes, how long after a restart of the master all frameworks know of all
//! their tasks again, and the most memory that the whole process has had by then. Agents and frameworks are in it too, so the
//! master has less.
//!
//! Times are those of the thread on the processor: the master computes and waits for nothing, so on a machine that does nothing
//! else they are the time that passes, and on a busy one they are not those of others.

#![expect(clippy::unwrap_used, reason = "a measurement may fail")]

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use cairn_cluster::master::registry::RegistryState;
use cairn_cluster::master::{CallKey, Effect, Identity, Input, LinkKey, Master, StreamKey, Time, Timeouts};
use cairn_cluster::sim::SimAgent;
use cairn_mesos::resources::Resources;
use cairn_mesos::v1::framework_info::{Capability, capability};
use cairn_mesos::v1::offer::{Operation, operation};
use cairn_mesos::v1::scheduler::{self, Call, call, event};
use cairn_mesos::v1::{CommandInfo, Filters, FrameworkId, FrameworkInfo, Offer, TaskId, TaskInfo};
use uuid::Uuid;

const TASKS_PER_AGENT: usize = 20;

/// How often a pass is measured; the median counts.
const PASSES: usize = 9;

struct Client {
    id: String,
    stream_id: String,
    launched: usize,
    told: usize,
}

struct World {
    master: Master,
    now: Time,
    registry: RegistryState,
    agents: BTreeMap<LinkKey, SimAgent>,
    clients: Vec<Client>,
    by_stream: BTreeMap<StreamKey, usize>,
    offers: VecDeque<(usize, Offer)>,
    last: u64,
}

fn identity(run: u128) -> Identity {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Identity { id: Uuid::from_u128(run), hostname: "localhost".to_owned(), ip, port: 5050, domain: None }
}

fn timeouts() -> Timeouts {
    Timeouts { offer: None, ..Timeouts::default() }
}

impl World {
    fn new() -> Self {
        let now = Duration::from_secs(1_800_000_000);
        let registry = RegistryState::default();
        Self {
            master: Master::new(identity(1), timeouts(), registry.clone(), now),
            now,
            registry,
            agents: BTreeMap::new(),
            clients: Vec::new(),
            by_stream: BTreeMap::new(),
            offers: VecDeque::new(),
            last: 0,
        }
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.master.step(input, self.now) {
                match effect {
                    Effect::Send { stream, event } => self.event(stream, *event, &mut inputs),
                    Effect::ToAgent { link, message } => {
                        let Some(agent) = self.agents.get_mut(&link) else { continue };
                        for said in agent.handle(*message) {
                            inputs.push_back(Input::Agent { link, message: Box::new(said) });
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn event(&mut self, stream: StreamKey, event: scheduler::Event, inputs: &mut VecDeque<Input>) {
        let Some(number) = self.by_stream.get(&stream).copied() else { return };
        if let Some(subscribed) = event.subscribed {
            self.clients[number].id = subscribed.framework_id.value;
        }
        for offer in event.offers.into_iter().flat_map(|offers| offers.offers) {
            self.offers.push_back((number, offer));
        }
        if let Some(event::Update { status }) = event.update {
            self.clients[number].told += 1;
            if let (Some(agent_id), Some(uuid)) = (status.agent_id, status.uuid) {
                let acknowledge = Some(call::Acknowledge { agent_id, task_id: status.task_id, uuid });
                inputs.push_back(self.call_of(
                    number,
                    call::Type::Acknowledge,
                    Call { acknowledge, ..Call::default() },
                ));
            }
        }
    }

    fn say(&mut self, number: usize, kind: call::Type, call: Call) {
        let input = self.call_of(number, kind, call);
        self.step(input);
    }

    fn call_of(&mut self, number: usize, kind: call::Type, call: Call) -> Input {
        let key = CallKey(self.next());
        let client = &self.clients[number];
        let framework_id = Some(FrameworkId { value: client.id.clone() });
        let call = Box::new(Call { r#type: Some(kind as i32), framework_id, ..call });
        Input::Call { key, stream_id: Some(client.stream_id.clone()), principal: None, call }
    }

    fn join(&mut self, agent: SimAgent) {
        let link = LinkKey(self.next());
        let message = Box::new(agent.register());
        self.agents.insert(link, agent);
        self.step(Input::Agent { link, message });
    }

    fn subscribe(&mut self, number: usize) {
        let stream = StreamKey(self.next());
        let stream_id = format!("stream-{}", stream.0);
        let able = [
            capability::Type::MultiRole,
            capability::Type::ReservationRefinement,
            capability::Type::PartitionAware,
        ];
        let known = self.clients.get(number).map(|client| FrameworkId { value: client.id.clone() });
        let framework_info = FrameworkInfo {
            user: "root".to_owned(),
            name: format!("f{number}"),
            id: known.clone(),
            roles: vec![format!("role-{}", number % 20)],
            checkpoint: Some(true),
            failover_timeout: Some(3600.0),
            capabilities: able.into_iter().map(|able| Capability { r#type: Some(able as i32) }).collect(),
            ..FrameworkInfo::default()
        };
        let client = Client {
            id: known.clone().unwrap_or_default().value,
            stream_id: stream_id.clone(),
            launched: self.clients.get(number).map_or(0, |client| client.launched),
            told: 0,
        };
        if number < self.clients.len() {
            self.clients[number] = client;
        } else {
            self.clients.push(client);
        }
        self.by_stream.insert(stream, number);
        let subscribe = Some(call::Subscribe { framework_info, ..call::Subscribe::default() });
        let call = Call {
            r#type: Some(call::Type::Subscribe as i32),
            framework_id: known,
            subscribe,
            ..Call::default()
        };
        self.step(Input::Subscribe { stream, stream_id, principal: None, call: Box::new(call) });
    }

    /// Launch a few tasks on each offer, until every framework has its part and every agent is full.
    fn launch_all(&mut self, share: usize) {
        while let Some((number, offer)) = self.offers.pop_front() {
            let client = &mut self.clients[number];
            let room = share - client.launched;
            let count = room.min(4).min(Resources::from(offer.resources.clone()).total_cpus() as usize);
            let infos: Vec<TaskInfo> =
                (0..count).map(|index| task(client.launched + index, &offer)).collect();
            client.launched += count;
            let (launch, decline) = if count > 0 {
                let launch = Some(operation::Launch { task_infos: infos });
                (
                    Some(Operation {
                        r#type: Some(operation::Type::Launch as i32),
                        launch,
                        ..Operation::default()
                    }),
                    false,
                )
            } else {
                (None, true)
            };
            let filters = Some(Filters { refuse_seconds: Some(if decline { 1e6 } else { 0.0 }) });
            let accept = Some(call::Accept {
                offer_ids: vec![offer.id],
                operations: launch.into_iter().collect(),
                filters,
            });
            self.say(number, call::Type::Accept, Call { accept, ..Call::default() });
            // Whoever has all it wants says so, as frameworks should.
            if count > 0 && self.clients[number].launched == share {
                self.say(number, call::Type::Suppress, Call::default());
            }
            self.now += Duration::from_micros(10);
        }
    }

    /// Everybody sleeps, and nothing is on offer.
    fn quiet(&mut self) {
        for number in 0..self.clients.len() {
            self.say(number, call::Type::Suppress, Call::default());
        }
        self.register_again();
        self.offers.clear();
    }

    fn register_again(&mut self) {
        for link in self.agents.keys().copied().collect::<Vec<_>>() {
            // An agent that registers again has its offers taken back.
            let message = Box::new(self.agents[&link].register());
            self.step(Input::Agent { link, message });
        }
    }

    /// Passes over all agents, each of which finds that somebody wants something of every agent.
    fn passes_that_offer(&mut self) -> Vec<Duration> {
        let pass = |number| {
            self.quiet();
            self.revive(number)
        };
        (0..PASSES).map(pass).collect()
    }

    /// Every framework refuses all that every agent has, for long.
    fn refuse_everything(&mut self) {
        self.quiet();
        for number in 0..self.clients.len() {
            self.revive(number);
            self.refuse_offers();
        }
    }

    fn refuse_offers(&mut self) {
        while let Some((number, offer)) = self.offers.pop_front() {
            let filters = Some(Filters { refuse_seconds: Some(1e6) });
            let decline = Some(call::Decline { offer_ids: vec![offer.id], filters });
            self.say(number, call::Type::Decline, Call { decline, ..Call::default() });
        }
    }

    /// Passes over all agents for one framework that has changed its mind, when all others refuse everything. As before the
    /// other passes, every agent has just registered again: else a pass would find in the processor's caches what the one
    /// before it has left there, which is everything when agents are few, and nothing when they are many.
    fn passes_among_refusals(&mut self) -> Vec<Duration> {
        let pass = |number| {
            self.register_again();
            let pass = self.revive(number);
            self.refuse_offers();
            pass
        };
        (0..PASSES).map(pass).collect()
    }

    fn revive(&mut self, number: usize) -> Duration {
        let input = self.call_of(number, call::Type::Revive, Call::default());
        let start = on_processor();
        self.step(input);
        let taken = on_processor() - start;
        assert_eq!(self.offers.len(), self.agents.len(), "not every agent was offered");
        taken
    }

    /// The master starts anew with what its registry holds; until every framework has heard of each of its tasks.
    fn restart(&mut self) -> Duration {
        self.registry = self.master.registry();
        let agents = std::mem::take(&mut self.agents);
        self.by_stream.clear();
        self.offers.clear();
        // The end of the old master is no part of the start of the new one.
        self.master = Master::new(identity(2), timeouts(), RegistryState::default(), self.now);
        let start = on_processor();
        self.master = Master::new(identity(2), timeouts(), self.registry.clone(), self.now);
        for agent in agents.into_values() {
            self.join(agent);
        }
        for number in 0..self.clients.len() {
            self.subscribe(number);
            self.clients[number].told = 0;
            let reconcile = Some(call::Reconcile::default());
            self.say(number, call::Type::Reconcile, Call { reconcile, ..Call::default() });
            self.offers.clear();
        }
        let taken = on_processor() - start;
        assert!(self.clients.iter().all(|client| client.told == client.launched), "tasks were forgotten");
        taken
    }
}

fn task(number: usize, offer: &Offer) -> TaskInfo {
    let id = format!("task-{number}");
    let resources = Resources::cpus(1.0) + Resources::mem(64.0);
    TaskInfo {
        name: id.clone(),
        task_id: TaskId { value: id },
        agent_id: offer.agent_id.clone(),
        resources: resources.to_vec(),
        command: Some(CommandInfo { value: Some("sleep 1000".to_owned()), ..CommandInfo::default() }),
        ..TaskInfo::default()
    }
}

/// The most memory that this process has had resident so far: master, simulated agents and frameworks together.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    (kib / 102.4).round() / 10.0
}

/// How long this thread has been on a processor.
fn on_processor() -> Duration {
    // What Linux shows is brought up to date when the thread lets others go first.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn measure(agents: usize, frameworks: usize) {
    let mut world = World::new();
    let resources: Resources = "cpus:20.5;mem:4096;disk:10000;ports:[31000-31100]".parse().unwrap();
    let start = on_processor();
    for number in 0..agents {
        world.join(SimAgent::new(&format!("agent-{number}"), resources.to_vec()));
    }
    let joined = on_processor() - start;
    let share = agents * TASKS_PER_AGENT / frameworks;
    let start = on_processor();
    for number in 0..frameworks {
        world.subscribe(number);
    }
    world.launch_all(share);
    let launched = on_processor() - start;
    let running: usize = world.clients.iter().map(|client| client.launched).sum();
    let memory = peak_mib();
    let passes = world.passes_that_offer();
    let start = on_processor();
    world.refuse_everything();
    let refusing = on_processor() - start;
    let refused_memory = peak_mib();
    let among_refusals = world.passes_among_refusals();
    let restart = world.restart();
    let line = serde_json::json!({
        "agents": agents, "tasks": running, "frameworks": frameworks, "register_ms": ms(joined), "launch_ms": ms(launched),
        "allocation_ms": ms(median(passes)), "refusing_ms": ms(refusing), "refused_ms": ms(median(among_refusals)), "reconciled_ms": ms(restart),
        "memory_mib": memory, "refused_mib": refused_memory, "restarted_mib": peak_mib(),
    });
    println!("{line}");
}

fn main() {
    // One process for each size, so that the memory of one is not that of another.
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|size| size.parse().ok()).collect();
    match sizes[..] {
        [agents, frameworks] => measure(agents, frameworks),
        _ => eprintln!("usage: scale AGENTS FRAMEWORKS"),
    }
}
