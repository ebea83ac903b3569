//! The client against a broker made of a few lines, over a real socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResult;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, DescribeConfigsResponse, MetadataResponse, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const API_VERSIONS: i16 = 18;
const METADATA: i16 = 3;
const DESCRIBE_CONFIGS: i16 = 32;
/// What the broker speaks of Metadata: older than what the client knows.
const METADATA_VERSION: i16 = 9;

async fn request(stream: &mut TcpStream) -> Option<(i16, i16, i32)> {
    let length = usize::try_from(stream.read_i32().await.ok()?).ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let mut body = Bytes::from(body);
    Some((body.get_i16(), body.get_i16(), body.get_i32()))
}

async fn answer(stream: &mut TcpStream, correlation: i32, header: i16, body: impl Encodable, version: i16) {
    let mut bytes = BytesMut::new();
    ResponseHeader::default().with_correlation_id(correlation).encode(&mut bytes, header).unwrap();
    body.encode(&mut bytes, version).unwrap();
    let mut frame = BytesMut::new();
    frame.put_i32(i32::try_from(bytes.len()).unwrap());
    frame.extend_from_slice(&bytes);
    stream.write_all(&frame).await.unwrap();
}

fn metadata(port: u16) -> MetadataResponse {
    let ids = |ids: &[i32]| ids.iter().map(|i| BrokerId(*i)).collect::<Vec<_>>();
    let partition = MetadataResponsePartition::default()
        .with_leader_id(BrokerId(-1))
        .with_replica_nodes(ids(&[1, 2]))
        .with_isr_nodes(ids(&[2]));
    let topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_static_str("logs"))))
        .with_partitions(vec![partition]);
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(1))
        .with_host(StrBytes::from_static_str("127.0.0.1"))
        .with_port(i32::from(port))
        .with_rack(Some(StrBytes::from_static_str("r1")));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_controller_id(BrokerId(1))
        .with_topics(vec![topic])
}

/// Answers ApiVersions, Metadata and DescribeConfigs on every connection. It learns of its topic after it was asked for
/// metadata `learns_after` times.
async fn broker(listener: TcpListener, learns_after: usize) {
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, port, Arc::clone(&asked), learns_after));
    }
}

async fn serve(mut stream: TcpStream, port: u16, asked: Arc<AtomicUsize>, learns_after: usize) {
    while let Some((key, version, correlation)) = request(&mut stream).await {
        match key {
            API_VERSIONS => {
                let api = |key, max| ApiVersion::default().with_api_key(key).with_max_version(max);
                let body = ApiVersionsResponse::default().with_api_keys(vec![
                    api(API_VERSIONS, 3),
                    api(METADATA, METADATA_VERSION),
                    api(DESCRIBE_CONFIGS, 1),
                ]);
                answer(&mut stream, correlation, 0, body, version).await;
            }
            DESCRIBE_CONFIGS => {
                let result =
                    DescribeConfigsResult::default().with_resource_name(StrBytes::from_static_str("logs"));
                let body = DescribeConfigsResponse::default().with_results(vec![result]);
                answer(&mut stream, correlation, 0, body, version).await;
            }
            _ => {
                assert_eq!((key, version), (METADATA, METADATA_VERSION));
                let mut body = metadata(port);
                if asked.fetch_add(1, Ordering::SeqCst) < learns_after {
                    body.topics.clear();
                }
                answer(&mut stream, correlation, 1, body, version).await;
            }
        }
    }
}

#[tokio::test]
async fn reads_metadata_in_a_version_that_both_speak() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(broker(listener, 0));
    let dead = "127.0.0.1:1".to_owned();
    let mut client = Client::connect(&[dead, endpoint.clone()]).await.unwrap();
    let cluster = client.cluster().await.unwrap();
    assert_eq!(cluster.brokers[&1], Node { endpoint, rack: Some("r1".into()) });
    let partition = &cluster.topics["logs"].partitions[&0];
    assert_eq!(
        (partition.leader, &partition.replicas[..], &partition.isr[..]),
        (None, &[1, 2][..], &[2][..])
    );
    let error = client.quorum().await.unwrap_err().to_string();
    assert!(error.contains("does not offer DescribeQuorum"), "{error}");
    server.abort();
}

#[tokio::test]
async fn partitions_of_which_one_broker_has_not_heard_yet_are_not_taken_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(broker(listener, 1));
    let mut client = Client::connect(&[endpoint]).await.unwrap();
    let fewer = TopicPatch { partitions: Some(0), ..TopicPatch::default() };
    let refused = client.change_topic("logs", &fewer, true).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Shrinks, "{refused}");
    server.abort();
}

#[tokio::test]
async fn a_change_is_done_once_the_brokers_know_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(broker(listener, 4));
    let mut client = Client::connect(&[endpoint]).await.unwrap();
    assert!(client.cluster().await.unwrap().topics.is_empty(), "it does not know the topic yet");
    client.everywhere("logs", |seen| seen.topic.is_some()).await.unwrap();
    assert!(client.cluster().await.unwrap().topics.contains_key("logs"), "whoever asks next finds it");
    server.abort();
}

#[tokio::test]
async fn a_broker_that_never_learns_of_a_change_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(broker(listener, usize::MAX));
    let mut client = Client::connect(std::slice::from_ref(&endpoint)).await.unwrap();
    let error = client
        .everywhere_within(Duration::from_millis(100), "logs", |seen| seen.topic.is_some())
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(error, format!("topic logs is changed, but {endpoint} did not take it up yet"));
    server.abort();
}

#[tokio::test]
async fn an_answer_that_is_not_kafkas_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = stream.read_u8().await;
    });
    let error = Client::connect(&[endpoint]).await.unwrap_err().to_string();
    assert!(error.contains("too large, or not Kafka's"), "{error}");
    server.abort();
}

#[tokio::test]
async fn nobody_to_ask_is_an_error() {
    assert_eq!(Client::connect(&[]).await.unwrap_err().to_string(), "no broker serves yet");
}

/// `logs: 0,1,2/0,1` is partition 0 of logs with these replicas and these of them in sync.
pub(crate) fn cluster(brokers: &[i32], partitions: &[&str]) -> Cluster {
    let mut cluster = Cluster { controller: Some(0), ..Cluster::default() };
    for id in brokers {
        cluster.brokers.insert(*id, Node { endpoint: format!("h:{id}"), rack: None });
    }
    for text in partitions {
        let (topic, rest) = text.split_once(": ").unwrap();
        let (replicas, isr) = rest.split_once('/').unwrap();
        let ids = |t: &str| {
            t.split(',').filter(|t| !t.is_empty()).map(|t| t.parse().unwrap()).collect::<Vec<i32>>()
        };
        let (replicas, isr) = (ids(replicas), ids(isr));
        let leader = isr.iter().copied().find(|id| brokers.contains(id));
        let partitions = &mut cluster.topics.entry(topic.to_owned()).or_default().partitions;
        let number = i32::try_from(partitions.len()).unwrap();
        partitions.insert(number, PartitionState { leader, replicas, isr });
    }
    cluster
}
