//! A cluster that speaks TLS and asks who comes: a stack runs on it, and nobody hears what its servers and clients say.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use cairn_tests::cairn::Server;
use cairn_tests::{Authority, Cairn, Http, processes, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::Story;

const SECRET: &str = "a-secret-of-nobodys";
const STACK: &str = "stack: secure\nservices:\n  zookeeper: { framework: zookeeper, nodes: 3 }\n";

pub(crate) fn story() -> Vec<Trial> {
    Story::new("secure")
        .step("a_stack_runs_by_tls", World::new, apply)
        .step("whoever_does_not_speak_tls_is_hung_up_on", World::new, plain)
        .step("who_trusts_others_says_so_and_what_to_do", World::new, distrust)
        .step("all_come_back_by_tls", World::new, crash)
        .step("the_stack_goes", World::new, destroy)
        .end()
}

struct World(Cairn);

impl World {
    fn new() -> Self {
        let cairn = Cairn::new(1).and_apart(1).secure();
        cairn.file("secure.yaml", STACK);
        let credential = cairn.file("credential.txt", &format!("cairn {SECRET}\n"));
        let cairn = cairn
            .tell("cluster", &["--credentials", &credential])
            .tell("agent", &["--credential", &credential, "--credentials", &credential])
            .tell("controller", &["--credential", &credential]);
        Self(cairn.up())
    }

    fn stack(&self) -> Value {
        self.0.http().send("GET", "/v1/stacks/secure", None).1
    }

    /// Each step stands on its own feet.
    fn up(&self) {
        if self.stack()["complete"] != json!(true) {
            let spec = self.0.folder().join("secure.yaml").display().to_string();
            let out = self.0.run(&["apply", "-f", &spec, "--timeout", "3m"]);
            assert_eq!(out.code, 0, "{out:#?}\n{}", self.0.logs());
        }
    }

    fn ready(&self) {
        until("the stack is ready", Duration::from_secs(120), || {
            (self.stack()["complete"] == json!(true)).then_some(())
        });
    }

    fn tasks(&self) -> Vec<Value> {
        let instances = self.stack()["services"][0]["instances"].as_array().cloned().unwrap_or_default();
        instances.into_iter().map(|instance| instance["task_id"].clone()).collect()
    }

    /// Where the agents listen.
    fn agents(&self) -> Vec<String> {
        let master = self.0.server(&self.0.master()).principal("cairn", SECRET);
        let known = master.send("POST", "/api/v1", Some(json!({"type": "GET_AGENTS"}))).1;
        let agents = known["get_agents"]["agents"].as_array().cloned().unwrap_or_default();
        let address = |pid: &Value| Some(pid.as_str()?.rsplit_once('@')?.1.to_owned());
        agents.iter().filter_map(|agent| address(&agent["pid"])).collect()
    }
}

fn apply(world: &mut World) {
    world.up();
    assert_eq!(world.agents().len(), 2);
    // Read through both agents.
    world.0.run(&["logs", "secure/zookeeper"]).expect(0);
    let out = world.0.run(&["logs", "secure/zookeeper", "--scheduler"]).expect(0);
    assert!(!out.stdout.contains(SECRET) && !out.stderr.contains(SECRET), "{out:#?}");
    world.0.run(&["doctor"]).expect(0);
}

fn plain(world: &mut World) {
    let servers: Vec<String> = world.agents().into_iter().chain([world.0.master()]).collect();
    for server in servers {
        let mut connection = TcpStream::connect(&server).expect("it listens");
        // It may hang up before it has heard all.
        let _ = connection.write_all(b"GET /state HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{server}: {answer:?}");
        let secure = world.0.server(&server);
        assert_eq!(secure.send("GET", "/health", None).0, 200, "{server} goes on serving");
        assert_eq!(secure.send("GET", "/state", None).0, 401, "{server} asks who comes all the same");
        assert!(Http::new(&format!("https://{server}"), None).try_send("GET", "/health", None).is_err());
    }
}

fn distrust(world: &mut World) {
    let cairn = &world.0;
    let other = cairn.file("other.pem", &Authority::new().certificate());
    let ours = cairn.folder().join("ca.pem").display().to_string();
    let dir = cairn.folder().join("refused").display().to_string();
    let listen = format!("127.0.0.1:{}", cairn_tests::cairn::free_port());
    let missing = cairn.folder().join("missing.pem").display().to_string();
    let (plain, secure) = (cairn.master(), format!("https://{}", cairn.master()));
    let credential = cairn.folder().join("credential.txt").display().to_string();
    let controller = ["--listen", &listen, "--work-dir", &dir, "--credential", &credential];
    // Nothing goes out before it is clear to whom.
    let out =
        cairn.run(&[&["controller", "--master", &plain, "--ca", &ours][..], &controller].concat()).expect(1);
    assert!(out.stderr.contains(&format!("write {secure}")), "{out:#?}");
    let out = cairn.run(&[&["controller", "--master", &secure, "--ca", &missing][..], &controller].concat());
    assert!(out.expect(1).stderr.contains("missing.pem"));
    let unready = cairn.file("unready.pem", "hello\n");
    let server =
        ["cluster", "--listen", "127.0.0.1:0", "--work-dir", &dir, "--tls-cert", &unready, "--tls-key"];
    let out = cairn.run(&[&server[..], &[unready.as_str()]].concat()).expect(1);
    assert!(out.stderr.contains("no certificate in it"), "{out:#?}");
    // One that trusts somebody else says why it is not there, and comes when its master can be believed.
    let agent = ["agent", "--master", &secure, "--ca", &other, "--port", "0", "--work-dir", &dir];
    let mut agent = cairn.spawn("distrust.log", &agent);
    until("it says why", Duration::from_secs(30), || {
        let log = std::fs::read_to_string(cairn.folder().join("distrust.log")).unwrap_or_default();
        log.contains("invalid peer certificate").then_some(())
    });
    let _ = agent.kill();
    let _ = agent.wait();
}

fn crash(world: &mut World) {
    world.up();
    let tasks = world.tasks();
    world.0.kill_cluster();
    processes::kill_hard(world.0.pid(Server::Agent(0)));
    world.0.wait(Server::Agent(0));
    world.0.kill_controller();
    world.0.start_cluster();
    world.0.start(Server::Agent(0));
    world.0.start_controller();
    until("both agents are back", Duration::from_secs(60), || (world.agents().len() == 2).then_some(()));
    world.ready();
    assert_eq!(world.tasks(), tasks);
}

fn destroy(world: &mut World) {
    world.up();
    world.0.run(&["destroy", "secure", "--yes", "--delete-data"]).expect(0);
    until("what ran is gone", Duration::from_secs(60), || {
        world.0.processes(&["QuorumPeerMain"]).is_empty().then_some(())
    });
}
