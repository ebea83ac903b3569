//! Does what was decided: to processes, and to the networks and disks of agents.

use std::time::{Duration, Instant};

use super::decide::{Blow, Fault, Target};
use super::homes::Homes;
use super::now;
use super::view::View;
use crate::cairn::Server;
use crate::{Cairn, processes};

/// A fault that is under way.
struct Struck {
    aim: Aim,
    lasts: Duration,
}

/// What exactly is hit, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// A process stands still.
    Freeze(i32),
    /// A process ends, at once or when it is ready to. A server is started again.
    End { pid: i32, hard: bool, server: Option<Server> },
    /// The cable of an agent.
    Cable(usize),
    /// What two agents know of each other.
    Link(usize, usize),
    /// The disk of an agent.
    Disk(usize),
}

/// What a round has left behind.
#[derive(Debug)]
pub struct Wounds {
    /// When nothing of it was held up any more, except by what it has caused.
    pub over: Instant,
    /// Processes that must not be there afterwards.
    pub dead: Vec<i32>,
}

/// Hurts all at the same time, and lets each go on, or starts it again, when its time is over.
///
/// # Errors
/// When there is no such process: then somebody else has hurt it. When networks or disks cannot be changed.
pub fn act(cairn: &mut Cairn, homes: Option<&Homes>, view: &View, round: &[Fault]) -> Result<Wounds, String> {
    let aims: Result<Vec<Struck>, String> = round.iter().map(|fault| aim(cairn, view, fault)).collect();
    let mut struck = aims?;
    struck.sort_by_key(|one| one.lasts);
    let begun = now();
    for one in &struck {
        strike(one.aim, homes)?;
    }
    for one in &struck {
        end(cairn, homes, one, begun)?;
    }
    let dead = |one: &Struck| match one.aim {
        Aim::End { pid, .. } => Some(pid),
        _ => None,
    };
    Ok(Wounds { over: now(), dead: struck.iter().filter_map(dead).collect() })
}

fn aim(cairn: &Cairn, view: &View, fault: &Fault) -> Result<Struck, String> {
    let server = match &fault.target {
        Target::Controller => Some(Server::Controller),
        Target::Master => Some(Server::Master),
        Target::Agent(place) => Some(Server::Agent(*place)),
        _ => None,
    };
    let pid = match server {
        Some(server) => Some(cairn.pid(server)),
        None => view.pid(&fault.target),
    };
    let pid = pid.ok_or_else(|| format!("{fault}: there is no such process"));
    let aim = match (fault.blow, &fault.target) {
        (Blow::Cut, Target::Agent(place)) => Aim::Cable(*place),
        (Blow::Fill, Target::Agent(place)) => Aim::Disk(*place),
        (_, Target::Link(one, other)) => Aim::Link(*one, *other),
        (Blow::Freeze, _) => Aim::Freeze(pid?),
        (blow, _) => Aim::End { pid: pid?, hard: blow == Blow::Kill, server },
    };
    Ok(Struck { aim, lasts: fault.lasts })
}

fn home(homes: Option<&Homes>) -> Result<&Homes, String> {
    homes.ok_or_else(|| "agents have neither networks nor disks of their own".to_owned())
}

fn strike(aim: Aim, homes: Option<&Homes>) -> Result<(), String> {
    match aim {
        Aim::Freeze(pid) => processes::freeze(pid),
        Aim::End { pid, hard: true, .. } => processes::kill_hard(pid),
        Aim::End { pid, hard: false, .. } => processes::terminate(pid),
        Aim::Cable(place) => home(homes)?.unplug(place)?,
        Aim::Link(one, other) => home(homes)?.part(one, other)?,
        Aim::Disk(place) => home(homes)?.fill(place)?,
    }
    Ok(())
}

/// Waits for the end of a fault that has one: what Cairn mends by itself, it mends at once.
fn end(cairn: &mut Cairn, homes: Option<&Homes>, one: &Struck, begun: Instant) -> Result<(), String> {
    let over = begun + one.lasts;
    match one.aim {
        Aim::End { server: None, .. } => {}
        Aim::End { server: Some(server), .. } => {
            cairn.wait(server);
            sleep_until(over);
            cairn.start(server);
        }
        Aim::Freeze(pid) => {
            sleep_until(over);
            processes::thaw(pid);
        }
        Aim::Cable(place) => {
            sleep_until(over);
            home(homes)?.plug(place)?;
        }
        Aim::Link(one, other) => {
            sleep_until(over);
            home(homes)?.join(one, other)?;
        }
        Aim::Disk(place) => {
            sleep_until(over);
            home(homes)?.clear(place)?;
        }
    }
    Ok(())
}

fn sleep_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(now()));
}
