//! Changes to options as they were written: what is left to its default stays so.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::rest::Problem;

/// Changes options through the service's own type `T`. Only the top-level options that `edit` changes are written.
///
/// # Errors
/// What `edit` refuses, or that the options cannot be read.
pub fn edit<T, F>(written: &mut Value, edit: F) -> Result<(), Problem>
where
    T: Serialize + DeserializeOwned,
    F: FnOnce(&mut T) -> Result<(), Problem>,
{
    if !written.is_object() {
        *written = Value::Object(Map::new());
    }
    let odd = |e: serde_json::Error| Problem::bad_request(format!("the options cannot be read: {e}"));
    let mut options: T = serde_json::from_value(written.clone()).map_err(odd)?;
    let before = to_map(&options);
    edit(&mut options)?;
    let after = to_map(&options);
    let Value::Object(fields) = written else { return Ok(()) };
    for (key, new) in &after {
        if before.get(key) != Some(new) {
            fields.insert(key.clone(), new.clone());
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        fields.remove(key);
    }
    Ok(())
}

fn to_map(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Options as they hold where some of them differ: `own` merged into what holds for all. What cannot be merged was refused with
/// the options, and is left out.
pub fn merged<T: Serialize + DeserializeOwned + Clone>(all: &T, own: &impl Serialize) -> T {
    let merged = || {
        let mut all = serde_json::to_value(all).ok()?;
        merge(&mut all, &serde_json::to_value(own).ok()?);
        serde_json::from_value(all).ok()
    };
    merged().unwrap_or_else(|| all.clone())
}

/// JSON merge patch (RFC 7396): objects are merged, null takes away, everything else replaces.
pub fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        into.clone_from(patch);
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Value::Object(fields) = into else { return };
    for (key, new) in patch {
        if new.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key).or_insert(Value::Null), new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Options {
        nodes: u32,
        heap: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        mem: Option<String>,
    }

    impl Default for Options {
        fn default() -> Self {
            Self { nodes: 3, heap: "128MiB".into(), mem: None }
        }
    }

    #[test]
    fn only_what_changes_is_written() {
        let mut written = json!({ "mem": "1GiB" });
        edit(&mut written, |o: &mut Options| {
            o.nodes = 5;
            o.mem = None;
            Ok(())
        })
        .unwrap();
        assert_eq!(written, json!({ "nodes": 5 }));
        let mut nothing = Value::Null;
        edit(&mut nothing, |_: &mut Options| Ok(())).unwrap();
        assert_eq!(nothing, json!({}));
        assert!(edit(&mut json!({ "node": 1 }), |_: &mut Options| Ok(())).is_err());
    }

    #[test]
    fn patches_are_merged_and_null_takes_away() {
        let mut value = json!({ "a": { "b": 1, "c": 2 }, "d": [1], "e": 1 });
        let patch = json!({ "a": { "b": null, "x": { "y": null, "z": 1 } }, "d": [2], "e": { "f": 1 } });
        merge(&mut value, &patch);
        assert_eq!(value, json!({ "a": { "c": 2, "x": { "z": 1 } }, "d": [2], "e": { "f": 1 } }));
    }
}
