//! What an agent keeps on disk, to go on where it stopped.
//!
//! One file for the agent, one for each container; each replaced as a whole by a rename, so that a crash leaves the old
//! or the new. The agent's own file outlives the machine's crash and is forced to disk; containers do not survive
//! that, so their files need not.
//!
//! A task's data is among it, and may hold what its service keeps secret: all of it is for the agent's user alone.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cairn_mesos::v1::{
    AgentId, ExecutorInfo, FrameworkInfo, KillPolicy, Resource, TaskInfo, TaskState, TaskStatus,
};
use prost::Message;

use crate::terminal::is_terminal;
use crate::whole::{self, Durability};

/// First bytes of every file: what it is, and the version of its format.
const MAGIC: &[u8] = b"cairn-agent 1\n";

/// The agent itself.
#[derive(Clone, PartialEq, Message)]
pub struct AgentRecord {
    #[prost(message, optional, tag = "1")]
    pub(crate) agent_id: Option<AgentId>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) resources: Vec<Resource>,
    #[prost(bool, tag = "3")]
    pub(crate) has_resources: bool,
    /// Directories of destroyed volumes that may still be there.
    #[prost(string, repeated, tag = "4")]
    pub(crate) deleting: Vec<String>,
}

/// One container.
#[derive(Clone, PartialEq, Message)]
pub struct ContainerRecord {
    #[prost(string, tag = "1")]
    pub(crate) container: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) framework: Option<FrameworkInfo>,
    #[prost(message, optional, tag = "3")]
    pub(crate) executor: Option<ExecutorInfo>,
    #[prost(bool, tag = "4")]
    pub(crate) command: bool,
    #[prost(string, tag = "5")]
    pub(crate) sandbox: String,
    /// 0 when no process is known.
    #[prost(int32, tag = "6")]
    pub(crate) pid: i32,
    #[prost(uint64, tag = "7")]
    pub(crate) start_time: u64,
    #[prost(string, tag = "8")]
    pub(crate) boot: String,
    #[prost(bool, tag = "9")]
    pub(crate) over: bool,
    #[prost(bool, tag = "10")]
    pub(crate) forget: bool,
    #[prost(message, repeated, tag = "11")]
    pub(crate) tasks: Vec<TaskRecord>,
    #[prost(bytes = "vec", repeated, tag = "12")]
    pub(crate) acknowledged: Vec<Vec<u8>>,
    /// The container of the default executor that this one is nested in; empty when it is not nested.
    #[prost(string, tag = "13")]
    pub(crate) parent: String,
    #[prost(bool, tag = "14")]
    pub(crate) default_executor: bool,
    /// Its executor has been sent a task.
    #[prost(bool, tag = "15")]
    pub(crate) sent: bool,
}

impl AgentRecord {
    /// The id that the agent has been given.
    pub fn id(&self) -> Option<&str> {
        self.agent_id.as_ref().map(|id| id.value.as_str())
    }
}

impl ContainerRecord {
    /// Whether an update of one of its tasks, which go on, is not in it.
    pub fn lacks(&self, uuid: &[u8]) -> bool {
        let is_alive = |task: &TaskRecord| !TaskState::try_from(task.state).is_ok_and(is_terminal);
        let has = |task: &TaskRecord| task.pending.iter().any(|status| status.uuid() == uuid);
        let is_kept = self.acknowledged.iter().any(|known| known == uuid) || self.tasks.iter().any(has);
        !self.forget && !is_kept && self.tasks.iter().any(is_alive)
    }

    /// The framework, by its id, that has still to acknowledge an update of it.
    pub fn waits_for(&self) -> Option<&str> {
        let waits = self.tasks.iter().any(|task| !task.pending.is_empty());
        self.framework.as_ref()?.id.as_ref().map(|id| id.value.as_str()).filter(|_| waits)
    }
}

/// One task of a container.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TaskRecord {
    #[prost(message, optional, tag = "1")]
    pub(crate) info: Option<TaskInfo>,
    #[prost(uint32, optional, tag = "2")]
    pub(crate) group: Option<u32>,
    #[prost(bool, tag = "3")]
    pub(crate) delivered: bool,
    #[prost(bool, tag = "4")]
    pub(crate) kill: bool,
    #[prost(message, optional, tag = "5")]
    pub(crate) kill_policy: Option<KillPolicy>,
    #[prost(int32, tag = "6")]
    pub(crate) state: i32,
    #[prost(message, optional, tag = "7")]
    pub(crate) latest: Option<TaskStatus>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) pending: Vec<TaskStatus>,
}

/// The state of an agent could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The disk said no.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// The file is not what this program writes.
    #[error(
        "{path} was not written by this version of the agent, or is damaged; move it away to start as a new agent"
    )]
    Foreign {
        /// Which file.
        path: String,
    },
}

/// The directory of the records.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    dir: PathBuf,
}

