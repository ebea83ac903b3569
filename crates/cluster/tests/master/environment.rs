//! What a command finds in its sandbox and its environment, alone and in a group: as recorded from Apache Mesos.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use cairn_cluster::{Cluster, ClusterOptions};
use serde_json::{Value, json};

use crate::scene::{accept, launch, scalar};
use crate::web::{call, next, wait_for};
use crate::whole::{RESOURCES, command, connect};

/// Names and values, and the last line.
fn read(sandbox: &Path) -> (BTreeMap<String, String>, String) {
    let text = std::fs::read_to_string(sandbox.join("stdout")).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let last = text.lines().last().unwrap_or_default().to_owned();
    (pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), last)
}

fn with_variables(mut task: Value) -> Value {
    task["command"]["environment"] = json!({"variables": [
        {"name": "FOO", "value": "bar"},
        {"name": "MESOS_SANDBOX", "value": "elsewhere"},
    ]});
    task
}

/// Environment, and on the last line process, group and session: one number.
const SHOW: &str = "env; ps -o pid=,pgid=,sid= -p $$";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_find_what_mesos_gives_them() {
    let dir = tempfile::tempdir().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = ClusterOptions::new(listen, 1, dir.path().to_owned(), RESOURCES);
    let cluster = Cluster::start(options).await.unwrap();
    let (client, mut events) = connect(cluster.master_address(), None);
    let offer = wait_for(&mut events, "OFFERS").await["offers"]["offers"][0].clone();
    let alone = with_variables(command("alone", &offer, SHOW));
    let mut member = with_variables(command("member", &offer, SHOW));
    member["container"] = json!({"type": "MESOS", "volumes": [{"mode": "RW", "container_path": "common",
        "source": {"type": "SANDBOX_PATH", "sandbox_path": {"type": "PARENT", "path": "shared"}}}]});
    member["command"]["value"] = format!("touch common/here; {SHOW}").into();
    let mut other = member.clone();
    (other["name"], other["task_id"]["value"]) = ("other".into(), "other".into());
    other["command"]["value"] = "while [ ! -e common/here ]; do sleep 0.05; done".into();
    let framework = client.framework_id().unwrap().value;
    let executor = json!({"type": "DEFAULT", "executor_id": {"value": "pod"}, "framework_id": {"value": framework},
        "resources": [scalar("cpus", 0.1), scalar("mem", 32.0), scalar("disk", 1.0)]});
    let group = json!({"type": "LAUNCH_GROUP",
        "launch_group": {"executor": executor, "task_group": {"tasks": [member, other]}}});
    client.call(call(accept(&offer, vec![launch(vec![alone]), group], 3600.0))).await.unwrap();
    // The group may end before the other task, or after it.
    let (mut finished, mut failure) = (0, Value::Null);
    while finished < 3 || failure.is_null() {
        let event = next(&mut events).await;
        let status = &event["update"]["status"];
        if event["type"] == "FAILURE" {
            failure = event["failure"]["status"].clone();
        } else if event["type"] == "UPDATE" {
            let acknowledge =
                json!({"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]});
            client.call(call(json!({"type": "ACKNOWLEDGE", "acknowledge": acknowledge}))).await.unwrap();
            finished += usize::from(status["state"] == "TASK_FINISHED");
        }
    }
    assert_eq!(failure, 0);

    let agent = offer["agent_id"]["value"].as_str().unwrap();
    let executors = dir
        .path()
        .canonicalize()
        .unwrap()
        .join(format!("agent-1/slaves/{agent}/frameworks/{framework}/executors"));
    let sandbox = executors.join("alone/runs/latest").canonicalize().unwrap();
    let (env, ids) = read(&sandbox);
    let names: Vec<&str> = env.keys().map(String::as_str).filter(|name| *name != "_").collect();
    let expected = [
        "FOO",
        "LIBPROCESS_IP",
        "LIBPROCESS_PORT",
        "MESOS_AGENT_ENDPOINT",
        "MESOS_ALLOCATION_ROLE",
        "MESOS_CHECKPOINT",
        "MESOS_DIRECTORY",
        "MESOS_EXECUTOR_ID",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD",
        "MESOS_FRAMEWORK_ID",
        "MESOS_HTTP_COMMAND_EXECUTOR",
        "MESOS_RECOVERY_TIMEOUT",
        "MESOS_SANDBOX",
        "MESOS_SLAVE_ID",
        "MESOS_SLAVE_PID",
        "MESOS_SUBSCRIPTION_BACKOFF_MAX",
        "PATH",
        "PWD",
    ];
    assert_eq!(names, expected);
    assert_eq!(env["MESOS_SANDBOX"], sandbox.display().to_string(), "by it the agent finds the processes");
    assert_eq!(env["PWD"], env["MESOS_DIRECTORY"]);
    let ids: Vec<&str> = ids.split_whitespace().collect();
    assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");

    let nested = executors.join("pod/runs/latest/tasks/member").canonicalize().unwrap();
    let (env, _) = read(&nested);
    let names: Vec<&str> = env.keys().map(String::as_str).filter(|name| *name != "_").collect();
    assert_eq!(names, ["FOO", "MESOS_ALLOCATION_ROLE", "MESOS_CONTAINER_IP", "MESOS_SANDBOX", "PATH", "PWD"]);
    assert_eq!(env["MESOS_SANDBOX"], nested.display().to_string());
    assert!(nested.parent().unwrap().ends_with("containers"));
    client.call(call(json!({"type": "TEARDOWN"}))).await.unwrap();
    cluster.shutdown().await;
}
