//! Real brokers, started from the very tasks that agents would get. Slow, so only on request:
//!
//! ```text
//! CAIRN_DIST=dist cargo test -p cairn-kafka real -- --ignored --nocapture
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cairn_framework::{
    Action, Ask, Config, Handle, InstanceStatus, Moment, Phase, Placement, Published, Service, Verdict, View,
    simulation,
};
use cairn_task::Place;
use serde_json::{Value, json};

use crate::service::Kafka;
use cairn_kafka_admin::{Assignment, Client};

const PATIENCE: Duration = Duration::from_secs(90);

fn handle() -> Handle {
    simulation::handle(Published::default())
}

struct Fleet {
    dir: PathBuf,
    config: Config,
    view: View,
    processes: BTreeMap<String, Child>,
}

impl Fleet {
    fn new(name: &str, options: Value, inputs: BTreeMap<String, String>) -> Self {
        let dir = std::env::temp_dir().join(format!("cairn-kafka-real-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let archive = cairn_framework::Artifact { uri: "x".into(), ..Default::default() };
        let distributions = [("3.9.1".to_owned(), archive.clone()), ("4.1.0".to_owned(), archive)].into();
        let config = Config { options: options.into(), inputs, distributions, ..Config::default() };
        let view = View { framework: format!("{name}-{}", std::process::id()), ..View::default() };
        let mut fleet = Self { dir, config, view, processes: BTreeMap::new() };
        fleet.aim();
        fleet
    }

    /// Gives every instance of the model a place.
    fn aim(&mut self) {
        let model = Kafka.model(&self.config).unwrap();
        self.view.target = model.instances.iter().map(|i| i.name.clone()).collect();
        for instance in &model.instances {
            let sockets: Vec<_> =
                instance.ports.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
            let ports = instance.ports.iter().zip(&sockets);
            let ports = ports.map(|(p, s)| (p.name.clone(), s.local_addr().unwrap().port())).collect();
            let status = self.view.instances.entry(instance.name.clone()).or_default();
            status.name = instance.name.clone();
            status.placement.get_or_insert(Placement {
                address: "127.0.0.1".into(),
                ports,
                ..Placement::default()
            });
        }
    }

    fn launch(&mut self, name: &str) {
        let model = Kafka.model(&self.config).unwrap();
        let instance = model.instances.iter().find(|i| i.name == name).unwrap();
        let task = Kafka.task(&self.config, instance, &self.view).unwrap();
        let placement = self.view.placement(name).unwrap();
        let sandbox = self.dir.join(name);
        fs::create_dir_all(sandbox.join("data")).unwrap();
        let place = Place {
            address: placement.address.clone(),
            ports: placement.ports.clone(),
            sandbox: sandbox.display().to_string(),
            ..Place::default()
        };
        let task = task.render(&place).unwrap();
        let version = self.config.read::<crate::options::Options>().unwrap().version().to_owned();
        unpack(&format!("kafka-{version}"), &sandbox);
        for file in &task.files {
            fs::write(sandbox.join(&file.path), &file.content).unwrap();
        }
        for prepare in &task.prepare {
            let done = Command::new(&prepare[0]).args(&prepare[1..]).current_dir(&sandbox).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
        let log = fs::File::create(sandbox.join("log")).unwrap();
        let child = Command::new(&task.command[0])
            .args(&task.command[1..])
            .current_dir(&sandbox)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.processes.insert(name.to_owned(), child);
        self.status(name).phase = Phase::Ready;
    }

    fn status(&mut self, name: &str) -> &mut InstanceStatus {
        self.view.instances.get_mut(name).unwrap()
    }

    fn stop(&mut self, name: &str) {
        let mut child = self.processes.remove(name).unwrap();
        let done = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(done.success());
        child.wait().unwrap();
        self.status(name).phase = Phase::Stopped;
    }

    async fn gate(&self, name: &str, action: Action, moment: Moment) -> Verdict {
        let (config, view) = (self.config.clone(), self.view.clone().into());
        Kafka.gate(&handle(), &Ask { moment, action, instance: name.into(), config, view }).await
    }

    /// Asks until the gate opens; what it said on the way.
    async fn open(&self, name: &str, action: Action, moment: Moment) -> Vec<String> {
        let mut said = Vec::new();
        let begin = now();
        loop {
            match self.gate(name, action, moment).await {
                Verdict::Go => return said,
                Verdict::Wait(why) if said.last() != Some(&why) => said.push(why),
                Verdict::Wait(_) => {}
                Verdict::Refuse(why) => panic!("{name} {action:?} {moment:?} refused: {why}"),
            }
            assert!(begin.elapsed() < PATIENCE, "{name} {action:?} {moment:?}: {said:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn settle(&self) -> Result<Vec<String>, String> {
        let mut said = Vec::new();
        let begin = now();
        loop {
            match Kafka.settle(&handle(), &self.config, &self.view).await {
                Verdict::Go => return Ok(said),
                Verdict::Wait(why) if said.last() != Some(&why) => said.push(why),
                Verdict::Wait(_) => {}
                Verdict::Refuse(why) => return Err(why),
            }
            assert!(begin.elapsed() < PATIENCE, "settle: {said:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn client(&self) -> Client {
        Client::connect(&self.view.serving(crate::service::CLIENT)).await.unwrap()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for child in self.processes.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("left for you to read: {}", self.dir.display());
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test that waits for real processes")]
fn now() -> Instant {
    Instant::now()
}

fn unpack(archive: &str, into: &Path) {
    let dist = std::env::var("CAIRN_DIST").expect("CAIRN_DIST names the folder of the archives");
    let dist = fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(dist)).unwrap();
    let tar = dist.join(format!("{archive}.tar"));
    let done = Command::new("tar").arg("-xf").arg(tar).arg("-C").arg(into).status().unwrap();
    assert!(done.success());
}

/// Deploy, topics, a rolling restart's gates, a move, a removal: the life of a cluster.
async fn life(mut fleet: Fleet, kraft: bool) {
    let begin = now();
    for name in fleet.view.target.clone() {
        assert_eq!(fleet.gate(&name, Action::Launch, Moment::Before).await, Verdict::Go);
        fleet.launch(&name);
        // The others cannot be asked yet when they are all started at once.
        fleet.status(&name).phase = Phase::Running;
    }
    for name in fleet.view.target.clone() {
        fleet.status(&name).phase = Phase::Ready;
        let said = fleet.open(&name, Action::Launch, Moment::After).await;
        println!("{:?} {name} up: {said:?}", begin.elapsed());
    }
    println!("{:?} settled: {:?}", begin.elapsed(), fleet.settle().await.unwrap());

    let mut client = fleet.client().await;
    let cluster = client.cluster().await.unwrap();
    assert_eq!(cluster.brokers.len(), 4);
    assert_eq!((cluster.topics["logs"].partitions.len(), cluster.topics["logs"].replication()), (6, 3));
    let retention = client.topic_configs(&["logs".to_owned()].into(), Some(&["retention.ms"])).await.unwrap();
    assert_eq!(retention["logs"]["retention.ms"].value.as_deref(), Some("3600000"));
    assert_eq!(client.min_isr(&["logs".to_owned()].into()).await.unwrap()["logs"], 2);

    // A declaration that changes is followed; fewer partitions are refused.
    Arc::make_mut(&mut fleet.config.options)["topics"]["logs"] =
        json!({ "partitions": 8, "replication": 2, "config": { "retention.ms": 7_200_000 } });
    println!("changed topic: {:?}", fleet.settle().await.unwrap());
    let cluster = client.cluster().await.unwrap();
    assert_eq!((cluster.topics["logs"].partitions.len(), cluster.topics["logs"].replication()), (8, 2));
    Arc::make_mut(&mut fleet.config.options)["topics"]["logs"]["partitions"] = json!(2);
    assert!(fleet.settle().await.unwrap_err().contains("cannot take partitions away"));
    Arc::make_mut(&mut fleet.config.options)["topics"]["logs"] = json!({ "partitions": 8, "replication": 3 });
    println!("three copies again: {:?}", fleet.settle().await.unwrap());

    // A broker that is down blocks others whose partitions need it.
    fleet.open("broker-3", Action::Stop, Moment::Before).await;
    fleet.stop("broker-3");
    let mut blocked = 0;
    for name in ["broker-0", "broker-1", "broker-2"] {
        match fleet.gate(name, Action::Restart, Moment::Before).await {
            Verdict::Wait(why) => {
                println!("{name} must wait: {why}");
                blocked += 1;
            }
            other => println!("{name}: {other:?}"),
        }
    }
    assert!(blocked > 0);
    fleet.launch("broker-3");
    println!("back: {:?}", fleet.open("broker-3", Action::Restart, Moment::After).await);
    for name in ["broker-0", "broker-1", "broker-2", "broker-3"] {
        fleet.open(name, Action::Restart, Moment::Before).await;
    }

    // The first connection may have been to the broker that was down.
    client = fleet.client().await;

    // Moves by hand, then the removal of a broker that holds something, internal topics too.
    let wanted = Assignment { topic: "logs".into(), partition: 0, replicas: vec![3, 1, 2] };
    client.reassign(&[wanted]).await.unwrap();
    fleet.settle().await.unwrap();
    client.elect_preferred(&[("logs".to_owned(), vec![0])].into()).await.unwrap();
    Arc::make_mut(&mut fleet.config.options)["brokers"] = json!(3);
    fleet.view.target.pop();
    println!("leaving: {:?}", fleet.open("broker-3", Action::Remove, Moment::Before).await);
    assert_eq!(client.cluster().await.unwrap().partitions_on(3).count(), 0);
    fleet.stop("broker-3");
    println!("left: {:?}", fleet.open("broker-3", Action::Remove, Moment::After).await);
    fleet.settle().await.unwrap();

    // One more cannot go: three copies need three brokers.
    fleet.view.target.pop();
    let verdict = fleet.gate("broker-2", Action::Remove, Moment::Before).await;
    let Verdict::Refuse(why) = verdict else { panic!("{verdict:?}") };
    println!("refused: {why}");
    assert!(why.contains(if kraft { "is a controller" } else { "keep 3 brokers" }), "{why}");

    // The old connection may have been to the broker that is gone.
    client = fleet.client().await;
    client.drop_topic("logs").await.unwrap();
    for name in
        fleet.processes.keys().cloned().collect::<Vec<_>>().into_iter().take(if kraft { 1 } else { 3 })
    {
        let begin = now();
        fleet.stop(&name);
        println!("{name} stopped in {:?}", begin.elapsed());
    }
}

fn options(mode: &str) -> Value {
    json!({
        "mode": mode,
        "brokers": 4,
        "topics": { "logs": { "partitions": 6, "replication": 3, "config": { "retention.ms": 3_600_000 } } },
    })
}

/// One ZooKeeper server, for as long as it is held.
struct ZooKeeper {
    dir: PathBuf,
    process: Child,
    address: String,
}

impl ZooKeeper {
    fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("cairn-kafka-real-zookeeper-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        unpack("zookeeper-3.9.4", &dir);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "tickTime=500\ndataDir={}\nclientPortAddress=127.0.0.1\nclientPort={port}\nadmin.enableServer=false\n",
            dir.join("data").display()
        );
        fs::write(dir.join("zoo.cfg"), config).unwrap();
        let process = Command::new("java")
            .args(["-Xmx64m", "-XX:+UseSerialGC", "-cp", "zookeeper-3.9.4/lib/*"])
            .args(["org.apache.zookeeper.server.quorum.QuorumPeerMain", "zoo.cfg"])
            .current_dir(&dir)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        Self { dir, process, address: format!("127.0.0.1:{port}") }
    }
}

impl Drop for ZooKeeper {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[tokio::test]
#[ignore = "starts four brokers; wants CAIRN_DIST"]
async fn on_zookeeper() {
    // Brokers wait for it by themselves.
    let zookeeper = ZooKeeper::start();
    let inputs = [("zookeeper".to_owned(), zookeeper.address.clone())].into();
    life(Fleet::new("zk", options("zookeeper"), inputs), false).await;
}

#[tokio::test]
#[ignore = "starts four brokers; wants CAIRN_DIST"]
async fn with_kraft() {
    life(Fleet::new("kraft", options("kraft"), BTreeMap::new()), true).await;
}
