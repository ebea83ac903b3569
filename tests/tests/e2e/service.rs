//! Services that framework specs describe, with small programs as stand-ins. The first is the one of
//! `docs/framework-specs.md`, as its reader would try it.

use std::time::Duration;

use cairn_tests::{Cairn, Http, cairn, until};
use libtest_mimic::Trial;
use serde_json::json;

use crate::Story;

pub(crate) fn story() -> Vec<Trial> {
    Story::new("service")
        .step("the_worked_example_of_the_docs_serves_and_scales", world, example)
        .step("jobs_run_once_at_their_times_and_in_gangs", world, jobs)
        .step("a_scheduler_of_others_goes_with_all_its_tasks", world, foreign)
        .end()
}

/// The code block of the docs that follows `<!-- name -->`.
pub(crate) fn block(name: &str) -> String {
    let path = cairn::checkout().join("docs/framework-specs.md");
    let text = std::fs::read_to_string(path).expect("the docs are there");
    let after = text.split(&format!("<!-- {name} -->\n```yaml\n")).nth(1).expect("the block is there");
    after.split("```").next().unwrap_or_default().to_owned()
}

fn world() -> Cairn {
    let cairn = Cairn::new(2).frameworks("frameworks");
    cairn.file("frameworks/web.yaml", &block("web.yaml"));
    cairn.file("frameworks/jobs.yaml", include_str!("service/jobs.yaml"));
    cairn.file("frameworks/foreign.yaml", include_str!("service/foreign.yaml"));
    cairn.up()
}

fn apply(cairn: &Cairn, name: &str, stack: &str) {
    let file = cairn.file(name, stack);
    let applied = cairn.run(&["apply", "-f", &file, "--timeout", "2m"]);
    assert_eq!(applied.code, 0, "{applied:#?}\n{}", cairn.logs());
}

fn example(cairn: &mut Cairn) {
    apply(cairn, "site.yaml", &block("site.yaml"));
    let outputs = || cairn.run(&["endpoints", "site/web", "-o", "json"]).expect(0).json();
    let first = outputs()["first"].as_str().unwrap_or_default().to_owned();
    let page = || Http::new(&format!("http://{first}"), None).get("/");
    assert_eq!(page(), "Welcome from web-0\n");
    cairn.run(&["scale", "site/web", "3"]).expect(0);
    let urls = outputs()["urls"].as_str().unwrap_or_default().to_owned();
    assert_eq!(urls.split(' ').count(), 3, "{urls}");
    let changed = block("site.yaml").replace("Welcome", "Hi").replace("servers: 2", "servers: 3");
    apply(cairn, "site.yaml", &changed);
    assert_eq!(page(), "Hi from web-0\n");
    cairn.run(&["destroy", "site", "--yes"]).expect(0);
    assert!(cairn.processes(&["http.server"]).is_empty());
}

fn jobs(cairn: &mut Cairn) {
    let log = cairn.file("jobs.log", "");
    apply(
        cairn,
        "work.yaml",
        &format!("stack: work\nservices:\n  jobs: {{ framework: jobs, log: {log} }}\n"),
    );
    let count = |word: &str| {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.lines().filter(|line| *line == word).count()
    };
    assert_eq!((count("loaded"), count("sum 41")), (1, 1), "apply waits for what runs once");
    assert!(cairn.processes(&["http.server", "--directory in"]).is_empty(), "the gang's helpers are gone");
    until("the timed job has run twice", Duration::from_secs(30), || (count("tick") > 1).then_some(()));
    until("what follows it has run twice", Duration::from_secs(30), || (count("tock") > 1).then_some(()));
    let api = "/v1/stacks/work/services/jobs/proxy/v1";
    let jobs = cairn.http().get(&format!("{api}/jobs"));
    let load = jobs["jobs"].as_array().into_iter().flatten().find(|j| j["job"] == "load-0").cloned();
    let load = load.expect("the job is listed");
    assert_eq!((&load["phase"], &load["runs"][0]["exit_code"]), (&json!("finished"), &json!(0)), "{load:#}");

    // Another scheduler process, and another configuration, do not run it again; asking for it does.
    let scheduler = cairn.processes(&["scheduler service", "work-jobs"]).remove(0);
    let killed = std::process::Command::new("kill").args(["-9", &scheduler.pid.to_string()]).status();
    assert!(killed.is_ok_and(|s| s.success()));
    let run = || cairn.http().try_send("POST", &format!("{api}/jobs/load-0/run"), None);
    until("its scheduler is back", Duration::from_secs(60), || run().ok().filter(|(code, _)| *code == 202));
    until("the job has run again", Duration::from_secs(30), || (count("loaded") > 1).then_some(()));
    assert_eq!((count("loaded"), count("sum 41")), (2, 1));
    cairn.run(&["destroy", "work", "--yes"]).expect(0);
}

fn foreign(cairn: &mut Cairn) {
    let program = cairn.file("scheduler.py", include_str!("service/scheduler.py"));
    let stack = format!("stack: guest\nservices:\n  py: {{ framework: foreign, program: {program} }}\n");
    apply(cairn, "guest.yaml", &stack);
    let outputs = cairn.run(&["endpoints", "guest/py", "-o", "json"]).expect(0).json();
    assert_eq!(outputs["master"], json!(cairn.master()), "read from a URL");
    assert_eq!(outputs["note"], "noted by probe-0", "read from a file in a sandbox");
    assert_eq!(cairn.processes(&["sleep 4321"]).len(), 2, "one on every agent");
    let page = Http::new(outputs["url"].as_str().unwrap_or_default().trim_end_matches('/'), None);
    until("its task runs", Duration::from_secs(30), || {
        (page.get("/")["task"]["state"] == json!("TASK_RUNNING")).then_some(())
    });
    assert_eq!(cairn.processes(&["sleep 1234"]).len(), 2, "a shell and what it runs");
    cairn.run(&["destroy", "guest", "--yes"]).expect(0);
    until("its task is gone", Duration::from_secs(20), || {
        cairn.processes(&["sleep 1234"]).is_empty().then_some(())
    });
    assert!(cairn.processes(&["scheduler.py"]).is_empty());
}
