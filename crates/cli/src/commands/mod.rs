//! A file for each verb.

pub(crate) mod access;
pub(crate) mod agent;
pub(crate) mod apply;
pub(crate) mod cluster;
pub(crate) mod completions;
pub(crate) mod controller;
pub(crate) mod declare;
pub(crate) mod destroy;
pub(crate) mod dev;
pub(crate) mod docs;
pub(crate) mod doctor;
pub(crate) mod endpoints;
pub(crate) mod executor;
pub(crate) mod frameworks;
pub(crate) mod instance;
pub(crate) mod kafka;
pub(crate) mod logs;
pub(crate) mod operate;
pub(crate) mod plan;
pub(crate) mod render;
pub(crate) mod reregister;
pub(crate) mod scale;
pub(crate) mod scheduler;
pub(crate) mod schema;
pub(crate) mod secret;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod times;
pub(crate) mod validate;

use crate::args::{Cli, Command};
use crate::failure::Outcome;

/// Carries out what the command line asks for.
pub(crate) fn run(cli: Cli) -> Outcome {
    let Cli { globals, command } = cli;
    match command {
        Command::Validate(args) => validate::run(&globals, &args),
        Command::Plan(args) => plan::run(&globals, &args),
        Command::Render(args) => render::run(&globals, &args),
        Command::Apply(args) => apply::run(&globals, &args),
        Command::Status(args) => status::run(&globals, &args),
        Command::Endpoints(args) => endpoints::run(&globals, &args),
        Command::Logs(args) => logs::run(&globals, &args),
        Command::Scale(args) => scale::run(&globals, &args),
        Command::Secret(args) => secret::run(&globals, &args),
        Command::Destroy(args) => destroy::run(&globals, &args),
        Command::Doctor(args) => doctor::run(&globals, &args),
        Command::Reregister(args) => reregister::run(&globals, &args),
        Command::State(args) => state::run(&globals, &args),
        Command::Instance(args) => instance::run(&globals, &args),
        Command::Declare(args) => declare::run(&globals, &args),
        Command::Operate(args) => operate::run(&globals, &args),
        Command::Kafka(args) => kafka::run(&globals, &args),
        Command::Frameworks(args) => frameworks::run(&globals, &args),
        Command::Schema(args) => schema::run(&globals, &args),
        Command::Docs(args) => docs::run(&globals, &args),
        Command::Completions(args) => completions::run(&args),
        Command::Dev(args) => dev::run(&globals, args),
        Command::Agent(args) => agent::run(&globals, &args),
        Command::Cluster(args) => cluster::run(&globals, &args),
        Command::Controller(args) => controller::run(&globals, args),
        Command::Scheduler(args) => scheduler::run(&globals, args),
        Command::Executor => executor::misplaced(),
    }
}
