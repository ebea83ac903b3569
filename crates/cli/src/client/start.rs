//! A controller for who has none: `cairn dev`, started in the background.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::rest::Client;
use super::target::{Target, TargetArgs};
use crate::console;
use crate::failure::Failure;
use crate::paths;

/// Where controllers listen, and where when that is taken.
const USUAL: &str = "127.0.0.1:7070";
const ANY: &str = "127.0.0.1:0";
/// Until it must have come up.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
/// How much of its log is shown when it fails, in lines.
const TAIL: usize = 10;

/// Starts `cairn dev` in a session of its own, and waits until its controller answers. It, and what it starts, do not
/// inherit the environment variables `without`, which hold secrets.
///
/// # Errors
/// When it does not come up.
pub(crate) async fn dev(args: &TargetArgs, without: &[String]) -> Result<Client, Failure> {
    let work_dir = paths::directory(&paths::dev()?)?;
    let log = work_dir.join("dev.log");
    console::note("no controller is named, so `cairn dev` is started in the background");
    let child = spawn(&work_dir, &log, without)
        .map_err(|error| Failure::hint(format!("cannot start `cairn dev`: {error}"), "start it by hand"))?;
    let pid = child.id();
    let client = tokio::time::timeout(PATIENCE, up(child, args, &log)).await.map_err(|_| {
        let message = format!("`cairn dev` (process {pid}) has not come up within {} s", PATIENCE.as_secs());
        Failure::hint(message, format!("its log is {}", log.display()))
    })??;
    console::note(&format!(
        "it is process {pid}, works in {}, and writes its log to {}",
        work_dir.display(),
        log.display()
    ));
    console::note(&format!("stop it with: kill {pid}"));
    Ok(client)
}

fn spawn(work_dir: &Path, log: &Path, without: &[String]) -> std::io::Result<Child> {
    let output = File::options().create(true).append(true).mode(0o600).open(log)?;
    // The context file says where it is, so it may be anywhere.
    let listen = if TcpListener::bind(USUAL).is_ok() { USUAL } else { ANY };
    let mut command = Command::new(std::env::current_exe()?);
    for variable in without {
        command.env_remove(variable);
    }
    command
        .args(["dev", "--detached", "--listen", listen, "--work-dir"])
        .arg(work_dir)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
}

async fn up(mut child: Child, args: &TargetArgs, log: &Path) -> Result<Client, Failure> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            let message = format!("`cairn dev` has ended with {status}; the end of its log:\n{}", tail(log));
            return Err(Failure::hint(message, "run `cairn dev` in a terminal of its own"));
        }
        if let Some(target) = args.find_any()?
            && let Some(client) = answers(target).await?
        {
            return Ok(client);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn answers(target: Target) -> Result<Option<Client>, Failure> {
    let client = Client::new(target)?;
    let answer = client.get::<serde_json::Value>("/v1/stacks", &[]).await;
    Ok(answer.is_ok().then_some(client))
}

fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..]
        .iter()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
