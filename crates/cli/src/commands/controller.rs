//! `cairn controller`: the meta-scheduler.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cairn_controller::ControllerOptions;
use cairn_framework::{Master, store};

use super::access::AccessArgs;
use super::dev::{cannot_listen, is_free};
use crate::args::Globals;
use crate::client::context::{self, Context};
use crate::failure::{Exit, Failure, Outcome};
use crate::frameworks::FrameworkArgs;
use crate::{logging, paths, runtime};

/// What a controller is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the master is: HOST:PORT or https://HOST:PORT, several separated by commas, or zk://HOST:PORT,HOST:PORT/PATH
    #[arg(long, value_name = "MASTER")]
    master: String,
    #[command(flatten)]
    access: AccessArgs,
    /// Address of its REST
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7070")]
    listen: SocketAddr,
    /// Where its files are kept, and its state and that of the schedulers it launches unless --state says otherwise
    #[arg(long, value_name = "DIR")]
    work_dir: PathBuf,
    /// Keep state elsewhere: in a directory, or in ZooKeeper, zk://HOST:PORT,HOST:PORT/PATH, where any number of controllers
    /// may be started, on any machine: one leads and the others stand by. Give all of them the same --token-file and
    /// --secrets-key
    #[arg(long, value_name = "STATE")]
    state: Option<store::Place>,
    /// Its name and role on the cluster
    #[arg(long, value_name = "NAME", default_value = "cairn")]
    framework: String,
    /// Address under which agents reach it [default: that of --listen]
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<String>,
    #[command(flatten)]
    files: FileArgs,
}

/// Files that a controller works with.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FileArgs {
    /// Distribution archives, each with its checksum beside it [default: ./dist, or beside the program]
    #[arg(long, value_name = "DIR", env = "CAIRN_DIST")]
    pub(crate) dist: Option<PathBuf>,
    /// The bearer token that clients need; made if it is not there [default: token in the work directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The key that secrets are sealed with; made if it is not there [default: secrets.key in the work directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) frameworks: FrameworkArgs,
}

/// What is common to the controllers of `cairn controller` and `cairn dev`.
pub(crate) struct Place {
    /// The master.
    pub(crate) master: Master,
    /// Address of REST.
    pub(crate) listen: SocketAddr,
    /// Directory of its files.
    pub(crate) work_dir: PathBuf,
    /// Where the token is when nobody says.
    pub(crate) token_file: PathBuf,
}

impl FileArgs {
    /// How the controller is started.
    ///
    /// # Errors
    /// When secrets cannot be read.
    pub(crate) fn options(&self, place: Place) -> Result<ControllerOptions, Failure> {
        Ok(ControllerOptions {
            master: place.master,
            framework: "cairn".into(),
            listen: place.listen,
            advertise: None,
            token_file: self.token_file.clone().unwrap_or(place.token_file),
            dist: paths::distributions(self.dist.clone(), &place.work_dir),
            key_file: self.secrets_key.clone().unwrap_or_else(|| place.work_dir.join("secrets.key")),
            work_dir: place.work_dir,
            state: None,
            catalog: self.frameworks.catalog()?,
            executor: None,
        })
    }
}

/// Runs it until SIGTERM, which leaves everything running.
pub(crate) fn run(globals: &Globals, args: Args) -> Outcome {
    logging::start(globals.log.as_deref())?;
    let work_dir = paths::directory(&args.work_dir)?;
    is_free(args.listen).map_err(|error| cannot_listen(args.listen, &error, "--listen"))?;
    let place = Place {
        master: Master { address: args.master, access: args.access.read()? },
        listen: args.listen,
        token_file: work_dir.join("token"),
        work_dir: work_dir.clone(),
    };
    let options = ControllerOptions {
        framework: args.framework,
        advertise: args.advertise,
        state: args.state,
        ..args.files.options(place)?
    };
    let context = Context::new(args.listen, &options.token_file);
    runtime::server()?.block_on(async {
        let running = cairn_controller::run(options);
        let telling = async {
            context::when_up(args.listen).await;
            tell(&context, &work_dir);
            std::future::pending().await
        };
        tokio::select! {
            ended = running => ended.map_err(|error| Failure::new(error.to_string())),
            () = telling => Ok(()),
        }
    })?;
    Ok(Exit::Done)
}

/// Says where it is, and leaves a note for clients on this machine, except in the home directory: a controller
/// is not the default of whoever starts it.
fn tell(context: &Context, state: &Path) {
    let named = std::env::var_os(context::VARIABLE).map(PathBuf::from);
    for file in [Some(state.join(context::FILE)), named].into_iter().flatten() {
        if let Err(failure) = context.write(&file) {
            failure.report();
        }
    }
    tracing::info!(
        controller = context.controller,
        token_file = %context.token_file.display(),
        "the controller is up; clients find it with CAIRN_CONTROLLER and CAIRN_TOKEN_FILE"
    );
}
