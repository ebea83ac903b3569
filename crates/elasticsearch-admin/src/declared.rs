//! Indices and templates that are declared: what has to be asked for so that they are as declared. They are made, changed where
//! that can be done in place, never deleted.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{Request, request};

/// Mark of a template, in its `_meta`: what it was made from. Its own form is not what was sent, so it cannot be compared.
const MARK: &str = "cairn";

/// A change: what it is about, for people, and how it is asked for.
pub type Change = (String, Request);

/// Where a template is found.
pub fn template_at(name: &str) -> String {
    format!("/_index_template/{name}")
}

/// Where an index is found.
pub fn index_at(name: &str) -> String {
    format!("/{name}?flat_settings=true")
}

/// Whether Elasticsearch takes this as the name of an index or a template; a name must not lead to another resource either.
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    name.chars().all(allowed) && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.len() < 200
}

/// What makes a template as declared; `there` is what was found, null if nothing.
pub fn template(name: &str, declared: &Value, there: &Value) -> Vec<Change> {
    let mark: String =
        Sha256::digest(declared.to_string()).iter().take(8).map(|b| format!("{b:02x}")).collect();
    if there["index_templates"][0]["index_template"]["_meta"][MARK] == mark {
        return Vec::new();
    }
    let mut body = declared.clone();
    // One that is no object is for the cluster to refuse.
    if body["_meta"].is_null() || body["_meta"].is_object() {
        body["_meta"][MARK] = mark.into();
    }
    vec![(format!("template {name}"), request(Method::PUT, template_at(name), body))]
}

/// What makes an index as declared; `there` is what was found, null if nothing.
pub fn index(name: &str, declared: &Value, there: &Value) -> Vec<Change> {
    let change =
        |what: &str, path: String, body: Value| (format!("{what} {name}"), request(Method::PUT, path, body));
    // Asked by its alias, an index answers with its own name.
    let Some(there) = there.as_object().and_then(|indices| indices.values().next()) else {
        return vec![change("index", format!("/{name}"), declared.clone())];
    };
    let mut changes = Vec::new();
    let settings = differing(&declared["settings"], &there["settings"]);
    if !settings.is_empty() {
        changes.push(change("settings of index", format!("/{name}/_settings"), json!(settings)));
    }
    if !contains(&there["mappings"], &declared["mappings"]) {
        changes.push(change("mappings of index", format!("/{name}/_mapping"), declared["mappings"].clone()));
    }
    for (alias, body) in declared["aliases"].as_object().into_iter().flatten() {
        if !there["aliases"].as_object().is_some_and(|aliases| aliases.contains_key(alias)) {
            let path = format!("/{name}/_alias/{alias}");
            changes.push(change(&format!("alias {alias} of index"), path, body.clone()));
        }
    }
    changes
}

/// Settings of an index that are not as declared. The cluster tells them flat and as text.
fn differing(declared: &Value, there: &Value) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    flatten("", declared.as_object().unwrap_or(&Map::new()), &mut flat);
    let full = |key: String| if key.starts_with("index.") { key } else { format!("index.{key}") };
    flat.into_iter()
        .map(|(key, value)| (full(key), value))
        .filter(|(key, value)| {
            there[key.as_str()] != text(value) && !(value.is_null() && there[key.as_str()].is_null())
        })
        .collect()
}

fn text(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        Value::String(_) | Value::Null => value.clone(),
        other => other.to_string().into(),
    }
}

/// All that is declared is there; numbers and truth values may be there as text.
fn contains(there: &Value, declared: &Value) -> bool {
    match declared {
        Value::Object(fields) => fields.iter().all(|(key, value)| contains(&there[key.as_str()], value)),
        Value::Null => true,
        other => there == other || *there == text(other),
    }
}

/// Nested entries by their dotted names, which mean the same.
pub fn flatten(prefix: &str, entries: &Map<String, Value>, flat: &mut BTreeMap<String, Value>) {
    for (key, value) in entries {
        match value {
            Value::Object(inner) => flatten(&format!("{prefix}{key}."), inner, flat),
            _ => drop(flat.insert(format!("{prefix}{key}"), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(changes: &[Change]) -> Vec<&str> {
        changes.iter().map(|(what, _)| what.as_str()).collect()
    }

    #[test]
    fn a_template_is_put_again_only_when_somebody_changed_it() {
        let declared = json!({ "index_patterns": ["logs-*"], "_meta": { "owner": "me" } });
        let (_, first) = template("logs", &declared, &Value::Null).remove(0);
        assert_eq!(
            (first.uri().path(), first.body()["_meta"]["owner"].as_str()),
            ("/_index_template/logs", Some("me"))
        );
        let there = |body: &Value| json!({ "index_templates": [{ "name": "logs", "index_template": body }] });
        assert!(template("logs", &declared, &there(first.body())).is_empty());
        assert!(template("logs", &declared, &there(&json!({ "index_patterns": ["logs-*"] }))).len() == 1);
        assert!(template("logs", &json!({ "index_patterns": ["x-*"] }), &there(first.body())).len() == 1);
    }

    #[test]
    fn what_the_cluster_has_to_refuse_is_sent_as_it_is() {
        let (_, odd) = template("logs", &json!({ "_meta": 5 }), &Value::Null).remove(0);
        assert_eq!(*odd.body(), json!({ "_meta": 5 }));
    }

    #[test]
    fn names_lead_nowhere_else() {
        assert!(["logs", "logs-2024.01", "0_a"].into_iter().all(is_name));
        assert!(!["", "../x", "_all", "Logs", "a/b", "a?b", ".", "-x"].into_iter().any(is_name));
    }

    #[test]
    fn an_index_is_made_and_then_changed_in_place() {
        let declared = json!({
            "settings": { "number_of_shards": 2, "index": { "number_of_replicas": 1 }, "refresh_interval": "5s" },
            "mappings": { "properties": { "line": { "type": "text" }, "n": { "type": "long" } } },
            "aliases": { "all": {} },
        });
        assert_eq!(whats(&index("logs", &declared, &Value::Null)), ["index logs"]);
        let there = json!({
            "settings": { "index.number_of_shards": "2", "index.number_of_replicas": "1", "index.refresh_interval": "5s",
                "index.uuid": "x" },
            "mappings": { "properties": { "line": { "type": "text" }, "n": { "type": "long" }, "more": {} } },
            "aliases": { "all": {}, "other": {} },
        });
        assert!(index("logs", &declared, &json!({ "logs-1": there })).is_empty());
        let old = json!({
            "settings": { "index.number_of_shards": "2", "index.number_of_replicas": "0", "index.refresh_interval": "5s" },
            "mappings": { "properties": { "line": { "type": "text" } } },
            "aliases": {},
        });
        let changes = index("logs", &declared, &json!({ "logs": old }));
        let expected = ["settings of index logs", "mappings of index logs", "alias all of index logs"];
        assert_eq!(whats(&changes), expected);
        assert_eq!(*changes[0].1.body(), json!({ "index.number_of_replicas": 1 }));
    }
}
