//! All processes and what is on its way between them, on virtual time.

use std::collections::{BTreeMap, BTreeSet};

use cairn_cluster::agent::ContainerPlan;

use crate::fault::{Fault, Luck, Plan};
use crate::ledger::Ledger;
use crate::machine::{AgentNews, ExecutorNews, Machine};
use crate::master::MasterHost;
use crate::operator::Operator;
use crate::rng::Rng;
use crate::scheduler::{Incoming, Scheduler};
use crate::stack::Stack;

/// Virtual time begins here, milliseconds since the epoch.
pub(crate) const EPOCH: u64 = 1_800_000_000_000;
/// A run that takes more steps than this does not come to rest.
const MOST_STEPS: u64 = 200_000;
/// So many of 100,000 runs have a controller.
const STACKED: u64 = 25_000;

/// So many of 100,000 schedulers have other candidates that stand by.
const CANDIDATES: u64 = 60_000;

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Happening {
    /// The master of this run gets an input. Over a connection: only while that is open.
    Master {
        run: u64,
        over: Option<u64>,
        input: Box<cairn_cluster::master::Input>,
    },
    /// The master's next deadline.
    MasterTimer {
        run: u64,
    },
    MasterStarts,
    /// Its registry has written.
    MasterWrites {
        run: u64,
    },
    /// A scheduler process gets something. Over a connection: only while that is its own and open.
    Scheduler {
        index: usize,
        life: u64,
        over: Option<u64>,
        message: Incoming,
    },
    SchedulerStarts {
        index: usize,
    },
    /// It is to be another program.
    Installs {
        index: usize,
        newer: bool,
    },
    /// A process that has been stopped goes on.
    SchedulerResumes {
        index: usize,
        life: u64,
    },
    SchedulerConnects {
        index: usize,
        life: u64,
    },
    /// Its store has written.
    SchedulerWrites {
        index: usize,
        life: u64,
    },
    SchedulerWakes {
        index: usize,
        life: u64,
        at: u64,
    },
    /// An agent process gets something. Over a link: only while that is open.
    Agent {
        index: usize,
        life: u64,
        over: Option<u64>,
        news: AgentNews,
    },
    AgentStarts {
        index: usize,
    },
    /// Its runner has prepared a container.
    Spawn {
        index: usize,
        life: u64,
        plan: Box<ContainerPlan>,
    },
    /// Its disk has written.
    AgentWrites {
        index: usize,
        life: u64,
    },
    /// An executor gets something.
    Executor {
        machine: usize,
        container: u64,
        news: ExecutorNews,
    },
    /// An operator asks the master again for what it has not agreed to.
    Decides {
        index: usize,
        id: String,
    },
    PowerReturns {
        index: usize,
    },
    /// A watcher of the controller asks its child how it is.
    Poll {
        life: u64,
        instance: String,
        number: u64,
    },
    /// It has heard how its child is, or that it does not answer.
    Polled {
        life: u64,
        instance: String,
        number: u64,
        fact: serde_json::Value,
    },
    Operator,
    /// Time for something to go wrong that no message or write brings about.
    Misfortune,
    /// Is all as it should be?
    Look,
}

/// A way on which messages keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// By connection or link.
    ToMaster(u64),
    FromMaster(u64),
    /// By container.
    ToExecutor(u64),
    FromExecutor(u64),
}

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule is broken.
    pub rule: &'static str,
    /// By what.
    pub text: String,
}

