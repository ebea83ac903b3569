//! What sets containers apart: nothing escapes, users are switched, limits hold, and what ended is cleared away.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cairn_cluster::agent::{Containment, Housekeeping, Isolation};
use cairn_cluster::{Cluster, ClusterError, ClusterOptions};
use cairn_mesos::client::{SchedulerClient, SchedulerEvent};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::scene::{accept, launch};
use crate::web::{call, wait_for};
use crate::whole::{RESOURCES, command, connect, status, until};

/// A cluster with one framework and the first offer to it.
pub(crate) struct Stage {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) cluster: Cluster,
    pub(crate) client: SchedulerClient,
    pub(crate) events: mpsc::Receiver<SchedulerEvent>,
    pub(crate) offer: Value,
}

impl Stage {
    pub(crate) async fn new(change: impl FnOnce(&mut ClusterOptions)) -> Result<Self, ClusterError> {
        let dir = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut options = ClusterOptions::new(listen, 1, dir.path().to_owned(), RESOURCES);
        change(&mut options);
        let cluster = Cluster::start(options).await?;
        let (client, mut events) = connect(cluster.master_address(), None);
        let offer = wait_for(&mut events, "OFFERS").await["offers"]["offers"][0].clone();
        Ok(Self { dir, cluster, client, events, offer })
    }

    pub(crate) async fn launch(&self, task: Value) {
        self.client.call(call(accept(&self.offer, vec![launch(vec![task])], 3600.0))).await.unwrap();
    }

    /// The sandbox of the only executor.
    pub(crate) fn sandbox(&self) -> PathBuf {
        let mut path = self.dir.path().join("agent-1/slaves");
        for step in ["", "frameworks", "", "executors", "", "runs/latest"] {
            path = match step {
                "" => std::fs::read_dir(&path).unwrap().next().unwrap().unwrap().path(),
                step => path.join(step),
            };
        }
        path
    }
}

