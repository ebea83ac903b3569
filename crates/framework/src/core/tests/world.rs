//! A small cluster in memory: just enough of a master and its agents to drive a core through whole stories. After every
//! step it checks what must always hold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cairn_mesos::resources::Resources;
use cairn_mesos::v1::{self, offer::operation, scheduler::call};
use cairn_task::TaskSpec;

use crate::core::{Core, Effect, Event, Millis, Question, Setup};
use crate::driver::Command;
use crate::store::{MemoryStore, Store};
use crate::{
    Action, Argument, Config, GoalState, InstanceSpec, Model, Moment, Operate, OperationSpec, PortSpec,
    Problem, Progress, Service, Status, Strategy, Timing, Verdict, View, VolumeSpec, Wait,
};

/// What the fake service's gates say; `Go` unless told otherwise.
pub(crate) type Rules = Arc<Mutex<BTreeMap<(String, Action, Moment), Verdict>>>;

/// A service whose options say everything: `{count, peers, serial, cpus, mark}`; with `apart`, instances know nothing of each
/// other, with `roams` they hold nothing where they run. The world answers for its gates.
struct Fake;

fn number(config: &Config, key: &str, default: u64) -> u64 {
    config.options.get(key).and_then(serde_json::Value::as_u64).unwrap_or(default)
}

fn instances_of(config: &Config) -> InstanceSpec {
    let roams = number(config, "roams", 0) == 1;
    InstanceSpec {
        cpus: number(config, "cpus", 1) as f64,
        mem: 256.0,
        ports: vec![PortSpec::any("main")],
        volumes: if roams { Vec::new() } else { vec![VolumeSpec { path: "data".into(), size: 512 }] },
        roams,
        ..InstanceSpec::default()
    }
}

/// `jobs`: so many of the first nodes run to completion, with the `goal` FINISH or ONCE; `cron`, `overlap`, `missed`
/// and `retries` are theirs. `gang`: all form one, whose other members are tried again `patience` times.
fn job_of(index: u64, config: &Config, spec: InstanceSpec) -> InstanceSpec {
    let read = |key: &str| config.options.get(key).cloned().unwrap_or_default();
    let gang = (number(config, "gang", 0) == 1).then(|| "gang".to_owned());
    let retries = read("retries").as_u64().map(|n| u32::try_from(n).unwrap());
    if index >= number(config, "jobs", 0) {
        let patience = read("patience").as_u64().map(|n| u32::try_from(n).unwrap());
        let retries = patience.or(retries).filter(|_| gang.is_some());
        return InstanceSpec { gang, retries, ..spec };
    }
    let timing = read("cron").as_str().map(|cron| Timing {
        schedule: cron.parse().unwrap(),
        overlap: serde_json::from_value(read("overlap")).unwrap_or_default(),
        missed: serde_json::from_value(read("missed")).unwrap_or_default(),
    });
    if number(config, "chain", 0) == 1 && index > 0 {
        let follows = vec![format!("node-{}", index - 1)];
        return InstanceSpec { goal: GoalState::Once, follows, retries, volumes: Vec::new(), ..spec };
    }
    let goal = serde_json::from_value(read("goal")).unwrap_or(GoalState::Once);
    InstanceSpec { goal, gang, retries, timing, volumes: Vec::new(), ..spec }
}

