//! The seam between the master and its agents.
//!
//! An agent is whatever holds one [`AgentLink`]: a process manager on this machine, a simulation in a test, or
//! something that places tasks on another engine. The master knows agents only by what they say here, so all
//! look the same to it.
//!
//! Rules of the conversation:
//! - The first message of an agent is [`FromAgent::Register`]; the first answer is [`ToAgent::Registered`].
//! - An agent that has no id yet is given one, stores it, and sends [`FromAgent::Register`] once more with it. Only then
//!   does it exist: nothing can be launched under an id that its agent would not know after a crash.
//! - Messages arrive in the order in which they were sent. An agent handles them in that order, and has stored
//!   what a [`ToAgent::Checkpoint`] says before it handles the message after it.
//! - Once it has stored that volumes are destroyed, it says so ([`FromAgent::Destroyed`]), and the master offers nothing of it
//!   before. A master that fails believes what agents bring: the next one must not find a volume that a framework has
//!   seen to be gone.
//! - When either side drops its end, the other sees its receiver closed. A master takes a closed link for a
//!   disconnected agent; an agent whose link closes leaves everything running and comes back on a new link
//!   with its `info.id` set.
//! - Status updates are reliable: the agent repeats an update with a uuid until the [`ToAgent::Acknowledge`]
//!   for it comes. The master keeps no copy.

use cairn_mesos::v1::{
    AgentId, AgentInfo, DrainConfig, ExecutorId, ExecutorInfo, FrameworkId, FrameworkInfo, KillPolicy,
    Resource, Task, TaskId, TaskInfo, TaskState, TaskStatus,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// How many messages may wait in each direction. A full channel towards the agent closes the link: the agent is
/// stuck, and what it missed is made up for when it registers again.
pub const LINK_CAPACITY: usize = 16_384;

/// What the master tells one agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "messages are few at a time, and the large ones are the frequent ones"
)]
pub enum ToAgent {
    /// The answer to [`FromAgent::Register`]. An agent that came without an id stores this one and registers with it.
    Registered {
        /// The id this agent has from now on; the one it came with, when it came with one.
        agent_id: AgentId,
    },
    /// Run tasks on one executor, starting the executor first if it is not running.
    RunTasks {
        /// The framework, with its id set.
        framework: FrameworkInfo,
        /// The executor, with its framework id set. A task that is a plain command (`TaskInfo.command` is set)
        /// gets an executor made up by the master: its executor id is the task id, its type is unset, and the
        /// agent runs the command itself.
        executor: ExecutorInfo,
        /// The tasks in order; more than one only for a group.
        tasks: Vec<TaskInfo>,
        /// All or nothing: one task that fails to start takes the others with it.
        group: bool,
    },
    /// Kill one task. Repeated kills are harmless.
    Kill {
        /// Whose task.
        framework_id: FrameworkId,
        /// Which task.
        task_id: TaskId,
        /// Overrides the policy of the task.
        kill_policy: Option<KillPolicy>,
    },
    /// The framework is gone for good: stop its executors, forget its updates. Volumes stay.
    ShutdownFramework {
        /// Which framework.
        framework_id: FrameworkId,
    },
    /// Stop one executor and its tasks.
    ShutdownExecutor {
        /// Whose executor.
        framework_id: FrameworkId,
        /// Which executor.
        executor_id: ExecutorId,
    },
    /// The scheduler has stored the update with this uuid.
    Acknowledge {
        /// Whose task.
        framework_id: FrameworkId,
        /// Which task.
        task_id: TaskId,
        /// The uuid of the update, 16 bytes.
        uuid: Vec<u8>,
    },
    /// Opaque bytes from the scheduler for an executor.
    MessageToExecutor {
        /// Whose executor.
        framework_id: FrameworkId,
        /// Which executor.
        executor_id: ExecutorId,
        /// The bytes.
        data: Vec<u8>,
    },
    /// Everything that is reserved on this agent, and every persistent volume on it, from now on.
    Checkpoint {
        /// All resources of the agent, reservations and volumes included, without allocation. The agent stores
        /// this list, and gives it back as `resources` when it registers again.
        resources: Vec<Resource>,
        /// Volumes that a DESTROY has just removed: their data is to be deleted, and no other.
        destroyed: Vec<Resource>,
    },
    /// Kill everything, because the agent is to be empty; `None`: it need not be any more.
    Drain {
        /// How long tasks may take to end, and whether the agent is gone for good afterwards.
        config: Option<DrainConfig>,
    },
    /// Stop everything and end: an operator has taken the agent away.
    Shutdown {
        /// Whether the master will never take it back.
        for_good: bool,
    },
    /// The framework has subscribed again or changed what it says about itself; executors started later see this. Its updates
    /// that are not acknowledged are due at once, as with Mesos: an earlier scheduler may have got them.
    FrameworkUpdated {
        /// The framework, with its id set.
        framework: FrameworkInfo,
    },
}

