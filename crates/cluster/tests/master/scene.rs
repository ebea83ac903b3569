//! A master, simulated agents and frameworks in one thread, with a clock that is moved by hand.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use cairn_cluster::master::registry::RegistryState;
use cairn_cluster::master::{
    CallKey, Effect, Identity, Input, LinkKey, Master, Reply, StreamKey, Time, Timeouts,
};
use cairn_cluster::sim::SimAgent;
use cairn_cluster::wire::{FromAgent, ToAgent};
use cairn_mesos::resources::Resources;
use cairn_mesos::v1::TaskState;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const CAPABLE: [&str; 4] =
    ["MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE", "TASK_KILLING_STATE"];

/// A stream as the framework sees it.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) id: String,
    pub(crate) events: VecDeque<Value>,
    pub(crate) closed: bool,
}

pub(crate) struct Scene {
    pub(crate) master: Master,
    pub(crate) now: Time,
    pub(crate) registry: RegistryState,
    pub(crate) streams: BTreeMap<StreamKey, Stream>,
    pub(crate) agents: BTreeMap<LinkKey, SimAgent>,
    /// What agents were told, in order.
    pub(crate) told: Vec<ToAgent>,
    /// Whether agents answer.
    pub(crate) agents_answer: bool,
    replies: BTreeMap<CallKey, Reply>,
    last: u64,
}

/// A framework with one open stream.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) stream: StreamKey,
}

