//! Changes to the options. Only what changes is written, so that what an operator left to its default stays so.

use std::collections::BTreeSet;

use cairn_framework::rest::Problem;
use cairn_framework::{Accepted, Handle, Refused};
use serde_json::{Map, Value};

use crate::ids::Ids;
use crate::options::{Options, Override};

/// What can be set for single brokers and for all.
const OF_BROKERS: [&str; 7] = ["cpus", "mem", "heap", "port", "constraints", "options", "jvmOptions"];

/// Changes the options of a running cluster.
pub(super) async fn change<F>(handle: &Handle, edit: F) -> Refused<Accepted>
where
    F: FnOnce(&mut Options) -> Result<(), Problem>,
{
    handle.change(|value| apply(value, edit)).await
}

/// Edits options as they were written.
pub(super) fn apply<F>(value: &mut Value, edit: F) -> Result<(), Problem>
where
    F: FnOnce(&mut Options) -> Result<(), Problem>,
{
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    let odd = |e: serde_json::Error| Problem::bad_request(format!("the options cannot be read: {e}"));
    let mut options: Options = serde_json::from_value(value.clone()).map_err(odd)?;
    let before = object(&options);
    edit(&mut options)?;
    let after = object(&options);
    let Value::Object(written) = value else { return Ok(()) };
    for (key, new) in &after {
        if before.get(key) != Some(new) {
            written.insert(key.clone(), new.clone());
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        written.remove(key);
    }
    Ok(())
}

fn object(options: &Options) -> Map<String, Value> {
    match serde_json::to_value(options) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Grows with the lowest free ids, shrinks from the highest.
pub(super) fn set_count(options: &mut Options, count: u32) -> Result<(), Problem> {
    if count == 0 || count > 1000 {
        return Err(Problem::bad_request(format!("a cluster has from 1 to 1000 brokers, not {count}"))
            .hint("destroy the service to get rid of all"));
    }
    let mut ids = options.broker_ids();
    while ids.len() > count as usize {
        ids.pop_last();
    }
    while ids.len() < count as usize {
        ids.insert(free_id(options, &ids));
    }
    options.set_broker_ids(ids);
    Ok(())
}

/// The lowest id that is neither used nor kept for a broker that is to start later.
pub(super) fn free_id(options: &Options, used: &BTreeSet<u32>) -> u32 {
    (0..).find(|id| !used.contains(id) && !options.idle.contains(id)).unwrap_or_default()
}

/// Takes brokers out of the cluster.
pub(super) fn remove(options: &mut Options, leaving: &BTreeSet<u32>) -> Result<(), Problem> {
    let staying: BTreeSet<u32> = options.broker_ids().difference(leaving).copied().collect();
    if staying.is_empty() {
        return Err(Problem::conflict("last-brokers", "no broker would be left")
            .hint("destroy the service to get rid of all"));
    }
    options.set_broker_ids(staying);
    options.idle.retain(|id| !leaving.contains(id));
    options.overrides.retain(|id, _| !leaving.iter().any(|l| l.to_string() == *id));
    Ok(())
}

/// Merges `patch` into what is set for brokers; null resets. For everybody it becomes what holds for all, and what was
/// special about single brokers in these points ends.
pub(super) fn patch(
    options: &mut Options,
    ids: &Ids,
    chosen: &BTreeSet<u32>,
    patch: &Value,
) -> Result<(), Problem> {
    let fields = fields(patch)?;
    if ids.is_everybody() {
        let mut all = object(options);
        merge(&mut all, fields);
        *options = read(Value::Object(all))?;
        for over in options.overrides.values_mut() {
            let mut own = own(over);
            own.retain(|key, _| !fields.contains_key(key));
            *over = read(Value::Object(own))?;
        }
    } else {
        for id in chosen {
            let over = options.overrides.entry(id.to_string()).or_default();
            let mut own = own(over);
            merge(&mut own, fields);
            *over = read(Value::Object(own))?;
        }
    }
    options.overrides.retain(|_, over| *over != Override::default());
    Ok(())
}

fn fields(patch: &Value) -> Result<&Map<String, Value>, Problem> {
    let known = || format!("fields: {}", OF_BROKERS.join(", "));
    let Value::Object(fields) = patch else {
        return Err(Problem::bad_request("the body is not a JSON object").hint(known()));
    };
    match fields.keys().find(|key| !OF_BROKERS.contains(&key.as_str())) {
        Some(unknown) => {
            Err(Problem::bad_request(format!("brokers have no field `{unknown}`")).hint(known()))
        }
        None => Ok(fields),
    }
}

fn own(over: &Override) -> Map<String, Value> {
    match serde_json::to_value(over) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|e| {
        Problem::bad_request(format!("a value is of the wrong kind: {e}"))
            .hint("sizes: `512MiB`; options: an object; jvmOptions and constraints: lists of text")
    })
}

/// JSON merge patch (RFC 7396).
fn merge(into: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, new) in patch {
        match (into.get_mut(key), new) {
            (_, Value::Null) => {
                into.remove(key);
            }
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, Value::Object(new)) => {
                let mut fresh = Map::new();
                merge(&mut fresh, new);
                into.insert(key.clone(), Value::Object(fresh));
            }
            _ => {
                into.insert(key.clone(), new.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn edited(value: Value, edit: impl FnOnce(&mut Options) -> Result<(), Problem>) -> Value {
        let mut value = value;
        apply(&mut value, edit).unwrap();
        value
    }

    #[test]
    fn only_what_changes_is_written() {
        let after = edited(json!({ "brokers": 3, "topics": { "a": {} } }), |o| set_count(o, 5));
        assert_eq!(after, json!({ "brokers": 5, "topics": { "a": {} } }));
        let after = edited(json!({ "brokers": 2, "ids": [0, 2] }), |o| set_count(o, 3));
        assert_eq!(after, json!({ "brokers": 3 }), "the free id between is taken, and ids are plain again");
    }

    #[test]
    fn removal_leaves_gaps() {
        let options = json!({ "brokers": 3, "overrides": { "1": { "cpus": 2.0 } } });
        let after = edited(options.clone(), |o| remove(o, &[1].into()));
        assert_eq!(after, json!({ "brokers": 2, "ids": [0, 2] }));
        let mut same = options;
        assert!(apply(&mut same, |o| remove(o, &[0, 1, 2].into())).is_err());
    }

    #[test]
    fn patches_are_merged_and_null_resets() {
        let ids = "1".parse().unwrap();
        let body = json!({ "heap": "1GiB", "options": { "a": 1, "b": null } });
        let options = json!({ "brokers": 2, "overrides": { "1": { "cpus": 2.0, "options": { "b": 2 } } } });
        let after = edited(options, |o| patch(o, &ids, &[1].into(), &body));
        assert_eq!(
            after["overrides"],
            json!({ "1": { "cpus": 2.0, "heap": "1024MiB", "options": { "a": 1 } } })
        );
        let after = edited(after, |o| {
            patch(o, &ids, &[1].into(), &json!({ "cpus": null, "heap": null, "options": null }))
        });
        assert!(after.get("overrides").is_none(), "{after}");
    }

    #[test]
    fn a_patch_for_everybody_is_for_those_to_come_too() {
        let everybody: Ids = "*".parse().unwrap();
        let options = json!({ "brokers": 2, "overrides": { "1": { "cpus": 2.0, "port": 9092 } } });
        let after = edited(options, |o| patch(o, &everybody, &[0, 1].into(), &json!({ "cpus": 1.5 })));
        assert_eq!(after["cpus"], json!(1.5));
        assert_eq!(after["overrides"], json!({ "1": { "port": "9092" } }));
    }

    #[test]
    fn unknown_fields_and_kinds_are_refused() {
        let ids = "0".parse().unwrap();
        let told = |body: Value| patch(&mut Options::default(), &ids, &[0].into(), &body).unwrap_err();
        assert!(told(json!({ "cpu": 1 })).detail.contains("no field `cpu`"));
        assert!(told(json!({ "mem": "x" })).detail.contains("is not a size"));
        assert_eq!(told(json!([])).status, 400);
    }
}
