//! `/api/broker/{list|add|update|clone|start|stop|restart|remove|log}`.

use std::collections::BTreeSet;

use cairn_framework::rest::form::{Earlier, Kind, text};
use cairn_framework::{Phase, Published, Refused};
use serde_json::{Value, json};

use crate::broker::{BROKERS, Broker, instance_name};
use crate::options::Options;
use crate::rest::options;
use crate::task::CLIENT_PORT;

pub(super) const EARLIER: Earlier = Earlier {
    nodes: BROKERS,
    fields: &[
        ("cpus", Kind::Number),
        ("mem", Kind::Whole),
        ("heap", Kind::Whole),
        ("port", Kind::Text),
        ("options", Kind::Map),
        ("jvmOptions", Kind::Words),
        ("constraints", Kind::Constraints),
    ],
    show,
    leaving: "moves its partitions away",
};

fn show(published: &Published, ids: &BTreeSet<u32>) -> Refused<Vec<Value>> {
    let options = options(published)?;
    Ok(ids.iter().map(|id| broker(published, &options, *id)).collect())
}

/// A broker in the shape that the earlier framework gave it.
fn broker(published: &Published, options: &Options, id: u32) -> Value {
    let name = instance_name(id);
    let broker = Broker::of(options, id);
    let status = published.view.instances.get(&name).cloned().unwrap_or_default();
    let active = !options.idle.contains(&id) && status.phase != Phase::Stopped;
    let mut value = json!({
        "id": id.to_string(),
        "active": active,
        "cpus": broker.cpus,
        "mem": broker.mem.mib(),
        "heap": broker.heap.mib(),
        "constraints": text::format_constraints(&broker.constraints),
        "options": text::format_map(broker.options.iter().map(|(k, v)| (k.as_str(), v.to_string()))),
        "jvmOptions": broker.jvm_options.join(" "),
        "failover": { "failures": status.failures },
        "stickiness": { "hostname": status.placement.as_ref().map(|p| p.hostname.clone()) },
        "needsRestart": status.needs_restart,
    });
    if let (Some(port), Some(fields)) = (broker.port, value.as_object_mut()) {
        fields.insert("port".into(), port.to_string().into());
    }
    if let (Some(task), Some(place)) = (&status.task_id, &status.placement) {
        value["task"] = json!({
            "id": task,
            "slaveId": place.agent_id,
            "executorId": task,
            "hostname": place.hostname,
            "endpoint": place.endpoint(CLIENT_PORT),
            "attributes": text::format_map(place.attributes.iter().map(|(k, v)| (k.as_str(), v.clone()))),
            "state": task_state(status.phase),
        });
    }
    value
}

fn task_state(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting | Phase::BackOff | Phase::Stopped | Phase::Finished | Phase::Failed => "pending",
        Phase::Staging | Phase::Starting | Phase::Running => "starting",
        Phase::Ready | Phase::Unhealthy => "running",
        Phase::Stopping => "stopping",
        Phase::Unreachable | Phase::Reconciling => "reconciling",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_framework::{Config, InstanceStatus, Placement};

    fn published() -> Published {
        let config = json!({
            "brokers": 1, "idle": [4], "mode": "kraft", "constraints": ["hostname:unique"],
            "overrides": { "0": { "options": { "a": 1, "b": "x,y" }, "port": "31000..31100", "jvmOptions": ["-Dx=1", "-Dy=2"] } },
        });
        let mut published = Published {
            config: Config { options: config.into(), ..Config::default() },
            ..Published::default()
        };
        let placement = Placement {
            agent_id: "S0".into(),
            hostname: "h1".into(),
            address: "127.0.0.1".into(),
            attributes: [("rack".to_owned(), "r1".to_owned())].into(),
            ports: [("client".to_owned(), 31000)].into(),
            ..Placement::default()
        };
        let status = InstanceStatus {
            name: "broker-0".into(),
            phase: Phase::Ready,
            task_id: Some("broker-0.1".into()),
            placement: Some(placement),
            ..InstanceStatus::default()
        };
        std::sync::Arc::make_mut(&mut published.view).instances.insert("broker-0".into(), status);
        published
    }

    #[test]
    fn brokers_look_as_they_used_to() {
        let published = published();
        let text = serde_json::to_string_pretty(&show(&published, &[0, 4].into()).unwrap()).unwrap();
        insta::assert_snapshot!(text);
    }
}
