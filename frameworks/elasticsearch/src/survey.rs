//! How the cluster is at this moment, asked from itself.

use std::collections::BTreeSet;

use cairn_framework::View;
use cairn_framework::http::ApiError;
use serde_json::Value;

use crate::nodes::client;

/// Settings of the cluster that the framework changes.
pub(crate) const EXCLUDE: &str = "cluster.routing.allocation.exclude._name";
pub(crate) const ENABLE: &str = "cluster.routing.allocation.enable";

/// A node that belongs to the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) id: String,
    /// It is the elected master.
    pub(crate) elected: bool,
    /// It may be elected.
    pub(crate) master: bool,
    /// It holds shards.
    pub(crate) data: bool,
    pub(crate) version: Vec<u32>,
}

/// One copy of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) index: String,
    pub(crate) shard: String,
    pub(crate) primary: bool,
    /// `STARTED`, `RELOCATING`, `INITIALIZING`, `UNASSIGNED`.
    pub(crate) state: String,
    /// Name of the node that holds it.
    pub(crate) node: Option<String>,
}

impl Copy {
    /// It holds everything.
    pub(crate) fn is_started(&self) -> bool {
        self.state == "STARTED" || self.state == "RELOCATING"
    }

    pub(crate) fn same_shard(&self, other: &Self) -> bool {
        (&self.index, &self.shard) == (&other.index, &other.shard)
    }
}

/// The whole cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    pub(crate) members: Vec<Member>,
    pub(crate) copies: Vec<Copy>,
    /// Names of nodes that get no shards.
    pub(crate) excluded: BTreeSet<String>,
    /// Which copies may be placed, if not all.
    pub(crate) allocation: Option<String>,
    /// Ids of the nodes whose votes count.
    pub(crate) voters: BTreeSet<String>,
    /// Names of the nodes that are to have no vote.
    pub(crate) voteless: BTreeSet<String>,
}

impl Survey {
    /// Asks through any node that answers.
    ///
    /// # Errors
    /// Nobody answers, or there is no elected master.
    pub(crate) async fn take(view: &View) -> Result<Self, ApiError> {
        let client = client(view);
        let (nodes, shards, settings, votes) = tokio::try_join!(
            client.get(
                "/_cat/nodes?format=json&full_id=true&h=name,id,master,node.role,version&master_timeout=5s"
            ),
            client.get("/_cat/shards?format=json&h=index,shard,prirep,state,node&master_timeout=5s"),
            client.get("/_cluster/settings?flat_settings=true&master_timeout=5s"),
            client
                .get("/_cluster/state/metadata?filter_path=metadata.cluster_coordination&master_timeout=5s"),
        )?;
        Ok(Self::read(&nodes, &shards, &settings, &votes["metadata"]["cluster_coordination"]))
    }

    fn read(nodes: &Value, shards: &Value, settings: &Value, votes: &Value) -> Self {
        let rows = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let setting = |name: &str| {
            let of = |kind: &str| settings[kind][name].as_str().map(str::to_owned);
            of("transient").or_else(|| of("persistent"))
        };
        let names = |list: &Value, key: &str| rows(list).iter().map(|e| text(&e[key])).collect();
        Self {
            members: rows(nodes).iter().map(member).collect(),
            copies: rows(shards).iter().map(copy).collect(),
            excluded: split(&setting(EXCLUDE).unwrap_or_default()),
            allocation: setting(ENABLE),
            voters: rows(&votes["last_committed_config"]).iter().map(text).collect(),
            voteless: names(&votes["voting_config_exclusions"], "node_name"),
        }
    }

    /// The member of this name.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.name == name)
    }

    /// Copies that a node holds.
    pub(crate) fn copies_on<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Copy> {
        self.copies.iter().filter(move |c| c.node.as_deref() == Some(name))
    }

    /// The other copies of the same shard.
    pub(crate) fn others<'a>(&'a self, copy: &'a Copy) -> impl Iterator<Item = &'a Copy> {
        self.copies.iter().filter(move |c| c.same_shard(copy) && *c != copy)
    }

    /// How many copies are on their way somewhere.
    pub(crate) fn moving(&self) -> usize {
        self.copies.iter().filter(|c| c.state == "RELOCATING" || c.state == "INITIALIZING").count()
    }

    /// A replica that is assigned nowhere, because every node that could take it has the shard already, or is older than the
    /// one with its primary: it will wait for another node, or for the others' upgrade, whatever is done meanwhile.
    pub(crate) fn is_hopeless(&self, copy: &Copy) -> bool {
        let holders: Vec<&Copy> =
            self.copies.iter().filter(|c| c.same_shard(copy) && c.node.is_some()).collect();
        let primary = holders.iter().find(|c| c.primary).and_then(|c| self.member(c.node.as_deref()?));
        let could = |m: &&Member| {
            let holds = holders.iter().any(|c| c.node.as_deref() == Some(&m.name));
            m.data
                && !holds
                && !self.excluded.contains(&m.name)
                && primary.is_none_or(|p| m.version >= p.version)
        };
        copy.state == "UNASSIGNED" && !copy.primary && !self.members.iter().any(|m| could(&m))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn split(names: &str) -> BTreeSet<String> {
    names.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect()
}

fn member(row: &Value) -> Member {
    let roles = text(&row["node.role"]);
    Member {
        name: text(&row["name"]),
        id: text(&row["id"]),
        elected: row["master"] == "*",
        master: roles.contains('m'),
        // Data of any tier: content, hot, warm, cold.
        data: roles.contains(['d', 's', 'h', 'w', 'c']),
        version: text(&row["version"]).split(['.', '-']).map_while(|n| n.parse().ok()).collect(),
    }
}

fn copy(row: &Value) -> Copy {
    Copy {
        index: text(&row["index"]),
        shard: text(&row["shard"]),
        primary: row["prirep"] == "p",
        state: text(&row["state"]),
        // One that moves is shown as `from -> address id to`.
        node: row["node"].as_str().and_then(|n| n.split(' ').next()).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_the_cluster_tells() {
        let nodes = json!([
            { "name": "node-0", "id": "A", "master": "*", "node.role": "cdfhilmrstw", "version": "8.19.8" },
            { "name": "node-1", "id": "B", "master": "-", "node.role": "mr", "version": "8.19.8" },
        ]);
        let shards = json!([
            { "index": "logs", "shard": "0", "prirep": "p", "state": "RELOCATING", "node": "node-0 -> 127.0.0.2 B node-1" },
            { "index": "logs", "shard": "0", "prirep": "r", "state": "UNASSIGNED", "node": null },
        ]);
        let settings =
            json!({ "persistent": { EXCLUDE: "node-3, x" }, "transient": { ENABLE: "primaries" } });
        let votes = json!({
            "last_committed_config": ["A", "B"],
            "voting_config_exclusions": [{ "node_id": "C", "node_name": "node-3" }],
        });
        let survey = Survey::read(&nodes, &shards, &settings, &votes);
        assert!(survey.member("node-0").unwrap().elected && survey.member("node-0").unwrap().data);
        assert!(!survey.member("node-1").unwrap().data && survey.member("node-1").unwrap().master);
        assert_eq!(survey.copies_on("node-0").count(), 1);
        assert_eq!(survey.excluded, ["node-3".to_owned(), "x".to_owned()].into());
        assert_eq!(survey.allocation.as_deref(), Some("primaries"));
        assert_eq!((survey.voters.len(), survey.voteless.len(), survey.moving()), (2, 1, 1));
        assert!(survey.is_hopeless(&survey.copies[1]), "the only node with data has the shard");
    }
}
