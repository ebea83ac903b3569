//! Secrets are where they belong and nowhere else: canaries are planted, everything that can happen to a stack happens,
//! and every file, answer, process and printed line is searched for them.

use std::path::Path;
use std::time::Duration;

use cairn_tests::canary::Canaries;
use cairn_tests::{Cairn, Http, Output, processes, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::Story;

/// What quoting, templates, URLs and shells each treat in their own way is in there.
const FIRST: &str = r#"Kanari-1 "q'\{{x}} $%&+/é=end"#;
const SECOND: &str = r#"Kanari-2 "q'\{{x}} $%&+/é=end"#;
const SUPER: &str = "Kanari-super-5uper-pa55";

const FRAMEWORK: &str = r#"framework: keeper
description: Keeps a password in a file.
count: nodes
offers: { http: { outputs: [urls] } }
options:
  properties:
    nodes: { type: integer, default: 2 }
    password: { type: string, format: secret, description: What it keeps. }
    label: { type: string, default: none }
    size: { type: integer, default: 3 }
service:
  groups:
    keeper:
      count: "{{ options.nodes }}"
      command: python3 -m http.server {{ ports.http }} --bind {{ address }} --directory {{ options.label }}
      requires: { python3: "install Python 3 on the agent" }
      cpus: 0.05
      mem: 32MiB
      ports: [http]
      files:
        none/index.html: "size {{ options.size }}"
        conf/password: "password={{ options.password }}"
      ready: { http: "http://{{ address }}:{{ ports.http }}/" }
      grace: 2s
  outputs:
    urls: "{{ peers.keeper | endpoints('http') | join(',') }}"
"#;

const STACK: &str = r"stack: vault
secrets:
  db: { env: CANARY_DB }
  super: { file: super.txt }
services:
  zookeeper:
    framework: zookeeper
    nodes: 1
    superPassword: ${secret.super}
  keeper:
    framework: keeper
    password: ${secret.db}
";

pub(crate) fn story() -> Vec<Trial> {
    Story::new("secrets")
        .step("what_is_missing_is_told_before_anything_runs", World::new, missing)
        .step("they_reach_their_services_and_nobody_else", World::new, apply)
        .step("a_new_value_changes_exactly_who_uses_it", World::new, rotate)
        .step("refusals_do_not_repeat_them", World::new, refuse)
        .step("crashes_neither_lose_nor_show_them", World::new, crash)
        .step("another_key_is_told_and_harms_nothing", World::new, other_key)
        .step("nothing_is_left_when_the_stack_is_gone", World::new, destroy)
        .end()
}

struct World {
    cairn: Cairn,
    canaries: Canaries,
    /// Everything that commands have printed.
    printed: String,
    applied: bool,
}

impl World {
    fn new() -> Self {
        let cairn = Cairn::new(2).frameworks("frameworks");
        cairn.file("frameworks/keeper.yaml", FRAMEWORK);
        // The client's own file, which is for its user alone as it should be.
        private(&cairn.file("super.txt", &format!("{SUPER}\n")));
        cairn.file("vault.yaml", STACK);
        Self {
            cairn: cairn.up(),
            canaries: Canaries::new(&[FIRST, SECOND, SUPER]),
            printed: String::new(),
            applied: false,
        }
    }

    fn run_with(&mut self, args: &[&str], db: Option<&str>, stdin: &str) -> Output {
        let env: Vec<(&str, &str)> = db.map(|value| ("CANARY_DB", value)).into_iter().collect();
        let out = self.cairn.run_with(args, &env, stdin);
        self.printed += &format!("$ cairn {}\n{}{}", args.join(" "), out.stdout, out.stderr);
        out
    }

    fn run(&mut self, args: &[&str]) -> Output {
        self.run_with(args, None, "")
    }

    fn spec(&self) -> String {
        self.cairn.folder().join("vault.yaml").display().to_string()
    }

    /// Each step stands on its own feet.
    fn up(&mut self) {
        if !self.applied {
            let spec = self.spec();
            let out = self.run_with(&["apply", "-f", &spec, "--timeout", "3m"], Some(FIRST), "");
            assert_eq!(out.code, 0, "{out:#?}\n{}", self.cairn.logs());
            self.applied = true;
        }
    }

    fn stack(&self) -> Value {
        self.cairn.http().send("GET", "/v1/stacks/vault", None).1
    }

    fn tasks(&self, service: &str) -> Vec<String> {
        let stack = self.stack();
        let services = stack["services"].as_array().cloned().unwrap_or_default();
        let found = services.into_iter().find(|s| s["name"] == service).unwrap_or_default();
        let instances = found["instances"].as_array().cloned().unwrap_or_default();
        instances.iter().map(|i| i["task_id"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn ready(&self) {
        until("the stack is ready", Duration::from_secs(120), || {
            (self.stack()["complete"] == json!(true)).then_some(())
        });
    }

    /// The contents of the file that the keepers run with now.
    fn kept(&self) -> Vec<String> {
        let mut found = Vec::new();
        let keepers = self.cairn.processes(&["http.server"]);
        for process in keepers {
            let sandbox = std::fs::read_link(format!("/proc/{}/cwd", process.pid)).unwrap_or_default();
            found.extend(std::fs::read_to_string(sandbox.join("conf/password")));
        }
        found
    }

    /// Looks everywhere.
    fn search(&self) {
        assert!(
            !self.canaries.sing_in(self.printed.as_bytes()),
            "a command has printed one:\n{}",
            self.printed
        );
        let files = self.canaries.files(&self.cairn.folder(), &belongs);
        assert!(files.is_empty(), "files show one: {files:#?}");
        for process in processes::below(&self.cairn.folder()) {
            assert_eq!(self.canaries.process(process.pid), None, "{process:?}");
        }
        for (url, answer) in self.answers() {
            assert!(!self.canaries.sing_in(answer.as_bytes()), "{url} answers with one: {answer}");
        }
    }

    /// What every resource answers that takes nothing but a name: of the controller, of the schedulers, of the master.
    fn answers(&self) -> Vec<(String, String)> {
        let controller = self.cairn.http();
        let mut found = crawl(&controller, &["vault"], &["zookeeper", "keeper"]);
        for service in self.stack()["services"].as_array().into_iter().flatten() {
            if let Some(url) = service["scheduler"]["url"].as_str() {
                let name = service["instances"][0]["name"].as_str().unwrap_or_default().to_owned();
                found.extend(crawl(&Http::new(url, None), &[&name], &[&name]));
            }
        }
        let master = Http::new(&format!("http://{}", self.cairn.master()), None);
        for call in ["GET_STATE", "GET_TASKS", "GET_EXECUTORS", "GET_FRAMEWORKS", "GET_AGENTS", "GET_FLAGS"] {
            let (_, answer) = master.send("POST", "/api/v1", Some(json!({"type": call})));
            found.push((call.to_owned(), answer.to_string()));
        }
        for path in ["/state", "/tasks", "/frameworks", "/slaves", "/metrics/snapshot"] {
            found.push((path.to_owned(), master.send("GET", path, None).1.to_string()));
        }
        found
    }
}

/// Files that are meant to hold secrets, when only their owner may read them.
fn belongs(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let sandbox = text.contains("/runs/");
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    (sandbox && (name == "config.json" || text.ends_with("/conf/password")))
        || text.contains("/meta/containers/")
        || name == "super.txt"
}

/// Every GET of what `openapi.json` lists, with the names filled in.
fn crawl(http: &Http, stacks: &[&str], others: &[&str]) -> Vec<(String, String)> {
    let api = http.get("/openapi.json");
    let mut paths: Vec<String> = vec!["/openapi.json".into()];
    for (path, verbs) in api["paths"].as_object().into_iter().flatten() {
        // A stream does not end, and a program is no text.
        if verbs.get("get").is_none() || path.ends_with("/events") || path.contains("artifacts") {
            continue;
        }
        for stack in stacks {
            for other in others {
                let plan = path.replace("{plan}", "deploy").replace("{*path}", "v1/config");
                let named = plan.replace("{stack}", stack).replace("{path}", "v1/config");
                paths.push(fill(&named, other));
            }
        }
    }
    paths.sort();
    paths.dedup();
    assert!(paths.len() > 10, "{paths:?}");
    let answer = |path: String| {
        let (_, answer) = http.send("GET", &path, None);
        (path, answer.as_str().map_or_else(|| answer.to_string(), str::to_owned))
    };
    paths.into_iter().map(answer).collect()
}

fn fill(path: &str, name: &str) -> String {
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        filled += before;
        filled += name;
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    filled + rest
}

fn private(path: &str) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path, mode).expect("the file is ours");
}

fn missing(world: &mut World) {
    let spec = world.spec();
    let out = world.run(&["apply", "-f", &spec]).expect(1);
    assert!(out.stderr.contains("vault.yaml:3:7") && out.stderr.contains("CANARY_DB is not set"), "{out:#?}");
    let undeclared = STACK.replace("  db: { env: CANARY_DB }\n", "");
    let undeclared = world.cairn.file("undeclared.yaml", &undeclared);
    let out = world.run(&["apply", "-f", &undeclared]).expect(1);
    assert!(
        out.stderr.contains("there is no secret `db`") && out.stderr.contains("cairn secret set db"),
        "{out:#?}"
    );
    assert_eq!(world.cairn.http().get("/v1/stacks"), json!([]));
}

fn apply(world: &mut World) {
    let spec = world.spec();
    let planned = world.run_with(&["plan", "-f", &spec], Some(FIRST), "");
    assert!(planned.stdout.contains("+  secret db is set, for keeper"), "{planned:#?}");
    assert_eq!(world.cairn.http().get("/v1/secrets"), json!([]), "a plan sets nothing");
    world.up();
    assert_eq!(world.kept(), vec![format!("password={FIRST}"); 2]);
    assert_eq!(
        world.run_with(&["plan", "-f", &spec], Some(FIRST), "").code,
        0,
        "the same values change nothing"
    );
    let listed = world.run(&["secret", "list"]).expect(0);
    assert!(
        listed.stdout.contains("vault/keeper") && listed.stdout.contains("vault/zookeeper"),
        "{listed:#?}"
    );
    for args in [
        &["status", "vault"][..],
        &["logs", "vault/keeper"],
        &["logs", "vault/zookeeper"],
        &["endpoints", "vault"],
    ] {
        world.run(args);
        world.run(&[args, &["-o", "json"]].concat());
    }
    world.search();
}

fn rotate(world: &mut World) {
    world.up();
    let (zookeeper, before) = (world.tasks("zookeeper"), world.tasks("keeper"));
    let out =
        world.run_with(&["secret", "set", "db", "--stack", "vault"], None, &format!("{SECOND}\n")).expect(0);
    assert!(out.stderr.contains("taken up by vault/keeper"), "{out:#?}");
    let taken = || world.kept() == vec![format!("password={SECOND}"); 2];
    until("both have the new value", Duration::from_secs(90), || taken().then_some(()));
    world.ready();
    assert_eq!(world.tasks("zookeeper"), zookeeper, "who does not use it goes on");
    assert!(world.tasks("keeper").iter().all(|task| !before.contains(task)));
    world.search();
    // The file's own value is another one now: the plan says so, and an apply goes back to it.
    let spec = world.spec();
    let planned = world.run_with(&["plan", "-f", &spec], Some(FIRST), "").expect(2);
    assert!(planned.stdout.contains("~  secret db has a new value, for keeper"), "{planned:#?}");
    world.run_with(&["apply", "-f", &spec, "--timeout", "2m"], Some(SECOND), "").expect(0);
}

fn refuse(world: &mut World) {
    world.up();
    let typed = STACK.replace("    password:", "    size: ${secret.db}\n    password:");
    let typed = world.cairn.file("typed.yaml", &typed);
    let out = world.run_with(&["apply", "-f", &typed], Some(FIRST), "").expect(1);
    assert!(out.stderr.contains("outputs and secrets are texts"), "{out:#?}");
    let used = world.run(&["secret", "remove", "db", "--stack", "vault"]).expect(1);
    assert!(used.stderr.contains("is used by vault/keeper"), "{used:#?}");
    // A command line is for everybody's eyes.
    let shown = STACK
        .replace("stack: vault", "stack: shown")
        .replace("    password:", "    label: ${secret.db}\n    password:");
    let shown = world.cairn.file("shown.yaml", &shown);
    let out = world.run_with(&["apply", "-f", &shown, "--timeout", "20s"], Some(FIRST), "");
    assert!(out.stderr.contains("a secret would stand on a command line"), "{out:#?}");
    world.run(&["destroy", "shown", "--yes", "--delete-data"]).expect(0);
    // Nor does REST take one in the open, or give one away.
    let http = world.cairn.http();
    let proxy = "/v1/stacks/vault/services/zookeeper/proxy/v1/config";
    let shown = http.get(proxy);
    assert_eq!(shown["options"]["superPassword"], "***", "{shown}");
    let mut changed = shown["options"].clone();
    changed["superPassword"] = json!(SUPER.replace("super", "other"));
    let (status, problem) = http.send("PUT", proxy, Some(json!({"options": changed})));
    assert_eq!((status, &problem["type"]), (409, &json!("secret-option")), "{problem}");
    // A restart that keeps the masked value keeps the secret.
    let (status, answer) = http.send("PUT", proxy, Some(json!({"options": shown["options"]})));
    assert_eq!((status, &answer["changed"]), (202, &json!(false)), "{answer}");
    world.search();
}

fn crash(world: &mut World) {
    world.up();
    let before = world.kept();
    for name in ["scheduler zookeeper", "scheduler service", "http.server"] {
        let process = world.cairn.processes(&[name]).into_iter().next().expect("it runs");
        processes::kill_hard(process.pid);
    }
    world.cairn.kill_controller();
    world.cairn.start_controller();
    until("all are back", Duration::from_secs(120), || (world.kept() == before).then_some(()));
    world.ready();
    world.search();
}

fn other_key(world: &mut World) {
    world.up();
    let (key, tasks) = (world.cairn.folder().join("controller/secrets.key"), world.tasks("keeper"));
    let right = std::fs::read(&key).expect("there is a key");
    world.cairn.kill_controller();
    let change = |bytes: &[u8]| {
        std::fs::write(&key, bytes).expect("the key is ours");
        private(&key.display().to_string());
    };
    change(b"not the key that it was");
    world.cairn.start_controller();
    let listed = world.run(&["secret", "list"]).expect(0);
    assert!(listed.stdout.contains("was sealed with another key than that in"), "{listed:#?}");
    assert_eq!(world.cairn.processes(&["http.server"]).len(), 2, "what runs goes on");
    world.cairn.kill_controller();
    change(&right);
    world.cairn.start_controller();
    world.ready();
    assert_eq!(world.tasks("keeper"), tasks);
    world.search();
}

fn destroy(world: &mut World) {
    world.up();
    world.run(&["destroy", "vault", "--yes", "--delete-data"]).expect(0);
    until("its secrets are forgotten", Duration::from_secs(30), || {
        (world.cairn.http().get("/v1/secrets") == json!([])).then_some(())
    });
    world.applied = false;
    world.search();
    // Their executors end a moment after their frameworks.
    let cluster = world.cairn.folder().join("cluster");
    until("agents forget tasks that have ended", Duration::from_secs(60), || {
        let kept = world.canaries.files(&cluster, &|path| path.to_string_lossy().contains("/runs/"));
        kept.is_empty().then_some(())
    });
}