pub(crate) async fn when<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = condition() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain: {what}");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// The number that a task has written.
pub(crate) fn number(path: &Path) -> Option<i32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_escapes_its_kill() {
    let mut stage = Stage::new(|_| ()).await.unwrap();
    // The environment goes too where control groups find it all the same.
    let clean = if is_root() { "env -i PATH=$PATH" } else { "" };
    let escape = format!(
        "setsid sh -c '{clean} setsid sh -c \"echo \\$\\$ > escaped; exec sleep 1000\" & exit' & exec sleep 1000"
    );
    stage.launch(command("fork", &stage.offer, &escape)).await;
    until(&stage.client, &mut stage.events, "TASK_RUNNING").await;
    let sandbox = stage.sandbox();
    let escaped = when("a process in a session of its own", || number(&sandbox.join("escaped"))).await;
    assert!(runs(escaped));
    let kill = json!({"task_id": {"value": "fork"}, "agent_id": stage.offer["agent_id"]});
    stage.client.call(call(json!({"type": "KILL", "kill": kill}))).await.unwrap();
    until(&stage.client, &mut stage.events, "TASK_KILLED").await;
    assert!(!runs(escaped), "the status is sent when nothing is left");
    stage.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_ends_a_fetch_that_would_never_end() {
    let mut stage = Stage::new(|_| ()).await.unwrap();
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut task = command("slow", &stage.offer, "true");
    task["command"]["uris"] = json!([{"value": format!("http://{}/file", server.local_addr().unwrap())}]);
    stage.launch(task).await;
    let (mut fetcher, _) = server.accept().await.unwrap();
    let kill = json!({"task_id": {"value": "slow"}, "agent_id": stage.offer["agent_id"]});
    stage.client.call(call(json!({"type": "KILL", "kill": kill}))).await.unwrap();
    let killed = status(&stage.client, &mut stage.events).await;
    assert_eq!(
        (&killed["state"], &killed["reason"]),
        (&json!("TASK_KILLED"), &json!("REASON_TASK_KILLED_DURING_LAUNCH"))
    );
    let mut request = Vec::new();
    let hung_up = tokio::time::timeout(Duration::from_secs(10), fetcher.read_to_end(&mut request)).await;
    assert!(hung_up.is_ok(), "nobody waits for the file any more");
    stage.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_runs_as_the_user_it_names() {
    if !is_root() {
        return;
    }
    let mut stage = Stage::new(|_| ()).await.unwrap();
    let mut task = command("who", &stage.offer, "id -un && touch made && exec sleep 1000");
    task["command"]["user"] = json!("nobody");
    stage.launch(task).await;
    until(&stage.client, &mut stage.events, "TASK_RUNNING").await;
    let sandbox = stage.sandbox();
    let made = when("the task's file", || std::fs::metadata(sandbox.join("made")).ok()).await;
    assert_eq!(made.uid(), std::fs::metadata(&sandbox).unwrap().uid());
    assert_ne!(made.uid(), 0);
    assert_eq!(std::fs::read_to_string(sandbox.join("stdout")).unwrap().trim(), "nobody");
    let kill = json!({"task_id": {"value": "who"}, "agent_id": stage.offer["agent_id"]});
    stage.client.call(call(json!({"type": "KILL", "kill": kill}))).await.unwrap();
    until(&stage.client, &mut stage.events, "TASK_KILLED").await;

    stage.offer = wait_for(&mut stage.events, "OFFERS").await["offers"]["offers"][0].clone();
    let mut task = command("unknown", &stage.offer, "true");
    task["command"]["user"] = json!("who-is-that");
    stage.launch(task).await;
    let failed = status(&stage.client, &mut stage.events).await;
    assert_eq!(
        (&failed["state"], &failed["reason"]),
        (&json!("TASK_FAILED"), &json!("REASON_CONTAINER_LAUNCH_FAILED"))
    );
    assert!(
        failed["message"].as_str().unwrap().contains("\"who-is-that\": there is no such user"),
        "{failed}"
    );
    stage.cluster.shutdown().await;
}

/// What stands in a file of the control group of a process, in whichever hierarchy has the file.
fn of_group(pid: i32, file: &str) -> Option<String> {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
    let group =
        groups.lines().filter_map(|line| line.rsplit(':').next()).find(|g| g.starts_with("/cairn/"))?;
    let places =
        mounts.lines().filter(|line| line.contains(" cgroup")).filter_map(|line| line.split(' ').nth(1));
    places.filter_map(|place| std::fs::read_to_string(format!("{place}{group}/{file}")).ok()).next()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_cpus_are_shared_by_what_tasks_asked_for() {
    let all = Containment { isolation: Isolation::ALL, switch_user: true };
    if let Err(ClusterError::Isolation(_)) = Stage::new(|options| options.containment = all).await {
        return;
    }
    let mut stage = Stage::new(|_| ()).await.unwrap();
    let mut task = command("share", &stage.offer, "echo $$ > pid; exec sleep 1000");
    let cpus = task["resources"].as_array_mut().unwrap().iter_mut().find(|r| r["name"] == "cpus").unwrap();
    cpus["scalar"]["value"] = json!(0.5);
    stage.launch(task).await;
    until(&stage.client, &mut stage.events, "TASK_RUNNING").await;
    let pid = when("the task's id", || number(&stage.sandbox().join("pid"))).await;
    // Of a command there is a tenth more, as with Mesos, for who watches it.
    let shares = of_group(pid, "cpu.shares").or_else(|| of_group(pid, "cpu.weight"));
    assert!(matches!(shares.as_deref().map(str::trim), Some("614" | "24")), "{shares:?}");
    let kill = json!({"task_id": {"value": "share"}, "agent_id": stage.offer["agent_id"]});
    stage.client.call(call(json!({"type": "KILL", "kill": kill}))).await.unwrap();
    until(&stage.client, &mut stage.events, "TASK_KILLED").await;
    stage.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_needs_more_memory_than_it_asked_for_fails() {
    let isolation = Isolation::ALL;
    let started =
        Stage::new(|options| options.containment = Containment { isolation, switch_user: true }).await;
    let mut stage = match started {
        Ok(stage) => stage,
        Err(ClusterError::Isolation(error)) => {
            // As far as this machine goes: it says what is missing.
            assert!(error.to_string().starts_with("--isolation cgroups/"), "{error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let greedy = "exec python3 -c 'x = bytearray(256 << 20); import time; time.sleep(1000)'";
    stage.launch(command("greedy", &stage.offer, greedy)).await;
    until(&stage.client, &mut stage.events, "TASK_RUNNING").await;
    let failed = status(&stage.client, &mut stage.events).await;
    assert_eq!(failed["state"], json!("TASK_FAILED"));
    assert_eq!(failed["reason"], json!("REASON_CONTAINER_LIMITATION_MEMORY"), "{failed}");
    assert_eq!(failed["limitation"]["resources"][0]["name"], json!("mem"));
    assert!(
        failed["message"].as_str().unwrap().starts_with("Memory limit exceeded: Requested: 64MB"),
        "{failed}"
    );
    stage.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_moves_aside_and_what_ended_is_cleared_away() {
    let housekeeping = Housekeeping {
        gc_delay: Duration::from_secs(1),
        max_log_size: 200_000,
        interval: Duration::from_millis(100),
    };
    let mut stage = Stage::new(|options| options.housekeeping = housekeeping).await.unwrap();
    // It ends by itself once its output has been moved aside.
    let talk = "seq 100000; while [ ! -e stdout.1 ]; do sleep 0.1; done";
    stage.launch(command("talk", &stage.offer, talk)).await;
    until(&stage.client, &mut stage.events, "TASK_RUNNING").await;
    let sandbox = std::fs::canonicalize(stage.sandbox()).unwrap();
    until(&stage.client, &mut stage.events, "TASK_FINISHED").await;
    when("the sandbox is gone", || (!sandbox.exists()).then_some(())).await;
    stage.cluster.shutdown().await;
}
