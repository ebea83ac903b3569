//! Where a task finds itself.

use std::collections::BTreeMap;
use std::path::Path;

use cairn_mesos::client::ExecutorEnvironment;
use cairn_mesos::v1::{AgentInfo, Labels, TaskInfo};
use cairn_task::Place;

/// Label that overrides the address that a service listens on and advertises.
const ADDRESS: &str = "address";
/// Prefix of labels that carry attributes of the agent.
const ATTRIBUTE: &str = "attribute.";

/// The place of `task` on `agent`.
pub(crate) fn of(task: &TaskInfo, agent: &AgentInfo, env: &ExecutorEnvironment, sandbox: &Path) -> Place {
    let mut attributes: BTreeMap<String, String> = agent
        .attributes
        .iter()
        .filter_map(|a| Some((a.name.clone(), a.text.as_ref()?.value.clone())))
        .collect();
    let mut address = env.agent.host_str().unwrap_or_default().to_owned();
    for (key, value) in labels(task.labels.as_ref()) {
        if key == ADDRESS {
            value.clone_into(&mut address);
        } else if let Some(name) = key.strip_prefix(ATTRIBUTE) {
            attributes.insert(name.to_owned(), value.to_owned());
        }
    }
    let ports = task.discovery.iter().filter_map(|d| d.ports.as_ref()).flat_map(|p| &p.ports);
    Place {
        address,
        hostname: agent.hostname.clone(),
        sandbox: sandbox.to_string_lossy().into_owned(),
        ports: ports
            .filter_map(|port| Some((port.name.clone()?, u16::try_from(port.number).ok()?)))
            .collect(),
        task_id: task.task_id.value.clone(),
        instance: task.name.clone(),
        attributes,
    }
}

fn labels(labels: Option<&Labels>) -> impl Iterator<Item = (&str, &str)> {
    labels.into_iter().flat_map(|l| &l.labels).map(|l| (l.key.as_str(), l.value()))
}
