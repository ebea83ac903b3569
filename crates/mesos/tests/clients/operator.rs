//! The operators' clients: both media types, redirects, several masters, answers without a body.

use crate::support::{Peer, body, plain, quick, redirect, soon};
use cairn_mesos::client::{Access, AgentClient, ClientError, Credentials, OperatorClient, Options, Piece};
use cairn_mesos::codec::MediaType;
use cairn_mesos::v1::{agent, master};

fn healthy() -> master::Response {
    let get_health = Some(master::response::GetHealth { healthy: true });
    let mut response = master::Response { get_health, ..Default::default() };
    response.set_type(master::response::Type::GetHealth);
    response
}

fn get_health() -> master::Call {
    let mut call = master::Call::default();
    call.set_type(master::call::Type::GetHealth);
    call
}

#[tokio::test]
async fn questions_are_answered_in_either_media_type() {
    let peer = Peer::start(|_, seen| {
        let media = MediaType::from_accept(seen.header("accept")).unwrap();
        body(media, &healthy())
    })
    .await;
    for media in [MediaType::Json, MediaType::Protobuf] {
        let masters = peer.address.to_string().parse().unwrap();
        let client = OperatorClient::new(masters, Options { media, ..quick() }).unwrap();
        assert_eq!(soon(client.call(&get_health())).await.unwrap(), healthy());
    }
    assert_eq!(peer.seen()[0].header("content-type"), Some("application/json"));
    assert_eq!(peer.seen()[0].path, "/api/v1");
}

#[tokio::test]
async fn the_leader_is_found_past_a_dead_master_and_a_follower() {
    let leader = Peer::start(|_, _| body(MediaType::Protobuf, &healthy())).await;
    let target = format!("//{}/api/v1", leader.address);
    let follower = Peer::start(move |_, _| redirect(&target)).await;
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let masters = format!("{dead},{}", follower.address).parse().unwrap();
    let client = OperatorClient::new(masters, quick()).unwrap();
    assert_eq!(soon(client.leader()).await.unwrap().to_string(), format!("http://{}/", leader.address));
}

#[tokio::test]
async fn answers_without_a_body_are_empty_responses_and_long_ones_are_refused() {
    let peer =
        Peer::start(|number, _| if number == 0 { plain(202, "") } else { plain(200, &"x".repeat(101)) })
            .await;
    let options = Options { max_message: 100, ..quick() };
    let client = AgentClient::new(&peer.address.to_string(), options).unwrap();
    assert_eq!(soon(client.call(&agent::Call::default())).await.unwrap(), agent::Response::default());
    let error = soon(client.call(&agent::Call::default())).await.unwrap_err();
    assert!(error.to_string().contains("exceeds 100 bytes"), "{error}");
}

#[tokio::test]
async fn a_peer_that_never_answers_costs_only_the_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let masters = listener.local_addr().unwrap().to_string().parse().unwrap();
    let call_timeout = std::time::Duration::from_millis(20);
    let client = OperatorClient::new(masters, Options { call_timeout, ..quick() }).unwrap();
    let error = soon(client.call(&get_health())).await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_what_to_do() {
    let peer = Peer::start(|_, _| plain(401, "401 Unauthorized.")).await;
    let basic = Credentials::Basic { principal: "ops".into(), secret: "hush".into() };
    for (credentials, hint) in [
        (None, "give --credential FILE"),
        (Some(basic), "the credential of `ops`"),
        (Some(Credentials::Bearer("hush".into())), "--executor-secret"),
    ] {
        let options = Options { access: Access { credentials, ..Access::default() }, ..quick() };
        let client = AgentClient::new(&peer.address.to_string(), options).unwrap();
        let refused = soon(client.read("/f", 0, 1)).await.unwrap_err();
        let text = refused.to_string();
        assert!(text.contains(&peer.address.to_string()) && text.contains(hint), "{text}");
        assert!(!text.contains("hush"), "{text}");
        assert_eq!(refused.status(), Some(401));
    }
}

#[tokio::test]
async fn a_piece_of_a_file_is_read_with_the_credential() {
    let peer = Peer::start(|_, _| plain(200, r#"{"data": "a piece", "offset": 7}"#)).await;
    let credentials = Some(Credentials::Basic { principal: "p".into(), secret: "s".into() });
    let options = Options { access: Access { credentials, ..Access::default() }, ..quick() };
    let client = AgentClient::new(&peer.address.to_string(), options).unwrap();
    let piece = soon(client.read("/frameworks/F/a b", 7, 10)).await.unwrap();
    assert_eq!(piece, Piece { offset: 7, data: "a piece".into() });
    let seen = peer.seen();
    assert_eq!(seen[0].path, "/files/read?path=%2Fframeworks%2FF%2Fa+b&offset=7&length=10");
    assert_eq!(seen[0].header("authorization"), Some("Basic cDpz"));
}
