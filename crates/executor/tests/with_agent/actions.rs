//! Actions: commands that a scheduler runs beside a service.

use cairn_task::{Action, ActionState, Order, TaskSpec};

use crate::harness::{self, Cluster, is_alive, wait_until};
use crate::sh;

fn action(id: &str, script: &str) -> Action {
    let argv = vec!["sh".into(), "-c".into(), script.into()];
    Action { id: id.into(), argv, ..Action::default() }
}

fn run(id: &str, script: &str) -> Order {
    Order::Run(action(id, script))
}

/// A service that runs on, and shows in its environment.
async fn serving() -> Cluster {
    let mut cluster = Cluster::start().await;
    let env = [("WHO".to_owned(), "{{ instance }}".to_owned())].into();
    cluster.launch("t", &TaskSpec { env, ..sh("sleep 1000") }, &[]).await;
    cluster.until("t", |s| s.healthy == Some(true)).await;
    cluster
}

#[tokio::test]
async fn an_action_runs_once_beside_the_service() {
    let mut cluster = serving().await;
    let script = "echo $WHO {{ instance }}; echo oops >&2; echo x >> runs; while ! test -e go; do sleep 0.02; done; exit 3";
    let order = run("repair-1", script);
    cluster.order("t", &order).await;
    assert!(matches!(cluster.report("repair-1").await, ActionState::Running { .. }));
    cluster.order("t", &order).await;
    assert!(matches!(cluster.report("repair-1").await, ActionState::Running { .. }));
    std::fs::write(cluster.sandbox("t").join("go"), "").unwrap();
    let done = ActionState::Done { code: 3, output: "t t\noops\n".into() };
    assert_eq!(cluster.report("repair-1").await, done, "told by itself");
    cluster.order("t", &order).await;
    assert_eq!(cluster.report("repair-1").await, done, "the result is kept");
    assert_eq!(std::fs::read_to_string(cluster.sandbox("t").join("runs")).unwrap(), "x\n", "it ran once");
    cluster.order("t", &Order::Forget { id: "repair-1".into() }).await;
    assert_eq!(cluster.report("repair-1").await, ActionState::Unknown);
    cluster.order("t", &order).await;
    assert!(matches!(cluster.report("repair-1").await, ActionState::Running { .. }));
    assert_eq!(cluster.report("repair-1").await, done, "and may run again once it is forgotten");
}

#[tokio::test]
async fn an_action_is_ended_with_all_its_processes() {
    let mut cluster = serving().await;
    let script = "trap '' TERM; echo started; sleep 1000 & echo $! > child; wait; wait";
    cluster.order("t", &run("a", script)).await;
    cluster.report("a").await;
    let child = cluster.pid_file("t", "child").await;
    cluster.order("t", &Order::Abort { id: "a".into() }).await;
    assert!(matches!(cluster.report("a").await, ActionState::Running { .. }));
    assert_eq!(cluster.report("a").await, ActionState::Aborted { output: "started\n".into() });
    assert!(!is_alive(child));

    cluster
        .order("t", &Order::Run(Action { timeout_ms: 100, ..action("b", "echo $$; exec sleep 1000") }))
        .await;
    cluster.report("b").await;
    let ActionState::Failed { reason, output } = cluster.report("b").await else { panic!("it has no time") };
    assert_eq!(reason, "not done within 0.1 s");
    assert!(!is_alive(output.trim().parse().unwrap()));
}

#[tokio::test]
async fn what_cannot_be_run_is_told_and_may_be_tried_again() {
    let mut cluster = serving().await;
    cluster.order("t", &Order::Ask { id: "nobody".into() }).await;
    assert_eq!(cluster.report("nobody").await, ActionState::Unknown);
    for (order, why) in [
        (Order::Run(Action { id: "none".into(), ..Action::default() }), "no command"),
        (run("none", "echo {{ nothing }}"), "undefined"),
        (run("../none", "true"), "is no id"),
    ] {
        cluster.order("t", &order).await;
        let Order::Run(Action { id, .. }) = order else { continue };
        let told = cluster.report(&id).await;
        assert!(matches!(&told, ActionState::Failed { reason, .. } if reason.contains(why)), "{told:?}");
    }
    cluster.order("t", &run("none", "true")).await;
    cluster.report("none").await;
    assert_eq!(cluster.report("none").await, ActionState::Done { code: 0, output: String::new() });
}

#[tokio::test]
async fn an_action_survives_the_agent_and_ends_with_the_executor() {
    let mut cluster = serving().await;
    cluster.order("t", &run("a", "echo $$ > pid; exec sleep 1000")).await;
    cluster.report("a").await;
    let pid = cluster.pid_file("t", "pid").await;
    cluster.stop_agent().await;
    cluster.restart_agent().await;
    wait_until(|| is_alive(pid)).await;
    harness::kill_9(cluster.executor_pid("t").await);
    cluster.until_over("t").await;
    assert!(!is_alive(pid));
}
