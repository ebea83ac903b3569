//! Logs of a task, read from its sandbox over the files endpoint of its agent.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cairn_framework::rest::Problem;
use cairn_framework::{InstanceStatus, Sandbox, SandboxError, View};
use serde::{Deserialize, Serialize};

use super::stacks::find;
use super::{Answer, App};
use crate::clock;
use crate::distribution::is_file_name;
use crate::view::{ServiceView, StackView};

const PATIENCE: Duration = Duration::from_secs(15);
const LENGTH: u64 = 64 * 1024;
const LENGTH_MAX: u64 = 1024 * 1024;
/// What there is to know where a sandbox is not there.
const KEPT: &str = "a sandbox comes with its task; agents delete it some time after the task's end: a week unless `--gc-delay` (Mesos: \
                    `--gc_delay`) says otherwise, and sooner the fuller the disk is";

#[derive(Debug, Deserialize)]
pub(crate) struct LogsQuery {
    /// `<service>` for its scheduler, `<service>/<instance>` for an instance.
    task: String,
    /// Name of the file in the sandbox.
    #[serde(default = "stdout")]
    file: String,
    /// From which byte; -1 asks for the length only.
    #[serde(default)]
    offset: i64,
    /// How many bytes at most.
    length: Option<u64>,
}

fn stdout() -> String {
    "stdout".into()
}

/// A piece of a log.
#[derive(Debug, Serialize)]
pub(crate) struct Piece {
    task: String,
    file: String,
    /// Where the piece begins; the length of the file when -1 was asked.
    offset: u64,
    data: String,
}

/// `GET /v1/stacks/{stack}/logs?task=kafka/broker-0&file=stdout&offset=0&length=65536`
pub(crate) async fn read(
    State(app): State<App>,
    Path(stack): Path<String>,
    Query(query): Query<LogsQuery>,
) -> Answer<Json<Piece>> {
    let stack = find(&app, &stack)?;
    let task = locate(&stack, &query.task, &app.handle.published().view, clock::now_ms())?;
    if !query.file.split('/').all(is_file_name) {
        return Err(Problem::bad_request(format!("`{}` is not a file in a sandbox", query.file)).into());
    }
    let length = query.length.unwrap_or(LENGTH).min(LENGTH_MAX);
    let read = task.piece(&app.shared.settings.master, &query.file, query.offset, length);
    let within = tokio::time::timeout(PATIENCE, read).await;
    let found = within
        .map_err(|_| silent(format!("no answer within {PATIENCE:?}")))?
        .map_err(|error| problem(&error))?;
    Ok(Json(Piece { task: query.task, file: query.file, offset: found.offset, data: found.data }))
}

fn silent(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, "agent-unreachable", detail)
}

fn problem(error: &SandboxError) -> Problem {
    match error {
        SandboxError::NoSandbox { .. } => {
            Problem::new(StatusCode::GONE, "no-sandbox", error.to_string()).hint(KEPT)
        }
        SandboxError::NoFile { .. } => Problem::not_found("unknown-file", error.to_string()),
        SandboxError::Agent(_) => Problem::unavailable(error.to_string()),
        SandboxError::Master(_) | SandboxError::File { .. } => silent(error.to_string()),
    }
}

/// Why a scheduler, or an instance, has no task, and when it is tried again.
fn why_not(service: &ServiceView, instance: Option<&str>, now: u64) -> String {
    let Some(name) = instance else {
        let scheduler = &service.scheduler;
        return match scheduler.retry_at_ms {
            Some(at) => {
                format!(
                    "{}; it is tried again in {} s",
                    scheduler.message,
                    at.saturating_sub(now).div_ceil(1_000)
                )
            }
            None => scheduler.message.clone(),
        };
    };
    service.instances.iter().find(|i| i.name == name).map(|i| i.message.clone()).unwrap_or_default()
}

/// Schedulers are tasks of the controller itself, which are in `own`.
fn locate(stack: &StackView, task: &str, own: &View, now: u64) -> Answer<Sandbox> {
    // No service lies within another one, so only one fits.
    let of = |name: &str| task.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let service = stack.services.iter().find_map(|s| Some((s, of(&s.name)?)));
    let found = service.and_then(|(s, rest)| {
        let instance = rest.strip_prefix('/');
        let scheduler = &s.scheduler;
        let Some(name) = instance else {
            let task_id = own.instances.get(&scheduler.name).and_then(InstanceStatus::latest_task);
            return Some((scheduler.agent_id.clone(), own.framework_id.clone(), task_id.map(str::to_owned)));
        };
        let instance = s.instances.iter().find(|i| i.name == name)?;
        Some((instance.agent_id.clone(), scheduler.framework_id.clone(), instance.task_id.clone()))
    });
    match found {
        Some((Some(agent_id), Some(framework_id), Some(task_id))) => {
            Ok(Sandbox { agent_id, framework_id, task_id })
        }
        Some(_) => {
            let whose = service.map(|(s, rest)| why_not(s, rest.strip_prefix('/'), now));
            let why = whose.filter(|why| !why.is_empty()).map(|why| format!(": {why}")).unwrap_or_default();
            Err(Problem::unavailable(format!("{task} does not run, so it has no sandbox to read{why}"))
                .into())
        }
        None => Err(unknown_task(stack, task).into()),
    }
}

