//! `cairn dev`: a cluster and a controller on this machine, in one process.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use cairn_cluster::Cluster;

use super::cluster::{self, AgentArgs};
use super::controller::{FileArgs, Place};
use crate::args::Globals;
use crate::client::context::{self, Context};
use crate::console;
use crate::failure::{Exit, Failure, Outcome};
use crate::{logging, paths, runtime};

/// Where the master listens when nobody says and nothing else does.
const MASTER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5050);

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    agents: AgentArgs,
    /// Where everything is kept [default: ~/.cairn/dev]
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,
    /// Address of the controller; port 0 takes any
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7070")]
    listen: SocketAddr,
    /// Address of the master [default: 127.0.0.1:5050, or another port if that is taken]
    #[arg(long, value_name = "IP:PORT")]
    cluster_listen: Option<SocketAddr>,
    #[command(flatten)]
    files: FileArgs,
    /// Leave the terminal's session, so that closing it ends nothing
    #[arg(long, hide = true)]
    detached: bool,
}

/// Runs both until SIGTERM or Ctrl-C, which leave all services running.
pub(crate) fn run(globals: &Globals, args: Args) -> Outcome {
    if args.detached {
        // It fails only for the leader of a session, which has left already.
        let _ = rustix::process::setsid();
    }
    logging::start(globals.log.as_deref())?;
    let work_dir = paths::directory(&match args.work_dir {
        Some(dir) => dir,
        None => paths::dev()?,
    })?;
    let _alone = alone(&work_dir)?;
    let note = work_dir.join(context::FILE);
    // What cannot be read is written anew.
    let before = Context::read(&note).ok().flatten();
    let listen = controller_address(args.listen, before.as_ref())?;
    let master = master_address(args.cluster_listen, before.and_then(|b| b.master))?;
    let cluster_options = args.agents.options(master, work_dir.join("cluster"));
    runtime::server()?.block_on(async {
        let mut cluster = Cluster::start(cluster_options).await.map_err(|error| cluster::failed(&error))?;
        let master = cluster.master_address();
        let place = Place {
            master: master.to_string().into(),
            listen,
            work_dir: work_dir.clone(),
            token_file: work_dir.join("token"),
        };
        let options = args.files.options(place)?;
        let context = Context {
            master: Some(master),
            dev: Some(work_dir.clone()),
            ..Context::new(listen, &options.token_file)
        };
        let telling = async {
            context::when_up(listen).await;
            tell(&context, &note, args.agents.agents);
            std::future::pending().await
        };
        let ended = tokio::select! {
            ended = cairn_controller::run(options) => ended.map_err(|error| Failure::new(error.to_string())),
            ended = cluster.ended() => ended.map_err(|error| Failure::new(error.to_string())),
            () = telling => Ok(()),
        };
        cluster::stop(cluster).await;
        ended
    })?;
    say_goodbye();
    Ok(Exit::Done)
}

/// Keeps a second one off this work directory, for as long as the file is held.
fn alone(work_dir: &Path) -> Result<File, Failure> {
    let path = work_dir.join("dev.lock");
    let failed = |error: std::io::Error| Failure::new(format!("cannot lock {}: {error}", path.display()));
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(taken(&mut file, work_dir)),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(file)
}

fn taken(file: &mut File, work_dir: &Path) -> Failure {
    let mut text = String::new();
    // Who it is helps, but is not needed.
    let _ = file.rewind().and_then(|()| file.read_to_string(&mut text));
    let who = if text.trim().is_empty() { String::new() } else { format!(" (process {})", text.trim()) };
    let running = Context::read(&work_dir.join(context::FILE)).ok().flatten();
    let hint = match running {
        Some(context) => {
            format!("use it: its controller is {}; or name another --work-dir", context.controller)
        }
        None => "name another --work-dir".to_owned(),
    };
    Failure::hint(format!("another cairn dev works in {}{who}", work_dir.display()), hint)
}

