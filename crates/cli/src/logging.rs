//! What servers say while they run: plain lines on stderr.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::failure::Failure;

const DEFAULT: &str = "info";

/// Starts logging: as `--log` says, or `RUST_LOG`, or what matters.
///
/// # Errors
/// When the directives make no sense.
pub(crate) fn start(said: Option<&str>) -> Result<(), Failure> {
    let environment = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let directives = said.or(environment.as_deref()).unwrap_or(DEFAULT);
    let targets: Targets = directives.parse().map_err(|error| {
        Failure::hint(
            format!("`{directives}` does not say what to log: {error}"),
            "for example `debug`, or `info,cairn_cluster=debug`",
        )
    })?;
    let colour = io::stderr().is_terminal() && crate::console::Paint::stderr().is_on();
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(colour);
    // There is one logger only, and this is the one place that starts it.
    let _ = tracing_subscriber::registry().with(targets).with(lines).try_init();
    Ok(())
}
