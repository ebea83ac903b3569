//! The whole cluster: real agents, real processes, and what survives the loss of the cluster's process.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use cairn_cluster::{Cluster, ClusterError, ClusterOptions};
use cairn_mesos::client::{Access, Options, SchedulerClient, SchedulerEvent};
use cairn_mesos::v1::FrameworkInfo;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::scene::{accept, capable, launch, scalar};
use crate::web::{call, masters, next, wait_for};

pub(crate) const RESOURCES: &str = "cpus:2;mem:512;disk:1024;ports:[31000-31010]";

async fn start(port: u16, agents: u8, work_dir: &Path) -> Cluster {
    let listen = SocketAddr::from(([127, 0, 0, 1], port));
    Cluster::start(ClusterOptions::new(listen, agents, work_dir.to_owned(), RESOURCES)).await.unwrap()
}

pub(crate) fn connect(
    master: SocketAddr,
    id: Option<&str>,
) -> (SchedulerClient, mpsc::Receiver<SchedulerEvent>) {
    let mut info = capable("fw", "r");
    if let Some(id) = id {
        info["id"] = json!({"value": id});
    }
    let mut info: FrameworkInfo = serde_json::from_value(info).unwrap();
    info.user = user();
    SchedulerClient::connect(masters(master), info, Options::default()).unwrap()
}

/// A framework of the principal that the access proves.
pub(crate) fn connect_as(
    master: SocketAddr,
    access: Access,
) -> (SchedulerClient, mpsc::Receiver<SchedulerEvent>) {
    let mut info: FrameworkInfo = serde_json::from_value(capable("fw", "r")).unwrap();
    info.user = user();
    info.principal = access.principal().map(str::to_owned);
    SchedulerClient::connect(masters(master), info, Options { access, ..Options::default() }).unwrap()
}

fn user() -> String {
    std::env::var("USER").unwrap_or_else(|_| "root".to_owned())
}

