//! Starting a process that cannot outlive the executor.
//!
//! A service is not started directly but through this same program (`… executor --child PARENT -- argv`), which asks
//! the kernel to be killed when the executor dies and then becomes the service by `exec`. The request survives `exec`,
//! costs no process of its own and, unlike work between `fork` and `exec`, needs no unsafe code.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use cairn_mesos::client::EXECUTOR_TOKEN;
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use tokio::process::Command;

/// Marks the arguments of the helper.
pub(crate) const CHILD_FLAG: &str = "--child";

/// Exit status of the helper when the program cannot be executed, as shells have it.
const CANNOT_EXECUTE: u8 = 127;

/// How a process is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Launch<'a> {
    /// Program and arguments.
    pub(crate) argv: &'a [String],
    /// Environment on top of the executor's.
    pub(crate) env: Vec<(&'a str, &'a str)>,
    /// User and group id.
    pub(crate) run_as: Option<u32>,
}

impl Launch<'_> {
    /// A command in a process group of its own, in the sandbox, with no standard input, that dies with this executor.
    pub(crate) fn command(&self, sandbox: &std::path::Path) -> Command {
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("cairn")
            .arg("executor")
            .arg(CHILD_FLAG)
            .arg(getpid().as_raw_nonzero().to_string())
            .arg("--")
            .args(self.argv)
            // It proves who the executor is, which the service is not.
            .env_remove(EXECUTOR_TOKEN)
            .envs(self.env.iter().copied())
            .current_dir(sandbox)
            .stdin(Stdio::null())
            .process_group(0);
        if let Some(id) = self.run_as {
            command.uid(id).gid(id);
        }
        command
    }
}

/// The helper: `args` are what follows [`CHILD_FLAG`]. Returns only when the program could not be executed.
pub(crate) fn become_child(args: &[OsString]) -> u8 {
    let parent =
        args.first().and_then(|a| a.to_str()).and_then(|a| a.parse::<i32>().ok()).and_then(Pid::from_raw);
    let (Some(parent), Some(program)) = (parent, args.get(2)) else {
        eprintln!(
            "cairn executor: this form is for the executor's own use: {CHILD_FLAG} PARENT -- PROGRAM [ARGUMENT…]"
        );
        return 2;
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        eprintln!("cairn executor: cannot tie {} to the executor's life: {error}", program.display());
        return CANNOT_EXECUTE;
    }
    if getppid() != Some(parent) {
        // The executor died between fork and the request above; the signal would never come.
        return CANNOT_EXECUTE;
    }
    let error = std::process::Command::new(program).args(&args[3..]).exec();
    eprintln!("cannot execute {}: {error}", program.display());
    CANNOT_EXECUTE
}
