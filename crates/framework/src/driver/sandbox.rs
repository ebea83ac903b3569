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
            path: format!("/frameworks/{framework}/executors/{task}/runs/latest"),
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
        let (path, length) = (format!("{}/{file}", self.path), limit.to_string());
        let pairs = [("path", path.as_str()), ("offset", "0"), ("length", &length)];
        let url = reqwest::Url::parse_with_params(&format!("http://{agent}/files/read"), pairs)
            .map_err(|e| failed(e.to_string()))?;
        let client = http::client().map_err(|e| failed(http::reason(e)))?;
        let answer = client.get(url).timeout(PATIENCE).send().await.map_err(|e| failed(http::reason(e)))?;
        if !answer.status().is_success() {
            return Err(failed(format!("it answers {}", answer.status())));
        }
        let piece: Piece = answer.json().await.map_err(|e| failed(http::reason(e)))?;
        Ok(piece.data)
    }

    /// `host:port` of the agent, from `slave(1)@127.0.0.1:5051`.
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
        let address = pid.as_ref().and_then(|pid| Some(pid.rsplit_once('@')?.1.to_owned()));
        address.ok_or_else(|| SandboxError::Agent(self.agent_id.clone()))
    }
}
