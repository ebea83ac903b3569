//! A cluster that lets in only whom it knows: everything of Cairn comes to it with credentials, a stack runs on agents in its
//! process and beside it, and the secrets are where they belong and nowhere else.

use std::path::Path;
use std::time::Duration;

use cairn_tests::canary::Canaries;
use cairn_tests::{Cairn, Http, processes, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::Story;

const CONTROLLER: &str = "controllers-5ecret-kanari";
const AGENT: &str = "agents-5ecret-kanari";
const OPERATOR: &str = "operators-5ecret-kanari";

const ACLS: &str = r#"{"register_agents": [{"principals": {"values": ["agent"]}, "agents": {"type": "ANY"}},
    {"principals": {"type": "ANY"}, "agents": {"type": "NONE"}}]}"#;

/// One of it on each agent; what it serves is read from its sandbox, through its agent.
const FRAMEWORK: &str = r#"framework: pages
description: Serves its sandbox.
offers: { http: { outputs: [urls, noted] } }
service:
  groups:
    page:
      count: 2
      command: python3 -m http.server {{ ports.http }} --bind {{ address }} --directory pages
      requires: { python3: "install Python 3 on the agent" }
      cpus: 0.05
      mem: 32MiB
      ports: [http]
      constraints: [hostname:unique]
      files: { pages/index.html: "a page", noted: "a note" }
      ready: { http: "http://{{ address }}:{{ ports.http }}/" }
      grace: 2s
  outputs:
    urls: "{{ peers.page | endpoints('http') | join(',') }}"
    noted: { file: noted, group: page }
"#;

const STACK: &str = r"stack: closed
services:
  zookeeper: { framework: zookeeper, nodes: 1 }
  pages: { framework: pages, needs: [zookeeper] }
";

pub(crate) fn story() -> Vec<Trial> {
    Story::new("closed")
        .step("who_is_not_known_is_told_what_to_do", World::new, refuse)
        .step("a_stack_runs_on_agents_in_the_process_and_beside_it", World::new, apply)
        .step("nobody_sees_anything_without_a_credential", World::new, look)
        .step("secrets_are_where_they_belong_and_nowhere_else", World::new, search)
        .step("who_comes_back_is_known_again", World::new, crash)
        .step("the_stack_goes_and_leaves_nothing", World::new, destroy)
        .end()
}

struct World {
    cairn: Cairn,
    canaries: Canaries,
    printed: String,
}

impl World {
    fn new() -> Self {
        let cairn = Cairn::new(1).and_apart(1).frameworks("frameworks");
        cairn.file("frameworks/pages.yaml", FRAMEWORK);
        cairn.file("closed.yaml", STACK);
        let acls = cairn.file("acls.json", ACLS);
        let cairn = cairn.closed([CONTROLLER, AGENT, OPERATOR]).tell("cluster", &["--acls", &acls]);
        Self {
            cairn: cairn.up(),
            canaries: Canaries::new(&[CONTROLLER, AGENT, OPERATOR]),
            printed: String::new(),
        }
    }

    fn run(&mut self, args: &[&str]) -> cairn_tests::Output {
        let out = self.cairn.run(args);
        self.printed += &format!("$ cairn {}\n{}{}", args.join(" "), out.stdout, out.stderr);
        out
    }

    fn stack(&self) -> Value {
        self.cairn.http().send("GET", "/v1/stacks/closed", None).1
    }

    /// Each step stands on its own feet.
    fn up(&mut self) {
        if self.stack()["complete"] != json!(true) {
            let spec = self.cairn.folder().join("closed.yaml").display().to_string();
            let out = self.run(&["apply", "-f", &spec, "--timeout", "3m"]);
            assert_eq!(out.code, 0, "{out:#?}\n{}", self.cairn.logs());
        }
    }

    fn ready(&self) {
        until("the stack is ready", Duration::from_secs(120), || {
            (self.stack()["complete"] == json!(true)).then_some(())
        });
    }