#[async_trait]
impl Service for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let count = number(config, "count", 3);
        if count > 9 {
            return Err(vec![Problem::new("count", "too many")]);
        }
        let instances = (0..count)
            .map(|i| InstanceSpec { name: format!("node-{i}"), ..job_of(i, config, instances_of(config)) });
        if number(config, "each", 0) == 1 {
            let each = InstanceSpec { name: "node".into(), one_per_agent: true, ..instances_of(config) };
            return Ok(Model { each_agent: Some(each), ..Model::default() });
        }
        let deploy = match (number(config, "serial", 0), number(config, "founders", 0)) {
            (0, 0) => Strategy::Parallel,
            (0, founders) => Strategy::Founding(founders as usize),
            _ => Strategy::Serial,
        };
        Ok(Model { instances: instances.collect(), deploy, ..Model::default() })
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        let endpoints = view.endpoints("main");
        if number(config, "peers", 0) == 1 && endpoints.len() < view.target.len() {
            return Err(Wait::Peers(format!("knows {} of {} peers", endpoints.len(), view.target.len())));
        }
        if let Some(reason) = view.observed.get("hold").and_then(|v| v.as_str()) {
            return Err(Wait::For(reason.to_owned()));
        }
        let mut command = vec![format!("run {}", number(config, "mark", 0))];
        let replaced = view.instances.get(&instance.name).and_then(|i| i.replaces.as_ref());
        command.extend(replaced.map(|p| format!("replaces {}", p.agent_id)));
        let told = [instance.name.as_str(), "all"].into_iter().filter_map(|key| view.observed.get(key));
        command.extend(told.map(|fact| fact.to_string()));
        Ok(TaskSpec { command, ..TaskSpec::default() })
    }

    fn concerned(&self, config: &Config, name: &str) -> Option<BTreeSet<String>> {
        (number(config, "apart", 0) == 1).then(|| BTreeSet::from([name.to_owned()]))
    }

    fn operations(&self) -> Vec<OperationSpec> {
        const DEPTH: Argument = Argument::any("depth", "How deep");
        let flush = OperationSpec::new("flush", "All at once").at_once();
        vec![
            OperationSpec::new("tidy", "One after the other"),
            OperationSpec { arguments: &[DEPTH], ..flush },
        ]
    }

    fn outputs(&self, _: &Config, view: &View) -> BTreeMap<String, String> {
        BTreeMap::from([("connect".to_owned(), view.endpoints("main").join(","))])
    }
}

/// A task as the cluster knows it.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) info: v1::TaskInfo,
    pub(crate) resources: Resources,
}

pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) rules: Rules,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) now: Millis,
    pub(crate) agents: BTreeMap<String, Resources>,
    pub(crate) tasks: BTreeMap<String, Task>,
    pub(crate) killed: Vec<String>,
    /// How operations go on an instance; done unless told otherwise.
    progress: BTreeMap<String, Progress>,
    /// Ids of steps as they were asked for.
    pub(crate) operated: Vec<String>,
    /// Tasks become ready by themselves.
    pub(crate) obedient: bool,
    pub(crate) suppressed: bool,
    /// Nothing reaches the master.
    pub(crate) calls_get_lost: bool,
    /// Calls that have not got to the master yet, while they take their time.
    late: Option<Vec<v1::scheduler::Call>>,
    /// When the core wants to be woken.
    wake: Option<Millis>,
    /// Offers lack what is reserved: the master holds it in offers that it takes for unanswered.
    pub(crate) hidden: bool,
    /// No offers before this: the filters of the last answers.
    filtered_until: Millis,
    pub(crate) torn_down: bool,
    events: VecDeque<Event>,
    offers: BTreeMap<String, (String, Resources)>,
    next_offer: u64,
    unanswered: Vec<String>,
}

fn core_over(store: &MemoryStore, salt: &str) -> Core {
    let mut counter = 0;
    let salt = salt.to_owned();
    let ids = Box::new(move || {
        counter += 1;
        format!("{salt}{counter}")
    });
    let setup = Setup {
        framework: "demo-fake".into(),
        master: "127.0.0.1:5050".into(),
        executor_uri: "http://x/cairn".into(),
        room_ms: 3_000,
    };
    let service = Arc::new(Fake);
    Core::new(service, setup, &store.load().unwrap(), ids).unwrap()
}

impl World {
    pub(crate) fn new(agents: usize) -> Self {
        let (store, rules) = (Arc::new(MemoryStore::default()), Rules::default());
        let total: Resources = "cpus:4;mem:4096;disk:10000;ports:[31000-31099]".parse().unwrap();
        let agents = (0..agents).map(|i| (format!("S{i}"), total.clone())).collect();
        Self {
            core: core_over(&store, "a"),
            rules,
            store,
            now: 1_000,
            agents,
            tasks: BTreeMap::new(),
            killed: Vec::new(),
            progress: BTreeMap::new(),
            operated: Vec::new(),
            obedient: true,
            suppressed: false,
            calls_get_lost: false,
            late: None,
            wake: None,
            hidden: false,
            filtered_until: 0,
            torn_down: false,
            events: VecDeque::new(),
            offers: BTreeMap::new(),
            next_offer: 0,
            unanswered: Vec::new(),
        }
    }