fn unknown_task(stack: &StackView, task: &str) -> Problem {
    let names = |service: &crate::view::ServiceView| {
        let instances = service.instances.iter().map(|i| format!("{}/{}", service.name, i.name));
        std::iter::once(service.name.clone()).chain(instances).collect::<Vec<_>>()
    };
    let known: Vec<String> = stack.services.iter().flat_map(names).collect();
    Problem::not_found("unknown-task", format!("stack {} has no task `{task}`", stack.name))
        .hint(format!("there are: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::Refusal;
    use crate::testing::{complete, observe, options, view};

    #[test]
    fn a_task_is_found_by_its_name() {
        let mut view = view();
        let mut status = complete("demo-zookeeper", 1, &[]);
        status.framework_id = Some("F1".into());
        status.instances[1].task_id = Some("server-1.x".into());
        status.instances[1].placement =
            Some(cairn_framework::Placement { agent_id: "A2".into(), ..Default::default() });
        observe(&mut view, status);
        let stack = crate::view::stack(&options(), "demo", &view).unwrap();
        let task = locate(&stack, "zookeeper/server-1", &view, 0).unwrap();
        let there =
            Sandbox { agent_id: "A2".into(), framework_id: "F1".into(), task_id: "server-1.x".into() };
        assert_eq!(task, there);
        assert!(locate(&stack, "zookeeper/server-0", &view, 0).is_err(), "it has no task");
        let Err(Refusal::Problem(unknown)) = locate(&stack, "zookeeper/server-9", &view, 0) else {
            panic!("there is no such server");
        };
        let hint = unknown.hint.unwrap_or_default();
        assert_eq!(hint, "there are: zookeeper, zookeeper/server-0, zookeeper/server-1, kafka");
    }

    #[test]
    fn where_there_is_no_sandbox_it_is_said_how_long_there_is_one() {
        let error = SandboxError::NoSandbox { agent: "127.0.0.1:5051".into(), task: "t".into() };
        let told = problem(&error);
        assert_eq!((told.status, told.detail), (410, error.to_string()));
        assert!(told.hint.is_some_and(|hint| hint.contains("a week unless `--gc-delay`")));
    }

    #[test]
    fn the_last_run_of_a_scheduler_that_backs_off_can_be_read() {
        let mut view = view();
        view.framework_id = Some("F0".into());
        let scheduler = view.instances.entry("demo-zookeeper".into()).or_default();
        scheduler.phase = cairn_framework::Phase::BackOff;
        scheduler.message = "failed: exit status 1".into();
        scheduler.placement =
            Some(cairn_framework::Placement { agent_id: "A1".into(), ..Default::default() });
        scheduler.retry_at_ms = Some(20_000);
        let stack = |view: &cairn_framework::View| crate::view::stack(&options(), "demo", view).unwrap();
        let Err(Refusal::Problem(unknown)) = locate(&stack(&view), "zookeeper", &view, 8_500) else {
            panic!("nobody knows its last task");
        };
        assert_eq!(
            unknown.detail,
            "zookeeper does not run, so it has no sandbox to read: failed: exit status 1; it is tried again in 12 s"
        );
        view.instances.get_mut("demo-zookeeper").unwrap().last_task_id = Some("demo-zookeeper.1".into());
        let task = locate(&stack(&view), "zookeeper", &view, 0).unwrap();
        let there =
            Sandbox { agent_id: "A1".into(), framework_id: "F0".into(), task_id: "demo-zookeeper.1".into() };
        assert_eq!(task, there);
    }

    #[test]
    fn what_a_job_wrote_can_be_read_when_it_is_done() {
        let mut view = view();
        let mut status = complete("demo-zookeeper", 1, &[]);
        status.framework_id = Some("F1".into());
        let run = |task_id: &str, agent_id: &str| cairn_framework::Run {
            task_id: task_id.into(),
            agent_id: agent_id.into(),
            ..Default::default()
        };
        status.instances[0].task_id = None;
        status.instances[0].placement = None;
        status.instances[0].runs = vec![run("old", "A1"), run("new", "A3"), run("", "")];
        let name = format!("zookeeper/{}", status.instances[0].name);
        observe(&mut view, status);
        let stack = crate::view::stack(&options(), "demo", &view).unwrap();
        let task = locate(&stack, &name, &view, 0).unwrap();
        assert_eq!((task.agent_id.as_str(), task.task_id.as_str()), ("A3", "new"));
    }
}
