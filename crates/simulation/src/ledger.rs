//! What the checker remembers of what has happened: it reads stores and messages, never a core's own mind.

use std::collections::{BTreeMap, BTreeSet};

use cairn_cluster::master::Input;
use cairn_framework::{Action, Ask, Command, Moment, Verdict};
use serde_json::Value;

use crate::told::{Told, thousandths};

/// What a scheduler's store says of an instance.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Known {
    /// Id of its task, and whether it has been told to stop.
    pub(crate) task: Option<(String, bool)>,
    /// The gate after its launch has said that all is well.
    pub(crate) verified: bool,
    pub(crate) agent: Option<String>,
    pub(crate) ports: BTreeMap<String, u64>,
    pub(crate) volumes: BTreeMap<String, String>,
    pub(crate) deployed: bool,
    /// An operator wants it stopped.
    pub(crate) to_stop: bool,
    pub(crate) retired: bool,
    /// It is one of a gang.
    pub(crate) gang: bool,
    /// Its volumes are to be deleted.
    pub(crate) delete_data: bool,
    /// Agents on which it may hold what it has given up.
    pub(crate) given_up: BTreeSet<String>,
    /// Its spec has volumes.
    has_volumes: bool,
    /// An operator has asked for a restart since its task was launched.
    pub(crate) restart_asked: bool,
    /// It is a job that has done what it was there for.
    done: bool,
    /// What it needs, in thousandths of CPUs and MiB.
    pub(crate) cpus: u64,
    pub(crate) mem: u64,
}

impl Known {
    /// Reads a record as it is stored.
    pub(crate) fn read(record: &[u8]) -> Self {
        let record: Value = serde_json::from_slice(record).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let flag = |name: &str| record[name].as_bool().unwrap_or_default();
        let map = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let place = &record["placement"];
        let task = &record["task"];
        Self {
            task: text(&task["id"]).map(|id| (id, task["killing"].as_bool().unwrap_or_default())),
            verified: task["verified"].as_bool().unwrap_or_default(),
            agent: text(&place["agent_id"]),
            ports: map(&place["ports"]).iter().filter_map(|(k, v)| Some((k.clone(), v.as_u64()?))).collect(),
            volumes: map(&place["volumes"]).iter().filter_map(|(k, v)| Some((k.clone(), text(v)?))).collect(),
            deployed: flag("deployed"),
            to_stop: record["goal"] == "stop",
            retired: flag("retired"),
            delete_data: flag("delete_data"),
            gang: record["spec"]["gang"].is_string(),
            given_up: record["given_up"].as_array().into_iter().flatten().filter_map(text).collect(),
            has_volumes: record["spec"]["volumes"].as_array().is_some_and(|volumes| !volumes.is_empty()),
            restart_asked: record["restart"] != task["restart"],
            done: !record["done"].is_null(),
            cpus: thousandths(record["spec"]["cpus"].as_f64().unwrap_or_default()),
            mem: thousandths(record["spec"]["mem"].as_f64().unwrap_or_default()),
        }
    }

    /// It has data that outlives it.
    pub(crate) fn keeps_data(&self) -> bool {
        self.has_volumes && !self.delete_data
    }

    /// It does not need its place any more, and nothing that is kept is there.
    pub(crate) fn gives_back(&self) -> bool {
        self.task.is_none() && (self.retired && !self.keeps_data() || self.done && !self.has_volumes)
    }
}

/// A gate has said Go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) instance: String,
    pub(crate) action: Action,
    pub(crate) moment: Moment,
}

/// A call that waits for its answer.
#[derive(Debug)]
pub(crate) struct Called {
    /// The scheduler, and its process.
    pub(crate) index: usize,
    pub(crate) life: u64,
    /// Its connection.
    pub(crate) over: u64,
    /// It says that the framework leaves.
    pub(crate) leaves: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// By scheduler and instance: as stored.
    pub(crate) known: BTreeMap<(usize, String), Known>,
    /// By scheduler: what its store says of the whole.
    pub(crate) targets: BTreeMap<usize, Value>,
    /// By scheduler, its process, and question.
    pub(crate) gates: BTreeMap<(usize, u64, u64), Open>,
    /// By scheduler, its process, and instance: the gate before its first launch has said Go.
    pub(crate) admitted: BTreeSet<(usize, u64, String)>,
    /// Tasks that somebody has wanted stopped.
    pub(crate) killed: BTreeSet<String>,
    /// Frameworks that have left.
    pub(crate) torn: BTreeSet<String>,
    /// Calls that wait for their answer.
    pub(crate) calls: BTreeMap<u64, Called>,
    /// By connection: the framework that it was given.
    pub(crate) streams: BTreeMap<u64, String>,
    /// By framework: the connection over which the master has heard the last that wanted to be it again.
    pub(crate) subscribed: BTreeMap<String, u64>,
    /// Ids of agents that an operator has said to be gone,
    pub(crate) given_up_agents: BTreeSet<String>,
    /// and of those of them of which the master has said that it knows.
    pub(crate) gone: BTreeSet<String>,
    /// Operators' requests that the master has not answered: machine, and its agent.
    pub(crate) decisions: BTreeMap<u64, (usize, String)>,
    /// Data that an operator has given up: role and instance; all of a role without an instance.
    pub(crate) given_up: BTreeSet<(String, Option<String>)>,
    /// Tasks that an operator has declared dead.
    pub(crate) declared_dead: BTreeSet<String>,
    /// Volumes that an operator has given up with their agent, by scheduler, instance and agent.
    abandoned: BTreeMap<(usize, String, String), BTreeSet<String>>,
    /// Those of them that nobody knows any more: the agent had not come back when the instance was forgotten.
    left_behind: BTreeSet<String>,
    /// By scheduler: what it has told the master.
    pub(crate) told: BTreeMap<usize, Told>,
    /// Ends that a scheduler has been told, by uuid.
    pub(crate) ends: BTreeMap<Vec<u8>, String>,
}