/// The status of the next update, acknowledged.
pub(crate) async fn status(client: &SchedulerClient, events: &mut mpsc::Receiver<SchedulerEvent>) -> Value {
    let status = wait_for(events, "UPDATE").await["update"]["status"].clone();
    if status["uuid"].is_string() {
        let acknowledge =
            json!({"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]});
        client.call(call(json!({"type": "ACKNOWLEDGE", "acknowledge": acknowledge}))).await.unwrap();
    }
    status
}

pub(crate) async fn until(
    client: &SchedulerClient,
    events: &mut mpsc::Receiver<SchedulerEvent>,
    state: &str,
) -> Value {
    loop {
        let status = status(client, events).await;
        if status["state"] == state {
            return status;
        }
        let unexpected = ["TASK_FAILED", "TASK_LOST", "TASK_ERROR", "TASK_GONE"];
        assert!(!unexpected.iter().any(|state| status["state"] == *state), "{status}");
    }
}

pub(crate) fn command(id: &str, offer: &Value, command: &str) -> Value {
    json!({"name": id, "task_id": {"value": id}, "agent_id": offer["agent_id"],
           "resources": [scalar("cpus", 0.1), scalar("mem", 32.0)], "command": {"shell": true, "value": command}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_outlives_the_cluster_that_started_it() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(0, 2, dir.path()).await;
    let addresses = cluster.agent_addresses();
    assert_eq!(
        addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>(),
        ["127.0.0.1", "127.0.0.2"]
    );
    let port = cluster.master_address().port();
    let (client, mut events) = connect(cluster.master_address(), None);
    let offer = wait_for(&mut events, "OFFERS").await["offers"]["offers"][0].clone();
    let task = command("long", &offer, "sleep 1000");
    client.call(call(accept(&offer, vec![launch(vec![task])], 3600.0))).await.unwrap();
    let running = until(&client, &mut events, "TASK_RUNNING").await;
    let id = client.framework_id().unwrap().value;
    drop((client, events));
    cluster.shutdown().await;

    let cluster = start(port, 2, dir.path()).await;
    assert_eq!(cluster.agent_addresses(), addresses);
    let (client, mut events) = connect(cluster.master_address(), Some(&id));
    assert_eq!(next(&mut events).await["subscribed"]["framework_id"]["value"], id.as_str());
    let asked = json!([{"task_id": {"value": "long"}, "agent_id": running["agent_id"]}]);
    let reconcile = json!({"type": "RECONCILE", "reconcile": {"tasks": asked}});
    client.call(call(reconcile)).await.unwrap();
    let found = until(&client, &mut events, "TASK_RUNNING").await;
    assert_eq!(found["container_status"]["container_id"], running["container_status"]["container_id"]);
    client.call(call(json!({"type": "KILL", "kill": {"task_id": {"value": "long"}}}))).await.unwrap();
    until(&client, &mut events, "TASK_KILLED").await;
    client.call(call(json!({"type": "TEARDOWN"}))).await.unwrap();
    cluster.shutdown().await;
}

/// Not a test: the process that the next one kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by another test, in a process of its own"]
async fn cluster_process() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let port = std::env::var(CHILD_PORT).unwrap().parse().unwrap();
    let cluster = start(port, 3, Path::new(&dir)).await;
    let address = cluster.master_address().to_string();
    let temporary = Path::new(&dir).join("address.new");
    std::fs::write(&temporary, address).unwrap();
    std::fs::rename(temporary, Path::new(&dir).join("address")).unwrap();
    std::future::pending::<()>().await;
}

const CHILD_DIR: &str = "CAIRN_TEST_DIR";
const CHILD_PORT: &str = "CAIRN_TEST_PORT";

/// A cluster in a process of its own, which ends with the test.
struct Child(tokio::process::Child);

impl Child {
    async fn start(dir: &Path, port: u16) -> (Self, SocketAddr) {
        let file = dir.join("address");
        let _ = std::fs::remove_file(&file);
        let child = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "whole::cluster_process", "--ignored", "--nocapture"])
            .env(CHILD_DIR, dir)
            .env(CHILD_PORT, port.to_string())
            .stdout(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let address = async {
            loop {
                if let Ok(text) = std::fs::read_to_string(&file) {
                    return text.parse().unwrap();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let address = tokio::time::timeout(Duration::from_secs(30), address).await.unwrap();
        (Self(child), address)
    }
}

#[tokio::test]
async fn a_killed_cluster_comes_back_and_knows_its_tasks() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, address) = Child::start(dir.path(), 0).await;
    let (client, mut events) = connect(address, None);
    let offer = wait_for(&mut events, "OFFERS").await["offers"]["offers"][0].clone();
    let task = command("long", &offer, "echo $$ > pid; exec sleep 1000");
    client.call(call(accept(&offer, vec![launch(vec![task])], 3600.0))).await.unwrap();
    let running = until(&client, &mut events, "TASK_RUNNING").await;

    child.0.kill().await.unwrap();
    wait_for(&mut events, "DISCONNECTED").await;
    let (_child, again) = Child::start(dir.path(), address.port()).await;
    assert_eq!(again, address);
    // The same client goes on by itself.
    let subscribed = wait_for(&mut events, "SUBSCRIBED").await;
    let id = client.framework_id().unwrap().value;
    assert_eq!(subscribed["subscribed"]["framework_id"]["value"], id.as_str());
    wait_for(&mut events, "OFFERS").await;
    let asked = json!([{"task_id": {"value": "long"}, "agent_id": running["agent_id"]}]);
    client.call(call(json!({"type": "RECONCILE", "reconcile": {"tasks": asked}}))).await.unwrap();
    let found = until(&client, &mut events, "TASK_RUNNING").await;
    assert_eq!(found["container_status"], running["container_status"]);
    client.call(call(json!({"type": "KILL", "kill": {"task_id": {"value": "long"}}}))).await.unwrap();
    until(&client, &mut events, "TASK_KILLED").await;
    client.call(call(json!({"type": "TEARDOWN"}))).await.unwrap();
}

#[tokio::test]
async fn bad_options_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = ClusterOptions::new(listen, 1, dir.path().to_owned(), RESOURCES);
    let error =
        async |options| Cluster::start(options).await.err().map(|error: ClusterError| error.to_string());
    let many = ClusterOptions { agents: 251, ..options.clone() };
    assert_eq!(error(many).await.unwrap(), "a cluster has at most 250 agents, not 251");
    let bad = ClusterOptions { resources: vec!["cpus:many".to_owned()], ..options.clone() };
    assert!(error(bad).await.unwrap().starts_with("--resources: "));
    let odd = ClusterOptions { agents: 3, attributes: vec!["a:1".to_owned(), "a:2".to_owned()], ..options };
    assert!(error(odd).await.unwrap().contains("once for each agent"));
}

/// What tools and clients in other languages ask for, by the names that they use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_found_under_all_its_names() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(0, 1, dir.path()).await;
    let (master, agent) = (cluster.master_address(), cluster.agent_addresses()[0]);
    let (client, mut events) = connect(master, None);
    let offer = wait_for(&mut events, "OFFERS").await["offers"]["offers"][0].clone();
    let tasks = ["t1", "t2", "t3"].map(|id| command(id, &offer, "true"));
    client.call(call(accept(&offer, vec![launch(tasks.into())], 3600.0))).await.unwrap();
    for _ in 0..3 {
        until(&client, &mut events, "TASK_FINISHED").await;
    }
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for name in ["", "/slave(1)", "/slave%281%29"] {
        for path in ["/health", "/state", "/state.json", "/flags", "/containers", "/monitor/statistics"] {
            let answer = http.get(format!("http://{agent}{name}{path}")).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{name}{path}");
        }
        let post = |path: &str, media: &str| {
            let request = http.post(format!("http://{agent}{name}{path}")).header("Content-Type", media);
            request.body(json!({"type": "GET_HEALTH"}).to_string()).send()
        };
        assert_eq!(post("/api/v1", "application/json").await.unwrap().status(), 200, "{name}");
        // The executor API is there, and says what it misses.
        assert_eq!(post("/api/v1/executor", "text/plain").await.unwrap().status(), 415, "{name}");
    }
    let shown = async |path: &str, list: &str| -> Vec<Value> {
        let answer = http.get(format!("http://{master}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json::<Value>().await.unwrap()[list].as_array().unwrap().clone()
    };
    let framework = client.framework_id().unwrap().value;
    assert_eq!(shown("/master/tasks", "tasks").await.len(), 3);
    assert_eq!(shown("/tasks?limit=2", "tasks").await.len(), 2);
    assert_eq!(shown("/tasks?limit=2&offset=2", "tasks").await.len(), 1);
    assert_eq!(shown("/tasks?task_id=t2", "tasks").await[0]["id"], "t2");
    let (first, last) = (shown("/tasks?order=asc", "tasks").await, shown("/tasks?order=des", "tasks").await);
    assert_eq!(first.into_iter().rev().collect::<Vec<_>>(), last);
    assert_eq!(shown(&format!("/frameworks?framework_id={framework}"), "frameworks").await.len(), 1);
    assert_eq!(shown("/frameworks?framework_id=none", "frameworks").await.len(), 0);
    assert_eq!(shown("/slaves?slave_id=none", "slaves").await.len(), 0);
    // What Apache Mesos's own command line asks; and what is no number counts as not said.
    assert_eq!(shown("/tasks?order=asc&limit=-1", "tasks").await.len(), 3);
    assert_eq!(shown("/tasks?limit=few&offset=", "tasks").await.len(), 3);
    drop(client);
    cluster.shutdown().await;
}
