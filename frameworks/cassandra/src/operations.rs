//! What nodetool does beside a node, as operations.

use cairn_framework::{Argument, OperationSpec};

const KEYSPACE: Argument = Argument::name("keyspace", "Only this one; without it all").after("--");
const TAG: Argument = Argument::name("tag", "Name of the snapshot")
    .after("-t")
    .needed("the name by which the snapshot is found again");
const FULL: Argument =
    Argument::truth("full", "true: compare all rows; without it only what no repair has seen yet")
        .after("-full");
const PRIMARY: Argument =
    Argument::truth("primary", "true: only ranges that a node owns first, for a repair of all nodes")
        .after("-pr");

const CLEANUP: &str = "Delete rows that belong to other nodes since the cluster has grown";
const SNAPSHOT: &str = "Keep the data as it is now, on the nodes' volumes";
const LIST: &str = "What snapshots there are, in each step's message";
const REWRITE: &str = "Rewrite data of an earlier version, after an upgrade";

/// All of them. What is aborted is stopped inside its node, since nodetool only waits for it; a repair ends by itself.
pub(crate) const OPERATIONS: [OperationSpec; 7] = [
    OperationSpec {
        arguments: &[KEYSPACE],
        ended_by: &["nodetool.sh", "stop", "--", "CLEANUP"],
        ..OperationSpec::script("cleanup", CLEANUP, &["nodetool.sh", "cleanup"])
    },
    OperationSpec {
        arguments: &[FULL, PRIMARY, KEYSPACE],
        ..OperationSpec::script("repair", "Bring the copies of rows in line", &["nodetool.sh", "repair"])
    },
    OperationSpec {
        arguments: &[KEYSPACE],
        ..OperationSpec::script("flush", "Write what is in memory to disk", &["nodetool.sh", "flush"])
            .at_once()
    },
    OperationSpec {
        arguments: &[TAG, KEYSPACE],
        ..OperationSpec::script("snapshot", SNAPSHOT, &["nodetool.sh", "snapshot"]).at_once()
    },
    OperationSpec::script("list-snapshots", LIST, &["nodetool.sh", "listsnapshots"]).at_once(),
    OperationSpec {
        arguments: &[TAG, KEYSPACE],
        ..OperationSpec::script("clear-snapshot", "Delete a snapshot", &["nodetool.sh", "clearsnapshot"])
            .at_once()
    },
    OperationSpec {
        arguments: &[KEYSPACE],
        ended_by: &["nodetool.sh", "stop", "--", "UPGRADE_SSTABLES"],
        ..OperationSpec::script("upgradesstables", REWRITE, &["nodetool.sh", "upgradesstables"])
    },
];

#[cfg(test)]
mod tests {
    use cairn_framework::{Config, Operate};
    use serde_json::{Value, json};

    use super::*;

    fn line(operation: &str, arguments: &Value) -> String {
        let spec = OPERATIONS.iter().find(|o| o.name == operation).expect(operation);
        let step = Operate {
            id: "x".into(),
            operation: operation.into(),
            instance: "node-0".into(),
            arguments: arguments.as_object().cloned().unwrap_or_default(),
            abort: false,
            config: Config::default(),
            view: std::sync::Arc::default(),
        };
        spec.line(&step)[2..].join(" ")
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
}