impl Ledger {
    pub(crate) fn asked(&mut self, index: usize, life: u64, number: u64, ask: &Ask, verdict: &Verdict) {
        if *verdict == Verdict::Go {
            let open = Open { instance: ask.instance.clone(), action: ask.action, moment: ask.moment };
            self.gates.insert((index, life, number), open);
        }
    }

    /// An operator's request allows what would be wrong without it.
    pub(crate) fn allow(&mut self, index: usize, role: &str, command: &Command) {
        match command {
            Command::Destroy { delete_data: true } => {
                self.given_up.insert((role.to_owned(), None));
            }
            Command::DeleteData(name) => {
                self.given_up.insert((role.to_owned(), Some(name.clone())));
            }
            Command::Replace(name) => {
                self.given_up.insert((role.to_owned(), Some(name.clone())));
                let known = self.of(index, name).cloned().unwrap_or_default();
                self.declared_dead.extend(known.task.map(|(task, _)| task));
                // It is forgotten with what is still to be given back.
                if known.retired || self.destroying(index) {
                    self.left_behind.extend(known.volumes.into_values());
                }
            }
            _ => {}
        }
    }

    /// The master takes an input.
    pub(crate) fn hears(&mut self, input: &Input) {
        if let Input::Subscribe { stream, call, .. } = input
            && let Some(id) =
                call.subscribe.as_ref().and_then(|subscribe| subscribe.framework_info.id.as_ref())
        {
            self.subscribed.insert(id.value.clone(), stream.0);
        }
    }

    /// An instance is stored as it is `now`.
    pub(crate) fn store(&mut self, index: usize, name: &str, now: Known) {
        let key = (index, name.to_owned());
        let before = self.known.get(&key);
        let left = before.and_then(|b| Some((b.agent.clone()?, b))).filter(|(a, _)| now.given_up.contains(a));
        if let Some((agent, before)) = left {
            let volumes = before.volumes.values().cloned();
            self.abandoned.entry((index, name.to_owned(), agent)).or_default().extend(volumes);
        }
        self.known.insert(key, now);
    }

    /// An instance is forgotten, and with it what it had given up and not yet given back.
    pub(crate) fn forget(&mut self, index: usize, name: &str) {
        let Some(known) = self.known.remove(&(index, name.to_owned())) else { return };
        for agent in known.given_up {
            let volumes = self.abandoned.remove(&(index, name.to_owned(), agent));
            self.left_behind.extend(volumes.into_iter().flatten());
        }
    }

    /// Whether a volume is one that nobody can know any more.
    pub(crate) fn is_left_behind(&self, volume: &str) -> bool {
        self.left_behind.contains(volume)
    }

    pub(crate) fn of(&self, index: usize, instance: &str) -> Option<&Known> {
        self.known.get(&(index, instance.to_owned()))
    }

    /// All instances of a scheduler, by name.
    pub(crate) fn all_of(&self, index: usize) -> impl Iterator<Item = (&str, &Known)> {
        let all = self.known.range((index, String::new())..(index + 1, String::new()));
        all.map(|((_, name), known)| (name.as_str(), known))
    }

    /// The instance that claims a task.
    pub(crate) fn claimant(&self, index: usize, task: &str) -> Option<(&str, bool)> {
        self.all_of(index).find_map(|(name, known)| {
            let (id, killing) = known.task.as_ref()?;
            (id == task).then_some((name, *killing))
        })
    }

    pub(crate) fn may_delete(&self, role: &str, instance: &str) -> bool {
        self.given_up.contains(&(role.to_owned(), None))
            || self.given_up.contains(&(role.to_owned(), Some(instance.to_owned())))
    }

    /// An operator has asked for the end, and it is stored.
    pub(crate) fn destroying(&self, index: usize) -> bool {
        self.targets.get(&index).is_some_and(is_destroying)
    }
}

/// Whether a stored target is that of a service that is to go, or has gone.
pub(crate) fn is_destroying(target: &Value) -> bool {
    !target["destroy"].is_null()
}
