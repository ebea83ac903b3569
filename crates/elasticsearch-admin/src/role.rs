//! What nodes do.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are Elasticsearch's own")]
pub enum Role {
    Master,
    Data,
    DataContent,
    DataHot,
    DataWarm,
    DataCold,
    DataFrozen,
    Ingest,
    VotingOnly,
    RemoteClusterClient,
    Transform,
    Ml,
}

/// Roles of a node; `None`: it does everything.
pub type Roles = Option<BTreeSet<Role>>;

impl Role {
    /// A node with these roles may be elected.
    pub fn elect(roles: &Roles) -> bool {
        roles.as_ref().is_none_or(|roles| roles.contains(&Self::Master))
    }

    /// A node with these roles holds shards; those that are searched in a repository are not held.
    pub fn hold(roles: &Roles) -> bool {
        let holds = |role: &Self| *role >= Self::Data && *role < Self::DataFrozen;
        roles.as_ref().is_none_or(|roles| roles.iter().any(holds))
    }

    /// Roles as elasticsearch.yml has them, or, by the other name of the master, opensearch.yml; `None`: the entry is left out.
    pub fn written(roles: &Roles, opensearch: bool) -> Option<Value> {
        let mut names = serde_json::to_value(roles.as_ref()?).ok()?;
        for name in names.as_array_mut()?.iter_mut().filter(|name| opensearch && **name == "master") {
            *name = "cluster_manager".into();
        }
        Some(names)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn roles_say_who_may_be_elected_and_who_holds_shards() {
        let all = |roles: &[Role]| Some(roles.iter().copied().collect::<BTreeSet<_>>());
        for (roles, elect, hold) in [
            (None, true, true),
            (all(&[]), false, false),
            (all(&[Role::Master, Role::Ingest]), true, false),
            (all(&[Role::DataCold]), false, true),
            (all(&[Role::DataFrozen, Role::VotingOnly]), false, false),
        ] {
            assert_eq!((Role::elect(&roles), Role::hold(&roles)), (elect, hold), "{roles:?}");
        }
        let both = all(&[Role::Master, Role::DataHot]);
        assert_eq!(Role::written(&both, false), Some(json!(["master", "data_hot"])));
        assert_eq!(Role::written(&both, true), Some(json!(["cluster_manager", "data_hot"])));
        assert_eq!(Role::written(&None, true), None);
    }
}
