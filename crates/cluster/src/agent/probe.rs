//! One attempt to ask a task how it is.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::runner::{Answer, Probe, ProbeKind};
use super::user::Identity;

/// Asks tasks how they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Client {
    /// Made when it is needed first: most agents need none.
    http: Arc<OnceLock<Option<reqwest::Client>>>,
}

impl Client {
    /// Asks, for no longer than the probe may take.
    /// A command runs as `identity`.
    pub(crate) async fn ask(&self, probe: Probe, identity: Option<Identity>) -> Answer {
        match probe.kind {
            ProbeKind::Http { url } => match self.http.get_or_init(client) {
                Some(client) => status(client, &url, probe.timeout).await,
                None => Answer::None("there is no HTTP client".to_owned()),
            },
            ProbeKind::Tcp { address } => {
                match tokio::time::timeout(probe.timeout, TcpStream::connect(address)).await {
                    Ok(connected) => Answer::Connected(connected.is_ok()),
                    Err(_) => late(probe.timeout),
                }
            }
            ProbeKind::Command { program, argv, env, sandbox, user: _ } => {
                match spawn(&program, &argv, &env, &sandbox, identity) {
                    Ok(child) => exit_code(child, probe.timeout).await,
                    // As a shell would say of a program that cannot be run.
                    Err(_) => Answer::Exited(127),
                }
            }
        }
    }
}

/// Mesos does not look at the certificates of tasks either: they are asked by their loopback address.
fn client() -> Option<reqwest::Client> {
    cairn_mesos::client::install_crypto();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .tls_danger_accept_invalid_certs(true)
        .build()
        .ok()
}

async fn status(client: &reqwest::Client, url: &str, timeout: Duration) -> Answer {
    match tokio::time::timeout(timeout, client.get(url).send()).await {
        Ok(Ok(response)) => Answer::Status(response.status().as_u16()),
        Ok(Err(error)) => Answer::None(error.to_string()),
        Err(_) => late(timeout),
    }
}

fn late(timeout: Duration) -> Answer {
    Answer::None(format!("no answer within {timeout:?}"))
}

/// In a process group of its own, so that all of it can be ended.
fn spawn(
    program: &str,
    argv: &[String],
    env: &[(String, String)],
    sandbox: &Path,
    identity: Option<Identity>,
) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    if let Some((zeroth, rest)) = argv.split_first() {
        command.arg0(zeroth).args(rest);
    }
    command
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir(sandbox)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(identity) = identity {
        become_user(&mut command, identity);
    }
    command.spawn()
}

/// Makes the process run as somebody else.
#[expect(unsafe_code, reason = "no safe function runs anything between fork and exec")]
fn become_user(command: &mut Command, identity: Identity) {
    // SAFETY: between fork and exec the closure makes three system calls and touches no memory that another thread could
    // have left locked or half written.
    unsafe {
        command.pre_exec(move || identity.assume());
    }
}

async fn exit_code(mut child: Child, timeout: Duration) -> Answer {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    match tokio::time::timeout(timeout, child.wait()).await {
        // Whoever was ended by a signal has no code; shells say 128 and the signal.
        Ok(Ok(status)) => {
            let signal = std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or_default();
            Answer::Exited(status.code().unwrap_or(128 + signal))
        }
        Ok(Err(error)) => Answer::None(error.to_string()),
        Err(_) => {
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait().await;
            late(timeout)
        }
    }
}