/// Everything.
pub(crate) struct World {
    pub(crate) plan: Plan,
    /// Milliseconds since the epoch.
    pub(crate) now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    lanes: BTreeMap<Lane, u64>,
    /// Connections and links over which messages still pass.
    pub(crate) open: BTreeSet<u64>,
    numbers: u64,
    pub(crate) steps: u64,
    pub(crate) luck: Luck,
    pub(crate) delays: Rng,
    pub(crate) master: MasterHost,
    pub(crate) machines: Vec<Machine>,
    pub(crate) schedulers: Vec<Scheduler>,
    pub(crate) operator: Operator,
    /// What the controller brings up, in runs that have one: it is the first of the schedulers then.
    pub(crate) stack: Option<Stack>,
    pub(crate) ledger: Ledger,
    pub(crate) violation: Option<Violation>,
    pub(crate) converged: bool,
    trace: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(plan: Plan, traced: bool) -> Self {
        let mut shape = Rng::new(plan.seed, 3);
        let machines = (0..shape.between(2, 4)).map(|n| Machine::new(n, &mut shape)).collect();
        let mut kind = Rng::new(plan.seed, 6);
        let stack = kind.chance(STACKED).then(|| Stack::new(&mut kind));
        let mut schedulers: Vec<Scheduler> = match &stack {
            Some(stack) => Scheduler::all_of(stack),
            None => (0..shape.between(1, 3)).map(|n| Scheduler::new(n, &mut shape)).collect(),
        };
        let mut candidates = Rng::new(plan.seed, 7);
        for scheduler in &mut schedulers {
            scheduler.has_candidates = candidates.chance(CANDIDATES);
        }
        let mut world = Self {
            now: EPOCH,
            queue: BTreeMap::new(),
            lanes: BTreeMap::new(),
            open: BTreeSet::new(),
            numbers: 0,
            steps: 0,
            luck: Luck::new(&plan),
            delays: Rng::new(plan.seed, 4),
            master: MasterHost::default(),
            machines,
            operator: Operator::new(&plan, &schedulers),
            schedulers,
            stack,
            ledger: Ledger::default(),
            violation: None,
            converged: false,
            trace: traced.then(Vec::new),
            plan,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        self.after(0, Happening::MasterStarts);
        for index in 0..self.machines.len() {
            let wait = self.delays.below(2_000);
            self.after(wait, Happening::AgentStarts { index });
        }
        let alone = if self.stack.is_some() { 1 } else { self.schedulers.len() };
        for index in 0..alone {
            let wait = self.delays.below(2_000);
            self.after(wait, Happening::SchedulerStarts { index });
        }
        self.after(5_000, Happening::Operator);
        self.after(3_000, Happening::Misfortune);
        self.after(self.plan.span_ms, Happening::Look);
    }

    /// Lets everything happen until all is as it should be, or something is as it must not be.
    pub(crate) fn run(&mut self) {
        while !self.converged && self.violation.is_none() {
            let Some(((at, _), happening)) = self.queue.pop_first() else {
                return self.violate("converges", || "nothing will ever happen again".into());
            };
            self.now = at;
            self.happen(happening);
            if self.steps > MOST_STEPS {
                self.violate("comes to rest", || format!("more than {MOST_STEPS} steps"));
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Master { run, over, input } => {
                if self.passes(over) && self.master.is(run) {
                    self.tell_master(*input);
                }
            }
            Happening::MasterTimer { run } => self.master_timer(run),
            Happening::MasterStarts => self.start_master(),
            Happening::MasterWrites { run } => self.master_written(run),
            Happening::Scheduler { index, life, over, message } => {
                if !self.passes(over) {
                    return;
                }
                match self.schedulers[index].hears(life, over) {
                    true => self.tell_scheduler(index, message),
                    false => self.schedulers[index].keep(life, over, message),
                }
            }
            Happening::SchedulerStarts { index } => self.start_scheduler(index),
            Happening::Installs { index, newer } => self.install(index, newer),
            Happening::SchedulerResumes { index, life } => self.resume_scheduler(index, life),
            Happening::SchedulerConnects { index, life } => self.connect_scheduler(index, life),
            Happening::SchedulerWrites { index, life } => self.written(index, life),
            Happening::SchedulerWakes { index, life, at } => self.wake_scheduler(index, life, at),
            Happening::Agent { index, life, over, news } => {
                if self.passes(over) && self.machines[index].agent_is(life) {
                    self.tell_agent(index, news);
                }
            }
            Happening::AgentStarts { index } => self.start_agent(index),
            Happening::Spawn { index, life, plan } => self.spawn(index, life, &plan),
            Happening::AgentWrites { index, life } => self.agent_written(index, life),
            Happening::Executor { machine, container, news } => self.tell_executor(machine, container, news),
            Happening::Decides { index, id } => self.decide(index, id),
            Happening::PowerReturns { index } => self.power_returns(index),
            Happening::Poll { life, instance, number } => self.poll(life, instance, number),
            Happening::Polled { life, instance, number, fact } => self.polled(life, instance, number, fact),
            Happening::Operator => self.operate(),
            Happening::Misfortune => self.misfortune(),
            Happening::Look => self.look(),
        }
    }

    fn passes(&self, over: Option<u64>) -> bool {
        over.is_none_or(|key| self.open.contains(&key))
    }

    /// A number that never came before.
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Something happens in so many milliseconds.
    pub(crate) fn after(&mut self, millis: u64, happening: Happening) {
        let number = self.number();
        self.queue.insert((self.now + millis, number), happening);
    }

    /// A message goes on its way, behind all others on the same lane.
    pub(crate) fn send(&mut self, lane: Lane, happening: Happening) {
        let wait = match self.luck.strikes(Fault::Delay, 300) {
            true => self.luck.draw(Fault::Delay).between(500, 8_000),
            false => self.delays.between(0, 5),
        };
        let last = self.lanes.entry(lane).or_default();
        *last = (*last).max(self.now + wait);
        let wait = *last - self.now;
        self.after(wait, happening);
    }

    /// Nothing more passes a lane for so many milliseconds.
    pub(crate) fn block(&mut self, lane: Lane, millis: u64) {
        let last = self.lanes.entry(lane).or_default();
        *last = (*last).max(self.now + millis);
    }

    /// The calls on their way over a connection arrive whatever becomes of that, so much later, milliseconds.
    pub(crate) fn detach(&mut self, key: u64, late: u64) {
        let is_call = |happening: &Happening| match happening {
            Happening::Master { over, input, .. } => {
                *over == Some(key) && matches!(**input, cairn_cluster::master::Input::Call { .. })
            }
            _ => false,
        };
        let calls: Vec<_> = self.queue.extract_if(.., |_, happening| is_call(happening)).collect();
        for ((at, number), happening) in calls {
            let Happening::Master { run, input, .. } = happening else { continue };
            self.queue.insert((at + late, number), Happening::Master { run, over: None, input });
        }
    }

    /// Notes that a rule is broken; the first one counts.
    pub(crate) fn violate(&mut self, rule: &'static str, text: impl FnOnce() -> String) {
        if self.violation.is_none() {
            let text = text();
            self.note(|| format!("VIOLATION of `{rule}`: {text}"));
            self.violation = Some(Violation { rule, text });
        }
    }

    /// A line of the trace.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let millis = self.now - EPOCH;
            trace.push(format!("{:>4}.{:03}  {}", millis / 1_000, millis % 1_000, line()));
        }
    }

    pub(crate) fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    pub(crate) fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }
}
