//! Starts the process of a nested container on this machine.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use cairn_mesos::v1::agent::process_io::data;
use tokio::process::Child;

use super::sandbox;
use super::terminal::Terminal;
use crate::agent::local::{self, Ends, LocalRunner, Output};
use crate::agent::process::ProcessId;
use crate::agent::runner::{ContainerPlan, Ear, Joined, NestedPlan, Spoken, Talk, VolumeMount};
use crate::agent::user::Identity;

/// Starts it, as [`crate::agent::Runner::nest`] says.
pub(crate) async fn start(runner: &LocalRunner, nested: NestedPlan) -> Result<Joined, String> {
    let identity = runner.identity(&nested.plan.user)?;
    let made = match nested.is_logged {
        true => Some(make(runner, &nested, identity.as_ref()).await?),
        false => None,
    };
    // The sandbox is worked on by its descriptor, see `sandbox`.
    let place = made.as_ref().map_or_else(|| nested.place.clone(), |(directory, _)| directory.path());
    let output = made.as_ref().map(|(_, output)| output);
    let failed = |error: io::Error| format!("Cannot start {}: {error}", nested.plan.program);
    let terminal =
        terminal(nested.talk, identity.as_ref()).map_err(|e| format!("Cannot make a terminal: {e}"))?;
    let group = runner.group(&nested.host);
    let spawn = |plan: &ContainerPlan| {
        let ends = ends(output, terminal.as_ref().map(|(_, program)| program))?;
        local::spawn(plan, &place, ends, group.gates()?, identity.clone())
    };
    let mut child = local::unless_busy(|| spawn(&nested.plan))
        .await
        .or_else(|error| spawn(&local::not_started(&nested.plan, &error)))
        .map_err(failed)?;
    let spoken = spoken(&mut child, terminal, output).map_err(failed)?;
    let process = child.id().and_then(|id| i32::try_from(id).ok()).and_then(ProcessId::of);
    runner.keep(nested.plan.container, child);
    let process = process.ok_or_else(|| format!("{} has no process", nested.plan.program))?;
    Ok(Joined { process, spoken })
}

/// Makes and fills a sandbox, and gives it away when all is in it.
async fn make(
    runner: &LocalRunner,
    nested: &NestedPlan,
    identity: Option<&Identity>,
) -> Result<(sandbox::Directory, Output), String> {
    let plan = &nested.plan;
    let unmade = |e: io::Error| format!("Cannot make sandbox {}: {e}", plan.sandbox.display());
    let directory = sandbox::make(&nested.root, &plan.sandbox).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!(
                "Sandbox {} is left of an earlier container; remove that one first",
                plan.sandbox.display()
            )
        }
        _ => unmade(error),
    })?;
    let base = directory.path();
    for volume in &plan.volumes {
        link(&base, volume)?;
    }
    let output = Output::open(&base).map_err(unmade)?;
    if let Err(error) = runner.fetch(&plan.uris, &base).await {
        return Err(output.note(error));
    }
    if let Some(identity) = identity {
        identity.give_all(&base).map_err(unmade)?;
    }
    Ok((directory, output))
}

/// What a volume is stays whose it is: it is in the sandbox of somebody who runs.
fn link(base: &Path, volume: &VolumeMount) -> Result<(), String> {
    let source = volume.source.display();
    if !volume.source.exists() {
        return Err(format!(
            "Source {source} of a volume does not exist; make it in the parent's sandbox first"
        ));
    }
    let target = base.join(&volume.target);
    let linked =
        target.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| symlink(&volume.source, &target));
    linked.map_err(|e| format!("Cannot link volume {source} into the sandbox: {e}"))
}

fn terminal(talk: Talk, owner: Option<&Identity>) -> io::Result<Option<(Terminal, OwnedFd)>> {
    let Talk::Terminal { rows, columns } = talk else { return Ok(None) };
    let cells = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
    Terminal::open(cells(rows), cells(columns), owner).map(Some)
}

fn ends(output: Option<&Output>, terminal: Option<&OwnedFd>) -> io::Result<Ends> {
    match (terminal, output) {
        (Some(terminal), _) => {
            let end = || terminal.try_clone().map(Stdio::from);
            Ok(Ends { stdin: end()?, stdout: end()?, stderr: end()?, is_terminal: true })
        }
        (None, Some(output)) => output.ends(),
        (None, None) => Ok(Ends {
            stdin: Stdio::piped(),
            stdout: Stdio::piped(),
            stderr: Stdio::piped(),
            is_terminal: false,
        }),
    }
}

/// The other ends; none of files.
fn spoken(
    child: &mut Child,
    terminal: Option<(Terminal, OwnedFd)>,
    output: Option<&Output>,
) -> io::Result<Option<Spoken>> {
    if let Some((terminal, _)) = terminal {
        let log = output.map(Output::log).transpose()?;
        let ear = Ear { from: data::Type::Stdout, source: Box::new(terminal.clone()), log };
        return Ok(Some(Spoken {
            mouth: Box::new(terminal.clone()),
            ears: vec![ear],
            terminal: Some(terminal),
        }));
    }
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Ok(None);
    };
    let ears = vec![
        Ear { from: data::Type::Stdout, source: Box::new(stdout), log: None::<File> },
        Ear { from: data::Type::Stderr, source: Box::new(stderr), log: None },
    ];
    Ok(Some(Spoken { mouth: Box::new(stdin), ears, terminal: None }))
}
