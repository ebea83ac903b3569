//! Files in the sandboxes of running tasks, as agents serve them.

use std::time::Duration;

use cairn_mesos::client::{ClientError, Masters, OperatorClient, Options};
use cairn_mesos::v1::master;
use serde::Deserialize;

use crate::{View, http};

const PATIENCE: Duration = Duration::from_secs(10);

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The master does not tell where the agent is.
    #[error("the master does not tell where the agent is: {0}")]
    Master(#[from] ClientError),
    /// Nobody knows the agent.
    #[error("the master knows no agent {0}")]
    Agent(String),
    /// The agent does not give it.
    #[error("the agent at {agent} does not give the file {file}: {reason}")]
    File {
        /// Where the agent is.
        agent: String,
        /// The file.
        file: String,
        /// What it says.
        reason: String,
    },
}

/// The sandbox of a running task.
#[derive(Debug, Clone)]
pub struct Sandbox {
    master: String,
    agent_id: String,
    path: String,
}

#[derive(Deserialize)]
struct Piece {
    data: String,
}

impl Sandbox {
    /// That of an instance; `None` if it has no task.
    pub fn of(view: &View, instance: &str) -> Option<Self> {
        let known = view.instances.get(instance)?;
        let (task, framework) = (known.task_id.as_ref()?, view.framework_id.as_ref()?);
        Some(Self {
            master: view.master.clone(),
            agent_id: known.placement.as_ref()?.agent_id.clone(),
            path: sandbox_path(framework, task),
        })
    }

    /// The first `limit` bytes of a file.
    ///
    /// # Errors
    /// When the agent cannot be found, or does not give the file.
    pub async fn read(&self, file: &str, limit: usize) -> Result<String, SandboxError> {
        let agent = self.agent().await?;
        let failed =
            |reason: String| SandboxError::File { agent: agent.clone(), file: file.to_owned(), reason };
        let url = file_url(&agent, &format!("{}/{file}", self.path), 0, limit as u64).map_err(failed)?;
        let client = http::client().map_err(|e| failed(http::reason(e)))?;
        let answer = client.get(url).timeout(PATIENCE).send().await.map_err(|e| failed(http::reason(e)))?;
        if !answer.status().is_success() {
            return Err(failed(format!("it answers {}", answer.status())));
        }
        let piece: Piece = answer.json().await.map_err(|e| failed(http::reason(e)))?;
        Ok(piece.data)
    }

    /// `host:port` of the agent.
    async fn agent(&self) -> Result<String, SandboxError> {
        let masters: Masters = self.master.parse()?;
        let mut call = master::Call::default();
        call.set_type(master::call::Type::GetAgents);
        let answer = OperatorClient::new(masters, Options::default())?.call(&call).await?;
        let agents = answer.get_agents.map(|a| a.agents).unwrap_or_default();
        let mine = |a: &master::response::get_agents::Agent| {
            a.agent_info.id.as_ref().is_some_and(|id| id.value == self.agent_id)
        };
        let pid = agents.into_iter().find(mine).and_then(|a| a.pid);
        let address = pid.as_deref().and_then(agent_address).map(str::to_owned);
        address.ok_or_else(|| SandboxError::Agent(self.agent_id.clone()))
    }
}

/// The path under which every agent serves the newest run of an executor; its id is that of its task.
pub fn sandbox_path(framework_id: &str, task_id: &str) -> String {
    format!("/frameworks/{framework_id}/executors/{task_id}/runs/latest")
}

/// `127.0.0.1:5051`, from a pid such as `slave(1)@127.0.0.1:5051`.
pub fn agent_address(pid: &str) -> Option<&str> {
    Some(pid.rsplit_once('@')?.1)
}

/// Where the agent at `host:port` serves a piece of a file; an offset of -1 asks for the length only.
///
/// # Errors
/// That is no address.
pub fn file_url(agent: &str, path: &str, offset: i64, length: u64) -> Result<reqwest::Url, String> {
    let pairs = [("path", path), ("offset", &offset.to_string()), ("length", &length.to_string())];
    reqwest::Url::parse_with_params(&format!("http://{agent}/files/read"), pairs).map_err(|e| e.to_string())
}