    /// The driver has looked at the agents; those in `gone` do not answer the master.
    pub(crate) fn look_at_agents(&mut self, gone: &[&str]) {
        let there = self.agents.keys().filter(|id| !gone.contains(&id.as_str()));
        let capacity = |id: &String| crate::core::Capacity {
            agent_id: id.clone(),
            hostname: format!("host-{id}"),
            cpus: 4.0,
            mem: 4096.0,
            disk: 10_000.0,
            ..Default::default()
        };
        let capacities = there.map(capacity).collect();
        self.send(Event::Capacities(capacities));
    }

    /// An agent offers nothing any more.
    pub(crate) fn lose_agent(&mut self, id: &str) {
        self.agents.remove(id);
    }

    /// Another agent joins the cluster.
    pub(crate) fn add_agent(&mut self, id: &str) {
        let total: Resources = "cpus:4;mem:4096;disk:10000;ports:[31000-31099]".parse().unwrap();
        self.agents.insert(id.into(), total);
    }

    pub(crate) fn rule(&self, instance: &str, action: Action, moment: Moment, verdict: Verdict) {
        self.rules.lock().unwrap().insert((instance.into(), action, moment), verdict);
    }

    /// How operations go on an instance from now on.
    pub(crate) fn progress(&mut self, instance: &str, progress: Progress) {
        self.progress.insert(instance.into(), progress);
    }

    fn operate(&mut self, step: &Operate) -> Progress {
        assert!(self.task_of(&step.instance).is_some(), "steps are for instances that run");
        self.operated.push(format!("{}{}", if step.abort { "abort " } else { "" }, step.id));
        self.progress.get(&step.instance).cloned().unwrap_or_else(|| Progress::Done(String::new()))
    }

    /// Gives a configuration as the controller does, and registers.
    pub(crate) fn start(&mut self, revision: u64, options: serde_json::Value) {
        self.give(revision, options);
        self.register();
    }

    pub(crate) fn give(&mut self, revision: u64, options: serde_json::Value) {
        self.give_file(Config { revision, options: options.into(), ..Config::default() });
    }

    /// The same with all that its file says.
    pub(crate) fn give_file(&mut self, config: Config) {
        let effects = self.core.given(config, self.now).unwrap();
        self.carry_out(effects);
        self.run();
    }

    pub(crate) fn register(&mut self) {
        self.suppressed = false;
        self.filtered_until = 0;
        self.send(Event::Subscribed { framework_id: "F1".into() });
    }

    pub(crate) fn command(&mut self, command: Command) -> Result<crate::Accepted, crate::rest::Problem> {
        let (result, effects) = self.core.command(command, self.now);
        self.carry_out(effects);
        self.run();
        result
    }

    pub(crate) fn send(&mut self, event: Event) {
        self.events.push_back(event);
        self.run();
    }

    pub(crate) fn status(&self) -> Status {
        self.core.status(self.now)
    }

    /// Lets time pass in small steps.
    pub(crate) fn pass(&mut self, millis: Millis) {
        let end = self.now + millis;
        while self.now < end {
            self.now = (self.now + 250).min(end);
            self.send(Event::Tick);
        }
    }

    /// Lets much time pass: the timers of the core are what wakes it.
    pub(crate) fn skip(&mut self, millis: Millis) {
        self.now += millis;
        self.send(Event::Tick);
        self.pass(1_000);
    }

    /// Nothing happens but what the core has set its timer for.
    pub(crate) fn sleep(&mut self) {
        self.now = self.wake.expect("it wants to be woken");
        self.send(Event::Tick);
    }

    /// From now on calls take their time.
    pub(crate) fn hold_calls(&mut self) {
        self.late = Some(Vec::new());
    }

    /// The calls get to the master.
    pub(crate) fn release_calls(&mut self) {
        let late = self.late.take().expect("calls are held");
        late.into_iter().for_each(|call| self.call(call));
        self.run();
    }

