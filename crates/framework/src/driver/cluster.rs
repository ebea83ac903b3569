//! What the master knows, for who compares it with what is stored.

use std::collections::{BTreeMap, BTreeSet};

use cairn_mesos::client::ClientError;
use cairn_mesos::v1::{FrameworkInfo, master};
use cairn_task::{LABEL_SERVICE, LABEL_STACK};

use crate::Master;

/// Agents and frameworks of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Host names of the agents that are registered, by id.
    pub agents: BTreeMap<String, String>,
    /// Frameworks, those that have been removed too.
    pub frameworks: Vec<Registered>,
}

/// A framework as the master knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The stack that it belongs to, where it says so.
    pub stack: Option<String>,
    /// The service that it runs, where it says so.
    pub service: Option<String>,
    /// Its scheduler is there.
    pub connected: bool,
    /// It has been torn down, or given up.
    pub removed: bool,
    /// Ids of its tasks that are not over.
    pub tasks: BTreeSet<String>,
}

impl Cluster {
    /// Asks the master.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn look(master: &Master) -> Result<Self, ClientError> {
        let mut call = master::Call::default();
        call.set_type(master::call::Type::GetState);
        let state = master.operator()?.call(&call).await?;
        Ok(Self::of(state.get_state.unwrap_or_default()))
    }

    fn of(state: master::response::GetState) -> Self {
        let agents = state.get_agents.unwrap_or_default().agents.into_iter().filter(|agent| agent.active);
        let agents = agents.filter_map(|a| Some((a.agent_info.id?.value, a.agent_info.hostname))).collect();
        let mut tasks: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for task in state.get_tasks.unwrap_or_default().tasks {
            tasks.entry(task.framework_id.value).or_default().insert(task.task_id.value);
        }
        let known = state.get_frameworks.unwrap_or_default();
        let present = known.frameworks.into_iter().map(|f| registered(f.framework_info, f.connected, false));
        let removed =
            known.completed_frameworks.into_iter().map(|f| registered(f.framework_info, false, true));
        let mut frameworks: Vec<Registered> = present.chain(removed).collect();
        for framework in &mut frameworks {
            framework.tasks = tasks.remove(&framework.id).unwrap_or_default();
        }
        Self { agents, frameworks }
    }
}

fn registered(info: FrameworkInfo, connected: bool, removed: bool) -> Registered {
    let labels = info.labels.unwrap_or_default().labels;
    let label = |key: &str| labels.iter().find(|l| l.key == key).and_then(|l| l.value.clone());
    Registered {
        stack: label(LABEL_STACK),
        service: label(LABEL_SERVICE),
        id: info.id.map(|id| id.value).unwrap_or_default(),
        name: info.name,
        connected,
        removed,
        tasks: BTreeSet::new(),
    }
}