/// The controller's address: for port 0 the port it had before, or any that is free, since agents must be told.
fn controller_address(wanted: SocketAddr, before: Option<&Context>) -> Result<SocketAddr, Failure> {
    if wanted.port() == 0 {
        let known = before.and_then(|b| b.controller.strip_prefix("http://")?.parse::<SocketAddr>().ok());
        return match known.filter(|known| is_free(*known).is_ok()) {
            Some(known) => Ok(known),
            None => is_free(wanted).map_err(|error| cannot_listen(wanted, &error, "--listen")),
        };
    }
    is_free(wanted).map_err(|error| cannot_listen(wanted, &error, "--listen"))
}

/// The master's address: as wanted, else the one it had before, else the usual one, else any that is free.
fn master_address(wanted: Option<SocketAddr>, before: Option<SocketAddr>) -> Result<SocketAddr, Failure> {
    if let Some(wanted) = wanted {
        return is_free(wanted).map_err(|error| cannot_listen(wanted, &error, "--cluster-listen"));
    }
    let any = SocketAddr::new(MASTER.ip(), 0);
    let found = before.into_iter().chain([MASTER, any]).find_map(|address| is_free(address).ok());
    found.ok_or_else(|| Failure::new("no free port for the master"))
}

/// The address with its port, if it can be listened on now.
pub(super) fn is_free(address: SocketAddr) -> std::io::Result<SocketAddr> {
    TcpListener::bind(address)?.local_addr()
}

/// Why an address cannot be had, and which option names another.
pub(super) fn cannot_listen(address: SocketAddr, error: &std::io::Error, option: &str) -> Failure {
    Failure::hint(
        format!("cannot listen on {address}: {error}"),
        format!("stop what holds it, or choose another address with {option}"),
    )
}

/// Says where everything is, and leaves notes for clients.
fn tell(context: &Context, note: &Path, agents: u8) {
    let default = context::default_file();
    for file in [Ok(note.to_owned()), default] {
        if let Err(failure) = file.and_then(|file| context.write(&file)) {
            failure.report();
        }
    }
    let paint = console::Paint::stderr();
    let line = |what: &str, value: &str| console::say(&format!("  {what:<11} {value}"));
    console::say(&paint.bold("cairn dev is up"));
    line("controller", &context.controller);
    if let Some(master) = context.master {
        line("cluster", &format!("http://{master}, {agents} agents"));
    }
    line("token", &context.token_file.display().to_string());
    if let Some(dir) = &context.dev {
        line("work dir", &dir.display().to_string());
    }
    console::say("Apply a stack: cairn apply -f FILE");
}

fn say_goodbye() {
    console::say(
        "cairn dev has stopped; the services it started go on running.\nStart it again to look after them, and \
         then end them with: cairn destroy STACK",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_directory_is_for_one() {
        let dir = tempfile::tempdir().unwrap();
        let held = alone(dir.path()).unwrap();
        let Err(Failure::Error { message, hint }) = alone(dir.path()) else { panic!("two at once") };
        assert!(message.starts_with("another cairn dev works in "), "{message}");
        assert!(message.ends_with(&format!("(process {})", std::process::id())), "{message}");
        assert_eq!(hint.as_deref(), Some("name another --work-dir"));
        drop(held);
        alone(dir.path()).unwrap();
    }

    #[test]
    fn addresses_stay_where_they_were_if_they_can() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let Err(Failure::Error { message, hint }) = controller_address(address, None) else {
            panic!("taken")
        };
        assert!(message.contains("cannot listen on"), "{message}");
        assert!(hint.unwrap().contains("--listen"));
        assert_ne!(master_address(None, Some(address)).unwrap(), address);
        drop(taken);
        assert_eq!(master_address(None, Some(address)).unwrap(), address);
        let before = Context::new(address, Path::new("/token"));
        let any = "127.0.0.1:0".parse().unwrap();
        assert_eq!(controller_address(any, Some(&before)).unwrap(), address);
        assert_ne!(controller_address(any, None).unwrap().port(), 0);
    }
}