    /// An offer of an agent of which all is in other offers or in use.
    pub(crate) fn offer_nothing(&mut self, agent: &str, executors: &[&str]) {
        self.next_offer += 1;
        let id = format!("O{}", self.next_offer);
        self.offers.insert(id.clone(), (agent.to_owned(), Resources::new()));
        let executor = |id: &&str| v1::ExecutorId { value: (*id).to_owned() };
        self.send(Event::Offers(vec![v1::Offer {
            id: v1::OfferId { value: id },
            agent_id: v1::AgentId { value: agent.to_owned() },
            executor_ids: executors.iter().map(executor).collect(),
            ..v1::Offer::default()
        }]));
    }

    /// The scheduler process dies and another one starts on the same store.
    pub(crate) fn restart(&mut self) {
        self.events.clear();
        self.core = core_over(&self.store, "b");
        self.register();
    }

    pub(crate) fn task_of(&self, instance: &str) -> Option<String> {
        self.tasks.keys().find(|id| id.starts_with(&format!("{instance}."))).cloned()
    }

    pub(crate) fn tell(&mut self, instance: &str, state: v1::TaskState, healthy: Option<bool>) {
        let id = self.task_of(instance).unwrap_or_else(|| panic!("{instance} has no task"));
        let agent = self.tasks[&id].info.agent_id.clone();
        if is_over(state) {
            self.tasks.remove(&id);
        }
        self.send(Event::Update(Box::new(status(&id, Some(agent), state, healthy))));
    }

    /// A task's process ends by itself.
    pub(crate) fn exit(&mut self, instance: &str, code: i32) {
        let id = self.task_of(instance).unwrap_or_else(|| panic!("{instance} has no task"));
        let agent = self.tasks.remove(&id).map(|t| t.info.agent_id);
        let state = if code == 0 { v1::TaskState::TaskFinished } else { v1::TaskState::TaskFailed };
        let message = Some(format!("Command exited with status {code}"));
        let ended = v1::TaskStatus { message, ..status(&id, agent, state, None) };
        self.send(Event::Update(Box::new(ended)));
    }

    /// The executor finds a port taken before it starts the service.
    pub(crate) fn tell_port_taken(&mut self, instance: &str, port: u16) {
        let id = self.task_of(instance).expect("it has a task");
        let agent = self.tasks.remove(&id).map(|t| t.info.agent_id);
        let label = v1::Label { key: cairn_task::LABEL_PORT_TAKEN.into(), value: Some(port.to_string()) };
        let labels = Some(v1::Labels { labels: vec![label] });
        let failed = status(&id, agent, v1::TaskState::TaskFailed, None);
        self.send(Event::Update(Box::new(v1::TaskStatus { labels, ..failed })));
    }

    /// Until nothing more happens.
    fn run(&mut self) {
        for _ in 0..500 {
            self.offer();
            let Some(event) = self.events.pop_front() else { return };
            let offered: Vec<String> = match &event {
                Event::Offers(offers) => offers.iter().map(|o| o.id.value.clone()).collect(),
                _ => Vec::new(),
            };
            self.unanswered = offered;
            self.wake = None;
            let effects = self.core.step(event, self.now);
            self.carry_out(effects);
            assert!(self.unanswered.is_empty(), "every offer is answered at once: {:?}", self.unanswered);
            self.check();
        }
        panic!("the core does not come to rest");
    }

    fn offer(&mut self) {
        if self.suppressed
            || self.now < self.filtered_until
            || self.torn_down
            || !self.events.is_empty()
            || !self.offers.is_empty()
        {
            return;
        }
        let mut offers = Vec::new();
        for (agent, total) in self.agents.clone() {
            self.next_offer += 1;
            let id = format!("O{}", self.next_offer);
            let used = self.used(&agent);
            let rest = total.checked_sub(&used).expect("tasks never use more than there is");
            let rest = if self.hidden { rest.only_unreserved() } else { rest };
            self.offers.insert(id.clone(), (agent.clone(), rest.clone()));
            offers.push(v1::Offer {
                id: v1::OfferId { value: id },
                agent_id: v1::AgentId { value: agent.clone() },
                hostname: format!("host-{agent}"),
                resources: rest.allocated("demo-fake").to_vec(),
                ..v1::Offer::default()
            });
        }
        self.events.push_back(Event::Offers(offers));
    }

