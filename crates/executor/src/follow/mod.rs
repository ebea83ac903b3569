//! Shows a task the files of other tasks on its agent, as links that are kept in line with what is there.

mod links;
mod sandboxes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cairn_mesos::client::{AgentClient, ClientError, Options};
use cairn_mesos::v1::{FrameworkInfo, agent};
use cairn_task::FollowSpec;
use tokio::time::Instant;

use crate::files;
use crate::service::Agent;
use sandboxes::{Named, Root};

/// Time between two looks when the spec does not say.
const INTERVAL: Duration = Duration::from_secs(2);
/// Shortest time between two looks.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// How long the agent may take to say which frameworks there are.
const ANSWER: Duration = Duration::from_secs(5);
/// Pause before the agent is asked again about a framework that it did not know.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Everything one task follows.
pub(crate) struct Follower {
    specs: Vec<FollowSpec>,
    sandbox: PathBuf,
    root: Root,
    client: AgentClient,
    named: BTreeMap<String, Named>,
    /// Frameworks that the agent was last asked about without an answer, and when.
    nameless: Vec<String>,
    asked: Option<Instant>,
    complained: bool,
}

impl Follower {
    /// Makes the directories, and marks the sandbox as one that follows. Looks once, so that the task finds what is there.
    ///
    /// # Errors
    /// Why the task cannot follow anything.
    pub(crate) async fn start(specs: &[FollowSpec], sandbox: &Path, agent: &Agent) -> Result<Self, String> {
        let root = Root::of(sandbox).ok_or_else(|| {
            format!("Cannot follow other tasks: {} is not below an agent's work directory", sandbox.display())
        })?;
        let told = |what: &str, e: &dyn std::fmt::Display| format!("Cannot follow other tasks: {what}: {e}");
        sandboxes::mark(sandbox).map_err(|e| told("its mark cannot be set", &e))?;
        for spec in specs {
            files::directory(sandbox, &spec.directory).map_err(|e| told("no directory for the links", &e))?;
        }
        let options = Options { call_timeout: ANSWER, access: agent.access.clone(), ..Options::default() };
        let client =
            AgentClient::new(&agent.address, options).map_err(|e| told("the agent's address", &e))?;
        let mut follower = Self {
            specs: specs.to_vec(),
            sandbox: sandbox.to_owned(),
            root,
            client,
            named: BTreeMap::new(),
            nameless: Vec::new(),
            asked: None,
            complained: false,
        };
        follower.look().await;
        Ok(follower)
    }

    /// Keeps the links in line. Never ends.
    pub(crate) async fn run(mut self) -> std::convert::Infallible {
        let intervals = self.specs.iter().map(|s| Duration::from_millis(s.interval_ms));
        let shortest = intervals.map(|i| if i.is_zero() { INTERVAL } else { i.max(INTERVAL_MIN) }).min();
        loop {
            tokio::time::sleep(shortest.unwrap_or(INTERVAL)).await;
            self.look().await;
        }
    }

    async fn look(&mut self) {
        self.learn_names().await;
        for spec in self.specs.clone() {
            let (root, named, sandbox) = (self.root.clone(), self.named.clone(), self.sandbox.clone());
            let work = move || {
                let found = root.find(&spec.select, &named, &sandbox);
                links::keep(&sandbox.join(&spec.directory), &found, &root, &named)
            };
            match tokio::task::spawn_blocking(work).await {
                Ok(Ok(())) => self.complained = false,
                Ok(Err(error)) => self.complain(&error),
                Err(error) => self.complain(&error),
            }
        }
    }

    /// Once, until it is well again.
    fn complain(&mut self, error: &dyn std::fmt::Display) {
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(%error, "the links to other tasks' files are not up to date");
        }
    }

    /// Directories are called by framework ids; the agent knows whose they are.
    async fn learn_names(&mut self) {
        let ids = self.root.frameworks();
        let unknown: Vec<String> = ids.into_iter().filter(|id| !self.named.contains_key(id)).collect();
        let due = self.asked.is_none_or(|at| at.elapsed() >= ASK_AGAIN);
        if unknown.is_empty() || (unknown == self.nameless && !due) {
            return;
        }
        match ask(&self.client).await {
            Ok(infos) => self.named.extend(infos.into_iter().filter_map(named)),
            Err(error) => {
                tracing::warn!(%error, "the agent does not say which frameworks it has: their tasks are not followed");
            }
        }
        self.nameless = unknown.into_iter().filter(|id| !self.named.contains_key(id)).collect();
        self.asked = Some(Instant::now());
    }
}

async fn ask(client: &AgentClient) -> Result<Vec<FrameworkInfo>, ClientError> {
    let mut call = agent::Call::default();
    call.set_type(agent::call::Type::GetFrameworks);
    let answer = client.call(&call).await?.get_frameworks.unwrap_or_default();
    let all = answer.frameworks.into_iter().chain(answer.completed_frameworks);
    Ok(all.map(|f| f.framework_info).collect())
}

fn named(info: FrameworkInfo) -> Option<(String, Named)> {
    let labels = info.labels.into_iter().flat_map(|l| l.labels);
    let labels = labels.map(|l| (l.key, l.value.unwrap_or_default())).collect();
    Some((info.id?.value, Named { name: info.name, labels }))
}
