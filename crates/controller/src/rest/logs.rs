//! Logs of a task, read from its sandbox over the files endpoint of its agent.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cairn_framework::rest::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stacks::find;
use super::{Answer, App};
use crate::distribution::is_file_name;
use crate::http::reason;
use crate::view::StackView;

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
    let task = locate(&stack, &query.task)?;
    if !query.file.split('/').all(|part| is_file_name(part) && part != "..") {
        return Err(Problem::bad_request(format!("`{}` is not a file in a sandbox", query.file)).into());
    }
    let agent = agent_address(&app, &task.agent_id).await?;
    let directory = sandbox(&app, &agent, &task.task_id).await?;
    let length = query.length.unwrap_or(LENGTH).min(LENGTH_MAX).to_string();
    let (path, offset) = (format!("{directory}/{}", query.file), query.offset.to_string());
    let url = with_query(
        &format!("http://{agent}/files/read"),
        &[("path", &path), ("offset", &offset), ("length", &length)],
    )?;
    let piece = json(&app, url).await?;
    Ok(Json(Piece {
        task: query.task,
        file: query.file,
        offset: piece["offset"].as_u64().unwrap_or_default(),
        data: piece["data"].as_str().unwrap_or_default().to_owned(),
    }))
}

struct Task {
    agent_id: String,
    task_id: String,
}

fn locate(stack: &StackView, task: &str) -> Answer<Task> {
    let (service, instance) = match task.split_once('/') {
        Some((service, instance)) => (service, Some(instance)),
        None => (task, None),
    };
    let found = stack.services.iter().find(|s| s.name == service).and_then(|s| match instance {
        None => Some((s.scheduler.agent_id.clone(), s.scheduler.task_id.clone())),
        Some(name) => {
            let instance = s.instances.iter().find(|i| i.name == name)?;
            Some((instance.agent_id.clone(), instance.task_id.clone()))
        }
    });
    let Some((agent, task_id)) = found else {
        let known: Vec<String> = stack
            .services
            .iter()
            .flat_map(|s| {
                let instances = s.instances.iter().map(|i| format!("{}/{}", s.name, i.name));
                std::iter::once(s.name.clone()).chain(instances)
            })
            .collect();
        let detail = format!("stack {} has no task `{task}`", stack.name);
        let hint = format!("there are: {}", known.join(", "));
        return Err(Problem::not_found("unknown-task", detail).hint(hint).into());
    };
    match (agent, task_id) {
        (Some(agent_id), Some(task_id)) => Ok(Task { agent_id, task_id }),
        _ => Err(Problem::unavailable(format!("{task} does not run, so it has no sandbox to read")).into()),
    }
}

/// `host:port` of an agent, from the master's list: `pid` is `slave(1)@127.0.0.1:5051`.
async fn agent_address(app: &App, id: &str) -> Answer<String> {
    let master = app.shared.settings.master.split(',').next().unwrap_or_default().trim();
    let master = master.strip_prefix("http://").unwrap_or(master);
    let slaves = json(app, format!("http://{master}/slaves")).await?;
    let agents = slaves["slaves"].as_array().into_iter().flatten();
    let pid = agents.into_iter().find(|a| a["id"] == id).and_then(|a| a["pid"].as_str());
    pid.and_then(|pid| Some(pid.rsplit_once('@')?.1.to_owned()))
        .ok_or_else(|| Problem::unavailable(format!("the master knows no agent {id}")).into())
}

/// The directory of a task's executor, from the agent's state. The id of the executor is that of its task.
async fn sandbox(app: &App, agent: &str, task: &str) -> Answer<String> {
    let state = json(app, format!("http://{agent}/state")).await?;
    let executors = ["frameworks", "completed_frameworks"]
        .into_iter()
        .flat_map(|list| state[list].as_array().into_iter().flatten())
        .flat_map(|f| ["executors", "completed_executors"].map(|list| f[list].as_array()))
        .flatten()
        .flatten();
    let mut directories = executors.filter(|e| e["id"] == task).filter_map(|e| e["directory"].as_str());
    directories.next().map(str::to_owned).ok_or_else(|| {
        Problem::unavailable(format!("agent {agent} has no sandbox of {task} any more")).into()
    })
}

fn with_query(base: &str, pairs: &[(&str, &str)]) -> Answer<String> {
    let url = reqwest::Url::parse_with_params(base, pairs);
    url.map(String::from).map_err(|e| Problem::bad_request(format!("{base} is not an address: {e}")).into())
}

async fn json(app: &App, url: String) -> Answer<Value> {
    let gateway = |detail: String| {
        Problem::new(StatusCode::BAD_GATEWAY, "agent-unreachable", format!("{url}: {detail}"))
    };
    let answer =
        app.shared.client.get(&url).timeout(PATIENCE).send().await.map_err(|e| gateway(reason(e)))?;
    if !answer.status().is_success() {
        return Err(gateway(format!("it answers {}", answer.status())).into());
    }
    Ok(answer.json().await.map_err(|e| gateway(reason(e)))?)
}
