//! A cluster that speaks TLS: with clients that trust its authority, and with all others.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use cairn_cluster::agent::Containment;
use cairn_cluster::security::{Tls, Trust};
use cairn_cluster::{Cluster, ClusterOptions, SoloAgent};
use cairn_mesos::client::{
    Access, AgentClient, Authorities, Masters, OperatorClient, Options, SchedulerClient, SchedulerEvent,
};
use cairn_mesos::v1::{agent, master};
use cairn_tests::Authority;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::apart::options;
use crate::scene::{accept, capable, launch};
use crate::web::{call, request, wait_for};
use crate::whole::{RESOURCES, command, until};

struct World {
    dir: tempfile::TempDir,
    cluster: Cluster,
    access: Access,
}

fn tls(dir: &Path, authority: &Authority) -> Tls {
    let shown = authority.server(&["127.0.0.1", "127.0.0.2"]);
    let (certificate, key) = (dir.join("server.pem"), dir.join("server.key"));
    std::fs::write(&certificate, shown.certificate).unwrap();
    std::fs::write(&key, shown.key).unwrap();
    Tls::load(&certificate, &key).unwrap()
}

fn trust(dir: &Path, authority: &Authority) -> Trust {
    let path = dir.join("ca.pem");
    std::fs::write(&path, authority.certificate()).unwrap();
    Trust::load(&path).unwrap()
}

fn trusting(authority: &Authority) -> Access {
    Access { authorities: Some(Authorities::parse(authority.certificate()).unwrap()), ..Access::default() }
}

impl World {
    async fn new(agents: u8) -> (Self, Authority) {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = ClusterOptions {
            tls: Some(tls(dir.path(), &authority)),
            trust: Some(trust(dir.path(), &authority)),
            ..ClusterOptions::new(listen, agents, dir.path().join("cluster"), RESOURCES)
        };
        let cluster = Cluster::start(options).await.unwrap();
        (Self { dir, cluster, access: trusting(&authority) }, authority)
    }

    fn address(&self) -> SocketAddr {
        self.cluster.master_address()
    }

    fn options(&self) -> Options {
        Options { access: self.access.clone(), ..Options::default() }
    }

    fn masters(&self) -> Masters {
        format!("https://{}", self.address()).parse().unwrap()
    }

    fn framework(&self) -> (SchedulerClient, mpsc::Receiver<SchedulerEvent>) {
        let info = serde_json::from_value(capable("fw", "r")).unwrap();
        SchedulerClient::connect(self.masters(), info, self.options()).unwrap()
    }

    /// How many agents there are.
    async fn agents(&self) -> usize {
        let mut agents = master::Call::default();
        agents.set_type(master::call::Type::GetAgents);
        let client = OperatorClient::new(self.masters(), self.options()).unwrap();
        client.call(&agents).await.unwrap().get_agents.unwrap().agents.len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_goes_by_tls() {
    let (world, authority) = World::new(1).await;
    let (client, mut events) = world.framework();
    let offer = wait_for(&mut events, "OFFERS").await["offers"]["offers"][0].clone();
    // Its archive comes by https from a server that only this authority makes trustworthy: the master itself.
    let mut task = command("t", &offer, "echo said; cat version");
    let uri = format!("https://{}/version", world.address());
    task["command"]["uris"] = json!([{"value": uri, "executable": false, "extract": false}]);
    client.call(call(accept(&offer, vec![launch(vec![task])], 3600.0))).await.unwrap();
    let done = until(&client, &mut events, "TASK_FINISHED").await;
    let container = done["container_status"]["container_id"]["value"].as_str().unwrap().to_owned();

    let agent = world.cluster.agent_addresses()[0];
    let asked = AgentClient::new(&format!("https://{agent}"), world.options()).unwrap();
    let framework = client.framework_id().unwrap().value;
    let path = format!("/frameworks/{framework}/executors/t/runs/{container}/stdout");
    let said = asked.read(&path, 0, 100).await.unwrap().data;
    assert!(said.starts_with("said\n{") && said.contains("\"version\""), "{said}");
    let mut health = agent::Call::default();
    health.set_type(agent::call::Type::GetHealth);
    assert!(asked.call(&health).await.unwrap().get_health.unwrap().healthy);

    // An agent of its own comes by TLS, and speaks it.
    let work_dir = world.dir.path().join("apart");
    let mut apart = options(&work_dir, 0);
    apart.address = [127, 0, 0, 2].into();
    apart.tls = Some(tls(world.dir.path(), &authority));
    apart.trust = Some(trust(world.dir.path(), &authority));
    let master = world.masters().to_string();
    let apart = SoloAgent::start(&master, world.access.clone(), apart, Containment::default()).await.unwrap();
    let registered = async {
        while world.agents().await < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), registered).await.unwrap();
    let asked = AgentClient::new(&format!("https://{}", apart.address()), world.options()).unwrap();
    assert!(asked.call(&health).await.is_ok());
    client.call(call(json!({"type": "TEARDOWN"}))).await.unwrap();
    apart.shutdown().await;
    world.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_trusts_others_does_not_speak_to_it() {
    let (world, _) = World::new(0).await;
    let mut health = master::Call::default();
    health.set_type(master::call::Type::GetHealth);
    for access in [Access::default(), trusting(&Authority::new())] {
        let client = OperatorClient::new(world.masters(), Options { access, ..Options::default() }).unwrap();
        let error = client.call(&health).await.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
    }
    let by_name = format!("https://localhost:{}", world.address().port()).parse().unwrap();
    let client = OperatorClient::new(by_name, world.options()).unwrap();
    let error = client.call(&health).await.unwrap_err().to_string();
    assert!(error.contains("certificate not valid for name"), "{error}");
    // Whom to trust is said for nothing where there is no TLS: no secret goes out by mistake.
    let plain = format!("http://{}", world.address()).parse().unwrap();
    let error = OperatorClient::new(plain, world.options()).unwrap_err().to_string();
    assert!(error.contains(&format!("write https://{}", world.address())), "{error}");
    world.cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_speak_tls_is_hung_up_on_and_disturbs_nobody() {
    let (world, _) = World::new(1).await;
    for address in [world.address(), world.cluster.agent_addresses()[0]] {
        let (status, head, said) = request(address, "GET /health", &[], "").await;
        assert_eq!(status, 400, "{head}");
        assert!(said.contains("speaks TLS"), "{said}");
        // These say nothing, or never end what they say.
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
        assert_eq!(world.agents().await, 1, "others are served meanwhile");
        for connection in [&mut silent, &mut slow] {
            // It may say why.
            let mut last = Vec::new();
            let ended =
                tokio::time::timeout(Duration::from_secs(20), connection.read_to_end(&mut last)).await;
            assert!(ended.is_ok(), "it is hung up on in time");
        }
    }
    assert_eq!(world.agents().await, 1);
    world.cluster.shutdown().await;
}
