//! The tree in a few lines of text, at each stage of a stack's life.

use std::fmt::Write;

use cairn_framework::{Phase, Placement, PlanStatus, View};

use super::{StackView, stack};
use crate::state::{Destroying, Options};
use crate::testing::{complete, observe, options, status, view};

/// The tree as text: stack, services, instances.
fn text(options: &Options, view: &View) -> String {
    let tree: StackView = stack(options, "demo", view).unwrap();
    let mut text = format!("{} {:?} complete={}\n", tree.name, tree.state, tree.complete);
    for error in &tree.errors {
        let _ = writeln!(text, "! {error}");
    }
    for service in &tree.services {
        let _ = writeln!(text, "  {} {:?} {}", service.name, service.state, service.message);
        for instance in &service.instances {
            let _ = writeln!(text, "    {} {:?} {:?}", instance.name, instance.phase, instance.endpoints);
        }
    }
    for (name, value) in &tree.outputs {
        let _ = writeln!(text, "  {name} = {value}");
    }
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check(options: &Options, view: &View, expected: &str) {
    let expected: Vec<&str> =
        expected.lines().skip(1).map(|l| l.strip_prefix("        ").unwrap_or(l)).collect();
    assert_eq!(text(options, view), expected.join("\n").trim_end());
}

fn scheduler(view: &mut View, name: &str, phase: Phase) {
    let known = view.instances.entry(name.into()).or_default();
    known.phase = phase;
    known.task_id = Some(format!("{name}.1"));
    known.placement = Some(Placement {
        address: "127.0.0.2".into(),
        ports: [("api".to_owned(), 31000)].into(),
        ..Placement::default()
    });
}

#[test]
fn a_stack_that_comes_up() {
    let mut view = view();
    view.instances.entry("demo-zookeeper".into()).or_default().message = "waits for an offer".into();
    view.instances.entry("demo-kafka".into()).or_default().message =
        "waits for zookeeper: its scheduler starts".into();
    check(
        &options(),
        &view,
        "
        demo Deploying complete=false
          zookeeper Waiting waits for an offer
          kafka Waiting waits for zookeeper: its scheduler starts",
    );

    view.instances.get_mut("demo-zookeeper").unwrap().message = String::new();
    scheduler(&mut view, "demo-zookeeper", Phase::Staging);
    check(
        &options(),
        &view,
        "
        demo Deploying complete=false
          zookeeper Starting its scheduler: staging
          kafka Waiting waits for zookeeper: its scheduler starts",
    );

    scheduler(&mut view, "demo-zookeeper", Phase::Ready);
    let mut at_work = status("demo-zookeeper", 1);
    at_work.instances[0].placement = Some(Placement {
        address: "127.0.0.3".into(),
        ports: [("client".to_owned(), 31001)].into(),
        ..Placement::default()
    });
    observe(&mut view, at_work);
    check(
        &options(),
        &view,
        r#"
        demo Deploying complete=false
          zookeeper Deploying server-1 starting
            server-0 Ready {"client": "127.0.0.3:31001"}
            server-1 Starting {}
          kafka Waiting waits for zookeeper: its scheduler starts"#,
    );
}

/// A stack that serves.
fn serving() -> View {
    let mut view = view();
    for name in ["demo-zookeeper", "demo-kafka"] {
        scheduler(&mut view, name, Phase::Ready);
    }
    for (name, output) in [("demo-zookeeper", "connect"), ("demo-kafka", "bootstrap")] {
        let mut done = complete(name, 1, &[(output, "a:1")]);
        done.instances.truncate(1);
        observe(&mut view, done);
    }
    view
}

#[test]
fn a_stack_that_serves() {
    check(
        &options(),
        &serving(),
        "
        demo Ready complete=true
          zookeeper Ready
            server-0 Ready {}
          kafka Ready
            server-0 Ready {}
          bootstrap = a:1",
    );
}

#[test]
fn a_scheduler_that_is_down_is_told_and_its_service_is_still_shown() {
    let mut view = serving();
    let kafka = view.instances.get_mut("demo-kafka").unwrap();
    kafka.phase = Phase::BackOff;
    kafka.message = "exited with status 1; next try in 4 s".into();
    check(
        &options(),
        &view,
        "
        demo Deploying complete=false
          zookeeper Ready
            server-0 Ready {}
          kafka Unreachable its scheduler: exited with status 1; next try in 4 s
            server-0 Ready {}
          bootstrap = a:1",
    );
}

#[test]
fn a_change_is_not_complete_before_its_scheduler_has_taken_it() {
    let mut view = serving();
    view.instances.get_mut("demo-kafka").unwrap().needs_restart = true;
    check(
        &options(),
        &view,
        "
        demo Deploying complete=false
          zookeeper Ready
            server-0 Ready {}
          kafka Deploying its scheduler is about to take a new configuration
            server-0 Ready {}
          bootstrap = a:1",
    );
}

#[test]
fn an_error_is_an_error_of_the_stack() {
    let mut view = serving();
    let mut broken = status("demo-kafka", 1);
    broken.plan.status = PlanStatus::Error;
    broken.plan.errors = vec!["broker-0: no agent can ever offer cpus 64".into()];
    broken.instances.clear();
    observe(&mut view, broken);
    check(
        &options(),
        &view,
        "
        demo Error complete=false
        ! kafka: broker-0: no agent can ever offer cpus 64
          zookeeper Ready
            server-0 Ready {}
          kafka Error broker-0: no agent can ever offer cpus 64",
    );
}

#[test]
fn a_stack_that_goes() {
    let mut options = options();
    options.stacks.get_mut("demo").unwrap().destroying = Some(Destroying { delete_data: false });
    let mut view = serving();
    let mut going = status("demo-kafka", 1);
    going.plan.name = "destroy".into();
    going.instances[0].message = "stops".into();
    going.instances[0].phase = Phase::Stopping;
    observe(&mut view, going);
    check(
        &options,
        &view,
        "
        demo Removing complete=false
          zookeeper Removing waits until kafka is gone
            server-0 Ready {}
          kafka Removing server-0 stopping: stops
            server-0 Stopping {}
            server-1 Starting {}",
    );
}

#[test]
fn a_summary_says_what_holds_a_stack_up() {
    let mut view = serving();
    view.instances.get_mut("demo-kafka").unwrap().needs_restart = true;
    let summary = stack(&options(), "demo", &view).unwrap().summary();
    assert_eq!((summary.services, summary.ready), (2, 1));
    assert_eq!(summary.message, "kafka: its scheduler is about to take a new configuration");
}
