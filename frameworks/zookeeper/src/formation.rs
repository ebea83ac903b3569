//! Whether a server founds the ensemble or joins it.
//!
//! The servers of a new ensemble all start with the same list, themselves, and vote at once. A server that comes later
//! must not: two of three new servers would elect a leader of their own and serve an empty tree beside the real one.
//! It starts as an observer, and is added once it has all data.
//!
//! Which of the two it is must be known for certain, also after this scheduler has been killed at the worst moment:
//!
//! - Some server serves: its membership says it.
//! - No server has ever been given a place: this is a new ensemble. That is noted ([`FOUNDING`], for this process) before
//!   places are looked for, so all of them may start together.
//! - Otherwise nobody can tell "the ensemble is down" from "its foundation was interrupted". Then only the first
//!   `n/2 + 1` servers may start as founders, the rest wait until these serve. If it was interrupted, they are a quorum and
//!   finish it. If the ensemble is down, it contains server 1 (sizes shrink from the end), so those that are new are fewer
//!   than a quorum and cannot serve without it.

use cairn_framework::{View, Wait};
use cairn_zookeeper_admin::{Members, Role, ServerId};
use serde_json::Value;

use crate::names::{id_of, is_member, name_of, server_line};

/// Observed: names of the servers that found the ensemble; empty if it exists or nobody can tell.
pub(crate) const FOUNDING: &str = "founding";
/// Observed: membership as a serving server told it last.
pub(crate) const MEMBERS: &str = "members";

/// What is known about the ensemble's existence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Formation {
    /// Not looked yet.
    Unknown,
    /// It is new, and these servers found it.
    Founding(Vec<ServerId>),
    /// It has existed or its foundation was begun; nobody serves.
    Unclear,
    /// It serves, or did while this process watched.
    Exists(Members),
}

impl Formation {
    /// As the watcher has noted it.
    pub(crate) fn of(view: &View) -> Self {
        let noted = |key| view.observed.get(key).cloned();
        if let Some(members) = noted(MEMBERS).and_then(|v| serde_json::from_value(v).ok()) {
            return Self::Exists(members);
        }
        match noted(FOUNDING) {
            Some(Value::Array(names)) if names.is_empty() => Self::Unclear,
            Some(Value::Array(names)) => {
                Self::Founding(names.iter().filter_map(|n| id_of(n.as_str()?)).collect())
            }
            _ => Self::Unknown,
        }
    }

    /// What the watcher notes when it sees this view. `None`: what is noted already still holds.
    pub(crate) fn note(view: &View) -> Option<Value> {
        let untouched = view.instances.values().all(|i| i.placement.is_none());
        if untouched {
            return (!view.target.is_empty()).then(|| view.target.clone().into());
        }
        (Self::of(view) == Self::Unknown).then(|| Value::Array(Vec::new()))
    }

    /// May this server be launched while nobody serves?
    pub(crate) fn admits(&self, id: ServerId, size: usize) -> Result<(), String> {
        match self {
            Self::Founding(ids) if ids.contains(&id) => Ok(()),
            Self::Unclear if (id as usize) <= size / 2 + 1 => Ok(()),
            Self::Exists(members) if members.servers.contains_key(&id) => Ok(()),
            Self::Unknown => Err("it is being looked whether the ensemble exists".into()),
            _ => Err("it joins as soon as the ensemble serves".into()),
        }
    }
}

/// The membership that a server starts with, if its volume knows nothing newer.
pub(crate) fn initial_members(id: ServerId, view: &View) -> Result<Members, Wait> {
    let founders = match Formation::of(view) {
        Formation::Exists(members) => return joining(id, members, view),
        Formation::Founding(ids) if ids.contains(&id) => ids,
        Formation::Unclear => view.target.iter().filter_map(|n| id_of(n)).collect(),
        Formation::Founding(_) => return Err(Wait::For("it joins as soon as the ensemble serves".into())),
        Formation::Unknown => return Err(Wait::For("it is being looked whether the ensemble exists".into())),
    };
    let line = |id: &ServerId| Some((*id, server_line(view.placement(&name_of(*id))?, Role::Participant)?));
    let servers: Vec<_> = founders.iter().filter_map(line).collect();
    if servers.len() < founders.len() {
        let missing =
            founders.iter().filter(|id| servers.iter().all(|(s, _)| s != *id)).map(|id| name_of(*id));
        return Err(Wait::Peers(format!("places for {}", missing.collect::<Vec<_>>().join(", "))));
    }
    Ok(Members { version: 0, servers: servers.into_iter().collect() })
}

