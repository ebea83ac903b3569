//! The executor's client against an agent that restarts, and one that stays away.

use std::time::Duration;

use crate::support::{Peer, Seen, events, plain, quick, soon};
use cairn_mesos::client::{ExecutorClient, ExecutorEnvironment, ExecutorEvent};
use cairn_mesos::v1::executor::call::{Subscribe, Type as CallType, Update};
use cairn_mesos::v1::executor::event::{Subscribed, Type as EventType};
use cairn_mesos::v1::executor::{Call, Event};
use cairn_mesos::v1::{TaskId, TaskState, TaskStatus};

fn environment(peer: &Peer, checkpoint: bool) -> ExecutorEnvironment {
    let endpoint = peer.address.to_string();
    let mut environment = ExecutorEnvironment::read(|name| match name {
        "MESOS_AGENT_ENDPOINT" => Some(endpoint.clone()),
        "MESOS_FRAMEWORK_ID" => Some("f-1".into()),
        "MESOS_EXECUTOR_ID" => Some("e-1".into()),
        "MESOS_EXECUTOR_AUTHENTICATION_TOKEN" => Some("token".into()),
        _ => None,
    })
    .unwrap();
    environment.checkpoint = checkpoint;
    environment
}

fn subscribed() -> Event {
    let mut event = Event { subscribed: Some(Subscribed::default()), ..Default::default() };
    event.set_type(EventType::Subscribed);
    event
}

fn running() -> TaskStatus {
    let mut status = TaskStatus { task_id: TaskId { value: "t-1".into() }, ..Default::default() };
    status.set_state(TaskState::TaskRunning);
    status
}

fn is_subscribe(seen: &Seen) -> bool {
    seen.message::<Call>().r#type() == CallType::Subscribe
}

#[tokio::test]
async fn a_restarted_agent_hears_what_it_had_not_acknowledged() {
    let peer = Peer::start(|number, seen| match is_subscribe(seen) {
        true => events(&[subscribed()], number > 0),
        false => plain(202, ""),
    })
    .await;
    let unacknowledged =
        || Subscribe { unacknowledged_updates: vec![Update { status: running() }], ..Default::default() };
    let (client, mut receiver) =
        ExecutorClient::connect(environment(&peer, true), quick(), unacknowledged).unwrap();
    assert!(matches!(soon(receiver.recv()).await, Some(ExecutorEvent::Subscribed(_))));
    assert!(matches!(soon(receiver.recv()).await, Some(ExecutorEvent::Disconnected { .. })));
    assert!(matches!(soon(receiver.recv()).await, Some(ExecutorEvent::Subscribed(_))));
    soon(client.update(running())).await.unwrap();

    let seen = peer.seen();
    assert_eq!(seen[1].path, "/api/v1/executor");
    assert_eq!(seen[1].header("authorization"), Some("Bearer token"));
    let again = seen[1].message::<Call>();
    assert_eq!((again.executor_id.value.as_str(), again.framework_id.value.as_str()), ("e-1", "f-1"));
    assert_eq!(again.subscribe.unwrap().unacknowledged_updates[0].status, running());
    assert_eq!(seen[2].message::<Call>().update.unwrap().status, running());
}

#[tokio::test]
async fn without_checkpointing_the_agents_end_is_the_executors() {
    let peer = Peer::start(|_, _| events(&[subscribed()], false)).await;
    let (_client, mut receiver) =
        ExecutorClient::connect(environment(&peer, false), quick(), Subscribe::default).unwrap();
    assert!(matches!(soon(receiver.recv()).await, Some(ExecutorEvent::Subscribed(_))));
    assert!(matches!(soon(receiver.recv()).await, Some(ExecutorEvent::Lost { .. })));
    assert!(soon(receiver.recv()).await.is_none());
}

#[tokio::test]
async fn an_agent_that_stays_away_is_given_up_after_the_recovery_timeout() {
    let peer = Peer::start(|number, _| match number {
        0 => events(&[subscribed()], false),
        _ => plain(503, "Agent has not finished recovery"),
    })
    .await;
    let mut environment = environment(&peer, true);
    environment.recovery_timeout = Duration::from_millis(50);
    let (_client, mut receiver) = ExecutorClient::connect(environment, quick(), Subscribe::default).unwrap();
    assert!(matches!(soon(receiver.recv()).await, Some(ExecutorEvent::Subscribed(_))));
    let reason = loop {
        match soon(receiver.recv()).await.unwrap() {
            ExecutorEvent::Disconnected { .. } => {}
            ExecutorEvent::Lost { reason } => break reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reason.status(), Some(503));
}
