//! How the cluster is at this moment, asked from itself.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

use crate::act::{ENABLE, EXCLUDE};

/// Paths of what is asked for a [`Survey`].
pub const QUESTIONS: [&str; 4] = [
    "/_cat/nodes?format=json&full_id=true&h=name,id,master,node.role,version&master_timeout=5s",
    "/_cat/shards?format=json&h=index,shard,prirep,state,node&master_timeout=5s",
    "/_cluster/settings?flat_settings=true&master_timeout=5s",
    "/_cluster/state/metadata?filter_path=metadata.cluster_coordination&master_timeout=5s",
];

/// A node that belongs to the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub id: String,
    /// It is the elected master.
    pub elected: bool,
    /// It may be elected.
    pub master: bool,
    /// It holds shards.
    pub data: bool,
    /// Version, number by number.
    pub version: Vec<u32>,
}

/// One copy of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copy {
    /// Its index.
    pub index: String,
    /// Number of its shard.
    pub shard: String,
    /// It is the primary.
    pub primary: bool,
    /// `STARTED`, `RELOCATING`, `INITIALIZING`, `UNASSIGNED`.
    pub state: String,
    /// Name of the node that holds it.
    pub node: Option<String>,
}

impl Copy {
    /// It holds everything.
    pub fn is_started(&self) -> bool {
        self.state == "STARTED" || self.state == "RELOCATING"
    }

    /// Whether two copies are of one shard.
    pub fn same_shard(&self, other: &Self) -> bool {
        (&self.index, &self.shard) == (&other.index, &other.shard)
    }
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.index, self.shard)
    }
}

/// The whole cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// All nodes.
    pub members: Vec<Member>,
    /// All copies of all shards.
    pub copies: Vec<Copy>,
    /// Names of nodes that get no shards.
    pub excluded: BTreeSet<String>,
    /// Which copies may be placed, if not all.
    pub allocation: Option<String>,
    /// Ids of the nodes whose votes count.
    pub voters: BTreeSet<String>,
    /// Names of the nodes that are to have no vote.
    pub excused: BTreeSet<String>,
}

impl Survey {
    /// From the answers to [`QUESTIONS`], in their order.
    pub fn of(answers: &[Value]) -> Self {
        let answer = |at: usize| answers.get(at).unwrap_or(&Value::Null);
        Self::read(answer(0), answer(1), answer(2), &answer(3)["metadata"]["cluster_coordination"])
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
            excused: names(&votes["voting_config_exclusions"], "node_name"),
        }
    }

    /// Why it is red, if it is: primaries that are not there.
    pub fn red(&self) -> Option<String> {
        let lost = self.copies.iter().find(|c| c.primary && !c.is_started())?;
        Some(format!("red: the primary of {lost} is not there"))
    }

    /// Why it is not green, apart from replicas that cannot be anywhere.
    pub fn yellow(&self) -> Option<String> {
        let mut open = self.copies.iter().filter(|c| !c.is_started() && !self.is_hopeless(c));
        let first = open.next()?;
        Some(format!("yellow: {} replicas are not there yet, of {first} for example", open.count() + 1))
    }

    /// A copy on this node without which its shard would have none that is started, although it is to have more. The only copy
    /// by somebody's own choice is none of these: it goes away for a while, and nothing else could be done.
    pub fn alone_on<'a>(&'a self, node: &'a str) -> Option<&'a Copy> {
        self.copies_on(node).filter(|copy| copy.is_started()).find(|copy| {
            let others: Vec<&Copy> = self.others(copy).filter(|other| !self.is_hopeless(other)).collect();
            !others.is_empty() && !others.iter().any(|other| other.is_started())
        })
    }

    /// Copies of its shard that hold everything.
    pub fn started(&self, copy: &Copy) -> usize {
        self.copies.iter().filter(|other| other.same_shard(copy) && other.is_started()).count()
    }

    /// How many votes would be left without a node, in words, if they were no majority.
    pub fn too_few_votes_without(&self, member: &Member) -> Option<String> {
        let votes = |m: &&Member| m.id != member.id && self.voters.contains(&m.id);
        let (left, all) = (self.members.iter().filter(votes).count(), self.voters.len());
        let few = self.voters.contains(&member.id) && left <= all / 2;
        few.then(|| format!("{left} of {all} votes would be left"))
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.name == name)
    }

    /// What there is to say of a node.
    pub fn about(&self, name: &str) -> Value {
        let member = self.member(name);
        json!({
            "member": member.is_some(),
            "elected": member.is_some_and(|m| m.elected),
            "shards": self.copies_on(name).count(),
            "draining": self.excluded.contains(name),
        })
    }

    /// Copies that a node holds.
    pub fn copies_on<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Copy> {
        self.copies.iter().filter(move |c| c.node.as_deref() == Some(name))
    }

    /// The other copies of the same shard.
    pub fn others<'a>(&'a self, copy: &'a Copy) -> impl Iterator<Item = &'a Copy> {
        self.copies.iter().filter(move |c| c.same_shard(copy) && *c != copy)
    }

    /// How many copies are on their way somewhere.
    pub fn moving(&self) -> usize {
        self.copies.iter().filter(|c| c.state == "RELOCATING" || c.state == "INITIALIZING").count()
    }

    /// A replica that is assigned nowhere, because every node that could take it has the shard already, or is older than the
    /// one with its primary: it will wait for another node, or for the others' upgrade, whatever is done meanwhile.
    pub fn is_hopeless(&self, copy: &Copy) -> bool {
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

fn split(names: &str) -> BTreeSet<String> {
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
        assert_eq!((survey.voters.len(), survey.excused.len(), survey.moving()), (2, 1, 1));
        assert!(survey.is_hopeless(&survey.copies[1]), "the only node with data has the shard");
    }
}
