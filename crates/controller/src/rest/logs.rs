//! Logs of a task, read from its sandbox over the files endpoint of its agent.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cairn_framework::driver::{self, file_url, sandbox_path};
use cairn_framework::rest::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::stacks::find;
use super::{Answer, App};
use crate::distribution::is_file_name;
use crate::view::StackView;
use cairn_framework::http::reason;

const PATIENCE: Duration = Duration::from_secs(15);
const LENGTH: u64 = 64 * 1024;
const LENGTH_MAX: u64 = 1024 * 1024;

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
    let own_id = app.handle.published().status.framework_id.clone();
    let task = locate(&stack, &query.task, own_id)?;
    if !query.file.split('/').all(is_file_name) {
        return Err(Problem::bad_request(format!("`{}` is not a file in a sandbox", query.file)).into());
    }
    let agent = agent_address(&app, &task.agent_id).await?;
    let url = address(&agent, &task.sandbox(), &query)?;
    let piece = send(&agent, app.shared.client.get(url)).await?;
    Ok(Json(Piece {
        task: query.task,
        file: query.file,
        offset: piece["offset"].as_u64().unwrap_or_default(),
        data: piece["data"].as_str().unwrap_or_default().to_owned(),
    }))
}

/// Where a task's sandbox is.
#[derive(Debug, PartialEq)]
struct Task {
    agent_id: String,
    framework_id: String,
    task_id: String,
}

impl Task {
    fn sandbox(&self) -> String {
        sandbox_path(&self.framework_id, &self.task_id)
    }
}

fn locate(stack: &StackView, task: &str, own_id: Option<String>) -> Answer<Task> {
    // No service lies within another one, so only one fits.
    let of = |name: &str| task.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let service = stack.services.iter().find_map(|s| Some((s, of(&s.name)?)));
    let found = service.and_then(|(s, rest)| {
        let instance = rest.strip_prefix('/');
        let scheduler = &s.scheduler;
        let Some(name) = instance else {
            return Some((scheduler.agent_id.clone(), own_id, scheduler.task_id.clone()));
        };
        let instance = s.instances.iter().find(|i| i.name == name)?;
        Some((instance.agent_id.clone(), scheduler.framework_id.clone(), instance.task_id.clone()))
    });
    match found {
        Some((Some(agent_id), Some(framework_id), Some(task_id))) => {
            Ok(Task { agent_id, framework_id, task_id })
        }
        Some(_) => {
            Err(Problem::unavailable(format!("{task} does not run, so it has no sandbox to read")).into())
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

/// `host:port` of an agent, from the first master that tells.
async fn agent_address(app: &App, id: &str) -> Answer<String> {
    let mut last = None;
    for master in app.shared.settings.master.split(',').map(str::trim) {
        let master = master.trim_start_matches("http://");
        let question = app
            .shared
            .client
            .post(format!("http://{master}/api/v1"))
            .header("accept", "application/json")
            .json(&json!({"type": "GET_AGENTS"}));
        match send(master, question).await {
            Ok(answer) => {
                let unknown = || Problem::unavailable(format!("the master knows no agent {id}"));
                return Ok(pid_address(&answer, id).ok_or_else(unknown)?);
            }
            Err(refusal) => last = Some(refusal),
        }
    }
    Err(last.unwrap_or_else(|| Problem::unavailable("no master is configured").into()))
}

fn pid_address(answer: &Value, id: &str) -> Option<String> {
    let agents = answer.pointer("/get_agents/agents")?.as_array()?;
    let agent = agents.iter().find(|a| a.pointer("/agent_info/id/value").is_some_and(|v| v == id))?;
    driver::agent_address(agent["pid"].as_str()?).map(str::to_owned)
}

fn address(agent: &str, sandbox: &str, query: &LogsQuery) -> Answer<reqwest::Url> {
    let path = format!("{sandbox}/{}", query.file);
    let length = query.length.unwrap_or(LENGTH).min(LENGTH_MAX);
    Ok(file_url(agent, &path, query.offset, length)
        .map_err(|e| Problem::unavailable(format!("the agent's address {agent} cannot be used: {e}")))?)
}

async fn send(whom: &str, request: reqwest::RequestBuilder) -> Answer<Value> {
    let gateway = |detail: String| {
        Problem::new(StatusCode::BAD_GATEWAY, "agent-unreachable", format!("{whom} does not tell: {detail}"))
    };
    let answer = request.timeout(PATIENCE).send().await.map_err(|e| gateway(reason(e)))?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Err(Problem::not_found("unknown-file", format!("{whom} has no such file")).into());
    }
    if !answer.status().is_success() {
        return Err(gateway(format!("it answers {}", answer.status())).into());
    }
    Ok(answer.json().await.map_err(|e| gateway(reason(e)))?)
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
        let task = locate(&stack, "zookeeper/server-1", Some("F0".into())).unwrap();
        assert_eq!(task.agent_id, "A2");
        assert_eq!(task.sandbox(), "/frameworks/F1/executors/server-1.x/runs/latest");
        assert!(locate(&stack, "zookeeper/server-0", None).is_err(), "it has no task");
        let Err(Refusal::Problem(unknown)) = locate(&stack, "zookeeper/server-9", None) else {
            panic!("there is no such server");
        };
        let hint = unknown.hint.unwrap_or_default();
        assert_eq!(hint, "there are: zookeeper, zookeeper/server-0, zookeeper/server-1, kafka");
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
        let task = locate(&stack, &name, None).unwrap();
        assert_eq!((task.agent_id.as_str(), task.task_id.as_str()), ("A3", "new"));
    }

    #[test]
    fn an_agent_is_found_by_its_id() {
        let answer = json!({"get_agents": {"agents": [
            {"agent_info": {"id": {"value": "A1"}}, "pid": "slave(1)@127.0.0.1:5051"},
            {"agent_info": {"id": {"value": "A2"}}, "pid": "slave(1)@127.0.0.2:5051"},
        ]}});
        assert_eq!(pid_address(&answer, "A2").as_deref(), Some("127.0.0.2:5051"));
        assert_eq!(pid_address(&answer, "A3"), None);
    }
}
