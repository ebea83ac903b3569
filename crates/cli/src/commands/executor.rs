//! `cairn executor`: what runs beside a service on its agent.

use crate::failure::{Exit, Outcome};

/// Whether this process is to be an executor, from its first argument. Help is left to the command line's parser.
pub(crate) fn is_asked_for() -> bool {
    let mut args = std::env::args_os().skip(1);
    let verb = args.next().is_some_and(|verb| verb == "executor");
    verb && args.next().is_none_or(|next| next != "--help" && next != "-h")
}

/// Only options before the verb lead here.
pub(crate) fn misplaced() -> Outcome {
    let args: Vec<_> = std::env::args().skip(1).filter(|arg| arg != "executor").collect();
    let message = format!("`cairn executor` takes no options before it: {}", args.join(" "));
    crate::console::error(&message, Some("agents start it; there is no need to do so by hand"));
    Ok(Exit::Error)
}
