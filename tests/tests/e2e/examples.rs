//! The services in `examples/`, as their readers would run them: real software that nobody has written a framework for.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use cairn_tests::{Cairn, Http, Output, cairn, processes, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::Story;

pub(crate) fn story() -> Vec<Trial> {
    Story::new("examples")
        .step("a_web_application_keeps_its_notes_in_a_database", setup, web)
        .step("a_scheduler_in_python_crawls_with_executors_of_its_own", setup, crawler)
        .step("an_mpi_program_runs_as_a_gang", setup, mpi)
        .step("a_storm_topology_counts_words_on_the_stacks_zookeeper", setup, storm)
        .step("a_spark_job_reads_the_stacks_kafka", setup, spark)
        .end()
}

const PATIENCE: Duration = Duration::from_secs(60);

fn setup() -> Cairn {
    Cairn::new(3).resources("cpus:8;mem:4096;disk:10240;ports:[31000-31999]").up()
}

/// Applies an example's stack and waits until it serves.
fn apply(cairn: &Cairn, name: &str, more: &[&str]) -> Output {
    let file = cairn::checkout().join("examples").join(name).join("stack.yaml").display().to_string();
    let args = [&["apply", "-f", &file, "--timeout", "2m"][..], more].concat();
    let output = cairn.run(&args);
    assert_eq!(output.code, 0, "{output:#?}\n{}", cairn.logs());
    output
}

/// Takes a stack down; nothing that belongs to it may run afterwards.
fn destroy(cairn: &Cairn, stack: &str, programs: &[&str]) {
    cairn.run(&["destroy", stack, "--yes", "--delete-data", "--timeout", "1m"]).expect(0);
    for program in programs {
        assert_eq!(cairn.processes(&[program]), [], "{program} outlives its stack");
    }
}

/// An output of a stack.
#[expect(clippy::panic, reason = "a test's failure is a panic")]
fn output(cairn: &Cairn, stack: &str, name: &str) -> String {
    let outputs = &cairn.http().get(&format!("/v1/stacks/{stack}"))["outputs"];
    outputs[name].as_str().unwrap_or_else(|| panic!("no output {name}: {outputs:#}")).to_owned()
}

fn web(cairn: &mut Cairn) {
    let password = cairn.file("password", "tr0ub4dor");
    cairn.run(&["secret", "set", "database", "--from-file", &password]).expect(0);
    apply(cairn, "web", &[]);
    let urls = output(cairn, "guestbook", "urls");
    let servers: Vec<Http> = urls.split(',').map(|url| Http::new(url, None)).collect();
    assert_eq!(servers.len(), 2, "{urls}");
    assert_eq!(servers[0].send("POST", "/notes", Some(json!("first"))).0, 201);
    let read = |wanted: Value| {
        until("the other server reads the notes", PATIENCE, || {
            servers[1].try_send("GET", "/notes", None).ok().filter(|answer| *answer == (200, wanted.clone()))
        });
    };
    read(json!(["first"]));

    // PostgreSQL refuses to be root; killed the hard way it comes back where its data is.
    let server = cairn.processes(&["postgresql", "-D data/db"]).remove(0);
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid)).expect("it runs");
    assert!(status.contains("Uid:\t65534\t65534"), "{status}");
    processes::kill_hard(server.pid);
    until("the database is another process", PATIENCE, || {
        let now = cairn.processes(&["postgresql", "-D data/db"]);
        now.first().filter(|now| now.pid != server.pid).map(|_| ())
    });
    read(json!(["first"]));
    assert_eq!(servers[1].send("POST", "/notes", Some(json!("second"))).0, 201);

    // An orderly restart, which the scheduler of the database is asked for.
    let before = cairn.processes(&["postgresql", "-D data/db"]).remove(0);
    let service = "/v1/stacks/guestbook/services/database/proxy";
    assert_eq!(cairn.http().send("POST", &format!("{service}/v1/groups/server/restart"), None).0 / 100, 2);
    until("the database has been restarted", PATIENCE, || {
        let now = cairn.processes(&["postgresql", "-D data/db"]);
        now.first().filter(|now| now.pid != before.pid).map(|_| ())
    });
    read(json!(["first", "second"]));
    destroy(cairn, "guestbook", &["postgresql", "app.py"]);
}

