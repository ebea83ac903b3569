//! `cairn scheduler NAME`: the scheduler of one service.

use std::net::IpAddr;
use std::path::PathBuf;

use cairn_framework::store::Place;
use cairn_framework::{Given, Master, RunOptions};

use super::access::AccessArgs;
use crate::args::Globals;
use crate::failure::{Exit, Failure, Outcome};
use crate::{frameworks, logging, runtime};

/// What a scheduler is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which service; `cairn frameworks` lists them
    name: String,
    /// Where the master is: HOST:PORT or https://HOST:PORT, several separated by commas, or zk://HOST:PORT,HOST:PORT/PATH
    #[arg(long, value_name = "MASTER")]
    master: String,
    #[command(flatten)]
    access: AccessArgs,
    /// Its name and role on the cluster, for example `demo-kafka`
    #[arg(long, value_name = "NAME")]
    framework: String,
    /// Where its state is: a directory, or zk://HOST:PORT,HOST:PORT/PATH, where any number of them may be started: one leads
    /// and the others stand by
    #[arg(long, value_name = "STATE")]
    state: Place,
    /// Its configuration, as JSON
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Address of its REST
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    listen: IpAddr,
    /// Port of its REST; 0 takes any
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// File with the bearer token that changes need
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Runs it until SIGTERM, which leaves its service running.
pub(crate) fn run(globals: &Globals, args: Args) -> Outcome {
    let service = frameworks::scheduler(&args.name)?;
    logging::start(globals.log.as_deref())?;
    let options = RunOptions {
        master: Master { address: args.master, access: args.access.read()? },
        framework: args.framework,
        state: args.state,
        config: Given::File(args.config),
        listen: args.listen,
        port: args.port,
        advertise: None,
        token: args.token_file,
        executor: None,
    };
    let runtime = runtime::small()?;
    runtime
        .block_on(cairn_framework::run(service, options))
        .map_err(|error| Failure::new(error.to_string()))?;
    Ok(Exit::Done)
}
