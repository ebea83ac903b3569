//! The executor alone, for tests of agents and executors.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(cairn_executor::run())
}
