//! Metrics: their names are those of Mesos, all that Mesos has are there, and what does not depend on time is as much.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::names::Names;

/// What nothing here corresponds to: what is measured of parts that are built otherwise.
const LEFT_OUT: [&str; 6] = [
    "allocator/mesos/allocation_run_latency_ms",
    "allocator/mesos/quota/roles/",
    "containerizer/",
    "gc/",
    "resource_provider_manager/",
    // How many times something was stored depends on what came together.
    "registrar/state_store_ms",
];

/// What is counted, not measured: the same happened here and there.
const COUNTED: [&str; 16] = [
    "/calls",
    "/offers/accepted",
    "/offers/declined",
    "/operations",
    "/tasks/",
    "master/invalid_",
    "master/messages_",
    "master/slave",
    "master/tasks_",
    "master/valid_",
    "slave/executors_",
    "slave/frameworks_active",
    "slave/invalid_",
    "slave/registered",
    "slave/tasks_",
    "slave/valid_",
];

/// Compares those of GET_METRICS, or a bare map of them.
///
/// # Errors
/// The first that differs.
pub(crate) fn compare(names: &Names, theirs: &Value, ours: &Value) -> Result<(), String> {
    let theirs: BTreeMap<String, f64> =
        read(theirs).into_iter().map(|(name, value)| (names.within(&name), value)).collect();
    let ours = read(ours);
    if let Some(name) = ours.keys().find(|name| !theirs.contains_key(*name) && !is_left_out(name)) {
        return Err(format!("{name} is not a metric of Mesos"));
    }
    for (name, value) in theirs.iter().filter(|(name, _)| !is_left_out(name)) {
        let Some(own) = ours.get(name) else { return Err(format!("the metric {name} is missing")) };
        if COUNTED.iter().any(|part| name.contains(part)) && own != value {
            return Err(format!("the metric {name} is {own}, Mesos has {value}"));
        }
    }
    Ok(())
}

fn is_left_out(name: &str) -> bool {
    LEFT_OUT.iter().any(|prefix| name.starts_with(prefix))
}

fn read(shown: &Value) -> BTreeMap<String, f64> {
    let listed = shown.as_array().into_iter().flatten();
    let listed = listed.filter_map(|one| Some((one["name"].as_str()?.to_owned(), one["value"].as_f64()?)));
    let mapped = shown.as_object().into_iter().flatten();
    listed.chain(mapped.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))).collect()
}