/// What an agent tells the master.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "messages are few at a time, and the large ones are the frequent ones"
)]
pub enum FromAgent {
    /// The first message on a link, of a new agent as of one that comes back; of a new one also the second.
    Register {
        /// The agent; `id` is set when it had one before. `hostname`, `port`, `attributes` as they are to be
        /// offered.
        info: AgentInfo,
        /// The loopback or other address the agent listens on, for the `url` of its offers.
        ip: String,
        /// All resources, reservations and volumes included, without allocation.
        resources: Vec<Resource>,
        /// The frameworks that have executors or tasks here, with their ids.
        frameworks: Vec<FrameworkInfo>,
        /// The executors that run here, without those made up for plain commands.
        executors: Vec<(FrameworkId, ExecutorInfo)>,
        /// Every task that is not terminal, and every terminal one whose update is not acknowledged.
        tasks: Vec<Task>,
    },
    /// A task changed its state. The agent has set agent id, executor id, source, timestamp and, unless nobody
    /// need acknowledge it, the uuid.
    Update {
        /// Whose task.
        framework_id: FrameworkId,
        /// What is to be forwarded to the scheduler.
        status: Box<TaskStatus>,
        /// The state the task is in by now; later than `status.state` when updates wait for acknowledgements.
        #[serde(with = "state")]
        latest_state: TaskState,
    },
    /// An executor is gone.
    ExecutorExited {
        /// Whose executor.
        framework_id: FrameworkId,
        /// Which executor.
        executor_id: ExecutorId,
        /// The wait status: the number of the signal, or 256 times the exit code.
        status: i32,
    },
    /// Opaque bytes from an executor for its scheduler.
    MessageToFramework {
        /// For whom.
        framework_id: FrameworkId,
        /// From which executor.
        executor_id: ExecutorId,
        /// The bytes.
        data: Vec<u8>,
    },
    /// What a [`ToAgent::Checkpoint`] said is stored that named destroyed volumes: no crash brings them back.
    Destroyed,
    /// The agent goes for good, and its tasks with it.
    Unregister,
}

/// The agent's end of a link.
#[derive(Debug)]
pub struct AgentLink {
    /// Towards the master. `send().await` waits when the master is behind.
    pub to_master: mpsc::Sender<FromAgent>,
    /// From the master; `None` means that the link is closed.
    pub from_master: mpsc::Receiver<ToAgent>,
}

/// The master's end of a link.
#[derive(Debug)]
pub struct MasterLink {
    /// Towards the agent.
    pub to_agent: mpsc::Sender<ToAgent>,
    /// From the agent; `None` means that the agent is disconnected.
    pub from_agent: mpsc::Receiver<FromAgent>,
}

/// Both ends of a new link.
pub fn link() -> (AgentLink, MasterLink) {
    let (to_master, from_agent) = mpsc::channel(LINK_CAPACITY);
    let (to_agent, from_master) = mpsc::channel(LINK_CAPACITY);
    (AgentLink { to_master, from_master }, MasterLink { to_agent, from_agent })
}

/// Task states by their numbers.
mod state {
    use cairn_mesos::v1::TaskState;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(state: &TaskState, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i32(*state as i32)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TaskState, D::Error> {
        TaskState::try_from(i32::deserialize(from)?).map_err(de::Error::custom)
    }
}
