//! Files in the sandboxes of tasks, as agents serve them.

use cairn_mesos::client::{ClientError, Piece};
use cairn_mesos::v1::master;

use crate::{Master, View};

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The master does not tell where the agent is.
    #[error("the master does not tell where the agent is: {0}")]
    Master(#[from] ClientError),
    /// Nobody knows the agent.
    #[error("the master knows no agent {0}")]
    Agent(String),
    /// There is no such file.
    #[error("the agent at {agent} has no file {file}")]
    NoFile {
        /// Where the agent is.
        agent: String,
        /// The file.
        file: String,
    },
    /// There is no sandbox of the task: it has not started, or has ended long ago.
    #[error("the agent at {agent} has no sandbox of {task} (any more)")]
    NoSandbox {
        /// Where the agent is.
        agent: String,
        /// The task.
        task: String,
    },
    /// The agent does not give it.
    #[error("the agent at {agent} does not give the file {file}: {reason}")]
    File {
        /// Where the agent is.
        agent: String,
        /// The file.
        file: String,
        /// Why not.
        reason: ClientError,
    },
}

/// What every sandbox has.
const OUTPUT: &str = "stdout";

/// The sandbox of a task. Its executor has the id of the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// Agent id.
    pub agent_id: String,
    /// Framework id.
    pub framework_id: String,
    /// Task id.
    pub task_id: String,
}

impl Sandbox {
    /// That of an instance; `None` if it has no task.
    pub fn of(view: &View, instance: &str) -> Option<Self> {
        let known = view.instances.get(instance)?;
        Some(Self {
            agent_id: known.placement.as_ref()?.agent_id.clone(),
            framework_id: view.framework_id.clone()?,
            task_id: known.task_id.clone()?,
        })
    }

    /// The first `limit` bytes of a file.
    ///
    /// # Errors
    /// When the agent cannot be found, or does not give the file.
    pub async fn read(&self, master: &Master, file: &str, limit: usize) -> Result<String, SandboxError> {
        Ok(self.piece(master, file, 0, limit as u64).await?.data)
    }

    /// A piece of a file; an offset of -1 asks for the length only.
    ///
    /// # Errors
    /// When the agent cannot be found, or does not give the file.
    pub async fn piece(
        &self,
        master: &Master,
        file: &str,
        offset: i64,
        length: u64,
    ) -> Result<Piece, SandboxError> {
        let agent = self.agent(master).await?;
        let read = async |file: &str, offset, length| {
            let path = format!("{}/{file}", self.path());
            master.agent(&agent)?.read(&path, offset, length).await
        };
        let missing = |error: &ClientError| error.status() == Some(404);
        match read(file, offset, length).await {
            Ok(piece) => Ok(piece),
            // Every sandbox has its output from the beginning.
            Err(error) if missing(&error) => match read(OUTPUT, -1, 0).await {
                Err(error) if missing(&error) => {
                    Err(SandboxError::NoSandbox { agent: agent.clone(), task: self.task_id.clone() })
                }
                _ => Err(SandboxError::NoFile { agent: agent.clone(), file: file.to_owned() }),
            },
            Err(reason) => Err(SandboxError::File { agent: agent.clone(), file: file.to_owned(), reason }),
        }
    }

    /// The path under which every agent serves the newest run of an executor.
    fn path(&self) -> String {
        format!("/frameworks/{}/executors/{}/runs/latest", self.framework_id, self.task_id)
    }

    /// `host:port` of the agent.
    async fn agent(&self, master: &Master) -> Result<String, SandboxError> {
        let mut call = master::Call::default();
        call.set_type(master::call::Type::GetAgents);
        let answer = master.operator()?.call(&call).await?;
        let address = address(answer.get_agents.unwrap_or_default(), &self.agent_id);
        address.ok_or_else(|| SandboxError::Agent(self.agent_id.clone()))
    }
}

/// `127.0.0.1:5051`, from a pid such as `slave(1)@127.0.0.1:5051`.
fn address(known: master::response::GetAgents, id: &str) -> Option<String> {
    let mut agents = known.agents.into_iter();
    let found = agents.find(|agent| agent.agent_info.id.as_ref().is_some_and(|known| known.value == id));
    Some(found?.pid?.rsplit_once('@')?.1.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::extract::Query;
    use axum::http::{StatusCode, header};
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use cairn_mesos::codec::MediaType;
    use cairn_mesos::v1::{AgentId, AgentInfo};
    use master::response::{GetAgents, get_agents::Agent};
    use serde_json::json;

    use super::*;

    fn agent(id: &str, pid: &str) -> Agent {
        Agent {
            agent_info: AgentInfo { id: Some(AgentId { value: id.into() }), ..AgentInfo::default() },
            pid: Some(pid.into()),
            ..Agent::default()
        }
    }

    /// A master whose agent, itself, has these files in the sandbox of the task `t`.
    async fn with_files(files: &'static [&'static str]) -> Master {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let agents = vec![agent("A1", &format!("slave(1)@{address}"))];
        let get_agents = Some(GetAgents { agents, ..GetAgents::default() });
        let known = master::Response {
            r#type: Some(master::response::Type::GetAgents as i32),
            get_agents,
            ..master::Response::default()
        };
        let known = MediaType::Json.encode(&known).unwrap();
        let read = async move |Query(asked): Query<BTreeMap<String, String>>| {
            let path = asked["path"].strip_prefix("/frameworks/F/executors/t/runs/latest/").unwrap();
            let there = Json(json!({ "offset": 0, "data": "said" }));
            if files.contains(&path) { Ok(there) } else { Err(StatusCode::NOT_FOUND) }
        };
        let router = Router::new()
            .route("/api/v1", post(async || ([(header::CONTENT_TYPE, "application/json")], known)))
            .route("/files/read", get(read));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Master::from(address)
    }

    #[tokio::test]
    async fn a_sandbox_that_is_gone_is_told_from_a_file_that_never_was() {
        let sandbox = Sandbox { agent_id: "A1".into(), framework_id: "F".into(), task_id: "t".into() };
        let read = async |files, file: &str| {
            let master = with_files(files).await;
            sandbox
                .read(&master, file, 100)
                .await
                .map_err(|error| error.to_string().replace(&master.address, "X"))
        };
        assert_eq!(read(&["stdout"], "stdout").await, Ok("said".into()));
        assert_eq!(read(&["stdout"], "x.log").await, Err("the agent at X has no file x.log".into()));
        let gone = Err("the agent at X has no sandbox of t (any more)".to_owned());
        assert_eq!(read(&[], "stdout").await, gone);
        assert_eq!(read(&[], "x.log").await, gone);
    }

    #[test]
    fn an_agent_is_found_by_its_id() {
        let known = || GetAgents {
            agents: vec![agent("A1", "slave(1)@127.0.0.1:5051"), agent("A2", "slave(1)@127.0.0.2:5051")],
            ..GetAgents::default()
        };
        assert_eq!(address(known(), "A2").as_deref(), Some("127.0.0.2:5051"));
        assert_eq!(address(known(), "A3"), None);
    }
}
