//! The command line.

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    agent, apply, cluster, completions, controller, declare, destroy, dev, docs, doctor, endpoints,
    frameworks, instance, kafka, logs, operate, plan, render, reregister, scale, scheduler, schema, secret,
    state, status, validate,
};
use crate::output::Format;

/// One YAML file names the services you want and how they depend on each other; Cairn brings them up in order, each
/// under a scheduler of its own, and keeps them as the file says.
#[derive(Debug, Parser)]
#[command(name = "cairn", version, max_term_width = 110, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit status: 0 done, 1 error, 2 the plan has changes, 3 blocked by safety or an error that \
     needs you, 4 timeout, 130 interrupted.";

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Globals {
    /// Form of what goes to stdout
    #[arg(short, long, global = true, value_enum, value_name = "FORM", default_value_t)]
    pub(crate) output: Format,
    /// What servers log, for example `debug` or `info,cairn_cluster=debug` [default: RUST_LOG, or info]
    #[arg(long, global = true, value_name = "DIRECTIVES")]
    pub(crate) log: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a stack spec without a controller
    Validate(validate::Args),
    /// Show what `apply` would do, and touch nothing
    Plan(plan::Args),
    /// Show a stack as one file, with overlays, parameters and nested stacks worked in
    Render(render::Args),
    /// Bring a stack to what its file says, and watch until it is
    Apply(apply::Args),
    /// Show stacks, their services and instances, and what waits for what
    Status(status::Args),
    /// Show where services are to be had
    Endpoints(endpoints::Args),
    /// Show what instances write
    Logs(logs::Args),
    /// Change how many instances a service has
    Scale(scale::Args),
    /// Set, list and forget secrets, which stacks name as `${secret.NAME}`
    Secret(secret::Args),
    /// Take a stack down, in reverse order; its data is kept unless told otherwise
    Destroy(destroy::Args),
    /// Say what is wrong with state, cluster and services, and which command mends it
    Doctor(doctor::Args),
    /// Back up what Cairn has stored, bring it back, move it to another place
    State(state::Args),
    /// Register a scheduler anew that the master has removed; its data is kept
    Reregister(reregister::Args),
    /// Restart, stop, start or replace one instance of a service
    Instance(instance::Args),
    /// Have work done inside a service's instances: repairs, cleanups, snapshots, whatever its framework offers
    Operate(operate::Args),
    /// What a service holds and is kept as declared: indices, topics, whatever its framework knows
    Declare(declare::Args),
    /// Brokers, topics and partitions of a Kafka service
    Kafka(kafka::Args),
    /// List the frameworks that stacks may name, or the options of one
    Frameworks(frameworks::Args),
    /// Write the JSON Schemas of stack specs and framework specs
    Schema(schema::Args),
    /// Write the pages of the documentation that come from the program itself
    #[command(hide = true)]
    Docs(docs::Args),
    /// Write a completion script for a shell
    Completions(completions::Args),
    /// Run a cluster and a controller on this machine, in the foreground
    Dev(dev::Args),
    /// Run an embedded cluster: a master and agents in one process
    Cluster(cluster::Args),
    /// Run one agent, as a process of its own
    Agent(agent::Args),
    /// Run the controller, which launches and watches the schedulers of services
    Controller(controller::Args),
    /// Run the scheduler of one service; the controller does this
    Scheduler(scheduler::Args),
    /// Run a service beside an agent; agents do this
    Executor,
}
