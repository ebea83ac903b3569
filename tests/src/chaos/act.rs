//! Does what was decided, to processes.

use std::time::{Duration, Instant};

use super::decide::{Blow, Fault, Target};
use super::now;
use super::view::View;
use crate::cairn::Server;
use crate::{Cairn, processes};

/// A fault that is under way.
struct Struck {
    pid: i32,
    server: Option<Server>,
    blow: Blow,
    lasts: Duration,
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
/// When there is no such process: then somebody else has hurt it.
pub fn act(cairn: &mut Cairn, view: &View, round: &[Fault]) -> Result<Wounds, String> {
    let aims: Result<Vec<Struck>, String> = round.iter().map(|fault| aim(cairn, view, fault)).collect();
    let mut struck = aims?;
    struck.sort_by_key(|one| one.lasts);
    let begun = now();
    for one in &struck {
        match one.blow {
            Blow::Kill => processes::kill_hard(one.pid),
            Blow::Terminate => processes::terminate(one.pid),
            Blow::Freeze => processes::freeze(one.pid),
        }
    }
    struck.iter().for_each(|one| end(cairn, one, begun));
    let dead = struck.iter().filter(|one| one.blow != Blow::Freeze).map(|one| one.pid).collect();
    Ok(Wounds { over: now(), dead })
}

fn aim(cairn: &Cairn, view: &View, fault: &Fault) -> Result<Struck, String> {
    let server = match &fault.target {
        Target::Controller => Some(Server::Controller),
        Target::Master => Some(Server::Master),
        Target::Agent(place) => Some(Server::Agent(*place)),
        Target::Instance { .. } | Target::Executor { .. } | Target::Scheduler { .. } => None,
    };
    let pid = match server {
        Some(server) => Some(cairn.pid(server)),
        None => view.pid(&fault.target),
    };
    let pid = pid.ok_or_else(|| format!("{fault}: there is no such process"))?;
    Ok(Struck { pid, server, blow: fault.blow, lasts: fault.lasts })
}

/// Waits for the end of a fault that has one: what Cairn mends by itself, it mends at once.
fn end(cairn: &mut Cairn, one: &Struck, begun: Instant) {
    match (one.blow, one.server) {
        (Blow::Freeze, _) => {
            sleep_until(begun + one.lasts);
            processes::thaw(one.pid);
        }
        (Blow::Kill | Blow::Terminate, Some(server)) => {
            cairn.wait(server);
            sleep_until(begun + one.lasts);
            cairn.start(server);
        }
        (Blow::Kill | Blow::Terminate, None) => {}
    }
}

fn sleep_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(now()));
}