fn identity(run: u128) -> Identity {
    Identity {
        id: Uuid::from_u128(run),
        hostname: "localhost".to_owned(),
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 5050,
        domain: None,
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(Timeouts { offer: None, ..Timeouts::default() }, RegistryState::default(), 1)
    }

    pub(crate) fn with(timeouts: Timeouts, registry: RegistryState, run: u128) -> Self {
        let now = Duration::from_secs(1_800_000_000);
        Self {
            master: Master::new(identity(run), timeouts, registry.clone(), now),
            now,
            registry,
            streams: BTreeMap::new(),
            agents: BTreeMap::new(),
            told: Vec::new(),
            agents_answer: true,
            replies: BTreeMap::new(),
            last: 0,
        }
    }

    /// A master that has lost its memory but for the registry; agents and frameworks are not connected to it yet.
    pub(crate) fn restart(&mut self) -> Vec<SimAgent> {
        let timeouts = Timeouts { offer: None, ..Timeouts::default() };
        self.master = Master::new(identity(2), timeouts, self.registry.clone(), self.now);
        for stream in self.streams.values_mut() {
            stream.events.clear();
            stream.closed = true;
        }
        std::mem::take(&mut self.agents).into_values().collect()
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(crate) fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.master.step(input, self.now) {
                self.carry_out(effect, &mut inputs);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect, inputs: &mut VecDeque<Input>) {
        match effect {
            Effect::Persist => self.registry = self.master.registry(),
            Effect::Send { stream, event } => {
                let event = serde_json::to_value(&*event).unwrap();
                self.streams.entry(stream).or_default().events.push_back(event);
            }
            Effect::Publish { stream, event } => {
                let event = serde_json::to_value(&*event).unwrap();
                self.streams.entry(stream).or_default().events.push_back(event);
            }
            Effect::CloseStream { stream } => self.streams.entry(stream).or_default().closed = true,
            Effect::Reply { key, reply } => drop(self.replies.insert(key, reply)),
            Effect::CloseLink { link } => drop(self.agents.remove(&link)),
            Effect::ToAgent { link, message } => {
                self.told.push((*message).clone());
                if let Some(agent) = self.agents.get_mut(&link).filter(|_| self.agents_answer) {
                    let said = agent.handle(*message);
                    inputs
                        .extend(said.into_iter().map(|said| Input::Agent { link, message: Box::new(said) }));
                }
            }
        }
    }

    pub(crate) fn join(&mut self, agent: SimAgent) -> LinkKey {
        let link = LinkKey(self.next());
        let message = Box::new(agent.register());
        self.agents.insert(link, agent);
        self.step(Input::Agent { link, message });
        link
    }

    /// An agent with 4 cpus, 4096 MiB, 10000 MiB of disk and ports 31000-31100.
    pub(crate) fn add_agent(&mut self) -> LinkKey {
        self.join(Self::new_agent())
    }

    pub(crate) fn new_agent() -> SimAgent {
        Self::new_agent_on("localhost")
    }

    pub(crate) fn new_agent_on(hostname: &str) -> SimAgent {
        let resources: Resources = "cpus:4;mem:4096;disk:10000;ports:[31000-31100]".parse().unwrap();
        SimAgent::new(hostname, resources.to_vec())
    }

    pub(crate) fn lose(&mut self, link: LinkKey) -> SimAgent {
        let agent = self.agents.remove(&link).unwrap();
        self.step(Input::LinkClosed { link });
        agent
    }

    pub(crate) fn agent_id(&self, link: LinkKey) -> String {
        self.agents[&link].id().unwrap().value.clone()
    }

    pub(crate) fn says(&mut self, link: LinkKey, message: FromAgent) {
        self.step(Input::Agent { link, message: Box::new(message) });
    }

    /// A task of the agent comes to its end.
    pub(crate) fn end(&mut self, link: LinkKey, framework: &str, task: &str, state: TaskState) {
        let said = self.agents.get_mut(&link).unwrap().end_task(framework, task, state).unwrap();
        self.says(link, said);
    }

    /// SUBSCRIBE; the stream, whatever comes on it.
    pub(crate) fn open(&mut self, info: Value) -> StreamKey {
        let stream = StreamKey(self.next());
        let stream_id = format!("stream-{}", stream.0);
        self.streams.insert(stream, Stream { id: stream_id.clone(), ..Stream::default() });
        let mut call = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}});
        for beside in ["suppressed_roles", "offer_constraints"] {
            if let Some(said) = call["subscribe"]["framework_info"].as_object_mut().unwrap().remove(beside) {
                call["subscribe"][beside] = said;
            }
        }
        let call = serde_json::from_value(call).unwrap();
        self.step(Input::Subscribe { stream, stream_id, principal: None, call: Box::new(call) });
        stream
    }

    /// SUBSCRIBE that must succeed: SUBSCRIBED and a HEARTBEAT come first.
    pub(crate) fn subscribe(&mut self, info: Value) -> Client {
        let stream = self.open(info);
        let events = &mut self.streams.get_mut(&stream).unwrap().events;
        let subscribed = events.pop_front().unwrap();
        assert_eq!(subscribed["type"], "SUBSCRIBED", "{subscribed}");
        assert_eq!(events.pop_front().unwrap()["type"], "HEARTBEAT");
        let id = subscribed["subscribed"]["framework_id"]["value"].as_str().unwrap().to_owned();
        Client { id, stream }
    }

    /// A call that must succeed with the status that this call has.
    pub(crate) fn call(&mut self, client: &Client, body: Value) {
        let wanted = if body["type"] == "UPDATE_FRAMEWORK" { Reply::Ok } else { Reply::Accepted };
        assert_eq!(self.try_call(client, body), wanted);
    }

    pub(crate) fn try_call(&mut self, client: &Client, mut body: Value) -> Reply {
        body["framework_id"] = json!({"value": client.id});
        let call = serde_json::from_value(body).unwrap();
        let key = CallKey(self.next());
        let stream_id = self.streams.get(&client.stream).map(|stream| stream.id.clone());
        self.step(Input::Call { key, stream_id, principal: None, call: Box::new(call) });
        self.replies.remove(&key).unwrap()
    }

    pub(crate) fn operator(&mut self, body: Value) -> Value {
        let key = CallKey(self.next());
        let call = serde_json::from_value(body).unwrap();
        self.step(Input::Operator { key, principal: None, call: Box::new(call) });
        match self.replies.remove(&key).unwrap() {
            Reply::Operator(answer) => serde_json::to_value(&*answer).unwrap(),
            other => json!(format!("{other:?}")),
        }
    }

    pub(crate) fn close(&mut self, client: &Client) {
        self.step(Input::StreamClosed { stream: client.stream });
    }

    /// Let time pass, with every timer in between.
    pub(crate) fn pass(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        while let Some(deadline) = self.master.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.step(Input::Timer);
        }
        self.now = end;
    }

    /// What has come since the last look, without heartbeats.
    pub(crate) fn events(&mut self, client: &Client) -> Vec<Value> {
        let stream = self.streams.get_mut(&client.stream).unwrap();
        stream.events.drain(..).filter(|event| event["type"] != "HEARTBEAT").collect()
    }

    /// The offers among the events that have come; there must be nothing else.
    pub(crate) fn offers(&mut self, client: &Client) -> Vec<Value> {
        let mut offers = Vec::new();
        for event in self.events(client) {
            assert_eq!(event["type"], "OFFERS", "{event}");
            offers.extend(event["offers"]["offers"].as_array().unwrap().iter().cloned());
        }
        offers
    }

    pub(crate) fn one_offer(&mut self, client: &Client) -> Value {
        let mut offers = self.offers(client);
        assert_eq!(offers.len(), 1, "{offers:?}");
        offers.remove(0)
    }

    /// The statuses among the events that have come.
    pub(crate) fn statuses(&mut self, client: &Client) -> Vec<Value> {
        let events = self.events(client).into_iter();
        events
            .filter(|event| event["type"] == "UPDATE")
            .map(|event| event["update"]["status"].clone())
            .collect()
    }

    pub(crate) fn acknowledge(&mut self, client: &Client, status: &Value) {
        let call =
            json!({"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]});
        self.call(client, json!({"type": "ACKNOWLEDGE", "acknowledge": call}));
    }
}

pub(crate) fn capable(name: &str, role: &str) -> Value {
    let capabilities: Vec<Value> = CAPABLE.iter().map(|kind| json!({"type": kind})).collect();
    json!({"user": "root", "name": name, "roles": [role], "capabilities": capabilities, "principal": "p1",
           "checkpoint": true, "failover_timeout": 100.0})
}

pub(crate) fn scalar(name: &str, value: f64) -> Value {
    json!({"name": name, "type": "SCALAR", "scalar": {"value": value}})
}

/// A task that is a plain command.
pub(crate) fn command_task(id: &str, offer: &Value, cpus: f64) -> Value {
    json!({"name": id, "task_id": {"value": id}, "agent_id": offer["agent_id"],
           "resources": [scalar("cpus", cpus), scalar("mem", 32.0)],
           "command": {"shell": true, "value": "sleep 1000"}})
}

pub(crate) fn launch(tasks: Vec<Value>) -> Value {
    json!({"type": "LAUNCH", "launch": {"task_infos": tasks}})
}

pub(crate) fn accept(offer: &Value, operations: Vec<Value>, refuse_seconds: f64) -> Value {
    json!({"type": "ACCEPT", "accept": {"offer_ids": [offer["id"]], "operations": operations,
           "filters": {"refuse_seconds": refuse_seconds}}})
}

pub(crate) fn decline(offer: &Value, refuse_seconds: f64) -> Value {
    json!({"type": "DECLINE", "decline": {"offer_ids": [offer["id"]], "filters": {"refuse_seconds": refuse_seconds}}})
}

/// How much of a scalar an offer has, in all.
pub(crate) fn amount(offer: &Value, name: &str) -> f64 {
    let resources = offer["resources"].as_array().unwrap().iter();
    resources.filter(|one| one["name"] == name).filter_map(|one| one["scalar"]["value"].as_f64()).sum()
}