fn joining(id: ServerId, mut members: Members, view: &View) -> Result<Members, Wait> {
    let Some(place) = view.placement(&name_of(id)) else {
        return Err(Wait::Peers("a place of its own".into()));
    };
    if !is_member(id, view, &members) {
        let line = server_line(place, Role::Observer);
        members.servers.insert(id, line.ok_or_else(|| Wait::Peers("its ports".into()))?);
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_framework::{InstanceStatus, Placement};
    use serde_json::json;

    fn view(target: u32, placed: &[ServerId]) -> View {
        let mut view = View { target: (1..=target).map(name_of).collect(), ..View::default() };
        for id in 1..=target {
            let ports = [("client", 1), ("quorum", 2), ("election", 3)];
            let placement = placed.contains(&id).then(|| Placement {
                address: format!("10.0.0.{id}"),
                ports: ports.map(|(n, p)| (n.to_owned(), p)).into(),
                ..Placement::default()
            });
            view.instances
                .insert(name_of(id), InstanceStatus { name: name_of(id), placement, ..Default::default() });
        }
        view
    }

    fn noted(mut view: View, key: &str, value: Value) -> View {
        view.observed.insert(key.into(), value);
        view
    }

    #[test]
    fn only_an_untouched_ensemble_is_new() {
        let all = json!(["server-1", "server-2", "server-3"]);
        assert_eq!(Formation::note(&view(3, &[])), Some(all.clone()));
        assert_eq!(Formation::note(&view(3, &[1])), Some(json!([])), "places from an earlier life");
        let founding = |placed: &[_]| noted(view(3, placed), FOUNDING, all.clone());
        assert_eq!(Formation::note(&founding(&[1, 2])), None, "noted before places were looked for");
        let resized = noted(view(1, &[]), FOUNDING, all.clone());
        assert_eq!(Formation::note(&resized), Some(json!(["server-1"])), "nothing has happened yet");
        assert_eq!(Formation::note(&view(0, &[])), None);
        let destroyed = noted(view(3, &[]), MEMBERS, json!(Members::default()));
        assert_eq!(Formation::note(&destroyed), Some(all), "nothing is left of the ensemble there was");
    }

    #[test]
    fn founders_wait_for_all_places_and_start_alike() {
        let founding =
            |placed: &[_]| noted(view(3, placed), FOUNDING, json!(["server-1", "server-2", "server-3"]));
        let waiting = initial_members(1, &founding(&[1])).unwrap_err();
        assert_eq!(waiting, Wait::Peers("places for server-2, server-3".into()));
        let first = initial_members(1, &founding(&[1, 2, 3])).unwrap();
        assert_eq!(first, initial_members(3, &founding(&[1, 2, 3])).unwrap());
        assert_eq!(first.voters().collect::<Vec<_>>(), [1, 2, 3]);
        assert!(
            matches!(initial_members(1, &view(3, &[1, 2, 3])), Err(Wait::For(_))),
            "nothing is known yet"
        );
    }

    #[test]
    fn joiners_have_no_vote() {
        let one =
            Members { version: 5, servers: [(1, "10.0.0.1:2:3:participant;10.0.0.1:1".to_owned())].into() };
        let grown = noted(view(3, &[1, 2, 3]), MEMBERS, json!(one));
        let members = initial_members(2, &grown).unwrap();
        assert_eq!(members.voters().collect::<Vec<_>>(), [1]);
        assert_eq!(members.servers[&2], "10.0.0.2:2:3:observer;10.0.0.2:1");
        assert_eq!(initial_members(1, &grown).unwrap().servers, one.servers);
    }
}
