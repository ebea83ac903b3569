//! Actions: commands beside the service, in its sandbox, that a scheduler asks for by framework messages.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use cairn_mesos::signal_name;
use cairn_task::{Action, ActionReport, ActionState, OUTPUT_MAX, Order, Place, TaskSpec};
use rustix::process::Signal;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::child::Launch;
use crate::group::Group;

/// Actions that may run at the same time.
const MOST_RUNNING: usize = 8;
/// Ended actions that are remembered, with the files of their output.
const MOST_ENDED: usize = 64;
/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// All actions of one executor. What runs is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Actions {
    known: BTreeMap<String, Known>,
    /// Ended ones, oldest first.
    ended: VecDeque<String>,
    running: JoinSet<()>,
    endings: mpsc::Sender<ActionReport>,
    sandbox: PathBuf,
}

#[derive(Debug)]
enum Known {
    Running { abort: Option<oneshot::Sender<()>> },
    Ended(ActionState),
}

impl Actions {
    /// Actions that run in `sandbox`; their ends come through the channel.
    pub(crate) fn new(sandbox: &Path) -> (Self, mpsc::Receiver<ActionReport>) {
        let (endings, ended) = mpsc::channel(MOST_RUNNING);
        let actions = Self {
            known: BTreeMap::new(),
            ended: VecDeque::new(),
            running: JoinSet::new(),
            endings,
            sandbox: sandbox.to_owned(),
        };
        (actions, ended)
    }

    /// Takes an order, and says how its action is then. `task` is what runs here.
    pub(crate) fn order(&mut self, order: Order, task: Option<&(TaskSpec, Place)>) -> ActionReport {
        let id = match order {
            Order::Run(action) => {
                let id = action.id.clone();
                if !self.known.contains_key(&id)
                    && let Err(reason) = self.start(&action, task)
                {
                    // Nothing has begun, so nothing has to be remembered: it may be tried again.
                    return ActionReport { id, state: ActionState::Failed { reason, output: String::new() } };
                }
                id
            }
            Order::Abort { id } => {
                if let Some(Known::Running { abort }) = self.known.get_mut(&id) {
                    // Who listens is gone only when the action has just ended.
                    let _ = abort.take().map(|abort| abort.send(()));
                }
                id
            }
            Order::Ask { id } => id,
            Order::Forget { id } => {
                if matches!(self.known.get(&id), Some(Known::Ended(_))) {
                    self.forget(&id);
                }
                id
            }
        };
        let state = self.state(&id);
        ActionReport { id, state }
    }

    fn state(&self, id: &str) -> ActionState {
        match self.known.get(id) {
            None => ActionState::Unknown,
            Some(Known::Running { .. }) => {
                ActionState::Running { output: tail(&output_file(&self.sandbox, id)) }
            }
            Some(Known::Ended(state)) => state.clone(),
        }
    }

    /// Notes the end of an action.
    pub(crate) fn ended(&mut self, report: &ActionReport) {
        while self.running.try_join_next().is_some() {}
        self.known.insert(report.id.clone(), Known::Ended(report.state.clone()));
        self.ended.push_back(report.id.clone());
        while self.ended.len() > MOST_ENDED {
            let Some(oldest) = self.ended.front().cloned() else { return };
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, id: &str) {
        self.known.remove(id);
        self.ended.retain(|ended| ended != id);
        // It may have been taken away already; the sandbox goes with the task anyway.
        let _ = std::fs::remove_file(output_file(&self.sandbox, id));
    }

    fn start(&mut self, action: &Action, task: Option<&(TaskSpec, Place)>) -> Result<(), String> {
        let (spec, place) = task.ok_or("no task has been started here yet")?;
        if !action.has_plain_id() {
            return Err(format!("`{}` is no id: letters, digits, `.`, `_` and `-`", action.id));
        }
        let running = self.known.values().filter(|k| matches!(k, Known::Running { .. })).count();
        if running >= MOST_RUNNING {
            return Err(format!("{running} actions run already"));
        }
        let action = action.render(place).map_err(|e| e.to_string())?;
        let spec = spec.render(place).map_err(|e| e.to_string())?;
        let output = output_file(&self.sandbox, &action.id);
        let (child, group) = spawn(&action, &spec, &self.sandbox, &output)?;
        let (abort, aborted) = oneshot::channel();
        self.known.insert(action.id.clone(), Known::Running { abort: Some(abort) });
        let endings = self.endings.clone();
        self.running.spawn(async move {
            let end = live(child, group, aborted, action.timeout_ms).await;
            let output = tail(&output);
            let state = match end {
                End::Exited(Ok(status)) => match (status.code(), status.signal()) {
                    (Some(code), _) => ActionState::Done { code, output },
                    (None, signal) => {
                        let name = signal.map_or("a signal".into(), signal_name);
                        ActionState::Failed { reason: format!("ended by {name}"), output }
                    }
                },
                End::Exited(Err(error)) => ActionState::Failed { reason: error.to_string(), output },
                End::Aborted => ActionState::Aborted { output },
                End::TimedOut => {
                    let seconds = Duration::from_millis(action.timeout_ms).as_secs_f64();
                    ActionState::Failed { reason: format!("not done within {seconds} s"), output }
                }
            };
            // Nobody listens any more when the executor ends.
            let _ = endings.send(ActionReport { id: action.id, state }).await;
        });
        Ok(())
    }
}

enum End {
    Exited(std::io::Result<ExitStatus>),
    Aborted,
    TimedOut,
}

/// Where an action's output goes: people find it beside the service's own.
fn output_file(sandbox: &Path, id: &str) -> PathBuf {
    sandbox.join(format!("action-{id}.log"))
}

fn spawn(action: &Action, spec: &TaskSpec, sandbox: &Path, output: &Path) -> Result<(Child, Group), String> {
    let program = action.argv.first().ok_or("the action has no command")?;
    let file = File::create(output).map_err(|e| format!("{}: {e}", output.display()))?;
    let both = file.try_clone().map_err(|e| format!("{}: {e}", output.display()))?;
    let env = spec.env.iter().chain(&action.env).map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let child = Launch { argv: &action.argv, env, run_as: spec.run_as }
        .command(sandbox)
        .stdout(file)
        .stderr(both)
        .spawn()
        .map_err(|e| format!("cannot start {program}: {e}"))?;
    let group = Group::of(&child);
    Ok((child, group))
}

/// Waits for the end, whatever brings it; nothing of the group is left then.
async fn live(mut child: Child, mut group: Group, aborted: oneshot::Receiver<()>, timeout_ms: u64) -> End {
    let limit = async {
        match timeout_ms {
            0 => std::future::pending().await,
            ms => tokio::time::sleep(Duration::from_millis(ms)).await,
        }
    };
    let end = tokio::select! {
        biased;
        status = child.wait() => End::Exited(status),
        Ok(()) = aborted => End::Aborted,
        () = limit => End::TimedOut,
    };
    let deadline = Instant::now() + GRACE;
    if !matches!(end, End::Exited(_)) {
        group.signal(Signal::TERM);
        if tokio::time::timeout_at(deadline, child.wait()).await.is_err() {
            group.signal(Signal::KILL);
            let _ = child.wait().await;
        }
    }
    group.clear(deadline).await;
    end
}

/// The end of a file, as text.
fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(OUTPUT_MAX as u64)))?;
        let mut bytes = Vec::new();
        file.take(OUTPUT_MAX as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    // Output that cannot be read is no reason to lose the result.
    read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
