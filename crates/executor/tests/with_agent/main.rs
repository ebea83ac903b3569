//! The executor under a real agent, with a stand-in for the master: real processes, small services.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the lints spare tests, not what they share")]

mod actions;
mod harness;

use std::time::Duration;

use cairn_mesos::v1::TaskState;
use cairn_task::{ConfigFile, HealthSpec, Probe, ProbeKind, ReadySpec, TaskSpec};

use tokio::time::Instant;

use harness::{Cluster, free_port, is_alive, wait_until};

pub(crate) fn sh(script: &str) -> TaskSpec {
    TaskSpec { command: vec!["sh".into(), "-c".into(), script.into()], ..TaskSpec::default() }
}

fn probe(kind: ProbeKind) -> Probe {
    Probe { kind, interval_ms: 20, timeout_ms: 2000 }
}

#[tokio::test]
async fn runs_to_its_end() {
    let mut cluster = Cluster::start().await;
    cluster.launch("t", &sh("echo out; exit 0"), &[]).await;
    let states = cluster.until_over("t").await;
    let states: Vec<TaskState> = states.iter().map(|s| s.state()).collect();
    assert_eq!(states, [TaskState::TaskStarting, TaskState::TaskRunning, TaskState::TaskFinished]);
    assert_eq!(cluster.until_executor_gone("t").await, 0);
    assert_eq!(std::fs::read_to_string(cluster.sandbox("t").join("stdout")).unwrap(), "out\n");
}

#[tokio::test]
async fn becomes_ready_when_its_probe_succeeds_and_is_killed_with_grace() {
    let mut cluster = Cluster::start().await;
    let port = free_port();
    let server = "import http.server, signal, sys\n\
        signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit(0)))\n\
        http.server.HTTPServer(('{{ address }}', {{ ports.http }}), http.server.SimpleHTTPRequestHandler).serve_forever()\n";
    let spec = TaskSpec {
        command: vec!["python3".into(), "conf/server.py".into()],
        files: vec![ConfigFile {
            path: "conf/server.py".into(),
            content: server.into(),
            ..ConfigFile::default()
        }],
        ready: Some(ReadySpec {
            probe: probe(ProbeKind::Http {
                url: "http://{{ address }}:{{ ports.http }}/".into(),
                headers: Default::default(),
            }),
            deadline_ms: 30_000,
        }),
        ..TaskSpec::default()
    };
    cluster.launch("t", &spec, &[("http", port)]).await;
    let first = cluster.until("t", |s| s.state() == TaskState::TaskRunning).await;
    assert_eq!(first.healthy, None);
    assert_eq!(first.message(), format!("waiting for http://127.0.0.1:{port}/"));
    cluster.until("t", |s| s.healthy == Some(true)).await;

    cluster.kill("t", None).await;
    let last = cluster.until_over("t").await.pop().unwrap();
    assert_eq!((last.state(), last.message()), (TaskState::TaskKilled, "Command exited with status 0"));
    let out = std::fs::read_to_string(cluster.sandbox("t").join("stdout")).unwrap();
    assert!(out.contains("bye"), "{out}");
}

