//! A cluster that lets in only whom it knows: its agents, those that come from elsewhere, and executors.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use cairn_cluster::agent::Containment;
use cairn_cluster::security::{Acls, Credentials as Known};
use cairn_cluster::{Cluster, ClusterOptions, SoloAgent};
use cairn_mesos::client::{Access, AgentClient, Credentials, OperatorClient, Options};
use cairn_mesos::v1::{agent, master};
use serde_json::json;

use crate::apart::options;
use crate::scene::{accept, launch, scalar};
use crate::web::{call, masters, request, wait_for};
use crate::whole::{RESOURCES, connect_as};

fn known() -> Known {
    Known::parse("ops hush-ops\nmachine hush-machine\nweb hush-web\n").unwrap()
}

fn access(principal: &str) -> Access {
    let secret = format!("hush-{principal}");
    let credentials = Some(Credentials::Basic { principal: principal.to_owned(), secret });
    Access { credentials, ..Access::default() }
}

/// An operator's view of an agent.
fn operator(agent: SocketAddr) -> AgentClient {
    AgentClient::new(&agent.to_string(), Options { access: access("ops"), ..Options::default() }).unwrap()
}

fn realm(head: &str) -> Option<&str> {
    head.lines().find_map(|line| line.strip_prefix("Www-Authenticate: "))
}

async fn cluster(dir: &Path, agents: u8) -> Cluster {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let rules = r#"{"register_agents": [{"principals": {"values": ["web"]}, "agents": {"type": "NONE"}}]}"#;
    let acls = dir.join("acls.json");
    std::fs::write(&acls, rules).unwrap();
    let options = ClusterOptions {
        credentials: Some(known()),
        acls: Some(Acls::load(&acls).unwrap()),
        ..ClusterOptions::new(listen, agents, dir.join("cluster"), RESOURCES)
    };
    Cluster::start(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_show_what_they_have_to_whom_the_cluster_knows() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(dir.path(), 1).await;
    let agent = cluster.agent_addresses()[0];
    // `ops:hush-ops`, and the same with another secret.
    let (right, wrong) = ("Authorization: Basic b3BzOmh1c2gtb3Bz", "Authorization: Basic b3BzOmh1c2g=");
    for path in ["/state", "/slave(1)/state", "/containers", "/metrics/snapshot", "/files/browse?path=/"] {
        for headers in [&[][..], &[wrong]] {
            let (status, head, body) = request(agent, &format!("GET {path}"), headers, "").await;
            assert_eq!((status, body.as_str()), (401, "401 Unauthorized."), "{path}");
            assert_eq!(realm(&head), Some("Basic realm=\"mesos-agent-readonly\""));
        }
        let (status, _, _) = request(agent, &format!("GET {path}"), &[right], "").await;
        assert!([200, 404].contains(&status), "{path}: {status}");
    }
    for path in ["/health", "/slave(1)/health", "/version"] {
        assert_eq!(request(agent, &format!("GET {path}"), &[], "").await.0, 200, "{path}");
    }
    let executor = r#"{"type": "SUBSCRIBE", "framework_id": {"value": "F"}, "executor_id": {"value": "e"}, "subscribe": {}}"#;
    let json_type = "Content-Type: application/json";
    for path in ["/api/v1/executor", "/slave(1)/api/v1/executor"] {
        let (status, head, _) = request(agent, &format!("POST {path}"), &[json_type, right], executor).await;
        assert_eq!(status, 401);
        assert_eq!(realm(&head), Some("Bearer realm=\"mesos-agent-executor\""));
    }
    let mut state = agent::Call::default();
    state.set_type(agent::call::Type::GetState);
    let stranger = AgentClient::new(&agent.to_string(), Options::default()).unwrap();
    assert_eq!(stranger.call(&state).await.unwrap_err().status(), Some(401));
    assert!(operator(agent).call(&state).await.unwrap().get_state.is_some());
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_comes_with_a_credential_that_may_bring_it() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(dir.path(), 0).await;
    let master = cluster.master_address().to_string();
    let start = async |name: &str, access: Access| {
        let work_dir = dir.path().join(name);
        SoloAgent::start(&master, access, options(&work_dir, 0), Containment::default()).await.unwrap()
    };
    let wrong = Credentials::Basic { principal: "machine".into(), secret: "hush".into() };
    for (name, access, hint) in [
        ("nobody", Access::default(), "give --credential FILE"),
        ("wrong", Access { credentials: Some(wrong), ..Access::default() }, "the credential of `machine`"),
        ("web", access("web"), "no rule of `register_agents`"),
    ] {
        let agent = start(name, access).await;
        let why = tokio::time::timeout(Duration::from_secs(20), agent.refused()).await.unwrap();
        assert!(why.contains(&master) && why.contains(hint) && !why.contains("hush"), "{why}");
        agent.shutdown().await;
    }
    let agent = start("machine", access("machine")).await;
    let client = OperatorClient::new(
        masters(cluster.master_address()),
        Options { access: access("ops"), ..Options::default() },
    )
    .unwrap();
    let mut agents = master::Call::default();
    agents.set_type(master::call::Type::GetAgents);
    let registered = async {
        while client.call(&agents).await.unwrap().get_agents.unwrap().agents.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), registered).await.unwrap();
    agent.shutdown().await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_others_reach_has_credentials() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = options(dir.path(), 0);
    open.address = [0, 0, 0, 0].into();
    let master = "127.0.0.1:1";
    let error = SoloAgent::start(master, Access::default(), open, Containment::default()).await.unwrap_err();
    assert!(error.to_string().contains("give --credentials FILE"), "{error}");
}

