//! Which agents there are and what they have in all, so that instances can follow them, and "no agent can ever offer
//! this" can be said at once.

use std::time::Duration;

use cairn_mesos::client::{Masters, OperatorClient, Options};
use cairn_mesos::v1::{self, master};
use tokio::sync::mpsc;

use crate::core::{Capacity, Event, attributes};

/// How often it is asked while an instance looks for a place, or instances follow the agents.
pub(crate) const EVERY: Duration = Duration::from_secs(10);
/// While instances follow the agents and none are known yet.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// Asks once and reports what came; an answer that does not come is asked for again next time.
pub(crate) async fn look(masters: Masters, options: Options, report: mpsc::Sender<Event>) {
    let Ok(client) = OperatorClient::new(masters, options) else { return };
    let mut call = master::Call::default();
    call.set_type(master::call::Type::GetAgents);
    match client.call(&call).await {
        Ok(response) => {
            let agents = response.get_agents.map(|a| a.agents).unwrap_or_default();
            let _ = report.send(Event::Capacities(agents.iter().map(capacity).collect())).await;
        }
        Err(error) => tracing::debug!(%error, "the agents' capacities are not known"),
    }
}

fn capacity(agent: &master::response::get_agents::Agent) -> Capacity {
    let total = |name: &str| -> f64 {
        let named = agent.total_resources.iter().filter(|r| r.name == name);
        let sum: f64 = named.filter_map(|r: &v1::Resource| Some(r.scalar.as_ref()?.value)).sum();
        // Thousandths are what Mesos counts in. Parts of 4 that are reserved and free must not make 3.9999999999999996.
        (sum * 1000.0).round() / 1000.0
    };
    Capacity {
        agent_id: agent.agent_info.id.as_ref().map(|id| id.value.clone()).unwrap_or_default(),
        hostname: agent.agent_info.hostname.clone(),
        attributes: attributes(&agent.agent_info.attributes),
        cpus: total("cpus"),
        mem: total("mem"),
        disk: total("disk"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_resource_make_the_whole() {
        let part = |value| v1::Resource {
            name: "cpus".into(),
            scalar: Some(v1::value::Scalar { value }),
            ..Default::default()
        };
        let total_resources = [3.3, 0.3, 0.3, 0.1].map(part).to_vec();
        assert_ne!(total_resources.iter().filter_map(|r| Some(r.scalar.as_ref()?.value)).sum::<f64>(), 4.0);
        let agent = master::response::get_agents::Agent { total_resources, ..Default::default() };
        assert_eq!(capacity(&agent).cpus, 4.0);
    }
}
