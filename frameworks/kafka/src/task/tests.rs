use cairn_framework::{Config, InstanceStatus, Placement, Service, View, Wait};
use cairn_task::TaskSpec;
use serde_json::{Value, json};

use crate::service::Kafka;

fn config(options: Value) -> Config {
    let artifact = cairn_framework::Artifact::default();
    let distributions = [("3.9.1".to_owned(), artifact.clone()), ("4.1.0".to_owned(), artifact)].into();
    let inputs = [("zookeeper".to_owned(), "127.0.0.1:2181,127.0.0.2:2181".to_owned())].into();
    Config { options: options.into(), distributions, inputs, ..Config::default() }
}

/// Brokers 0, 1, … of which the first `placed` have a place.
fn view(config: &Config, placed: usize) -> View {
    let mut view = View { framework: "demo-kafka".into(), ..View::default() };
    for (n, instance) in Kafka.model(config).unwrap().instances.iter().enumerate() {
        let ports = instance.ports.iter().zip(0_u16..);
        let number = u16::try_from(n).unwrap();
        let placement = Placement {
            address: format!("127.0.0.{}", n + 1),
            attributes: [("rack".to_owned(), format!("r{n}"))].into(),
            ports: ports.map(|(p, i)| (p.name.clone(), 31000 + 10 * number + i)).collect(),
            ..Placement::default()
        };
        let placement = (n < placed).then_some(placement);
        view.target.push(instance.name.clone());
        view.instances
            .insert(instance.name.clone(), InstanceStatus { placement, ..InstanceStatus::default() });
    }
    view
}

fn task(options: Value, placed: usize, broker: usize) -> Result<TaskSpec, Wait> {
    let config = config(options);
    let view = view(&config, placed);
    Kafka.task(&config, &Kafka.model(&config).unwrap().instances[broker], &view)
}

fn text(task: &TaskSpec) -> String {
    let file = task.files.iter().find(|f| f.path == "server.properties").unwrap();
    assert!(file.raw, "what operators write is no template");
    let prepare = task.prepare.iter().map(|p| p.join(" ")).collect::<Vec<_>>().join("\n");
    format!("$ {prepare}\n$ {}\n\n{}", task.command.join(" "), file.content)
}

#[test]
fn three_brokers_on_zookeeper() {
    insta::assert_snapshot!(text(&task(json!({ "brokers": 3 }), 3, 1).unwrap()));
}

#[test]
fn a_lone_large_broker_with_options_of_its_own() {
    let options = json!({
        "heap": "2GiB",
        "options": { "log.retention.hours": 24, "min.insync.replicas": 1, "x.path": "C:\\x", "auto.create.topics.enable": false },
        "jvmOptions": ["-Dx={{ address }}"],
        "overrides": { "0": { "options": { "log.retention.hours": 48 } } },
    });
    insta::assert_snapshot!(text(&task(options, 1, 0).unwrap()));
}

#[test]
fn a_controller_and_a_plain_broker_with_kraft() {
    let options = json!({ "mode": "kraft", "brokers": 4 });
    let controller = text(&task(options.clone(), 4, 0).unwrap());
    let broker = text(&task(options, 4, 3).unwrap());
    insta::assert_snapshot!(format!("{controller}\n----\n{broker}"));
}

#[test]
fn controllers_need_each_others_places() {
    let options = json!({ "mode": "kraft", "brokers": 3 });
    let Err(Wait::Peers(why)) = task(options, 2, 0) else { panic!("waits") };
    assert_eq!(why, "the controllers need places first: broker-2");
}

#[test]
fn the_model_has_what_a_broker_needs() {
    let config = config(json!({
        "brokers": 2, "ids": [3, 7], "port": "9092..9100", "constraints": ["hostname:unique"], "disk": "10GiB",
        "overrides": { "7": { "port": 9092, "mem": "1GiB", "options": { "zookeeper.session.timeout.ms": 9000 } } },
    }));
    let model = Kafka.model(&config).unwrap();
    let [three, seven] = &model.instances[..] else { panic!("two") };
    assert_eq!((three.name.as_str(), seven.name.as_str()), ("broker-3", "broker-7"));
    assert_eq!((three.ports[0].within, seven.ports[0].within), (Some((9092, 9100)), Some((9092, 9092))));
    assert!((three.mem, seven.mem) == (512.0, 1024.0));
    assert_eq!(
        (three.volumes[0].size, three.constraints[0].to_string().as_str()),
        (10240, "hostname:unique")
    );
    assert_eq!(
        (three.relaunch_ms, seven.relaunch_ms),
        (6500, 9500),
        "the session of the former life has to expire"
    );
}

#[test]
fn outputs_name_every_broker() {
    let config = config(json!({ "brokers": 2 }));
    let outputs = Kafka.outputs(&config, &view(&config, 2));
    assert_eq!(outputs["bootstrap"], "127.0.0.1:31000,127.0.0.2:31010");
    assert_eq!(outputs["brokers"], "2");
    assert_eq!(outputs["names"], "broker-0.demo-kafka.mesos:31000,broker-1.demo-kafka.mesos:31010");
    assert_eq!(outputs["zookeeper"], "127.0.0.1:2181,127.0.0.2:2181/demo-kafka");
}
