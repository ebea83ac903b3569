//! The scheduler's client against masters that lead, follow, fall silent, refuse and go away.

use crate::support::{Peer, Seen, events, plain, quick, redirect, soon};
use cairn_mesos::client::{
    Access, ClientError, Credentials, Masters, Options, SchedulerClient, SchedulerEvent,
};
use cairn_mesos::v1::scheduler::event::{self, Subscribed};
use cairn_mesos::v1::scheduler::{Call, Event, call};
use cairn_mesos::v1::{FrameworkId, FrameworkInfo, OfferId};
use tokio::sync::mpsc::Receiver;

fn framework() -> FrameworkInfo {
    FrameworkInfo { user: "root".into(), name: "test".into(), ..Default::default() }
}

fn masters(peers: &[&Peer]) -> Masters {
    let addresses: Vec<String> = peers.iter().map(|peer| peer.address.to_string()).collect();
    addresses.join(",").parse().unwrap()
}

fn subscribed(heartbeat: f64) -> Event {
    let mut event = Event {
        subscribed: Some(Subscribed {
            framework_id: FrameworkId { value: "f-1".into() },
            heartbeat_interval_seconds: Some(heartbeat),
            ..Default::default()
        }),
        ..Default::default()
    };
    event.set_type(event::Type::Subscribed);
    event
}

fn heartbeat() -> Event {
    let mut event = Event::default();
    event.set_type(event::Type::Heartbeat);
    event
}

fn rescind() -> Event {
    let offer_id = OfferId { value: "o-1".into() };
    let mut event = Event { rescind: Some(event::Rescind { offer_id }), ..Default::default() };
    event.set_type(event::Type::Rescind);
    event
}

fn error() -> Event {
    let message = "Framework has been removed".to_owned();
    let mut event = Event { error: Some(event::Error { message }), ..Default::default() };
    event.set_type(event::Type::Error);
    event
}

fn revive() -> Call {
    let mut call = Call::default();
    call.set_type(call::Type::Revive);
    call
}

fn is_subscribe(seen: &Seen) -> bool {
    seen.message::<Call>().r#type() == call::Type::Subscribe
}

async fn until_subscribed(receiver: &mut Receiver<SchedulerEvent>) -> Subscribed {
    loop {
        match soon(receiver.recv()).await.unwrap() {
            SchedulerEvent::Subscribed(subscribed) => return subscribed,
            SchedulerEvent::Disconnected { .. } => {}
            SchedulerEvent::Event(event) => panic!("before SUBSCRIBED: {event:?}"),
        }
    }
}

#[tokio::test]
async fn redirects_lead_to_the_leader_with_body_and_credentials() {
    let leader = Peer::start(|_, seen| match is_subscribe(seen) {
        true => events(&[subscribed(15.0), heartbeat(), rescind()], true),
        false => plain(202, ""),
    })
    .await;
    let target = format!("//{}/api/v1/scheduler", leader.address);
    let follower = Peer::start(move |_, _| redirect(&target)).await;

    let credentials = Credentials::Basic { principal: "p".into(), secret: "s".into() };
    let options =
        Options { access: Access { credentials: Some(credentials), ..Access::default() }, ..quick() };
    let (client, mut receiver) =
        SchedulerClient::connect(masters(&[&follower]), framework(), options).unwrap();
    assert!(matches!(client.call(revive()).await, Err(ClientError::NotSubscribed)));

    until_subscribed(&mut receiver).await;
    let SchedulerEvent::Event(event) = soon(receiver.recv()).await.unwrap() else {
        panic!("not the rescind")
    };
    assert_eq!(*event, rescind(), "heartbeats are not passed on");
    soon(client.call(revive())).await.unwrap();

    assert_eq!(client.master().unwrap().to_string(), format!("http://{}/", leader.address));
    let seen = leader.seen();
    assert_eq!(follower.seen().len(), 1, "calls go straight to the leader");
    assert_eq!(seen[0].path, "/api/v1/scheduler");
    assert_eq!(seen[0].header("authorization"), Some("Basic cDpz"));
    assert_eq!(seen[0].header("mesos-stream-id"), None);
    assert_eq!(seen[0].message::<Call>().subscribe.unwrap().framework_info, framework());
    assert_eq!(seen[1].header("mesos-stream-id"), Some("stream-1"));
    assert_eq!(seen[1].message::<Call>().framework_id.unwrap().value, "f-1");
}

