//! A cluster that speaks TLS and asks who comes: a stack runs on it, clients in other languages that trust its authority are
//! served, and nobody hears what its servers and clients say.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use cairn_tests::cairn::Server;
use cairn_tests::{Authority, Cairn, Http, processes, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::Story;

const SECRET: &str = "a-secret-of-nobodys";

/// One of it on each agent; it says where its executor is.
const FRAMEWORK: &str = r"framework: pages
description: Serves its sandbox.
service:
  groups:
    page:
      count: 2
      command: python3 -m http.server {{ ports.http }} --bind {{ address }} --directory pages
      requires: { python3: install Python 3 on the agent }
      cpus: 0.05
      mem: 32MiB
      ports: [http]
      constraints: [hostname:unique]
      files: { pages/index.html: a page }
      ready: { http: 'http://{{ address }}:{{ ports.http }}/' }
      grace: 2s
";

const STACK: &str = "stack: secure\nservices:\n  pages: { framework: pages }\n";

/// A client that knows nothing of Cairn: what it prints is the status, or what it has against the server.
const CLIENT: &str = r#"
import base64, ssl, sys, urllib.error, urllib.request
url, ca, who = sys.argv[1:]
request = urllib.request.Request(url, headers={"Authorization": "Basic " + base64.b64encode(who.encode()).decode()})
context = ssl.create_default_context(cafile=ca or None)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
try:
    print(opener.open(request, timeout=30).status)
except urllib.error.HTTPError as error:
    print(error.code)
except urllib.error.URLError as error:
    print(error.reason)
"#;

pub(crate) fn story() -> Vec<Trial> {
    Story::new("secure")
        .step("a_stack_runs_by_tls", World::new, apply)
        .step("others_are_served_when_they_trust_its_authority", World::new, others)
        .step("whoever_speaks_plain_http_is_told", World::new, plain)
        .step("who_trusts_others_says_so_and_what_to_do", World::new, distrust)
        .step("a_server_that_nobody_would_believe_does_not_start", World::new, useless)
        .step("all_come_back_by_tls", World::new, crash)
        .step("the_stack_goes", World::new, destroy)
        .end()
}

struct World(Cairn);

impl World {
    fn new() -> Self {
        let cairn = Cairn::new(1).and_apart(1).frameworks("frameworks").secure();
        cairn.file("frameworks/pages.yaml", FRAMEWORK);
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

    /// Where master and agents listen.
    fn servers(&self) -> Vec<String> {
        self.agents().into_iter().chain([self.0.master()]).collect()
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
    for instance in world.stack()["services"][0]["instances"].as_array().into_iter().flatten() {
        let name = format!("secure/pages/{}", instance["name"].as_str().unwrap_or_default());
        let out = world.0.run(&["logs", &name, "--stderr"]).expect(0);
        assert!(out.stdout.contains("GET /"), "{out:#?}");
    }
    let out = world.0.run(&["logs", "secure/pages", "--scheduler"]).expect(0);
    assert!(!out.stdout.contains(SECRET) && !out.stderr.contains(SECRET), "{out:#?}");
    world.0.run(&["doctor"]).expect(0);
}

fn others(world: &mut World) {
    world.up();
    let ca = world.0.folder().join("ca.pem").display().to_string();
    let other = world.0.file("other.pem", &Authority::new().certificate());
    let known = format!("cairn:{SECRET}");
    for server in world.servers() {
        let ask = |ca: &str, who: &str| {
            let url = format!("https://{server}/state");
            let asked = Command::new("python3").args(["-c", CLIENT, &url, ca, who]).output();
            let asked = asked.expect("there is a python3");
            assert!(asked.status.success(), "{asked:?}");
            String::from_utf8_lossy(&asked.stdout).trim().to_owned()
        };
        assert_eq!(ask(&ca, &known), "200", "{server}");
        assert_eq!(ask(&ca, "cairn:other"), "401", "{server}");
        for untrusting in ["", &other] {
            let problem = ask(untrusting, &known);
            assert!(problem.contains("CERTIFICATE_VERIFY_FAILED"), "{server}: {problem}");
        }
    }
}

fn plain(world: &mut World) {
    for server in world.servers() {
        let mut connection = TcpStream::connect(&server).expect("it listens");
        connection.write_all(b"GET /state HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is heard");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("speaks TLS"), "{server}: {answer}");
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
    for (master, ca, hint) in
        [(&plain, &ours, format!("write {secure}")), (&secure, &missing, missing.clone())]
    {
        let told = [&["controller", "--master", master, "--ca", ca][..], &controller].concat();
        let out = cairn.run(&told).expect(1);
        assert!(out.stderr.contains(&hint), "{out:#?}");
    }
    // Who cannot come yet says why, and what to do.
    let by_name = secure.replace("127.0.0.1", "localhost");
    let no_tls = cairn.controller_url().replace("http://", "https://");
    for (master, ca, hints) in [
        (&secure, Some(&other), ["invalid peer certificate", "as --ca FILE"]),
        (&by_name, Some(&ours), ["not valid for name", "names this too"]),
        (&no_tls, Some(&ours), ["InvalidContentType", "not to speak TLS"]),
        (&plain, None, ["HTTP 400", "come by https"]),
    ] {
        let mut told = vec!["agent", "--master", master, "--port", "0", "--work-dir", &dir];
        told.extend(ca.iter().flat_map(|ca| ["--ca", ca.as_str()]));
        let log = format!("distrust-{}.log", hints[1].replace(' ', "-"));
        let mut agent = cairn.spawn(&log, &told);
        until("it says why", Duration::from_secs(30), || {
            let log = std::fs::read_to_string(cairn.folder().join(&log)).unwrap_or_default();
            hints.iter().all(|hint| log.contains(hint)).then_some(())
        });
        let _ = agent.kill();
        let _ = agent.wait();
    }
}

fn useless(world: &mut World) {
    let cairn = &world.0;
    let (authority, folder) = (Authority::new(), cairn.folder());
    let ca = cairn.file("useless-ca.pem", &authority.certificate());
    let dir = folder.join("useless").display().to_string();
    let missing = folder.join("missing.pem").display().to_string();
    let unready = cairn.file("unready.pem", "hello\n");
    let here = cairn.file("here.pem", &authority.server(&["127.0.0.1"]).certificate);
    let server = ["cluster", "--agents", "0", "--listen", "127.0.0.1:0", "--work-dir", &dir];
    for (certificate, key, hint) in [
        (&missing, &missing, "cannot read"),
        (&unready, &unready, "no certificate in it"),
        (&here, &unready, "no private key in it"),
        (&here, &folder.join("tls.key").display().to_string(), "does not go with the certificate"),
    ] {
        let out =
            cairn.run(&[&server[..], &["--tls-cert", certificate, "--tls-key", key]].concat()).expect(1);
        assert!(out.stderr.contains(hint) && out.stderr.contains(&folder.display().to_string()), "{out:#?}");
    }
    for (shown, hint) in [
        (authority.expired(&["127.0.0.1"]), "expired"),
        (authority.server(&["127.0.0.9"]), "not valid for name"),
    ] {
        let (certificate, key) =
            (cairn.file("old.pem", &shown.certificate), cairn.file("old.key", &shown.key));
        let told = ["--tls-cert", &certificate, "--tls-key", &key, "--ca", &ca];
        let out = cairn.run(&[&server[..], &told].concat()).expect(1);
        assert!(
            out.stderr.contains(hint) && out.stderr.contains("make one that names 127.0.0.1"),
            "{out:#?}"
        );
    }
    // Where others can come, both are needed.
    let credentials = folder.join("credential.txt").display().to_string();
    let (certificate, key) =
        (folder.join("tls.pem").display().to_string(), folder.join("tls.key").display().to_string());
    let tls = ["--tls-cert", &certificate, "--tls-key", &key];
    let agent =
        ["agent", "--master", "127.0.0.1:1", "--address", "0.0.0.0", "--port", "0", "--work-dir", &dir];
    let cluster = ["cluster", "--listen", "0.0.0.0:0", "--work-dir", &dir];
    for server in [&agent[..], &cluster] {
        for (told, hint) in [
            (&["--credentials", &credentials][..], "give --tls-cert FILE and --tls-key FILE"),
            (&tls, "give --credentials FILE"),
        ] {
            let out = cairn.run(&[server, told].concat()).expect(1);
            assert!(out.stderr.contains("0.0.0.0:0 can be reached from elsewhere"), "{out:#?}");
            assert!(out.stderr.contains(hint), "{out:#?}");
        }
    }
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
        world.0.processes(&["http.server"]).is_empty().then_some(())
    });
}
