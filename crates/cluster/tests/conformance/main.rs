//! Recorded conversations with Apache Mesos, played against the cluster.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod executor;
mod metrics;
mod names;
mod play;
mod recording;
mod relay;
mod sharing;
mod stage;
mod stream;
mod text;

use std::net::SocketAddr;
use std::time::Duration;

use cairn_cluster::ClusterOptions;
use cairn_cluster::security::Credentials;
use cairn_mesos::codec::MediaType;

use play::Player;
use recording::Recording;
use stage::Stage;

/// The agent of the recordings.
const RESOURCES: &str = "cpus:4;mem:4096;disk:10000;ports:[31000-31100]";

/// Recordings whose master and agent do not share their fates, or whose agent is not the usual one.
const APART: [&str; 4] = ["13", "14", "20", "23"];

fn resources(name: &str) -> &'static str {
    match name.get(..2) {
        Some("18") => "cpus:6;mem:6000;disk:6000;ports:[31000-31100]",
        Some("16") => "cpus:4;mem:4096;disk:10000;ports:[31200-31260]",
        _ => RESOURCES,
    }
}

/// Plays a recording; what differs must be what `known` says, no more and no less. Each is the beginning of a text.
/// `changes` are made to a cluster as it usually is.
async fn replay(name: &str, media: MediaType, known: &[&str], changes: &[fn(&mut ClusterOptions)]) {
    let dir = tempfile::tempdir().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut options = ClusterOptions::new(listen, 1, dir.path().to_owned(), resources(name));
    changes.iter().for_each(|change| change(&mut options));
    let work_dir = dir.path().canonicalize().unwrap();
    let mut player = if APART.contains(&&name[..2]) {
        Player::new(Stage::apart(options).await, work_dir, media)
    } else {
        let stage = Stage::whole(options).await;
        let first = stage.agents()[0].ip().to_string();
        let mut player = Player::new(stage, work_dir, media);
        // Agents have names of their own here, also where operators speak of machines.
        player.names.bind("localhost", vec![first]);
        player
    };
    if name.starts_with("14") {
        // Executors try again at least every 2 s; Mesos tells them to take as long as the agent waits for them, there 3 s.
        player.names.bind("3secs", vec!["2secs".to_owned()]);
    }
    let mut recording = Recording::load(name);
    if name.starts_with("21") {
        // By Mesos the rest of an accepted offer is offered at the next tick. That somebody else is there by then needs a
        // filter here.
        recording.refuse_rest(3, 0.5);
    }
    if name.starts_with("18") {
        sharing::play(&mut player, &recording).await;
    } else {
        player.play(&recording).await;
    }
    let differences = player.end().await;
    end_tasks(dir.path());
    let is_known = |difference: &&String| known.iter().any(|known| difference.starts_with(known));
    let news: Vec<&String> = differences.iter().filter(|d| !is_known(d)).collect();
    assert!(news.is_empty(), "{name} is not what Mesos does:\n{news:#?}");
    assert_eq!(differences.len(), known.len(), "what is known to differ no longer does: {differences:#?}");
}

