//! Recorded conversations with Apache Mesos, played against the cluster.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod names;
mod play;
mod recording;
mod stream;

use std::net::SocketAddr;

use cairn_cluster::{Cluster, ClusterOptions};
use cairn_mesos::codec::MediaType;

use play::Player;
use recording::Recording;

/// The agent of the recordings.
const RESOURCES: &str = "cpus:4;mem:4096;disk:10000;ports:[31000-31100]";

fn resources(name: &str) -> &'static str {
    match name.get(..2) {
        Some("16") => "cpus:4;mem:4096;disk:10000;ports:[31200-31260]",
        _ => RESOURCES,
    }
}

/// Plays a recording; what differs must be what `known` says, no more and no less. Each is the beginning of a text.
async fn replay(name: &str, media: MediaType, known: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let cluster =
        Cluster::start(ClusterOptions::new(listen, 1, dir.path().to_owned(), resources(name))).await.unwrap();
    let mut player = Player::new(cluster.master_address(), media);
    player.play(&Recording::load(name)).await;
    let differences = std::mem::take(&mut player.differences);
    drop(player);
    cluster.shutdown().await;
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

/// A test for each recording, with what is known to differ.
macro_rules! recordings {
    ($media:expr; $($test:ident: $name:literal, $known:expr;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            replay($name, $media, &$known).await;
        })*
    };
}

// The same conversations in the other encoding.
recordings! {
    MediaType::Protobuf;
    old_style_framework_in_protobuf: "03-old-style-framework", [];
    launch_group_in_protobuf: "08-launch-group-default-executor", [];
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
    // A false that was set is not told from one that was not.
    framework_failover: "10-framework-failover", ["23: .get_frameworks.frameworks[0].framework_info.checkpoint"];
    // The operator API leaves empty lists out.
    teardown_then_subscribe: "11-teardown-then-subscribe", ["8: .get_frameworks.frameworks", "9: .get_tasks.tasks"];
    health_checks: "16-health-checks", [];
    http_command_executor: "19-http-command-executor", [];
    invalid_requests: "12-invalid-requests", [];
}
