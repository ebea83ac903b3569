//! A cluster for one controller with very many services: the real master over HTTP, simulated agents, and, where a child
//! scheduler would run, a few lines that answer as one whose instances all serve.
//!
//! Who launches it is `bench/fleet.py`. `fleet PORT AGENTS INSTANCES`: the master listens on PORT of loopback; each service says that it has so many instances.
//! Runs until it is ended. A controller that is started anew finds all of it as it was.

#![expect(clippy::unwrap_used, reason = "a measurement may fail")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use cairn_cluster::master::registry::MemoryRegistry;
use cairn_cluster::master::{MasterServer, MasterSettings};
use cairn_cluster::sim::SimAgent;
use cairn_cluster::wire::{AgentLink, FromAgent, ToAgent};
use cairn_framework::{
    GoalState, Health, InstanceStatus, Phase, Placement, Plan, PlanPhase, PlanStatus, Status, Step,
};
use cairn_mesos::resources::Resources;
use cairn_mesos::v1::{TaskInfo, TaskState};
use cairn_task::TaskSpec;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Where ports of agents begin, and how many each has.
const PORTS: u64 = 12_000;
const PORTS_EACH: u64 = 200;

/// What the frameworks that are used give to their dependents.
const OUTPUTS: [&str; 7] = ["connect", "names", "bootstrap", "brokers", "zookeeper", "http", "instances"];

#[tokio::main]
async fn main() {
    let numbers: Vec<u16> = std::env::args().skip(1).filter_map(|n| n.parse().ok()).collect();
    let [port, agents, instances] = numbers[..] else {
        eprintln!("usage: fleet PORT AGENTS INSTANCES");
        return;
    };
    let settings = MasterSettings { hostname: "localhost".to_owned(), ..MasterSettings::default() };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let registry = Box::new(MemoryRegistry::default());
    let mut master = MasterServer::start(address, settings, registry).await.unwrap();
    for number in 0..u64::from(agents) {
        let first = PORTS + number * PORTS_EACH;
        let text = format!("cpus:100;mem:100000;disk:100000;ports:[{first}-{}]", first + PORTS_EACH - 1);
        let resources: Resources = text.parse().unwrap();
        let agent = SimAgent::new(&format!("agent-{number}"), resources.to_vec());
        let link = master.connector().connect().await;
        tokio::spawn(live(agent, link, usize::from(instances)));
    }
    master.ended().await.unwrap();
}

/// An agent's life: what it says is what a simulated agent says, but its tasks serve.
async fn live(mut agent: SimAgent, mut link: AgentLink, instances: usize) {
    let mut children: BTreeMap<String, JoinHandle<()>> = BTreeMap::new();
    if link.to_master.send(agent.register()).await.is_err() {
        return;
    }
    while let Some(message) = link.from_master.recv().await {
        if let ToAgent::RunTasks { tasks, .. } = &message {
            for task in tasks {
                children.insert(task.task_id.value.clone(), child(task, instances).await);
            }
        }
        for mut said in agent.handle(message) {
            if let FromAgent::Update { status, latest_state, .. } = &mut said {
                status.healthy = (*latest_state == TaskState::TaskRunning).then_some(true);
                if status.healthy.is_none()
                    && let Some(child) = children.remove(&status.task_id.value)
                {
                    child.abort();
                }
            }
            if link.to_master.send(said).await.is_err() {
                return;
            }
        }
    }
}

/// A child scheduler whose service serves, on the port that its task was given.
async fn child(task: &TaskInfo, instances: usize) -> JoinHandle<()> {
    let spec: TaskSpec = serde_json::from_slice(task.data.as_deref().unwrap_or_default()).unwrap();
    let flag = spec.command.iter().position(|word| word == "--framework").unwrap();
    let config = spec.files.iter().find(|file| file.path == "config.json").unwrap();
    let config: Value = serde_json::from_str(&config.content).unwrap();
    let status = serving(&spec.command[flag + 1], config["revision"].as_u64().unwrap(), instances);
    let ports = Resources::from(task.resources.clone()).total_ports();
    let port = u16::try_from(ports.iter().next().unwrap()).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let router = Router::new().route("/v1/status", get(answer)).with_state(Arc::new(status));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

/// At once, or, to who waits for news, when there was none for as long as it wanted to wait.
async fn answer(
    State(status): State<Arc<Status>>,
    Query(query): Query<BTreeMap<String, u64>>,
) -> Json<Status> {
    if query.contains_key("after") {
        tokio::time::sleep(Duration::from_millis(query.get("wait_ms").copied().unwrap_or(0))).await;
    }
    Json(Status::clone(&status))
}

fn serving(framework: &str, revision: u64, instances: usize) -> Status {
    let instance = |number: usize| InstanceStatus {
        name: format!("server-{number}"),
        phase: Phase::Ready,
        placement: Some(Placement {
            agent_id: format!("00000000-0000-0000-0000-000000000000-S{number}"),
            hostname: format!("agent-{number}.example"),
            address: format!("10.0.0.{number}"),
            ports: [("client".to_owned(), 31_000), ("peer".to_owned(), 31_001)].into(),
            volumes: [("data".to_owned(), format!("server-{number}.data.0"))].into(),
            ..Placement::default()
        }),
        task_id: Some(format!("server-{number}.00000000-0000-0000-0000-000000000000")),
        goal: GoalState::Running,
        deployed: true,
        ..InstanceStatus::default()
    };
    let step = |number: usize| Step {
        name: format!("server-{number}"),
        status: PlanStatus::Complete,
        ..Step::default()
    };
    let phase = PlanPhase { name: "deploy".to_owned(), status: PlanStatus::Complete, ..PlanPhase::default() };
    Status {
        version: 1,
        service: "simulated".to_owned(),
        framework: framework.to_owned(),
        framework_id: Some("00000000-0000-0000-0000-000000000000-0000".to_owned()),
        health: Health::Ok,
        revision,
        complete: true,
        plan: Plan {
            name: "deploy".to_owned(),
            status: PlanStatus::Complete,
            phases: vec![PlanPhase { steps: (0..instances).map(step).collect(), ..phase }],
            ..Plan::default()
        },
        instances: (0..instances).map(instance).collect(),
        outputs: OUTPUTS.iter().map(|name| ((*name).to_owned(), format!("{framework}:1"))).collect(),
        ..Status::default()
    }
}