    fn used(&self, agent: &str) -> Resources {
        self.tasks
            .values()
            .filter(|t| t.info.agent_id.value == agent)
            .fold(Resources::new(), |sum, t| sum + t.resources.clone())
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut stored = true;
        for effect in effects {
            match effect {
                Effect::Store(changes) => {
                    assert!(stored, "what is stored comes before what is done");
                    self.store.apply(&changes).unwrap();
                }
                Effect::Call(call) => {
                    stored = false;
                    self.call(*call);
                }
                Effect::Ask(number, question) => {
                    stored = false;
                    let verdict = match *question {
                        Question::Gate(ask) => {
                            let key = (ask.instance, ask.action, ask.moment);
                            self.rules.lock().unwrap().get(&key).cloned().unwrap_or(Verdict::Go)
                        }
                        Question::Settle(..) => Verdict::Go,
                        Question::Operate(step) => {
                            let progress = self.operate(&step);
                            self.events.push_back(Event::Progress(number, progress));
                            continue;
                        }
                        Question::Farewell(..) => {
                            let key = ("farewell".to_owned(), Action::Remove, Moment::After);
                            self.rules.lock().unwrap().get(&key).cloned().unwrap_or(Verdict::Go)
                        }
                    };
                    self.events.push_back(Event::Verdict(number, verdict));
                }
                Effect::WakeAt(at) => {
                    assert!(at > self.now, "a timer in the past would spin");
                    self.wake = Some(at);
                }
            }
        }
    }

    fn call(&mut self, call: v1::scheduler::Call) {
        if self.calls_get_lost {
            return;
        }
        if let Some(late) = &mut self.late {
            let accepted = call.accept.iter().flat_map(|accept| &accept.offer_ids);
            let declined = call.decline.iter().flat_map(|decline| &decline.offer_ids);
            let answered: Vec<&v1::OfferId> = accepted.chain(declined).collect();
            self.unanswered.retain(|offer| answered.iter().all(|id| id.value != *offer));
            return late.push(call);
        }
        match call.r#type() {
            call::Type::Revive => {
                self.suppressed = false;
                self.filtered_until = 0;
            }
            call::Type::Suppress => self.suppressed = true,
            call::Type::Teardown => {
                self.torn_down = true;
                self.events.push_back(Event::Left);
            }
            call::Type::Decline => {
                self.filter(call.decline.as_ref().unwrap().filters);
                for id in call.decline.unwrap().offer_ids {
                    self.answered(&id.value);
                }
            }
            call::Type::Accept => {
                self.filter(call.accept.as_ref().unwrap().filters);
                self.accept(call.accept.unwrap());
            }
            call::Type::Kill => self.kill(&call.kill.unwrap().task_id.value),
            call::Type::Reconcile => self.reconcile(&call.reconcile.unwrap()),
            _ => {}
        }
    }

    /// One filter for all agents: the shortest of the last answers.
    fn filter(&mut self, filters: Option<v1::Filters>) {
        let seconds = filters.and_then(|f| f.refuse_seconds).unwrap_or(5.0);
        let until = self.now + (seconds * 1000.0) as Millis;
        let fresh = self.filtered_until <= self.now;
        self.filtered_until = if fresh { until } else { until.min(self.filtered_until) };
    }

    fn answered(&mut self, offer: &str) -> (String, Resources) {
        self.unanswered.retain(|o| o != offer);
        self.offers.remove(offer).expect("an offer is answered once")
    }

    fn accept(&mut self, accept: call::Accept) {
        let id = &accept.offer_ids.first().expect("an ACCEPT is for an offer").value;
        let (agent, mut rest) = self.answered(id);
        for operation in accept.operations {
            let (from, to, tasks) = effect_of(operation);
            if !tasks.is_empty() {
                tasks.into_iter().for_each(|info| self.launch(info, &mut rest));
                continue;
            }
            rest = rest.checked_sub(&from).expect("an operation uses what was offered") + to.clone();
            let total = self.agents[&agent].checked_sub(&from).unwrap() + to;
            self.agents.insert(agent.clone(), total);
        }
    }

    fn launch(&mut self, info: v1::TaskInfo, rest: &mut Resources) {
        let executor = info.executor.as_ref().unwrap();
        let all: Vec<v1::Resource> = info.resources.iter().chain(&executor.resources).cloned().collect();
        let resources = Resources::from(all).unallocated();
        *rest = rest.checked_sub(&resources).expect("a task uses what was offered");
        let id = info.task_id.value.clone();
        let agent = info.agent_id.clone();
        self.tasks.insert(id.clone(), Task { info, resources });
        let mut say = |state, healthy| {
            self.events.push_back(Event::Update(Box::new(status(&id, Some(agent.clone()), state, healthy))));
        };
        say(v1::TaskState::TaskStarting, None);
        say(v1::TaskState::TaskRunning, None);
        if self.obedient {
            say(v1::TaskState::TaskRunning, Some(true));
        }
    }

    fn kill(&mut self, id: &str) {
        self.killed.push(id.to_owned());
        if let Some(task) = self.tasks.remove(id) {
            let status = status(id, Some(task.info.agent_id), v1::TaskState::TaskKilled, None);
            self.events.push_back(Event::Update(Box::new(status)));
        }
    }

    fn reconcile(&mut self, about: &call::Reconcile) {
        for asked in &about.tasks {
            let id = &asked.task_id.value;
            let (state, healthy) = match self.tasks.contains_key(id) {
                true => (v1::TaskState::TaskRunning, Some(true)),
                false => (v1::TaskState::TaskGone, None),
            };
            let mut status = status(id, asked.agent_id.clone(), state, healthy);
            status.reason = Some(v1::task_status::Reason::Reconciliation as i32);
            status.uuid = None;
            self.events.push_back(Event::Update(Box::new(status)));
        }
    }

    /// What must always hold.
    fn check(&self) {
        let mut per_instance: BTreeMap<&str, usize> = BTreeMap::new();
        for task in self.tasks.values() {
            *per_instance.entry(&task.info.name).or_default() += 1;
        }
        assert!(per_instance.values().all(|n| *n == 1), "one live task per instance: {per_instance:?}");
    }

    /// Persistence ids that exist on the cluster.
    pub(crate) fn volumes(&self) -> Vec<String> {
        let all = self.agents.values().flat_map(|r| r.only_volumes().to_vec());
        all.filter_map(|r| cairn_mesos::resources::persistence_id(&r).map(str::to_owned)).collect()
    }

    /// Nothing is reserved anywhere.
    pub(crate) fn nothing_reserved(&self) -> bool {
        self.agents.values().all(|r| r.only_reserved("demo-fake").is_empty())
    }
}

