//! What nodetool does beside a node, as operations.

use cairn_framework::kit::sh;
use cairn_framework::{Operate, OperationSpec, Problem};
use cairn_task::Action;
use serde_json::{Map, Value};

const KEYSPACE: (&str, &str) = ("keyspace", "Only this one; without it all");
const TAG: (&str, &str) = ("tag", "Name of the snapshot");

/// All of them.
pub(crate) const OPERATIONS: [OperationSpec; 7] = [
    OperationSpec {
        arguments: &[KEYSPACE],
        ..OperationSpec::new("cleanup", "Delete rows that belong to other nodes since the cluster has grown")
    },
    OperationSpec {
        arguments: &[
            KEYSPACE,
            ("full", "true: compare all rows; without it only what no repair has seen yet"),
            ("primary", "true: only ranges that a node owns first, for a repair of all nodes"),
        ],
        ..OperationSpec::new("repair", "Bring the copies of rows in line")
    },
    OperationSpec {
        arguments: &[KEYSPACE],
        parallel: true,
        ..OperationSpec::new("flush", "Write what is in memory to disk")
    },
    OperationSpec {
        arguments: &[KEYSPACE, TAG],
        parallel: true,
        ..OperationSpec::new("snapshot", "Keep the data as it is now, on the nodes' volumes")
    },
    OperationSpec {
        parallel: true,
        ..OperationSpec::new("list-snapshots", "What snapshots there are, in each step's message")
    },
    OperationSpec {
        arguments: &[KEYSPACE, TAG],
        parallel: true,
        ..OperationSpec::new("clear-snapshot", "Delete a snapshot")
    },
    OperationSpec {
        arguments: &[KEYSPACE],
        ..OperationSpec::new("upgradesstables", "Rewrite data of an earlier version, after an upgrade")
    },
];

/// What is wrong with the arguments. They become words of a command line.
pub(crate) fn check(operation: &str, arguments: &Map<String, Value>) -> Vec<Problem> {
    let plain = |text: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        !text.is_empty() && !text.starts_with('-') && text.chars().all(fits)
    };
    let wrong = |(name, value): (&String, &Value)| match name.as_str() {
        "full" | "primary" if value.is_boolean() => None,
        "full" | "primary" => Some(Problem::new(name, "is true or false")),
        _ if value.as_str().is_some_and(plain) => None,
        _ => Some(Problem::new(name, "cannot be a name").help("letters, digits, `_`, `-` and `.`")),
    };
    let mut problems: Vec<Problem> = arguments.iter().filter_map(wrong).collect();
    if operation.ends_with("snapshot") && !arguments.contains_key("tag") {
        problems.push(Problem::new("tag", "is missing: the name by which the snapshot is found again"));
    }
    problems
}

/// The command of a step.
pub(crate) fn action(step: &Operate) -> Action {
    let given = |name: &str| step.argument(name);
    let says = |name: &str| given(name).as_deref() == Some("true");
    let mut words: Vec<String> = match step.operation.as_str() {
        "list-snapshots" => vec!["listsnapshots".into()],
        "clear-snapshot" => vec!["clearsnapshot".into()],
        other => vec![other.into()],
    };
    words.extend(given("tag").into_iter().flat_map(|tag| ["-t".to_owned(), tag]));
    words.extend(says("full").then(|| "-full".to_owned()));
    words.extend(says("primary").then(|| "-pr".to_owned()));
    words.extend(given("keyspace").into_iter().flat_map(|keyspace| ["--".to_owned(), keyspace]));
    nodetool(words)
}

/// What ends the work of an aborted step inside its node: nodetool only waits for it. A repair ends by itself.
pub(crate) fn stop(step: &Operate) -> Option<Action> {
    let kind = match step.operation.as_str() {
        "cleanup" => "CLEANUP",
        "upgradesstables" => "UPGRADE_SSTABLES",
        _ => return None,
    };
    let id = format!("{}.stop", step.id);
    Some(Action { id, ..nodetool(vec!["stop".into(), "--".into(), kind.into()]) })
}

fn nodetool(words: Vec<String>) -> Action {
    Action { argv: [sh(&["nodetool.sh"]), words].concat(), ..Action::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    fn line(operation: &str, arguments: &Value) -> String {
        assert!(OPERATIONS.iter().any(|o| o.name == operation));
        let step = Operate {
            id: "x".into(),
            operation: operation.into(),
            instance: "node-0".into(),
            arguments: map(arguments),
            abort: false,
            config: cairn_framework::Config::default(),
            view: std::sync::Arc::default(),
        };
        action(&step).argv[2..].join(" ")
    }

    #[test]
    fn lines_as_nodetool_takes_them() {
        assert_eq!(line("cleanup", &json!({})), "cleanup");
        assert_eq!(
            line("repair", &json!({"full": true, "primary": false, "keyspace": "shop"})),
            "repair -full -- shop"
        );
        assert_eq!(
            line("snapshot", &json!({"tag": "monday", "keyspace": "shop"})),
            "snapshot -t monday -- shop"
        );
        assert_eq!(line("clear-snapshot", &json!({"tag": "monday"})), "clearsnapshot -t monday");
        assert_eq!(line("list-snapshots", &json!({})), "listsnapshots");
    }

    #[test]
    fn arguments_are_names() {
        assert!(check("repair", &map(&json!({"keyspace": "shop", "full": true}))).is_empty());
        assert_eq!(check("snapshot", &map(&json!({}))).len(), 1, "a snapshot without a name");
        let bad = json!({"keyspace": "--all", "full": "yes"});
        assert_eq!(check("repair", &map(&bad)).len(), 2);
    }
}