    /// Services with the tasks of their instances.
    fn tasks(&self) -> Vec<String> {
        let services = self.stack()["services"].as_array().cloned().unwrap_or_default();
        let tasks = |service: &Value| service["instances"].as_array().cloned().unwrap_or_default();
        services
            .iter()
            .flat_map(tasks)
            .map(|i| i["task_id"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Where the agents listen.
    fn agents(&self) -> Vec<String> {
        let known = self.cairn.operator().send("POST", "/api/v1", Some(json!({"type": "GET_AGENTS"}))).1;
        let agents = known["get_agents"]["agents"].as_array().cloned().unwrap_or_default();
        let address = |pid: &Value| Some(format!("http://{}", pid.as_str()?.rsplit_once('@')?.1));
        agents.iter().filter_map(|agent| address(&agent["pid"])).collect()
    }
}

fn refuse(world: &mut World) {
    let wrong = world.cairn.file("wrong.txt", "cairn not-the-secret\n");
    let known = world.cairn.folder().join("controller.txt").display().to_string();
    let master = world.cairn.master();
    let dir = world.cairn.folder().join("refused").display().to_string();
    let listen = format!("127.0.0.1:{}", cairn_tests::cairn::free_port());
    let controller = ["controller", "--master", &master, "--listen", &listen, "--work-dir", &dir];
    let agent = ["agent", "--master", &master, "--port", "0", "--work-dir", &dir];
    for (args, credential, hint) in [
        (&controller[..], None, "give --credential FILE"),
        (&controller[..], Some(&wrong), "the credential of `cairn`"),
        (&agent[..], None, "give --credential FILE"),
        (&agent[..], Some(&wrong), "the credential of `cairn`"),
        // It is known, but brings no agents.
        (&agent[..], Some(&known), "no rule of `register_agents`"),
    ] {
        let given = credential.map(|file| ["--credential", file.as_str()]);
        let args = [args, given.as_ref().map_or(&[][..], |given| &given[..])].concat();
        let out = world.run(&args).expect(1);
        assert!(out.stderr.contains(hint) && out.stderr.contains(&master), "{args:?}: {out:#?}");
    }
    let missing = [&controller[..], &["--credential", "/nowhere/at/all"]].concat();
    let out = world.run(&missing).expect(1);
    assert!(out.stderr.contains("/nowhere/at/all") && out.stderr.contains("principal secret"), "{out:#?}");
    let open = ["cluster", "--listen", "0.0.0.0:0", "--work-dir", &dir];
    let out = world.run(&open).expect(1);
    assert!(out.stderr.contains("give --credentials FILE"), "{out:#?}");
    let open = [&agent[..], &["--address", "0.0.0.0"]].concat();
    let out = world.run(&open).expect(1);
    assert!(out.stderr.contains("give --credentials FILE"), "{out:#?}");
}

fn apply(world: &mut World) {
    world.up();
    let services = world.stack()["services"].clone();
    let pages = services.as_array().and_then(|all| all.iter().find(|s| s["name"] == "pages")).cloned();
    let pages = pages.unwrap_or_default();
    assert_eq!(pages["outputs"]["noted"], "a note", "read through an agent: {pages:#}");
    let places: std::collections::BTreeSet<String> =
        pages["instances"].as_array().into_iter().flatten().map(|i| i["agent_id"].to_string()).collect();
    assert_eq!(places.len(), 2, "{pages:#}");
    // The controller reads logs from either agent, and compares what it has stored with what the master knows.
    for instance in pages["instances"].as_array().into_iter().flatten() {
        let name = format!("closed/pages/{}", instance["name"].as_str().unwrap_or_default());
        let out = world.run(&["logs", &name, "--stderr"]).expect(0);
        assert!(out.stdout.contains("GET /"), "{out:#?}");
    }
    world.run(&["doctor"]).expect(0);
    // Frameworks are who their credential says, and so are their reservations.
    let state = world.cairn.operator().get("/state");
    let frameworks = state["frameworks"].as_array().cloned().unwrap_or_default();
    assert_eq!(frameworks.len(), 3, "{frameworks:#?}");
    assert!(frameworks.iter().all(|framework| framework["principal"] == "cairn"), "{frameworks:#?}");
}

fn look(world: &mut World) {
    world.up();
    let master = Http::new(&format!("http://{}", world.cairn.master()), None);
    let agents = world.agents();
    assert_eq!(agents.len(), 2);
    for path in ["/state", "/slaves", "/metrics/snapshot"] {
        assert_eq!(master.send("GET", path, None).0, 401, "{path}");
    }
    let call = json!({"type": "GET_STATE"});
    assert_eq!(master.send("POST", "/api/v1", Some(call.clone())).0, 401);
    for agent in agents {
        let stranger = Http::new(&agent, None);
        for path in ["/state", "/containers", "/files/debug"] {
            assert_eq!(stranger.send("GET", path, None).0, 401, "{agent}{path}");
        }
        assert_eq!(stranger.send("POST", "/api/v1", Some(call.clone())).0, 401);
        assert_eq!(stranger.principal("ops", OPERATOR).send("GET", "/state", None).0, 200);
    }
}

fn search(world: &mut World) {
    world.up();
    for args in [&["status", "closed"][..], &["endpoints", "closed"], &["plan", "-f"]] {
        let spec = world.cairn.folder().join("closed.yaml").display().to_string();
        let file = if args.contains(&"-f") { vec![spec.as_str()] } else { Vec::new() };
        world.run(&[args, &file, &["-o", "json"]].concat());
    }
    assert!(
        !world.canaries.sing_in(world.printed.as_bytes()),
        "a command has printed one:\n{}",
        world.printed
    );
    let files = world.canaries.files(&world.cairn.folder(), &belongs);
    assert!(files.is_empty(), "files show one: {files:#?}");
    for process in processes::below(&world.cairn.folder()) {
        assert_eq!(world.canaries.process(process.pid), None, "{process:?}");
    }
    let call = |kind: &str| Some(json!({ "type": kind }));
    let mut servers = vec![world.cairn.operator()];
    servers.extend(world.agents().iter().map(|agent| Http::new(agent, None).principal("ops", OPERATOR)));
    for server in servers {
        for kind in
            ["GET_STATE", "GET_TASKS", "GET_EXECUTORS", "GET_FRAMEWORKS", "GET_FLAGS", "GET_CONTAINERS"]
        {
            let answer = server.send("POST", "/api/v1", call(kind)).1.to_string();
            assert!(!world.canaries.sing_in(answer.as_bytes()), "{kind}: {answer}");
        }
        let answer = server.get("/state").to_string();
        assert!(!world.canaries.sing_in(answer.as_bytes()), "/state: {answer}");
    }
}

/// Files that are meant to hold a secret, when only their owner may read them.
fn belongs(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    (text.contains("/runs/") && name == "credential")
        || text.contains("/meta/containers/")
        || ["known.txt", "controller.txt", "agent.json"].contains(&name.as_str())
}

fn crash(world: &mut World) {
    use cairn_tests::cairn::Server;
    world.up();
    let tasks = world.tasks();
    world.cairn.kill_cluster();
    let agent = world.cairn.pid(Server::Agent(0));
    processes::kill_hard(agent);
    world.cairn.wait(Server::Agent(0));
    world.cairn.kill_controller();
    world.cairn.start_cluster();
    world.cairn.start(Server::Agent(0));
    world.cairn.start_controller();
    until("both agents are back", Duration::from_secs(60), || (world.agents().len() == 2).then_some(()));
    world.ready();
    assert_eq!(world.tasks(), tasks, "executors have shown the tokens that they had");
    // A scheduler that is started anew finds its credential where it was.
    let scheduler = world.cairn.processes(&["scheduler zookeeper"]).into_iter().next().expect("it runs");
    processes::kill_hard(scheduler.pid);
    until("another one runs", Duration::from_secs(60), || {
        let now = world.cairn.processes(&["scheduler zookeeper"]);
        now.iter().any(|process| process.pid != scheduler.pid).then_some(())
    });
    world.ready();
    assert_eq!(world.tasks(), tasks);
    search(world);
}

fn destroy(world: &mut World) {
    world.up();
    world.run(&["destroy", "closed", "--yes", "--delete-data"]).expect(0);
    until("what ran is gone", Duration::from_secs(60), || {
        world.cairn.processes(&["http.server"]).is_empty().then_some(())
    });
    search_files(world);
}

/// Their executors end a moment after their frameworks.
fn search_files(world: &World) {
    let kept = |path: &Path| belongs(path) && !path.to_string_lossy().contains("/meta/containers/");
    until("agents forget tasks that have ended", Duration::from_secs(60), || {
        world.canaries.files(&world.cairn.folder(), &kept).is_empty().then_some(())
    });
}
