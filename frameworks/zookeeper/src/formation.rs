//! Whether a server founds the ensemble or joins it.
//!
//! The servers of a new ensemble all start with the same list, themselves, and vote at once. A server that comes later
//! must not: two of three new servers would elect a leader of their own and serve an empty tree beside the real one.
//! It starts as an observer, and is added once it has all data.
//!
//! Who founds an ensemble is remembered before anybody has a place, and that it serves as soon as it does: see
//! [`founding`]. Whom a new server joins only the others know, so it waits until they serve. An ensemble that exists and
//! is down has its membership on its servers' volumes; servers of which it is not known whether they have ever been a
//! part of it may start up to `n/2 + 1`. If all of them are, they are needed. If the ensemble is without them, it
//! contains server 1 (sizes shrink from the end), so those that are new are fewer than a quorum and cannot serve alone.

use cairn_framework::kit::founding::{self, Stage};
use cairn_framework::{View, Wait};
use cairn_zookeeper_admin::{Members, Role, ServerId};

use crate::names::{id_of, is_member, name_of, server_line};

/// Observed: membership as a serving server told it last.
pub(crate) const MEMBERS: &str = "members";

/// The membership as it was noted last.
pub(crate) fn noted(view: &View) -> Option<Members> {
    view.observed.get(MEMBERS).and_then(|noted| serde::Deserialize::deserialize(&**noted).ok())
}

/// May this server be launched while nobody serves?
pub(crate) fn admits(id: ServerId, view: &View) -> Result<(), Wait> {
    let known = noted(view).is_some_and(|members| members.servers.contains_key(&id));
    match Stage::of(view) {
        Stage::Exists if known || id as usize <= view.target.len() / 2 + 1 => Ok(()),
        Stage::Exists => Err(Wait::For("it joins as soon as the ensemble serves".into())),
        Stage::Unknown | Stage::By(_) => founding::admits(&name_of(id), view).map(drop),
    }
}

/// The membership that a server starts with, if its volume knows nothing newer.
pub(crate) fn initial_members(id: ServerId, view: &View) -> Result<Members, Wait> {
    if let Some(members) = noted(view) {
        return joining(id, members, view);
    }
    let founders = match Stage::of(view) {
        Stage::Exists => view.target.clone(),
        Stage::Unknown | Stage::By(_) => founding::founders(&name_of(id), view)?,
    };
    founding::places(&founders, view)?;
    let line = |name: &String| Some((id_of(name)?, server_line(view.placement(name)?, Role::Participant)?));
    Ok(Members { version: 0, servers: founders.iter().filter_map(line).collect() })
}

fn joining(id: ServerId, mut members: Members, view: &View) -> Result<Members, Wait> {
    let place = view.place(&name_of(id))?;
    if !is_member(id, view, &members) {
        let line = server_line(place, Role::Observer);
        members.servers.insert(id, line.ok_or_else(|| Wait::Peers("its ports".into()))?);
    }
    Ok(members)
}
