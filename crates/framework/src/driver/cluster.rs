//! What the master knows, for who compares it with what is stored.

use std::collections::{BTreeMap, BTreeSet};

use cairn_mesos::client::{ClientError, OperatorClient};
use cairn_mesos::v1::master::call::Type;
use cairn_mesos::v1::{FrameworkInfo, Task, master};
use cairn_task::{LABEL_SERVICE, LABEL_STACK};

use crate::Master;
use crate::core::is_over;

/// Agents and frameworks of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Host names of the agents that are registered, by id.
    pub agents: BTreeMap<String, String>,
    /// How many agents the master has on record and has not heard of since it leads.
    pub awaited: usize,
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
    /// Its roles.
    pub roles: Vec<String>,
    /// The stack that it belongs to, where it says so.
    pub stack: Option<String>,
    /// The service that it runs, where it says so.
    pub service: Option<String>,
    /// Its scheduler is there.
    pub connected: bool,
    /// It has been torn down, or given up.
    pub removed: bool,
    /// Ids of its tasks that are not over, as far as the master can see them.
    pub tasks: BTreeSet<String>,
    /// Ids of those that may still run where the master cannot.
    pub unreachable: BTreeSet<String>,
}

impl Registered {
    /// Ids of all tasks that run or may run.
    pub fn live(&self) -> impl Iterator<Item = &String> {
        self.tasks.iter().chain(&self.unreachable)
    }
}

async fn state(client: &OperatorClient) -> Result<Cluster, ClientError> {
    Ok(Cluster::of(ask(client, Type::GetState).await?.get_state.unwrap_or_default()))
}

async fn ask(client: &OperatorClient, what: Type) -> Result<master::Response, ClientError> {
    let mut call = master::Call::default();
    call.set_type(what);
    client.call(&call).await
}

type Tasks = BTreeMap<String, BTreeSet<String>>;

impl Cluster {
    /// Asks the master.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn look(master: &Master) -> Result<Self, ClientError> {
        state(&master.operator()?).await
    }

    /// The same, without agents and tasks where no framework has this name: a large cluster has many of those, and many
    /// schedulers may ask.
    ///
    /// # Errors
    /// When the master does not answer.
    pub(super) async fn look_for(client: &OperatorClient, name: &str) -> Result<Self, ClientError> {
        // Agents first: one that comes between the two questions is awaited still, or has brought its frameworks.
        let agents = ask(client, Type::GetAgents).await?.get_agents.unwrap_or_default();
        let frameworks = ask(client, Type::GetFrameworks).await?.get_frameworks.unwrap_or_default();
        if frameworks.frameworks.iter().any(|known| known.framework_info.name == name) {
            return state(client).await;
        }
        Ok(Self { awaited: agents.recovered_agents.len(), ..Self::default() })
    }

    fn of(state: master::response::GetState) -> Self {
        let known = state.get_agents.unwrap_or_default();
        let agents = known.agents.into_iter().filter(|agent| agent.active);
        let agents = agents.filter_map(|a| Some((a.agent_info.id?.value, a.agent_info.hostname))).collect();
        let known_tasks = state.get_tasks.unwrap_or_default();
        // A master keeps what is over until its scheduler has taken that in.
        let seen =
            known_tasks.pending_tasks.into_iter().chain(known_tasks.tasks).filter(|task| !is_over(task));
        let (mut tasks, mut unreachable) = (by_framework(seen), by_framework(known_tasks.unreachable_tasks));
        let frameworks = state.get_frameworks.unwrap_or_default();
        let present =
            frameworks.frameworks.into_iter().map(|f| registered(f.framework_info, f.connected, false));
        let removed =
            frameworks.completed_frameworks.into_iter().map(|f| registered(f.framework_info, false, true));
        let mut frameworks: Vec<Registered> = present.chain(removed).collect();
        for framework in &mut frameworks {
            framework.tasks = tasks.remove(&framework.id).unwrap_or_default();
            framework.unreachable = unreachable.remove(&framework.id).unwrap_or_default();
        }
        Self { agents, awaited: known.recovered_agents.len(), frameworks }
    }
}

fn by_framework(all: impl IntoIterator<Item = Task>) -> Tasks {
    let mut tasks = Tasks::new();
    for task in all {
        tasks.entry(task.framework_id.value).or_default().insert(task.task_id.value);
    }
    tasks
}

fn registered(info: FrameworkInfo, connected: bool, removed: bool) -> Registered {
    let labels = info.labels.unwrap_or_default().labels;
    let label = |key: &str| labels.iter().find(|l| l.key == key).and_then(|l| l.value.clone());
    Registered {
        stack: label(LABEL_STACK),
        service: label(LABEL_SERVICE),
        id: info.id.map(|id| id.value).unwrap_or_default(),
        name: info.name,
        roles: info.roles,
        connected,
        removed,
        ..Registered::default()
    }
}

#[cfg(test)]
mod tests {
    use cairn_mesos::v1::{self, TaskState};
    use master::response::{GetAgents, GetFrameworks, GetState, GetTasks, get_frameworks::Framework};

    use super::*;

    fn task(id: &str, state: TaskState) -> Task {
        Task {
            task_id: v1::TaskId { value: id.into() },
            framework_id: v1::FrameworkId { value: "F".into() },
            state: state as i32,
            ..Task::default()
        }
    }

    #[test]
    fn what_is_over_is_no_task_any_more_and_what_cannot_be_seen_may_be_one() {
        let tasks = vec![task("up", TaskState::TaskRunning), task("over", TaskState::TaskFailed)];
        let info = FrameworkInfo {
            id: Some(v1::FrameworkId { value: "F".into() }),
            roles: vec!["r".into()],
            ..FrameworkInfo::default()
        };
        let cluster = Cluster::of(GetState {
            get_tasks: Some(GetTasks {
                tasks,
                unreachable_tasks: vec![task("away", TaskState::TaskUnreachable)],
                ..GetTasks::default()
            }),
            get_frameworks: Some(GetFrameworks {
                frameworks: vec![Framework { framework_info: info, ..Framework::default() }],
                ..GetFrameworks::default()
            }),
            get_agents: Some(GetAgents {
                recovered_agents: vec![v1::AgentInfo::default()],
                ..GetAgents::default()
            }),
            ..GetState::default()
        });
        let framework = &cluster.frameworks[0];
        assert_eq!(framework.live().collect::<Vec<_>>(), ["up", "away"]);
        assert_eq!((framework.tasks.len(), &framework.roles, cluster.awaited), (1, &vec!["r".to_owned()], 1));
    }
}
