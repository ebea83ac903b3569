//! What runs beside a task on the agent: renders, starts, probes, reports, stops.
//!
//! [`run`] is the whole of `cairn executor`. A Mesos agent starts it with the environment that Mesos gives executors;
//! it subscribes over the v1 executor API, and runs each task's [`cairn_task::TaskSpec`] as a process group that cannot
//! outlive it. It goes on without its agent for as long as the agent said, and tells it everything when it comes back.

mod action;
mod child;
mod driver;
mod files;
mod follow;
mod group;
mod lean;
mod monitor;
mod place;
mod planted;
mod ports;
mod probe;
mod service;
mod session;
mod tail;
mod user;

use std::ffi::OsString;

use cairn_mesos::client::ExecutorEnvironment;

/// The executor's state machine, for whoever drives it in a driver's place: a simulation.
pub mod simulation {
    pub use crate::planted::Bug;
    pub use crate::ports::PortTaken;
    pub use crate::service::{End, Report, Stop};
    pub use crate::session::{Effect, Input, Now, Session};
}

/// Runs the executor of this process, and gives its exit status. Must be called on the main thread, which lives as long
/// as the process: services are tied to the life of the thread that starts them.
///
/// It reads the command line itself: with `--child` among the arguments it is the helper that becomes a service, and
/// whoever dispatches commands must pass these arguments by untouched.
pub fn run() -> u8 {
    let args: Vec<OsString> = std::env::args_os().collect();
    // Only at the front: what follows `--` belongs to the service.
    let flag = args.iter().take(3).position(|a| a == child::CHILD_FLAG);
    match flag {
        Some(at) => child::become_child(&args[at + 1..]),
        None => execute(),
    }
}

fn execute() -> u8 {
    let env = match ExecutorEnvironment::from_process() {
        Ok(env) => env,
        Err(error) => return fail(&error),
    };
    // Processes that leave their parents come to the executor, which ends them when it ends.
    if let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
        tracing::warn!(%error, "cannot adopt processes that services leave behind");
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(driver::run(env)) {
        Ok(()) => 0,
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::error::Error) -> u8 {
    eprintln!("cairn executor: {error}");
    1
}