#[tokio::test]
async fn what_ignores_sigterm_is_killed_after_the_grace() {
    let mut cluster = Cluster::start().await;
    cluster.launch("t", &sh("trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done"), &[]).await;
    let pid = cluster.pid_file("t", "pid").await;
    let before = Instant::now();
    cluster.kill("t", Some(Duration::from_millis(300))).await;
    let last = cluster.until_over("t").await.pop().unwrap();
    assert_eq!(last.message(), "Command terminated with signal Killed");
    assert!(before.elapsed() >= Duration::from_millis(300));
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_failure_quotes_the_last_words() {
    let mut cluster = Cluster::start().await;
    cluster.launch("t", &sh("echo first >&2; echo no such topic >&2; exit 3"), &[]).await;
    let last = cluster.until_over("t").await.pop().unwrap();
    assert_eq!(last.state(), TaskState::TaskFailed);
    assert_eq!(last.message(), "Command exited with status 3\nfirst\nno such topic");
}

#[tokio::test]
async fn what_the_agent_cannot_store_is_not_started_until_it_can() {
    let mut cluster = Cluster::start().await;
    let (records, away) = (cluster.meta().join("containers"), cluster.meta().join("away"));
    std::fs::rename(&records, &away).unwrap();
    std::fs::write(&records, "no directory").unwrap();
    cluster.command("t", "exit 0").await;
    cluster.until_heard().await;
    assert!(!cluster.sandbox("t").exists());
    std::fs::remove_file(&records).unwrap();
    std::fs::rename(&away, &records).unwrap();
    let last = cluster.until_over("t").await.pop().unwrap();
    assert_eq!(last.state(), TaskState::TaskFinished);
}

#[tokio::test]
async fn a_failed_preparation_fails_the_task() {
    let mut cluster = Cluster::start().await;
    let prepare = vec![vec!["sh".into(), "-c".into(), "echo cannot format >&2; exit 9".into()]];
    cluster.launch("t", &TaskSpec { prepare, ..sh("exit 0") }, &[]).await;
    let last = cluster.until_over("t").await.pop().unwrap();
    assert_eq!(last.state(), TaskState::TaskFailed);
    assert!(last.message().ends_with("Command exited with status 9\ncannot format"), "{}", last.message());
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_holder() {
    let mut cluster = Cluster::start().await;
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    cluster.launch("t", &sh("sleep 1000"), &[("client", port)]).await;
    let last = cluster.until_over("t").await.pop().unwrap();
    let start =
        format!("port {port} (client) on 127.0.0.1 is already in use by process {}", std::process::id());
    assert!(last.message().starts_with(&start), "{}", last.message());
}

#[tokio::test]
async fn a_missing_program_and_a_passed_deadline_fail_the_task() {
    let mut cluster = Cluster::start().await;
    let requires = [("no-such-java".to_owned(), "Install a JDK.".to_owned())].into();
    cluster.launch("a", &TaskSpec { requires, ..sh("exit 0") }, &[]).await;
    let last = cluster.until_over("a").await.pop().unwrap();
    assert!(last.message().contains("Install a JDK."), "{}", last.message());

    let target = format!("127.0.0.1:{}", free_port());
    let ready = Some(ReadySpec { probe: probe(ProbeKind::Tcp { target }), deadline_ms: 200 });
    cluster.launch("b", &TaskSpec { ready, ..sh("sleep 1000") }, &[]).await;
    let last = cluster.until_over("b").await.pop().unwrap();
    assert_eq!(last.state(), TaskState::TaskFailed);
    assert!(last.message().starts_with("Not ready within 0.2 s"), "{}", last.message());
}

#[tokio::test]
async fn an_unhealthy_task_says_so_and_is_killed_if_told() {
    let mut cluster = Cluster::start().await;
    let health = Some(HealthSpec {
        probe: probe(ProbeKind::Command {
            argv: vec!["test".into(), "!".into(), "-e".into(), "sick".into()],
        }),
        failures: 2,
        kill: true,
    });
    cluster.launch("t", &TaskSpec { health, ..sh("sleep 1000") }, &[]).await;
    cluster.until("t", |s| s.healthy == Some(true)).await;
    std::fs::write(cluster.sandbox("t").join("sick"), "").unwrap();
    cluster.until("t", |s| s.healthy == Some(false)).await;
    let last = cluster.until_over("t").await.pop().unwrap();
    assert_eq!(last.state(), TaskState::TaskFailed);
    assert!(last.message().starts_with("Unhealthy after 2 failures"), "{}", last.message());
}

/// A service with a helper of its own, one of them in another session.
const FAMILY: &str = "sleep 1000 & echo $! > child; setsid sleep 1000 & echo $! > other; echo $$ > pid; wait";

#[tokio::test]
async fn when_the_executor_is_killed_nothing_of_the_service_is_left() {
    let mut cluster = Cluster::start().await;
    cluster.launch("t", &sh(FAMILY), &[]).await;
    let mut pids = Vec::new();
    for name in ["child", "other", "pid"] {
        pids.push(cluster.pid_file("t", name).await);
    }
    let executor = cluster.executor_pid("t").await;
    let before = Instant::now();
    harness::kill_9(executor);
    let last = cluster.until_over("t").await.pop().unwrap();
    assert_eq!((last.state(), last.message()), (TaskState::TaskFailed, "Executor terminated"));
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
    assert_eq!(cluster.until_executor_gone("t").await, 9);
}

#[tokio::test]
async fn what_a_finished_service_leaves_behind_is_killed() {
    let mut cluster = Cluster::start().await;
    cluster
        .launch("t", &sh("setsid sleep 1000 & echo $! > other; sleep 1000 & echo $! > child; exit 0"), &[])
        .await;
    cluster.until_over("t").await;
    let (other, child) = (cluster.pid_file("t", "other").await, cluster.pid_file("t", "child").await);
    cluster.until_executor_gone("t").await;
    assert!(!is_alive(other) && !is_alive(child));
}

#[tokio::test]
async fn survives_a_restart_of_the_agent() {
    let mut cluster = Cluster::start().await;
    cluster.launch("t", &sh("echo $$ > pid; while ! test -e stop; do sleep 0.02; done; exit 4"), &[]).await;
    cluster.until("t", |s| s.healthy == Some(true)).await;
    let pid = cluster.pid_file("t", "pid").await;
    cluster.stop_agent().await;
    assert!(is_alive(pid));
    let registered = cluster.restart_agent().await;
    assert_eq!(registered.agent_id.as_deref(), Some("S0"));
    assert_eq!(registered.tasks, [("t".to_owned(), TaskState::TaskRunning)]);
    assert_eq!(registered.executors, ["t"]);
    std::fs::write(cluster.sandbox("t").join("stop"), "").unwrap();
    let last = cluster.until_over("t").await.pop().unwrap();
    assert_eq!(last.message(), "Command exited with status 4");
    cluster.until_executor_gone("t").await;
}

#[tokio::test]
async fn an_update_made_while_the_agent_is_away_comes_afterwards() {
    let mut cluster = Cluster::start().await;
    cluster.launch("t", &sh("echo $$ > pid; while ! test -e stop; do sleep 0.02; done; exit 4"), &[]).await;
    cluster.until("t", |s| s.healthy == Some(true)).await;
    let pid = cluster.pid_file("t", "pid").await;
    cluster.stop_agent().await;
    std::fs::write(cluster.sandbox("t").join("stop"), "").unwrap();
    wait_until(|| !is_alive(pid)).await;
    cluster.restart_agent().await;
    let last = cluster.until_over("t").await.pop().unwrap();
    assert_eq!((last.state(), last.message()), (TaskState::TaskFailed, "Command exited with status 4"));
}

#[tokio::test]
async fn an_executor_that_died_while_the_agent_was_away_has_failed() {
    let mut cluster = Cluster::start().await;
    cluster.launch("t", &sh(FAMILY), &[]).await;
    let other = cluster.pid_file("t", "other").await;
    cluster.pid_file("t", "pid").await;
    let executor = cluster.executor_pid("t").await;
    cluster.stop_agent().await;
    harness::kill_9(executor);
    cluster.restart_agent().await;
    let last = cluster.until_over("t").await.pop().unwrap();
    assert_eq!((last.state(), last.message()), (TaskState::TaskFailed, "Executor terminated"));
    assert!(!is_alive(other));
}

#[tokio::test]
async fn volumes_outlive_their_tasks_and_go_with_destroy_only() {
    let mut cluster = Cluster::start().await;
    cluster.launch_with_volume("a", &sh("echo kept > data/x"), "vol-1").await;
    cluster.until_over("a").await;
    cluster.launch_with_volume("b", &sh("cat data/x"), "vol-1").await;
    cluster.until_over("b").await;
    assert_eq!(std::fs::read_to_string(cluster.sandbox("b").join("stdout")).unwrap(), "kept\n");
    let path = cluster.volume("vol-1");
    assert!(path.exists());
    cluster.destroy("vol-1").await;
    wait_until(|| !path.exists()).await;
}

#[tokio::test]
async fn a_wrong_checksum_fails_the_task_with_both_sums() {
    let mut cluster = Cluster::start().await;
    let wrong = "0".repeat(64);
    cluster.executor_query = format!("?sha256={wrong}");
    cluster.launch("t", &sh("exit 0"), &[]).await;
    let last = cluster.until_over("t").await.pop().unwrap();
    assert_eq!(last.state(), TaskState::TaskFailed);
    assert!(last.message().contains(&wrong) && last.message().contains("refused"), "{}", last.message());
}

#[tokio::test]
async fn a_sandbox_that_cannot_be_made_fails_the_task_and_the_agent_goes_on() {
    let mut cluster = Cluster::start().await;
    let in_the_way = cluster.sandboxes();
    std::fs::write(&in_the_way, "not a directory").unwrap();
    cluster.launch("a", &sh("exit 0"), &[]).await;
    let last = cluster.until_over("a").await.pop().unwrap();
    assert_eq!(last.state(), TaskState::TaskFailed);
    assert!(last.message().contains("Cannot make sandbox"), "{}", last.message());
    std::fs::remove_file(in_the_way).unwrap();
    cluster.launch("b", &sh("exit 0"), &[]).await;
    assert_eq!(cluster.until_over("b").await.pop().unwrap().state(), TaskState::TaskFinished);
}

#[tokio::test]
async fn plain_commands_run_without_an_executor() {
    let mut cluster = Cluster::start().await;
    cluster.command("ok", "exit 0").await;
    cluster.command("bad", "exit 7").await;
    cluster.command("long", "echo $$ > pid; sleep 1000").await;
    let last = cluster.until_over("ok").await.pop().unwrap();
    assert_eq!((last.state(), last.message()), (TaskState::TaskFinished, "Command exited with status 0"));
    let last = cluster.until_over("bad").await.pop().unwrap();
    assert_eq!((last.state(), last.message()), (TaskState::TaskFailed, "Command exited with status 7"));
    cluster.pid_file("long", "pid").await;
    cluster.kill("long", None).await;
    let last = cluster.until_over("long").await.pop().unwrap();
    assert_eq!(last.message(), "Command terminated with signal Terminated");
    assert_eq!(last.state(), TaskState::TaskKilled);
}

#[tokio::test]
async fn an_executor_that_is_asked_to_end_stops_its_service_first() {
    let mut cluster = Cluster::start().await;
    let script = "trap 'echo bye; exit 0' TERM; echo $$ > pid; while :; do sleep 0.02; done";
    cluster.launch("t", &sh(script), &[]).await;
    let pid = cluster.pid_file("t", "pid").await;
    harness::terminate(cluster.executor_pid("t").await);
    let last = cluster.until_over("t").await.pop().unwrap();
    assert_eq!(last.state(), TaskState::TaskKilled);
    assert!(!is_alive(pid));
    assert_eq!(cluster.until_executor_gone("t").await, 0);
}

#[tokio::test]
async fn an_executor_that_the_agent_does_not_know_stops() {
    let mut cluster = Cluster::start().await;
    cluster.launch("t", &sh("echo $$ > pid; sleep 1000"), &[]).await;
    let pid = cluster.pid_file("t", "pid").await;
    let executor = cluster.executor_pid("t").await;
    cluster.stop_agent().await;
    std::fs::remove_dir_all(cluster.meta()).unwrap();
    cluster.restart_agent().await;
    wait_until(|| !is_alive(pid) && !is_alive(executor)).await;
}

#[tokio::test]
async fn an_agent_that_loses_its_master_comes_back_with_everything() {
    let mut cluster = Cluster::start().await;
    cluster.launch("t", &sh("while ! test -e stop; do sleep 0.02; done"), &[]).await;
    cluster.until("t", |s| s.healthy == Some(true)).await;
    cluster.lose_master().await;
    let registered = cluster.restart_agent().await;
    assert_eq!(registered.tasks, [("t".to_owned(), TaskState::TaskRunning)]);
    std::fs::write(cluster.sandbox("t").join("stop"), "").unwrap();
    let last = cluster.until_over("t").await.pop().unwrap();
    assert_eq!(last.state(), TaskState::TaskFinished);
}