#[tokio::test]
async fn a_redirect_in_a_circle_is_given_up() {
    let peer = Peer::start(|_, seen| redirect(&format!("http://{}", seen.header("host").unwrap()))).await;
    let (_client, mut receiver) = SchedulerClient::connect(masters(&[&peer]), framework(), quick()).unwrap();
    let event = soon(receiver.recv()).await.unwrap();
    assert!(
        matches!(event, SchedulerEvent::Disconnected { reason: ClientError::Redirect { .. }, .. }),
        "{event:?}"
    );
}

#[tokio::test]
async fn a_refused_call_says_status_and_text() {
    let peer = Peer::start(|_, seen| match is_subscribe(seen) {
        true => events(&[subscribed(15.0)], true),
        false => plain(400, "The stream ID 'stream-1' included in this request didn't match"),
    })
    .await;
    let (client, mut receiver) = SchedulerClient::connect(masters(&[&peer]), framework(), quick()).unwrap();
    until_subscribed(&mut receiver).await;
    let error = soon(client.call(revive())).await.unwrap_err();
    assert_eq!(error.status(), Some(400));
    assert!(error.to_string().contains("didn't match"), "{error}");
}

#[tokio::test]
async fn lost_heartbeats_end_the_subscription_and_the_next_is_a_failover() {
    let peer = Peer::start(|number, _| match number {
        0 => events(&[subscribed(0.01), heartbeat()], true),
        _ => events(&[subscribed(15.0)], true),
    })
    .await;
    let (client, mut receiver) = SchedulerClient::connect(masters(&[&peer]), framework(), quick()).unwrap();
    until_subscribed(&mut receiver).await;
    let event = soon(receiver.recv()).await.unwrap();
    assert!(
        matches!(event, SchedulerEvent::Disconnected { reason: ClientError::Silent(_), .. }),
        "{event:?}"
    );
    until_subscribed(&mut receiver).await;

    let again = peer.seen()[1].message::<Call>();
    assert_eq!(again.framework_id.as_ref().unwrap().value, "f-1");
    assert_eq!(again.subscribe.unwrap().framework_info.id, again.framework_id);
    assert_eq!(client.framework_id(), again.framework_id);
}

#[tokio::test]
async fn an_ended_stream_and_a_dead_master_lead_to_the_next_one() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let peer = Peer::start(|number, _| events(&[subscribed(15.0)], number > 0)).await;
    let masters = format!("{dead},{}", peer.address).parse().unwrap();
    let known = FrameworkInfo { id: Some(FrameworkId { value: "f-0".into() }), ..framework() };
    let (_client, mut receiver) = SchedulerClient::connect(masters, known, quick()).unwrap();

    let event = soon(receiver.recv()).await.unwrap();
    assert!(
        matches!(&event, SchedulerEvent::Disconnected { reason: ClientError::Unreachable { .. }, .. }),
        "{event:?}"
    );
    until_subscribed(&mut receiver).await;
    let event = soon(receiver.recv()).await.unwrap();
    assert!(
        matches!(&event, SchedulerEvent::Disconnected { reason: ClientError::StreamEnded(_), .. }),
        "{event:?}"
    );
    until_subscribed(&mut receiver).await;
    assert_eq!(peer.seen()[0].message::<Call>().framework_id.unwrap().value, "f-0");
}

#[tokio::test]
async fn unavailable_is_tried_again() {
    let peer = Peer::start(|number, seen| match (is_subscribe(seen), number) {
        (true, _) => events(&[subscribed(15.0)], true),
        (false, 1) => plain(503, "Master has not finished recovery"),
        (false, _) => plain(202, ""),
    })
    .await;
    let (client, mut receiver) = SchedulerClient::connect(masters(&[&peer]), framework(), quick()).unwrap();
    until_subscribed(&mut receiver).await;
    soon(client.call(revive())).await.unwrap();
    assert_eq!(peer.seen().len(), 3);
}

#[tokio::test]
async fn after_an_error_nothing_follows() {
    let peer = Peer::start(|_, _| events(&[error()], false)).await;
    let (_client, mut receiver) = SchedulerClient::connect(masters(&[&peer]), framework(), quick()).unwrap();
    let SchedulerEvent::Event(event) = soon(receiver.recv()).await.unwrap() else { panic!("not the error") };
    assert_eq!(*event, error());
    assert!(soon(receiver.recv()).await.is_none());
    assert_eq!(peer.seen().len(), 1, "a scheduler that was replaced must not come back by itself");
}