/// Says its token in its sandbox.
const EXECUTOR: &str =
    r#"printf %s "$MESOS_EXECUTOR_AUTHENTICATION_TOKEN" > told; mv told token; exec sleep 1000"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_gets_a_token_for_itself_that_its_agent_knows_again() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(dir.path(), 1).await;
    let agent = cluster.agent_addresses()[0];
    let (client, mut events) = connect_as(cluster.master_address(), access("ops"));
    let offer = wait_for(&mut events, "OFFERS").await["offers"]["offers"][0].clone();
    let executor = |id: &str| json!({"executor_id": {"value": id}, "type": "CUSTOM", "command": {"shell": true, "value": EXECUTOR}});
    let task = |id: &str| {
        json!({"name": id, "task_id": {"value": id}, "agent_id": offer["agent_id"], "executor": executor(id),
               "resources": [scalar("cpus", 0.1), scalar("mem", 32.0)]})
    };
    client.call(call(accept(&offer, vec![launch(vec![task("a"), task("b")])], 3600.0))).await.unwrap();
    let framework = client.framework_id().unwrap().value;
    let (a, b) = (told(dir.path(), "a").await, told(dir.path(), "b").await);

    let json_type = "Content-Type: application/json";
    let send = async |token: &str, framework: &str, id: &str| {
        let token = format!("Authorization: Bearer {token}");
        let body = json!({"type": "MESSAGE", "framework_id": {"value": framework}, "executor_id": {"value": id}, "message": {"data": "eA=="}});
        let (status, _, text) =
            request(agent, "POST /api/v1/executor", &[json_type, &token], &body.to_string()).await;
        (status, text)
    };
    // It is let in, and only then told what it has not done.
    let silent = (403, "Executor is not subscribed".to_owned());
    assert_eq!((send(&a, &framework, "a").await, send(&b, &framework, "b").await), (silent.clone(), silent));
    let (status, text) = send(&a, &framework, "b").await;
    assert_eq!(status, 403);
    assert!(
        text.ends_with("does not contain an 'eid' claim with the executor ID b, which is set in the call"),
        "{text}"
    );
    assert_eq!(send("x.y.z", &framework, "a").await.0, 401);
    assert_eq!(send(&a, &framework, "c").await, (400, "Executor cannot be found".to_owned()));
    assert_eq!(send(&a, "F", "a").await, (400, "Framework cannot be found".to_owned()));
    // It may ask who its neighbours are, and nothing else.
    let bearer = format!("Authorization: Bearer {a}");
    let ask = async |kind: &str| {
        let headers = [json_type, "Accept: application/json", &bearer];
        request(agent, "POST /api/v1", &headers, &json!({"type": kind}).to_string()).await.0
    };
    assert_eq!((ask("GET_FRAMEWORKS").await, ask("GET_STATE").await), (200, 403));
    assert_eq!(request(agent, "GET /state", &[&bearer], "").await.0, 401);
    // It may have containers in its own, and in no other.
    let containers = dir.path().join("cluster/agent-1/meta/containers");
    let containers: Vec<String> = std::fs::read_dir(containers)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut statuses = Vec::new();
    for container in &containers {
        let id = json!({"value": "inner", "parent": {"value": container}});
        let call = json!({"type": "LAUNCH_NESTED_CONTAINER",
            "launch_nested_container": {"container_id": id, "command": {"value": "true"}}});
        let answer = request(agent, "POST /api/v1", &[json_type, &bearer], &call.to_string()).await;
        statuses.push(answer.0);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403]);
    let secret = dir.path().join("cluster/agent-1/meta/executor-secret");
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    // A token is for one container.
    client.call(call(json!({"type": "TEARDOWN"}))).await.unwrap();
    let mut containers = agent::Call::default();
    containers.set_type(agent::call::Type::GetContainers);
    let (operator, ended) = (operator(agent), Duration::from_secs(30));
    let gone = async {
        while !operator.call(&containers).await.unwrap().get_containers.unwrap().containers.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(ended, gone).await.unwrap();
    assert_eq!(send(&a, &framework, "a").await.0, 400);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executors_that_are_older_than_tokens_come_in_where_they_may() {
    let body = json!({"type": "MESSAGE", "framework_id": {"value": "F"}, "executor_id": {"value": "e"}, "message": {"data": ""}});
    for (anonymous_executors, expected) in [(false, 401), (true, 400)] {
        let dir = tempfile::tempdir().unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = ClusterOptions::new(listen, 1, dir.path().to_owned(), RESOURCES);
        let credentials = Some(known());
        let cluster =
            Cluster::start(ClusterOptions { credentials, anonymous_executors, ..options }).await.unwrap();
        let agent = cluster.agent_addresses()[0];
        let ask =
            async |line: &str, headers: &[&str]| request(agent, line, headers, &body.to_string()).await.0;
        let json_type = "Content-Type: application/json";
        let path = "POST /api/v1/executor";
        assert_eq!(ask(path, &[json_type]).await, expected, "let in, it is not known");
        assert_eq!(ask(path, &[json_type, "Authorization: Bearer x"]).await, 401);
        assert_eq!(ask("POST /api/v1", &[json_type]).await, 401, "operators still say who they are");
        cluster.shutdown().await;
    }
}

/// What the executor has said.
async fn told(dir: &Path, executor: &str) -> String {
    let found = async {
        loop {
            let mut folders = vec![dir.to_owned()];
            while let Some(folder) = folders.pop() {
                for path in
                    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
                {
                    if path.is_dir() && !path.is_symlink() {
                        folders.push(path);
                    } else if path.ends_with("token") && path.iter().any(|part| part == executor) {
                        return std::fs::read_to_string(path).unwrap();
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_framework_speaks_for_its_own_principal() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(dir.path(), 1).await;
    let (client, mut events) = connect_as(cluster.master_address(), access("ops"));
    wait_for(&mut events, "SUBSCRIBED").await;
    client.call(call(json!({"type": "TEARDOWN"}))).await.unwrap();
    let (_stranger, mut events) = connect_as(cluster.master_address(), Access::default());
    let refused = wait_for(&mut events, "DISCONNECTED").await["why"].to_string();
    assert!(refused.contains("give --credential FILE"), "{refused}");
    cluster.shutdown().await;
}
