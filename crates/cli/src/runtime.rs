//! Runtimes, made only where something waits.

use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// Threads that a server of several parts works with.
const WORKERS: usize = 2;
/// Threads for files and names, which one task at a time uses.
const BLOCKING_FEW: usize = 2;
const BLOCKING: usize = 8;
/// Futures are on the heap; what is left for a stack is shallow.
const STACK: usize = 1024 * 1024;

/// One thread: clients and schedulers.
///
/// # Errors
/// When the system gives no more threads or files.
pub(crate) fn small() -> Result<Runtime, Failure> {
    built(Builder::new_current_thread().max_blocking_threads(BLOCKING_FEW))
}

/// A few threads: the cluster and the controller.
///
/// # Errors
/// When the system gives no more threads or files.
pub(crate) fn server() -> Result<Runtime, Failure> {
    built(Builder::new_multi_thread().worker_threads(WORKERS).max_blocking_threads(BLOCKING))
}

fn built(builder: &mut Builder) -> Result<Runtime, Failure> {
    let built = builder.thread_stack_size(STACK).enable_all().build();
    built.map_err(|error| Failure::new(format!("cannot start: {error}")))
}
