//! How REST handlers and watchers talk to the running core.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use super::actions::SharedBoard;
use super::probe::Lateness;
use crate::rest::Problem;
use crate::store::Entries;
use crate::{Config, Operation, Secrets, Status, View};

/// What an operator can ask of a scheduler.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Replace the effective configuration (from REST; the controller's comes by file at start).
    Configure {
        /// The new one.
        config: Box<Config>,
        /// Generation it was made from: refused if it is no longer the newest.
        expected: Option<u64>,
    },
    /// Restart instances, one at a time, through their gates.
    Restart(Vec<String>),
    /// Stop instances and keep them stopped.
    Stop {
        /// Which.
        instances: Vec<String>,
        /// Without asking their gates.
        force: bool,
    },
    /// Start instances that were stopped; forgets their back-off.
    Start(Vec<String>),
    /// Give up an instance's place, delete its data, and launch it anew under the same name, elsewhere if that can be. It
    /// must be stopped, or its agent out of reach.
    Replace(String),
    /// Stop making changes; recovery goes on.
    Pause,
    /// Go on.
    Continue,
    /// Take one step as done, or its gate as open, once; an operator has said so.
    Force(String),
    /// Begin an operation on instances.
    Operate {
        /// Its identity, new: `[A-Za-z0-9._-]`, at most 60 characters.
        id: String,
        /// Which operation.
        operation: String,
        /// On which instances, in this order.
        instances: Vec<String>,
        /// What the service takes with it.
        arguments: serde_json::Map<String, Value>,
    },
    /// End an operation.
    AbortOperation(String),
    /// Delete the volume of a removed instance.
    DeleteData(String),
    /// Register as a new framework, after the master has removed this one.
    Reregister {
        /// Also when tasks under its name are on no record: the master is to end them first.
        teardown: bool,
    },
    /// Stop everything, in order, and leave the cluster.
    Destroy {
        /// Volumes too.
        delete_data: bool,
    },
}

/// What a command brought about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Generation of the plan to watch.
    pub generation: u64,
    /// Something changed.
    pub changed: bool,
}

pub(crate) enum Request {
    Command(Command, oneshot::Sender<Result<Accepted, Problem>>),
    Observe(String, Value),
    Remember(String, Value),
    /// What is stored.
    Export(oneshot::Sender<Result<Entries, Problem>>),
    /// Store this and nothing else, and end: who starts this program again starts it on that.
    /// It ends once the answer, with what it gets here, has been dropped.
    Restore(Entries, oneshot::Sender<Result<oneshot::Sender<()>, Problem>>),
    /// A call that changes nothing here.
    Send(Box<cairn_mesos::v1::scheduler::Call>),
}

/// What the driver publishes after every step.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// For REST.
    pub status: Status,
    /// For services.
    pub view: Arc<View>,
    /// Effective configuration.
    pub config: Config,
    /// Which of its values are secrets.
    pub secrets: Secrets,
    /// Operations, newest first; ended ones up to a bound.
    pub operations: Vec<Operation>,
    /// Why offers were refused, newest last; bounded.
    pub refusals: Arc<Vec<Value>>,
}

/// A cloneable line to the running core.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) published: watch::Receiver<Arc<Published>>,
    pub(crate) board: SharedBoard,
    pub(crate) lateness: Arc<Lateness>,
}

impl Handle {
    /// The newest state.
    pub fn published(&self) -> Arc<Published> {
        self.published.borrow().clone()
    }

    /// Wakes up with every change of state.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Published>> {
        self.published.clone()
    }

    /// Carries out a command; it is stored when this returns.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn command(&self, command: Command) -> Result<Accepted, Problem> {
        self.asked(|answer| Request::Command(command, answer)).await
    }

    /// Changes the options of the effective configuration.
    ///
    /// # Errors
    /// What `change` refuses, or what the service's model refuses.
    pub async fn change<F>(&self, change: F) -> Result<Accepted, Problem>
    where
        F: FnOnce(&mut Value) -> Result<(), Problem>,
    {
        self.edit(|_, options| change(options)).await
    }

    /// The same, through the service's own type of options. Only those that change are written: what an operator left to
    /// its default stays so.
    ///
    /// # Errors
    /// What `change` refuses, or what the service's model refuses.
    pub async fn change_options<T, F>(&self, change: F) -> Result<Accepted, Problem>
    where
        T: serde::Serialize + serde::de::DeserializeOwned,
        F: FnOnce(&mut T) -> Result<(), Problem>,
    {
        self.change(|written| crate::kit::options::edit(written, change)).await
    }

    /// The same, for changes that depend on what there is. No options are an empty object.
    ///
    /// # Errors
    /// What `change` refuses, or what the service's model refuses.
    pub async fn edit<F>(&self, change: F) -> Result<Accepted, Problem>
    where
        F: FnOnce(&View, &mut Value) -> Result<(), Problem>,
    {
        let published = self.published();
        let mut config = published.config.clone();
        if config.options.is_null() {
            config.options = Arc::new(Value::Object(serde_json::Map::new()));
        }
        change(&published.view, Arc::make_mut(&mut config.options))?;
        self.command(Command::Configure {
            config: Box::new(config),
            expected: Some(published.status.plan.generation),
        })
        .await
    }

    /// What is stored.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) async fn export(&self) -> Result<Entries, Problem> {
        self.asked(Request::Export).await
    }

    /// Replaces what is stored, and ends this program once what this gives is dropped.
    ///
    /// # Errors
    /// Why it is refused, or cannot be written.
    pub(crate) async fn restore(&self, entries: Entries) -> Result<oneshot::Sender<()>, Problem> {
        self.asked(|answer| Request::Restore(entries, answer)).await
    }

    async fn asked<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, Problem>>) -> Request,
    ) -> Result<T, Problem> {
        let (answer, answered) = oneshot::channel();
        let gone = || Problem::unavailable("this scheduler is shutting down");
        self.requests.send(request(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Tells the core a fact from outside; services find it in [`View::observed`]. Equal values change nothing. A fact under
    /// the name of an instance goes with that instance.
    pub async fn observe(&self, key: impl Into<String>, value: Value) {
        // A closed channel means that the driver is shutting down; the fact is observed again after the next start.
        let _ = self.requests.send(Request::Observe(key.into(), value)).await;
    }

    /// Stores a fact that must be known again whenever this program is restarted, for example that a cluster exists;
    /// services find it in [`View::facts`], and nothing is done about it before it is stored. Null forgets it. Facts end
    /// with a destroy that leaves no data.
    pub async fn remember(&self, key: impl Into<String>, value: Value) {
        // As above.
        let _ = self.requests.send(Request::Remember(key.into(), value)).await;
    }
}
