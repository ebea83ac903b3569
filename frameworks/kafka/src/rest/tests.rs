use cairn_framework::{Config, InstanceStatus, Phase, Placement, Published, simulation};

use super::*;

fn published() -> Published {
    let config = json!({
        "brokers": 1, "idle": [4], "mode": "kraft", "constraints": ["hostname:unique"],
        "overrides": { "0": { "options": { "a": 1, "b": "x,y" }, "port": "31000..31100", "jvmOptions": ["-Dx=1", "-Dy=2"] } },
    });
    let mut published =
        Published { config: Config { options: config.into(), ..Config::default() }, ..Published::default() };
    let placement = Placement {
        agent_id: "S0".into(),
        hostname: "h1".into(),
        address: "127.0.0.1".into(),
        attributes: [("rack".to_owned(), "r1".to_owned())].into(),
        ports: [("client".to_owned(), 31000)].into(),
        ..Placement::default()
    };
    let status = InstanceStatus {
        name: "broker-0".into(),
        phase: Phase::Ready,
        task_id: Some("broker-0.1".into()),
        placement: Some(placement),
        ..InstanceStatus::default()
    };
    let view = std::sync::Arc::make_mut(&mut published.view);
    view.target.push("broker-0".into());
    view.instances.insert("broker-0".into(), status.clone());
    published.status.instances.push(status);
    published
}

#[tokio::test]
async fn brokers_look_as_they_used_to() {
    let handle = simulation::handle(published());
    let listed = BROKER.answer(&handle, "list", &Params::default()).await.unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&listed["brokers"]).unwrap());
}

#[test]
fn topics_look_as_they_used_to() {
    let shown = json!({
        "name": "logs-a", "config": { "retention.ms": "5" }, "partitions": 2,
        "assignment": [{ "partition": 0, "replicas": [0, 1] }, { "partition": 1, "replicas": [1, 0] }],
    });
    assert_eq!(
        topic(&shown),
        json!({ "name": "logs-a", "partitions": { "0": [0, 1], "1": [1, 0] }, "options": "retention.ms=5" })
    );
}
