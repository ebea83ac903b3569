//! A node in the shape that earlier frameworks gave it: their own names for what is known of it, and options as parameters write
//! them.

use std::collections::BTreeSet;

use cairn_units::Size;
use serde_json::{Map, Value, json};

use super::{Earlier, Kind, text};
use crate::kit::idle;
use crate::{InstanceStatus, Phase, Published};

impl Earlier {
    /// These nodes.
    pub(super) fn shapes(&self, published: &Published, ids: &BTreeSet<u32>) -> Vec<Value> {
        ids.iter().map(|id| self.shape(published, *id)).collect()
    }

    fn shape(&self, published: &Published, id: u32) -> Value {
        let instance = self.nodes.instance(id);
        let status = published.view.instances.get(&instance).cloned().unwrap_or_default();
        let active = !idle(&published.config.options).contains(&id) && status.phase != Phase::Stopped;
        let mut shape = Map::new();
        shape.insert("id".into(), id.to_string().into());
        shape.insert("active".into(), active.into());
        let options = (self.nodes.shown)(&published.config, &instance);
        for (name, kind) in self.fields() {
            let value = options.get(name).filter(|value| !value.is_null());
            shape.extend(value.map(|value| (name.to_owned(), kind.written(value))));
        }
        let hostname = status.placement.as_ref().map(|place| place.hostname.as_str());
        shape.insert("failover".into(), json!({ "failures": status.failures }));
        shape.insert("stickiness".into(), json!({ "hostname": hostname }));
        shape.insert("needsRestart".into(), status.needs_restart.into());
        shape.extend(task(&status, self.nodes.port).map(|task| ("task".to_owned(), task)));
        shape.into()
    }
}

fn task(status: &InstanceStatus, port: &str) -> Option<Value> {
    let (task, place) = (status.task_id.as_deref()?, status.placement.as_ref()?);
    Some(json!({
        "id": task,
        "slaveId": place.agent_id,
        "executorId": task,
        "hostname": place.hostname,
        "endpoint": place.endpoint(port),
        "attributes": text::format_map(place.attributes.iter().map(|(k, v)| (k.as_str(), v.clone()))),
        "state": task_state(status.phase),
    }))
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

impl Kind {
    /// An option as a parameter of this kind has it. Whole numbers are sizes in MiB.
    fn written(self, value: &Value) -> Value {
        let bare = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let list = || value.as_array().into_iter().flatten().map(bare).collect::<Vec<_>>();
        let map =
            || value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), bare(value)));
        match self {
            Self::Number => value.clone(),
            Self::Whole => serde_json::from_value(value.clone()).map(|size: Size| size.mib()).ok().into(),
            Self::Text => bare(value).into(),
            Self::Words => list().join(" ").into(),
            Self::Constraints => text::format_constraints(&list()).into(),
            Self::Map => text::format_map(map()).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_written_as_parameters_have_them() {
        for (kind, option, parameter) in [
            (Kind::Number, json!(0.5), json!(0.5)),
            (Kind::Whole, json!("1GiB"), json!(1024)),
            (Kind::Text, json!("31000..31100"), json!("31000..31100")),
            (Kind::Text, json!(9092), json!("9092")),
            (Kind::Words, json!(["-Dx=1", "-Dy=2"]), json!("-Dx=1 -Dy=2")),
            (Kind::Constraints, json!(["hostname:unique"]), json!("hostname=unique")),
            (Kind::Map, json!({ "a": 1, "b": "x,y" }), json!(r"a=1,b=x\,y")),
        ] {
            assert_eq!(kind.written(&option), parameter, "{option}");
        }
    }
}
