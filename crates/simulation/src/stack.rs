//! The stack of a run with a controller: what operators want of it, and what becomes of it besides the processes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use cairn_controller::simulation::{Following, Simulated};
use cairn_framework::Status;
use cairn_framework::store::MemoryStore;
use cairn_stack::Catalog;

use crate::given::Said;
use crate::rng::Rng;
use crate::scheduler::MASTER;
use crate::service::{Kind, Shape};

/// Its name.
pub(crate) const STACK: &str = "demo";
/// Where the states of child schedulers are.
const STATES: &str = "zk://127.0.0.1:9/states";
/// Services that there may be, each resting on earlier ones at most.
const NAMES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
const OPTIONS: &str = "
count: count
options:
  type: object
  additionalProperties: false
  properties:
    count: { type: integer, default: 1 }
    mark: { type: integer, default: 0 }
    cpus: { type: integer, default: 1 }
    broken: { type: boolean, default: false }
    from: { type: string, default: '' }
    token: { type: string, format: secret }
";
/// What the scheduler of described services runs: a job, then servers, and two that start together.
const BATCH: &str = "
offers: { batch: { outputs: [connect] } }
service:
  groups:
    setup: { job: change, retries: 20, command: 'once {{ options.mark }} sound' }
    node:
      after: [setup]
      count: '{{ options.count }}'
      cpus: '{{ options.cpus }}'
      command: \"run {{ options.mark }} {{ 'broken' if options.broken else 'sound' }} {{ options.from }}\"
      files: { token: '{{ options.token }}' }
      ports: [main]
      volumes: { data: 512MiB }
    left: { gang: pair, retries: 20, command: 'run {{ options.mark }} sound' }
    right: { gang: pair, retries: 20, command: 'run {{ options.mark }} sound' }
  outputs:
    connect: \"{{ peers.node | endpoints('main') | join(',') }}\"
";

/// The controller, which no run changes: all that it knows is in its core.
static SIMULATED: LazyLock<Simulated> = LazyLock::new(|| {
    let states = STATES.parse().expect("a place");
    Simulated::new(catalog(), MASTER, states).expect("an HTTP client")
});

fn catalog() -> Catalog {
    let toy = |kind: Kind| {
        let name = kind.framework();
        format!(
            "framework: {name}\nscheduler: {{ command: cairn scheduler {name}, cpus: 0.1, mem: 64 }}\n\
             offers: {{ {name}: {{ outputs: [connect] }} }}\n{OPTIONS}"
        )
    };
    let batch = format!("framework: batch\n{OPTIONS}{BATCH}");
    let texts = [
        ("quorum.yaml", toy(Kind::Quorum)),
        ("shards.yaml", toy(Kind::Shards)),
        ("workers.yaml", toy(Kind::Workers)),
        ("batch.yaml", batch),
    ];
    let files = texts.iter().map(|(name, text)| (*name, text.as_bytes()));
    Catalog::load(files).expect("framework specs without mistakes")
}

/// A service that the stack may have.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    /// Parts whose outputs it is given.
    pub(crate) rests_on: BTreeSet<usize>,
    /// The stack has it.
    pub(crate) there: bool,
}

impl Part {
    /// Its name as a framework, and as an instance of the controller.
    pub(crate) fn framework(&self) -> String {
        format!("{STACK}-{}", self.name)
    }
}

/// The state of a child scheduler.
#[derive(Debug, Default, Clone)]
pub(crate) struct State {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) marks: BTreeSet<String>,
}

/// One of the controller's watchers.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) number: u64,
    pub(crate) endpoint: String,
    pub(crate) following: Following,
    /// The last answer; the next one comes when it is another.
    pub(crate) last: Option<Status>,
    pub(crate) parked: bool,
}

/// The stack.
pub(crate) struct Stack {
    pub(crate) simulated: &'static Simulated,
    pub(crate) parts: Vec<Part>,
    /// It is to be gone; with its data.
    pub(crate) destroyed: Option<bool>,
    /// By place.
    pub(crate) states: BTreeMap<String, State>,
    /// By instance.
    pub(crate) watchers: BTreeMap<String, Watcher>,
    /// The controller has asked itself to drop what is gone.
    pub(crate) tidying: bool,
    /// By service: the highest revision with which its scheduler has told the controller that it is complete.
    pub(crate) complete: BTreeMap<String, u64>,
    /// What child schedulers have told the controller.
    pub(crate) said: Said,
    /// Frameworks whose service was taken down last with its data kept.
    pub(crate) kept: BTreeSet<String>,
    /// Frameworks that an operator has wanted gone.
    pub(crate) may_go: BTreeSet<String>,
}

impl Stack {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let kinds = [Kind::Quorum, Kind::Shards, Kind::Workers, Kind::Batch];
        let count = usize::try_from(rng.between(2, 4)).unwrap_or(2);
        let parts = NAMES[..count].iter().enumerate().map(|(at, name)| Part {
            name,
            kind: kinds[rng.index(kinds.len()).unwrap_or_default()],
            shape: Shape { count: rng.between(1, 3), ..Shape::default() },
            rests_on: (0..at).filter(|_| rng.chance(60_000)).collect(),
            there: at == 0 || rng.chance(80_000),
        });
        Self {
            simulated: &SIMULATED,
            parts: parts.collect(),
            destroyed: None,
            states: BTreeMap::new(),
            watchers: BTreeMap::new(),
            tidying: false,
            complete: BTreeMap::new(),
            said: Said::default(),
            kept: BTreeSet::new(),
            may_go: BTreeSet::new(),
        }
    }

    /// The parts that another one is given the outputs of.
    pub(crate) fn providers(&self, part: &Part) -> Vec<&Part> {
        part.rests_on.iter().map(|at| &self.parts[*at]).filter(|p| p.there).collect()
    }

    /// The stack file.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("stack: {STACK}\nservices:\n");
        for part in self.parts.iter().filter(|p| p.there) {
            let Shape { count, mark, cpus, broken, .. } = &part.shape;
            let from: Vec<String> =
                self.providers(part).iter().map(|p| format!("${{{}.connect}}", p.name)).collect();
            // Writing to a text does not fail.
            let _ = write!(
                text,
                "  {}:\n    framework: {}\n    count: {count}\n    mark: {mark}\n    cpus: {cpus}\n    broken: {broken}\n    from: \"{}\"\n    token: ${{secret.{}}}\n",
                part.name,
                part.kind.framework(),
                from.join(";"),
                crate::secrets::NAME,
            );
        }
        text
    }

    /// What the controller's process knew and has not stored.
    pub(crate) fn forget_process(&mut self) {
        self.watchers.clear();
        self.said.forget_process();
        self.tidying = false;
    }
}