impl Store {
    /// Opens the directory, making it if need be.
    pub(crate) fn open(dir: PathBuf) -> Result<Self, CheckpointError> {
        fs::create_dir_all(dir.join("containers")).map_err(at(&dir))?;
        fs::set_permissions(&dir, Permissions::from_mode(0o700)).map_err(at(&dir))?;
        Ok(Self { dir })
    }

    pub(crate) fn save_agent(&self, record: &AgentRecord) -> Result<(), CheckpointError> {
        write(&self.dir.join("agent"), record, Durability::Disk)
    }

    pub(crate) fn save_container(&self, record: &ContainerRecord) -> Result<(), CheckpointError> {
        write(&self.container(&record.container), record, Durability::Process)
    }

    pub(crate) fn remove_container(&self, id: &str) -> Result<(), CheckpointError> {
        let path = self.container(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&path)(error)),
            _ => Ok(()),
        }
    }

    /// Everything that was saved. An agent that saved nothing yet has an empty record.
    pub(crate) fn load(&self) -> Result<(AgentRecord, Vec<ContainerRecord>), CheckpointError> {
        let agent = read(&self.dir.join("agent"))?.unwrap_or_default();
        let dir = self.dir.join("containers");
        let mut containers = Vec::new();
        for entry in fs::read_dir(&dir).map_err(at(&dir))? {
            let path = entry.map_err(at(&dir))?.path();
            if path.extension().is_some_and(|e| e == "new") {
                continue;
            }
            containers.extend(read(&path)?);
        }
        Ok((agent, containers))
    }

    fn container(&self, id: &str) -> PathBuf {
        self.dir.join("containers").join(id)
    }
}

fn write(path: &Path, record: &impl Message, durability: Durability) -> Result<(), CheckpointError> {
    let bytes = [MAGIC, &record.encode_to_vec()].concat();
    whole::replace(path, &bytes, whole::PRIVATE, durability).map_err(at(path))
}

fn read<M: Message + Default>(path: &Path) -> Result<Option<M>, CheckpointError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(at(path))?,
    };
    let foreign = || CheckpointError::Foreign { path: path.display().to_string() };
    let body = bytes.strip_prefix(MAGIC).ok_or_else(foreign)?;
    M::decode(body).map(Some).map_err(|_| foreign())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    let path = path.display().to_string();
    move |source| CheckpointError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use cairn_mesos::v1::FrameworkId;

    use super::*;

    #[test]
    fn what_was_saved_comes_back_and_what_was_removed_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().to_owned()).unwrap();
        assert_eq!(store.load().unwrap(), (AgentRecord::default(), Vec::new()));
        let agent = AgentRecord { agent_id: Some(AgentId { value: "S0".into() }), ..AgentRecord::default() };
        let kept = ContainerRecord { container: "a".into(), pid: 7, ..ContainerRecord::default() };
        store.save_agent(&agent).unwrap();
        store.save_container(&kept).unwrap();
        store.save_container(&ContainerRecord { container: "b".into(), ..kept.clone() }).unwrap();
        store.remove_container("b").unwrap();
        store.remove_container("b").unwrap();
        assert_eq!(store.load().unwrap(), (agent, vec![kept]));
        let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode(""), mode("agent"), mode("containers/a")], [0o700, 0o600, 0o600]);
    }

    #[test]
    fn an_update_is_lacking_until_it_waits_or_is_acknowledged_or_nobody_wants_it() {
        let task = |state: TaskState, pending: &[u8]| TaskRecord {
            state: state as i32,
            pending: pending
                .iter()
                .map(|uuid| TaskStatus { uuid: Some(vec![*uuid]), ..TaskStatus::default() })
                .collect(),
            ..TaskRecord::default()
        };
        let id = FrameworkId { value: "F".into() };
        let framework = Some(FrameworkInfo { id: Some(id), ..FrameworkInfo::default() });
        let of = |task: TaskRecord| ContainerRecord {
            framework: framework.clone(),
            tasks: vec![task],
            ..ContainerRecord::default()
        };
        let staging = of(task(TaskState::TaskStaging, &[]));
        assert!(staging.lacks(&[1]) && staging.waits_for().is_none());
        let told = of(task(TaskState::TaskRunning, &[1]));
        assert!(!told.lacks(&[1]) && told.lacks(&[2]) && told.waits_for() == Some("F"));
        let heard = ContainerRecord { acknowledged: vec![vec![1]], ..staging.clone() };
        let unwanted = ContainerRecord { forget: true, ..staging };
        let over = of(task(TaskState::TaskKilled, &[]));
        assert!(!heard.lacks(&[1]) && !unwanted.lacks(&[1]) && !over.lacks(&[1]));
    }

    #[test]
    fn another_format_is_refused_with_advice() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().to_owned()).unwrap();
        fs::write(dir.path().join("agent"), "cairn-agent 9\n").unwrap();
        let error = store.load().unwrap_err().to_string();
        assert!(error.contains("move it away"), "{error}");
    }
}
