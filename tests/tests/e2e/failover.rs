//! Two controllers with their state in ZooKeeper, and masters that are found there: whoever ends, another goes on, and
//! nothing that runs is touched.

use std::process::Child;
use std::time::{Duration, Instant};

use cairn_tests::cairn::free_port;
use cairn_tests::processes::{self, Process};
use cairn_tests::{Cairn, Http, ZooKeeperServer, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::Story;
use crate::service::block;

/// How long ZooKeeper waits for a scheduler, and what taking over may take beyond that.
const SESSION: Duration = Duration::from_secs(6);
const TAKEOVER: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(60);

pub(crate) fn story() -> Vec<Trial> {
    Story::new("failover")
        .step("who_stands_by_says_who_leads", World::up, says_who_leads)
        .step("after_kill_9_of_the_leader_another_answers_writes", World::up, kill_9)
        .step("on_sigterm_another_leads_at_once", World::up, sigterm)
        .step("a_leader_back_from_sigstop_can_do_nothing", World::up, sigstop)
        .step("a_child_scheduler_finds_its_state_again", World::up, child)
        .step("a_child_scheduler_moves_to_another_agent_and_finds_its_state", World::up, moved)
        .end()
}

struct World {
    cairn: Cairn,
    zookeeper: ZooKeeperServer,
    controllers: [Controller; 2],
}

struct Controller {
    port: u16,
    process: Option<Child>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.cairn.stop_all();
        for process in self.controllers.iter_mut().filter_map(|c| c.process.as_mut()) {
            let _ = process.wait();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test measures real time")]
fn now() -> Instant {
    Instant::now()
}

impl World {
    fn up() -> Self {
        let mut cairn = Cairn::new(2).frameworks("frameworks");
        cairn.file("frameworks/web.yaml", &block("web.yaml"));
        cairn.file("token", "a token that only tests know");
        let zookeeper = ZooKeeperServer::start();
        cairn.start_cluster();
        zookeeper.announce_master("/mesos", &cairn.master());
        let controller = || Controller { port: free_port(), process: None };
        let mut world = Self { cairn, zookeeper, controllers: [controller(), controller()] };
        let (leader, _) = world.two();
        let stack = world.cairn.file("site.yaml", &block("site.yaml"));
        let url = world.url(leader);
        let out = world.cairn.run(&[
            "apply",
            "-f",
            &stack,
            "--timeout",
            "2m",
            "--controller",
            &url,
            "--token-file",
            &world.token(),
        ]);
        assert_eq!(out.code, 0, "{out:#?}\n{}", world.log(leader));
        assert!(!world.servers().is_empty());
        world
    }

    fn path(&self, name: &str) -> String {
        self.cairn.folder().join(name).display().to_string()
    }

    fn token(&self) -> String {
        self.path("token")
    }

    fn url(&self, which: usize) -> String {
        format!("http://127.0.0.1:{}", self.controllers[which].port)
    }

    fn http(&self, which: usize) -> Http {
        let token = std::fs::read_to_string(self.token()).expect("it has been written");
        Http::new(&self.url(which), Some(token.trim().to_owned()))
    }

    fn log(&self, which: usize) -> String {
        std::fs::read_to_string(self.path(&format!("controller-{which}.log"))).unwrap_or_default()
    }

    fn start(&mut self, which: usize) {
        let listen = format!("127.0.0.1:{}", self.controllers[which].port);
        let (master, state) = (self.zookeeper.url("mesos"), self.zookeeper.url("cairn"));
        let (dir, key) = (self.path(&format!("controller-{which}")), self.path("secrets.key"));
        let args = [
            "controller",
            "--master",
            &master,
            "--state",
            &state,
            "--listen",
            &listen,
            "--work-dir",
            &dir,
            "--token-file",
            &self.token(),
            "--secrets-key",
            &key,
        ];
        let process = self.cairn.spawn(&format!("controller-{which}.log"), &args);
        self.controllers[which].process = Some(process);
    }

    /// Both run; gives the one that leads and the one that stands by.
    fn two(&mut self) -> (usize, usize) {
        for which in 0..2 {
            let process = &mut self.controllers[which].process;
            if process.as_mut().is_none_or(|p| p.try_wait().is_ok_and(|ended| ended.is_some())) {
                self.start(which);
            }
        }
        until("one controller leads and the other stands by", LONG, || {
            let leads = |which| self.health(which).map(|(status, _)| status == 200);
            match (leads(0)?, leads(1)?) {
                (true, false) => Some((0, 1)),
                (false, true) => Some((1, 0)),
                _ => None,
            }
        })
    }

    fn health(&self, which: usize) -> Option<(u16, Value)> {
        self.http(which).try_send("GET", "/v1/health", None).ok()
    }

    fn process(&mut self, which: usize) -> &mut Child {
        self.controllers[which].process.as_mut().expect("it has been started")
    }

    fn pid(&mut self, which: usize) -> i32 {
        i32::try_from(self.process(which).id()).expect("a process id")
    }

    /// Writes until it is taken; gives how long that took.
    fn writes(&self, which: usize, value: &str) -> Duration {
        let (begun, http) = (now(), self.http(which));
        until("a write is answered", LONG, || {
            let answer = http.try_send("PUT", "/v1/secrets/probe", Some(json!(value)));
            answer.ok().filter(|(status, _)| (200..300).contains(status))
        });
        begun.elapsed()
    }

    /// What the stack runs.
    fn servers(&self) -> Vec<Process> {
        self.cairn.processes(&["http.server"])
    }

    /// The stack is as it was asked for, and registered.
    fn complete(&self, which: usize) {
        until("the stack is complete", LONG, || {
            let (status, stack) = self.http(which).try_send("GET", "/v1/stacks/site", None).ok()?;
            (status == 200 && stack["complete"] == json!(true)).then_some(())
        });
        until("the controller is registered", LONG, || {
            (self.health(which)?.1["state"] == json!("ok")).then_some(())
        });
    }
}

fn says_who_leads(world: &mut World) {
    let (leader, other) = world.two();
    for (method, path) in [("GET", "/v1/health"), ("GET", "/v1/stacks"), ("POST", "/v1/stacks"), ("GET", "/")]
    {
        let (status, problem) = world.http(other).send(method, path, None);
        assert_eq!((status, &problem["type"]), (503, &json!("not-leader")), "{method} {path}: {problem}");
        assert_eq!(problem["leader"], json!(world.url(leader)), "{problem}");
    }
    let out = world.cairn.run(&["status", "--controller", &world.url(other), "--token-file", &world.token()]);
    assert_eq!(out.code, 1, "{out:#?}");
    assert!(out.stderr.contains(&world.url(leader)), "{out:#?}");
}

fn kill_9(world: &mut World) {
    let (leader, other) = world.two();
    world.complete(leader);
    let before = world.servers();
    processes::kill_hard(world.pid(leader));
    let took = world.writes(other, "written after kill -9");
    eprintln!("kill -9 of the leader: another one answers writes after {took:?}");
    let _ = world.process(leader).wait();
    assert!(took <= SESSION + TAKEOVER, "{took:?}");
    world.complete(other);
    assert_eq!(world.servers(), before, "nothing that runs is touched");
}

fn sigterm(world: &mut World) {
    let (leader, other) = world.two();
    world.complete(leader);
    let before = world.servers();
    processes::terminate(world.pid(leader));
    let took = world.writes(other, "written after SIGTERM");
    eprintln!("SIGTERM of the leader: another one answers writes after {took:?}");
    assert!(world.process(leader).wait().expect("it ends").success());
    assert!(took <= TAKEOVER, "{took:?}");
    world.complete(other);
    assert_eq!(world.servers(), before, "nothing that runs is touched");
}

fn sigstop(world: &mut World) {
    let (leader, other) = world.two();
    world.complete(leader);
    let before = world.servers();
    let pid = world.pid(leader);
    processes::freeze(pid);
    // It is taken up the moment the process goes on.
    let http = world.http(leader);
    let late =
        std::thread::spawn(move || http.try_send("PUT", "/v1/secrets/late", Some(json!("written too late"))));
    let took = world.writes(other, "written after SIGSTOP");
    eprintln!("SIGSTOP of the leader: another one answers writes after {took:?}");
    assert!(took <= SESSION + TAKEOVER, "{took:?}");
    world.complete(other);
    processes::thaw(pid);
    let begun = now();
    let ended = until("the old leader ends", LONG, || world.process(leader).try_wait().expect("it is ours"));
    eprintln!("SIGCONT of the old leader: it ends after {:?}", begun.elapsed());
    assert!(!ended.success());
    let log = world.log(leader);
    assert!(log.contains("another scheduler may lead now"), "{log}");
    if let Ok((status, answer)) = late.join().expect("a request does not panic") {
        assert!(status >= 400, "the old leader has taken a write: {answer}");
    }
    let secrets = world.http(other).get("/v1/secrets");
    assert!(!secrets.to_string().contains("late"), "{secrets}");
    world.complete(other);
    assert_eq!(world.servers(), before, "nothing that runs is touched");
}

fn child(world: &mut World) {
    let (leader, _) = world.two();
    world.complete(leader);
    let before = world.servers();
    let schedulers = |world: &World| world.cairn.processes(&["scheduler", "service", "site-web"]);
    let old = schedulers(world);
    assert_eq!(old.len(), 1, "{old:?}");
    assert!(old[0].command.contains(&world.zookeeper.url("cairn/schedulers/site/web/web")), "{old:?}");
    processes::kill_hard(old[0].pid);
    until("its scheduler is launched again", LONG, || {
        schedulers(world).into_iter().find(|p| p.pid != old[0].pid)
    });
    until("its scheduler answers", LONG, || {
        let path = "/v1/stacks/site/services/web/proxy/v1/status";
        let (status, answer) = world.http(leader).try_send("GET", path, None).ok()?;
        (status == 200 && answer["complete"] == json!(true)).then_some(())
    });
    assert_eq!(world.servers(), before, "nothing that runs is touched");
}

fn moved(world: &mut World) {
    let (leader, _) = world.two();
    world.complete(leader);
    let web = |world: &World| world.http(leader).get("/v1/stacks/site/services/web");
    let before = web(world)["scheduler"].clone();
    let agent = before["agent_id"].as_str().unwrap_or_default().to_owned();
    let master = Http::new(&format!("http://{}", world.cairn.master()), None);
    let operate = |call: Value| {
        let (status, answer) = master.send("POST", "/api/v1", Some(call));
        assert!((200..300).contains(&status), "{answer}");
    };
    operate(json!({ "type": "DRAIN_AGENT", "drain_agent": { "agent_id": { "value": agent } } }));
    until("its scheduler serves on another agent", LONG, || {
        let after = web(world)["scheduler"].clone();
        let moved = after["agent_id"] != before["agent_id"] && after["phase"] == json!("ready");
        moved.then(|| assert_eq!(after["framework_id"], before["framework_id"], "with the state that it had"))
    });
    operate(json!({ "type": "REACTIVATE_AGENT", "reactivate_agent": { "agent_id": { "value": agent } } }));
    world.complete(leader);
}