fn crawler(cairn: &mut Cairn) {
    apply(cairn, "crawler", &[]);
    let report = output(cairn, "crawl", "report");
    let report = Http::new(report.trim_end_matches('/'), None);
    let (_, page) = report.send("GET", "/", None);
    assert!(page.as_str().is_some_and(|page| page.contains("<h1>4 pages</h1>")), "{page}");
    let (_, found) = report.send("GET", "/site.dot", None);
    let found = found.as_str().unwrap_or_default().to_owned();
    for page in ["Stones", "Granite", "Slate", "Feldspar"] {
        assert!(found.contains(&format!("[label=\"{page}\"]")), "{page}: {found}");
    }
    assert_eq!(found.matches(" -> ").count(), 6, "{found}");

    // A scheduler that is killed comes back as the same framework and finds what it knew; its executors do not notice.
    let executors = || cairn.processes(&["executor.py"]);
    let before = executors();
    assert!(before.len() >= 2, "{before:?}");
    let scheduler = cairn.processes(&["scheduler.py"]).remove(0);
    processes::kill_hard(scheduler.pid);
    let again = until("the scheduler is back", PATIENCE, || {
        let now = cairn.processes(&["scheduler.py"]);
        now.into_iter().find(|now| now.pid != scheduler.pid)
    });
    let place = |name: &str| {
        let mut words = again.command.split(' ').skip_while(|word| *word != name);
        words.nth(1).expect("its command line names where it serves").to_owned()
    };
    let http = Http::new(&format!("http://{}:{}", place("--listen"), place("--port")), None);
    let (_, graph) = until("it serves what it knew", PATIENCE, || {
        http.try_send("GET", "/graph", None).ok().filter(|(status, _)| *status == 200)
    });
    assert_eq!(graph, json!(found));
    assert_eq!(executors(), before);
    destroy(cairn, "crawl", &["scheduler.py"]);
    // The cluster ends them when their framework is torn down, a moment later.
    until("its executors are gone", PATIENCE, || executors().is_empty().then_some(()));
}

fn mpi(cairn: &mut Cairn) {
    let source = cairn::checkout().join("examples/mpi/pi.c");
    let program = cairn.folder().join("pi").display().to_string();
    let built = Command::new("mpicc").args(["-O2", "-o", &program]).arg(source).status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "pi.c does not compile; `make examples` installs what is needed"
    );
    apply(cairn, "mpi", &["--param", &format!("program={program}")]);
    let said = until("the result is there", PATIENCE, || {
        let output = cairn.run(&["logs", "mpi/pi/launcher-0"]);
        output.stdout.contains("pi=").then_some(output.stdout)
    });
    assert!(said.contains("pi=3.14159265") && said.contains("ranks=3"), "{said}");
    assert_eq!(cairn.processes(&["sshd_config"]), [], "workers go with the job");
    destroy(cairn, "mpi", &["launcher.py", "worker.py"]);
}

fn storm(cairn: &mut Cairn) {
    apply(cairn, "storm", &[]);
    let board = Http::new(&output(cairn, "storm", "board"), None);
    until("the words are counted", PATIENCE, || {
        let counts = board.get("/");
        (counts["the"] == json!("5") && counts["stones"] == json!("3") && counts["below"] == json!("1"))
            .then_some(())
    });
    let workers = cairn.processes(&["org.apache.storm.daemon.worker.Worker"]);
    // Beside each is a small process that writes its log.
    let workers: Vec<_> =
        workers.iter().filter(|p| !p.command.contains("org.apache.storm.LogWriter")).collect();
    assert_eq!(workers.len(), 2, "{workers:?}");
    destroy(cairn, "storm", &["org.apache.storm", "org.apache.zookeeper"]);
}

fn spark(cairn: &mut Cairn) {
    let dist = std::env::var("CAIRN_DIST").map_or_else(|_| cairn::checkout().join("dist"), PathBuf::from);
    let home = dist.join("pyspark-4.0.0");
    assert!(home.join("complete").is_file(), "no PySpark; `make examples` fetches it");
    apply(cairn, "spark", &["--param", &format!("home={}", home.display())]);
    let bootstrap = cairn.run(&["endpoints", "spark/kafka", "-o", "json"]).expect(0).json();
    let bootstrap = bootstrap["bootstrap"].as_str().unwrap_or_default().to_owned();
    let read = Command::new("kcat")
        .args(["-C", "-b", &bootstrap, "-t", "words", "-e", "-q", "-f", "%k=%s\n"])
        .output();
    let counts =
        String::from_utf8(read.expect("kcat, which `make examples` installs").stdout).unwrap_or_default();
    let counts: Vec<&str> = counts.lines().collect();
    for count in ["the=5", "stones=3", "below=1"] {
        assert!(counts.contains(&count), "{count}: {counts:?}");
    }
    assert_eq!(counts.len(), 12, "{counts:?}");
    destroy(cairn, "spark", &["org.apache.spark", "kafka.Kafka", "org.apache.zookeeper"]);
}
