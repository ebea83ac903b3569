//! What is changed in a cluster so that a node can go or come.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use crate::survey::Copy;
use crate::{Request, request};

/// Settings of the cluster that are changed.
pub(crate) const EXCLUDE: &str = "cluster.routing.allocation.exclude._name";
pub(crate) const ENABLE: &str = "cluster.routing.allocation.enable";

/// Writes what is in memory: POST it. What is not flushed is replayed after a restart; that is slower and no harm.
pub const FLUSH: &str = "/_flush";

/// A change of the cluster, or a question about one that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Only primaries are placed while a node is away.
    HoldReplicas,
    /// All copies are placed again.
    ReleaseReplicas,
    /// Exactly these nodes get no shards.
    Exclude(BTreeSet<String>),
    /// The node gives its vote back.
    TakeVote(String),
    /// All nodes may vote again.
    GiveVotes,
    /// Tell why this copy does not leave its node, one of so many.
    Explain(Copy, usize),
}

impl Act {
    /// Value of the setting that lets replicas wait.
    pub const PRIMARIES: &'static str = "primaries";

    /// How it is asked for.
    pub fn request(&self) -> Request {
        const VOTES: &str = "/_cluster/voting_config_exclusions";
        match self {
            Self::HoldReplicas => set(ENABLE, &Self::PRIMARIES.into()),
            Self::ReleaseReplicas => set(ENABLE, &Value::Null),
            Self::Exclude(names) if names.is_empty() => set(EXCLUDE, &Value::Null),
            Self::Exclude(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                set(EXCLUDE, &names.join(",").into())
            }
            Self::TakeVote(name) => {
                request(Method::POST, format!("{VOTES}?node_names={name}&timeout=5s"), Value::Null)
            }
            Self::GiveVotes => {
                request(Method::DELETE, format!("{VOTES}?wait_for_removal=false"), Value::Null)
            }
            Self::Explain(copy, _) => explain(copy),
        }
    }

    /// What the answer says where it is one for people: why a copy does not leave its node, in the cluster's words.
    pub fn told(&self, answer: &Value) -> Option<String> {
        let Self::Explain(copy, left) = self else { return None };
        let decider = &answer["node_allocation_decisions"][0]["deciders"][0]["explanation"];
        let why = decider.as_str().or_else(|| answer["move_explanation"].as_str());
        let why = why.unwrap_or("the cluster does not say why");
        Some(format!("draining: STALLED with {left} of its shards left, {copy} for example: {why}"))
    }
}

/// Where a setting of this name was made does not matter: it is gone afterwards.
fn set(name: &str, value: &Value) -> Request {
    let body = json!({ "persistent": { name: value }, "transient": { name: null } });
    request(Method::PUT, "/_cluster/settings?master_timeout=5s", body)
}

fn explain(copy: &Copy) -> Request {
    let body = json!({
        "index": copy.index, "shard": copy.shard.parse::<u64>().unwrap_or_default(), "primary": copy.primary,
        "current_node": copy.node,
    });
    let path = "/_cluster/allocation/explain?filter_path=move_explanation,can_move_to_other_node,\
        node_allocation_decisions.deciders.explanation";
    request(Method::POST, path, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_made_in_one_place_and_taken_back_from_both() {
        let names = ["b", "a"].map(str::to_owned).into();
        let exclude = Act::Exclude(names).request();
        assert_eq!(exclude.body()["persistent"][EXCLUDE], "a,b");
        assert_eq!(exclude.body()["transient"][EXCLUDE], Value::Null);
        assert_eq!(exclude.uri().path(), "/_cluster/settings");
        let none = Act::Exclude(BTreeSet::new()).request();
        assert!(none.body()["persistent"][EXCLUDE].is_null());
    }

    #[test]
    fn what_stalls_is_told_in_the_clusters_words() {
        let copy =
            Copy { index: "logs".into(), shard: "2".into(), node: Some("n".into()), ..Copy::default() };
        let act = Act::Explain(copy, 3);
        assert_eq!(act.request().body()["shard"], 2);
        let decider =
            json!({ "node_allocation_decisions": [{ "deciders": [{ "explanation": "no disk" }] }] });
        let told = act.told(&decider).unwrap();
        assert_eq!(told, "draining: STALLED with 3 of its shards left, logs[2] for example: no disk");
        assert!(act.told(&Value::Null).unwrap().ends_with("the cluster does not say why"));
        assert_eq!(Act::GiveVotes.told(&decider), None);
    }
}
