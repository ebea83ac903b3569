//! Indices and templates are kept as declared: made, changed where that can be done in place, never deleted.

use std::collections::BTreeMap;

use axum::http::Method;
use cairn_framework::Verdict;
use cairn_framework::http::{ApiError, Change, JsonClient};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::options::{Options, flatten};

/// Mark of a template, in its `_meta`: what it was made from. Its own form is not what was sent, so it cannot be compared.
const MARK: &str = "cairn";

/// Brings the cluster in line with what is declared.
pub(crate) async fn keep(options: &Options, client: &JsonClient) -> Verdict {
    match todo(options, client).await {
        Ok(todo) => client.carry_out(todo).await,
        Err(error) => Verdict::Wait(error.to_string()),
    }
}

async fn todo(options: &Options, client: &JsonClient) -> Result<Vec<Change>, ApiError> {
    let mut todo = Vec::new();
    // Templates first: they are for indices that come after them.
    for (name, declared) in &options.templates {
        let there = found(client.get(&format!("/_index_template/{name}")).await)?;
        todo.extend(template(name, declared, &there["index_templates"][0]["index_template"]));
    }
    for (name, declared) in &options.indices {
        let there = found(client.get(&format!("/{name}?flat_settings=true")).await)?;
        // Asked by its alias, an index answers with its own name.
        let there = there.as_object().and_then(|indices| indices.values().next());
        todo.extend(index(name, declared, there));
    }
    Ok(todo)
}

fn found(answer: Result<Value, ApiError>) -> Result<Value, ApiError> {
    match answer {
        Err(error) if error.is(404) => Ok(Value::Null),
        other => other,
    }
}

fn template(name: &str, declared: &Value, there: &Value) -> Option<Change> {
    let mark: String =
        Sha256::digest(declared.to_string()).iter().take(8).map(|b| format!("{b:02x}")).collect();
    if there["_meta"][MARK] == mark {
        return None;
    }
    let mut body = declared.clone();
    body["_meta"][MARK] = mark.into();
    let path = format!("/_index_template/{name}");
    Some(Change { what: format!("template {name}"), method: Method::PUT, path, body })
}

fn index(name: &str, declared: &Value, there: Option<&Value>) -> Vec<Change> {
    let change = |what: &str, method, path: String, body: Value| Change {
        what: format!("{what} {name}"),
        method,
        path,
        body,
    };
    let Some(there) = there else {
        return vec![change("index", Method::PUT, format!("/{name}"), declared.clone())];
    };
    let mut changes = Vec::new();
    let settings = differing(&declared["settings"], &there["settings"]);
    if !settings.is_empty() {
        let path = format!("/{name}/_settings");
        changes.push(change("settings of index", Method::PUT, path, json!(settings)));
    }
    if !contains(&there["mappings"], &declared["mappings"]) {
        let path = format!("/{name}/_mapping");
        changes.push(change("mappings of index", Method::PUT, path, declared["mappings"].clone()));
    }
    for (alias, body) in declared["aliases"].as_object().into_iter().flatten() {
        if !there["aliases"].as_object().is_some_and(|aliases| aliases.contains_key(alias)) {
            let path = format!("/{name}/_alias/{alias}");
            changes.push(change(&format!("alias {alias} of index"), Method::PUT, path, body.clone()));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(changes: &[Change]) -> Vec<&str> {
        changes.iter().map(|c| c.what.as_str()).collect()
    }

    #[test]
    fn a_template_is_put_again_only_when_somebody_changed_it() {
        let declared = json!({ "index_patterns": ["logs-*"], "_meta": { "owner": "me" } });
        let first = template("logs", &declared, &Value::Null).unwrap();
        assert_eq!(
            (first.path.as_str(), first.body["_meta"]["owner"].as_str()),
            ("/_index_template/logs", Some("me"))
        );
        assert_eq!(template("logs", &declared, &first.body), None);
        assert!(template("logs", &declared, &json!({ "index_patterns": ["logs-*"] })).is_some());
        assert!(template("logs", &json!({ "index_patterns": ["x-*"] }), &first.body).is_some());
    }

    #[test]
    fn an_index_is_made_and_then_changed_in_place() {
        let declared = json!({
            "settings": { "number_of_shards": 2, "index": { "number_of_replicas": 1 }, "refresh_interval": "5s" },
            "mappings": { "properties": { "line": { "type": "text" }, "n": { "type": "long" } } },
            "aliases": { "all": {} },
        });
        assert_eq!(whats(&index("logs", &declared, None)), ["index logs"]);
        let there = json!({
            "settings": { "index.number_of_shards": "2", "index.number_of_replicas": "1", "index.refresh_interval": "5s",
                "index.uuid": "x" },
            "mappings": { "properties": { "line": { "type": "text" }, "n": { "type": "long" }, "more": {} } },
            "aliases": { "all": {}, "other": {} },
        });
        assert!(index("logs", &declared, Some(&there)).is_empty());
        let old = json!({
            "settings": { "index.number_of_shards": "2", "index.number_of_replicas": "0", "index.refresh_interval": "5s" },
            "mappings": { "properties": { "line": { "type": "text" } } },
            "aliases": {},
        });
        let changes = index("logs", &declared, Some(&old));
        let expected = ["settings of index logs", "mappings of index logs", "alias all of index logs"];
        assert_eq!(whats(&changes), expected);
        assert_eq!(changes[0].body, json!({ "index.number_of_replicas": 1 }));
    }
}
