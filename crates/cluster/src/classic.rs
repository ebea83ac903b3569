//! The JSON of the endpoints from before the v1 API, as far as master and agent have it in common.

use std::collections::BTreeMap;

use cairn_mesos::resources::Resources;
use cairn_mesos::v1::{Attribute, ContainerStatus, Label, Labels, Resource, Task, TaskStatus, value};
use serde_json::{Map, Value, json};

/// Sums: the four scalars always, ports when there are any, then whatever else there is.
pub(crate) fn amounts(resources: &[Resource]) -> Value {
    let sum = Resources::from(resources);
    let mut shown = Map::new();
    for name in ["disk", "mem", "gpus", "cpus"] {
        shown.insert(name.to_owned(), sum.total(name).into());
    }
    let ports = sum.total_ports();
    if !ports.is_empty() {
        shown.insert("ports".to_owned(), ports.to_string().into());
    }
    for resource in resources.iter().filter(|resource| resource.set.is_some()) {
        let items = resource.set.as_ref().map(|set| set.item.join(", ")).unwrap_or_default();
        shown.insert(resource.name.clone(), format!("{{{items}}}").into());
    }
    Value::Object(shown)
}

/// Sums for each role that something is reserved for.
pub(crate) fn reserved(resources: &[Resource]) -> Value {
    let roles = reserved_by_role(resources);
    roles.into_iter().map(|(role, own)| (role, amounts(&own))).collect::<Map<_, _>>().into()
}

/// The resources themselves for each role that something is reserved for.
pub(crate) fn reserved_full(resources: &[Resource]) -> Value {
    reserved_by_role(resources)
        .into_iter()
        .map(|(role, own)| (role, json!(own)))
        .collect::<Map<_, _>>()
        .into()
}

fn reserved_by_role(resources: &[Resource]) -> BTreeMap<String, Vec<Resource>> {
    let mut roles: BTreeMap<String, Vec<Resource>> = BTreeMap::new();
    for resource in resources {
        if let Some(reservation) = resource.reservations.last() {
            roles.entry(reservation.role().to_owned()).or_default().push(resource.clone());
        }
    }
    roles
}

/// What is reserved for nobody.
pub(crate) fn unreserved(resources: &[Resource]) -> Vec<Resource> {
    resources.iter().filter(|resource| resource.reservations.is_empty()).cloned().collect()
}

pub(crate) fn attributes(attributes: &[Attribute]) -> Value {
    let shown = |attribute: &Attribute| match attribute.r#type() {
        value::Type::Scalar => json!(attribute.scalar.as_ref().map(|scalar| scalar.value)),
        value::Type::Ranges => {
            let ranges = attribute.ranges.as_ref();
            json!(ranges.map(|ranges| cairn_mesos::resources::Ranges::from(ranges).to_string()))
        }
        value::Type::Set => json!(attribute.set.as_ref().map(|set| format!("{{{}}}", set.item.join(", ")))),
        value::Type::Text => json!(attribute.text.as_ref().map(|text| &text.value)),
    };
    attributes.iter().map(|one| (one.name.clone(), shown(one))).collect::<Map<_, _>>().into()
}

/// The role resources are allocated to.
pub(crate) fn role_of(resources: &[Resource]) -> Option<&str> {
    resources.iter().find_map(|resource| resource.allocation_info.as_ref()).map(|info| info.role())
}

pub(crate) fn task(task: &Task) -> Value {
    let mut shown = json!({
        "id": task.task_id.value,
        "name": task.name,
        "framework_id": task.framework_id.value,
        "executor_id": task.executor_id.as_ref().map_or("", |id| id.value.as_str()),
        "slave_id": task.agent_id.value,
        "state": task.state().as_str_name(),
        "resources": amounts(&task.resources),
        "statuses": task.statuses.iter().map(status).collect::<Vec<_>>(),
    });
    let optional = [
        ("role", json!(role_of(&task.resources))),
        ("user", json!(task.user)),
        ("labels", labels(task.labels.as_ref())),
        ("discovery", json!(task.discovery)),
        ("container", json!(task.container)),
        ("health_check", json!(task.health_check)),
    ];
    put(&mut shown, optional);
    shown
}

fn status(status: &TaskStatus) -> Value {
    let mut shown = json!({ "state": status.state().as_str_name(), "timestamp": status.timestamp() });
    let container = status.container_status.as_ref().map(|container| {
        let network_infos = container.network_infos.clone();
        ContainerStatus { container_id: container.container_id.clone(), network_infos, ..Default::default() }
    });
    let optional = [
        ("labels", labels(status.labels.as_ref())),
        ("container_status", json!(container)),
        ("healthy", json!(status.healthy)),
    ];
    put(&mut shown, optional);
    shown
}

/// Labels as a list; null when there are none.
pub(crate) fn labels(labels: Option<&Labels>) -> Value {
    let shown = |label: &Label| json!({ "key": label.key, "value": label.value });
    labels.map_or(Value::Null, |labels| labels.labels.iter().map(shown).collect())
}

/// Put those in that are not null.
pub(crate) fn put<const N: usize>(object: &mut Value, fields: [(&str, Value); N]) {
    for (name, value) in fields {
        if !value.is_null() {
            object[name] = value;
        }
    }
}
