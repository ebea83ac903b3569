//! Agents that are processes of their own: what survives the loss of one, and of their master.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use cairn_cluster::agent::{AgentOptions, Containment, Housekeeping, Timeouts};
use cairn_cluster::{Cluster, ClusterOptions, SoloAgent, agent_resources};
use cairn_mesos::client::Access;
use serde_json::json;

use crate::scene::{accept, launch};
use crate::web::{call, wait_for};
use crate::whole::{RESOURCES, command, connect, until};

const DIR: &str = "CAIRN_TEST_AGENT_DIR";
const MASTER: &str = "CAIRN_TEST_AGENT_MASTER";

pub(crate) fn options(dir: &Path, port: u16) -> AgentOptions {
    AgentOptions {
        address: [127, 0, 0, 1].into(),
        port,
        hostname: "apart".to_owned(),
        work_dir: dir.to_owned(),
        resources: agent_resources(RESOURCES).unwrap(),
        attributes: Vec::new(),
        domain: None,
        credentials: None,
        executor_secret: None,
        anonymous_executors: false,
        tls: None,
        trust: None,
        path: std::env::var("PATH").unwrap(),
        timeouts: Timeouts::default(),
        housekeeping: Housekeeping::default(),
    }
}

async fn master(port: u16, dir: &Path) -> Cluster {
    let listen = SocketAddr::from(([127, 0, 0, 1], port));
    Cluster::start(ClusterOptions::new(listen, 0, dir.to_owned(), RESOURCES)).await.unwrap()
}

/// Not a test: the process that the test kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by another test, in a process of its own"]
async fn agent_process() {
    let (Ok(dir), Ok(master)) = (std::env::var(DIR), std::env::var(MASTER)) else { return };
    let dir = Path::new(&dir);
    let port = std::fs::read_to_string(dir.join("port")).map_or(0, |text| text.parse().unwrap());
    let agent = SoloAgent::start(&master, Access::default(), options(dir, port), Containment::default())
        .await
        .unwrap();
    std::fs::write(dir.join("port"), agent.address().port().to_string()).unwrap();
    std::future::pending::<()>().await;
}

fn agent(dir: &Path, master: SocketAddr) -> tokio::process::Child {
    tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "apart::agent_process", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .env(MASTER, master.to_string())
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_killed_goes_on_and_says_once_what_it_had_to_say() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = master(0, &dir.path().join("cluster")).await;
    let address = cluster.master_address();
    let agent_dir = dir.path().join("agent");
    std::fs::create_dir(&agent_dir).unwrap();
    let mut process = agent(&agent_dir, address);
    let (client, mut events) = connect(address, None);
    let offer = wait_for(&mut events, "OFFERS").await["offers"]["offers"][0].clone();
    assert_eq!(offer["hostname"], "apart");
    let task = command("long", &offer, "echo $$ > pid; exec sleep 1000");
    client.call(call(accept(&offer, vec![launch(vec![task])], 3600.0))).await.unwrap();
    // The first update is not acknowledged before the agent is killed.
    let first = wait_for(&mut events, "UPDATE").await["update"]["status"].clone();
    assert_eq!(first["state"], "TASK_STARTING");

    process.kill().await.unwrap();
    let _process = agent(&agent_dir, address);
    let again = wait_for(&mut events, "UPDATE").await["update"]["status"].clone();
    assert_eq!((&again["uuid"], &again["agent_id"]), (&first["uuid"], &first["agent_id"]));
    let acknowledge =
        json!({"agent_id": again["agent_id"], "task_id": again["task_id"], "uuid": again["uuid"]});
    client.call(call(json!({"type": "ACKNOWLEDGE", "acknowledge": acknowledge}))).await.unwrap();
    let running = until(&client, &mut events, "TASK_RUNNING").await;
    assert_eq!(running["container_status"]["container_id"], first["container_status"]["container_id"]);

    // The master goes and comes back: the agent finds it by itself.
    let id = client.framework_id().unwrap().value;
    drop((client, events));
    cluster.shutdown().await;
    let cluster = master(address.port(), &dir.path().join("cluster")).await;
    let (client, mut events) = connect(address, Some(&id));
    let found = tokio::time::timeout(Duration::from_secs(20), async {
        wait_for(&mut events, "OFFERS").await;
        client.call(call(json!({"type": "KILL", "kill": {"task_id": {"value": "long"}}}))).await.unwrap();
        until(&client, &mut events, "TASK_KILLED").await
    });
    assert_eq!(found.await.unwrap()["agent_id"], first["agent_id"]);
    client.call(call(json!({"type": "TEARDOWN"}))).await.unwrap();
    cluster.shutdown().await;
}