fn is_over(state: v1::TaskState) -> bool {
    use v1::TaskState::*;
    matches!(state, TaskFinished | TaskFailed | TaskKilled | TaskError | TaskGone | TaskGoneByOperator)
}

fn status(
    id: &str,
    agent: Option<v1::AgentId>,
    state: v1::TaskState,
    healthy: Option<bool>,
) -> v1::TaskStatus {
    v1::TaskStatus {
        task_id: v1::TaskId { value: id.into() },
        state: state as i32,
        agent_id: agent,
        healthy,
        uuid: Some(vec![1; 16]),
        ..v1::TaskStatus::default()
    }
}

/// What an operation takes from an agent and gives back, or the tasks it launches.
fn effect_of(operation: v1::offer::Operation) -> (Resources, Resources, Vec<v1::TaskInfo>) {
    let set = |r: Vec<v1::Resource>| Resources::from(r).unallocated();
    match operation.r#type() {
        operation::Type::Launch => (Resources::new(), Resources::new(), operation.launch.unwrap().task_infos),
        operation::Type::Reserve => {
            let to = set(operation.reserve.unwrap().resources);
            (to.unreserved(), to, Vec::new())
        }
        operation::Type::Unreserve => {
            let from = set(operation.unreserve.unwrap().resources);
            (from.clone(), from.unreserved(), Vec::new())
        }
        operation::Type::Create => {
            let to = set(operation.create.unwrap().volumes);
            (to.without_volume(), to, Vec::new())
        }
        operation::Type::Destroy => {
            let from = set(operation.destroy.unwrap().volumes);
            (from.clone(), from.without_volume(), Vec::new())
        }
        other => panic!("unexpected operation {other:?}"),
    }
}