/// Ends what a recording that did not go as it should has left running.
fn end_tasks(work_dir: &std::path::Path) {
    let sandbox = format!("MESOS_SANDBOX={}", work_dir.canonicalize().unwrap().display());
    let started_here = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|env| env.split(|b| *b == 0).any(|variable| variable.starts_with(sandbox.as_bytes())))
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for pid in pids.filter(started_here).filter_map(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// The options that the recordings of executors and faults were made with; some times are twice as long, as machines are busy.
fn impatient_agent(options: &mut ClusterOptions) {
    options.agent_timeouts.registration = Duration::from_secs(8);
    options.agent_timeouts.shutdown_grace = Duration::from_secs(3);
    options.agent_timeouts.recovery = Duration::from_secs(15 * 60);
}

fn few_pings(options: &mut ClusterOptions) {
    options.master_timeouts.agent = Duration::from_secs(8);
    options.agent_timeouts.recovery = Duration::from_secs(15 * 60);
}

fn usual_recovery(options: &mut ClusterOptions) {
    options.agent_timeouts.recovery = Duration::from_secs(15 * 60);
}

fn two_different_agents(options: &mut ClusterOptions) {
    options.agents = 2;
    options.resources = [
        "cpus:2;cpus(db):1;mem:1024;mem(db):256;disk:5000;ports:[31000-31010,31020-31030]",
        "cpus:2;mem:1024;disk:5000;zones:{a,b}",
    ]
    .map(str::to_owned)
    .into();
    options.attributes = ["rack:r1;level:3;ports:[1-5]", "rack:r2"].map(str::to_owned).into();
    options.domains = vec!["reg/z1".to_owned(), String::new()];
    options.master_domain = Some("reg/z0".to_owned());
    options.master_timeouts.offer = Some(Duration::from_secs(6));
}

/// A test for each recording, with what is known to differ.
macro_rules! recordings {
    ($media:expr; $($test:ident: $name:literal, $known:expr $(, $change:expr)?;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            replay($name, $media, &$known, &[$($change)?]).await;
        })*
    };
}

// The same conversations in the other encoding.
recordings! {
    MediaType::Protobuf;
    old_style_framework_in_protobuf: "03-old-style-framework", [];
    reserve_create_launch_destroy_in_protobuf: "07-reserve-create-launch-destroy", [];
    launch_group_in_protobuf: "08-launch-group-default-executor", [];
    reconcile_in_protobuf: "09-reconcile", [];
    custom_executor_in_protobuf: "13-custom-executor", [], impatient_agent;
}

recordings! {
    MediaType::Json;
    subscribe_default_role: "01-subscribe-default-role", [];
    subscribe_multi_role: "02-subscribe-multi-role", [];
    old_style_framework: "03-old-style-framework", [];
    launch_command_task: "04-launch-command-task", [];
    launch_failures_and_kill: "05-launch-failures-and-kill", [];
    launch_group_default_executor: "08-launch-group-default-executor", [];
    decline_suppress_revive: "06-decline-suppress-revive", [];
    reserve_create_launch_destroy: "07-reserve-create-launch-destroy", [];
    reconcile: "09-reconcile", [];
    // Among equals, whoever was served longest ago is next: roles of one framework take turns as well.
    framework_failover: "10-framework-failover",
        ["fw-11th-stream 22 at 12700.7: OFFERS", "23: .get_frameworks.frameworks[0].offered_resources"];
    teardown_then_subscribe: "11-teardown-then-subscribe", [];
    health_checks: "16-health-checks", [];
    http_command_executor: "19-http-command-executor", [];
    invalid_requests: "12-invalid-requests", [];
    operator_api: "15-operator-api", [], |options| options.agents = 2;
    authentication: "17-authentication", [], |options| {
        options.credentials = Some(Credentials::parse("p1 s1\np2 s2").unwrap());
    };
    agents_attributes_static_roles: "21-agents-attributes-static-roles", [], two_different_agents;
    maintenance_inverse_offers: "22-maintenance-inverse-offers", [];
    fair_sharing: "18-fair-sharing", [];
    custom_executor: "13-custom-executor", [], impatient_agent;
    // Among the statuses that operators see, the master's own names the executor as those before it do.
    agent_restart_and_loss: "14-agent-restart-and-loss",
        ["25: .get_tasks.unreachable_tasks[1].statuses[2].executor_id"], few_pings;
    // The master answers when it has its state, and not before.
    master_restart: "20-master-restart",
        ["7: \"RECONCILE\" is answered 403", "8: \"SUBSCRIBE\" is answered 200"], few_pings;
    task_environment_and_fetch: "23-task-environment-and-fetch", [], usual_recovery;
}
