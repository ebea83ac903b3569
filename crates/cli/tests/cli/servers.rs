//! Servers as users start and stop them; no service runs on them.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cairn::{Cairn, Output, finish};

/// A server that does not outlive its test.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    pub(crate) fn start(cairn: &Cairn, args: &[&str]) -> Self {
        let log = cairn.path(&format!("{}.log", args[0]));
        let out = File::create(&log).unwrap();
        let mut command = cairn.command(args);
        command.env("CAIRN_CONTEXT", context(cairn)).stdout(out.try_clone().unwrap()).stderr(out);
        Self { child: command.spawn().unwrap(), log }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the condition gives something.
    pub(crate) fn until<T>(&mut self, what: &str, condition: impl Fn() -> Option<T>) -> T {
        for _ in 0..1200 {
            if let Some(found) = condition() {
                return found;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{what}: it has ended: {ended:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("{what}: not within 30 s\n{}", self.log());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn stop(mut self, signal: Signal) -> (ExitStatus, String) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let status = self.child.wait().unwrap();
        (status, self.log())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn context(cairn: &Cairn) -> PathBuf {
    cairn.path("context.json")
}

fn client(cairn: &Cairn, args: &[&str]) -> Output {
    finish(cairn.command(args).env("CAIRN_CONTEXT", context(cairn)))
}

fn answers(cairn: &Cairn) -> Option<()> {
    (client(cairn, &["status"]).code == Some(0)).then_some(())
}

#[test]
fn dev_says_where_it_is_and_comes_back_there() {
    let cairn = Cairn::new();
    let dir = cairn.path("work").display().to_string();
    let args = ["dev", "--work-dir", &dir, "--listen", "127.0.0.1:0", "--cluster-listen", "127.0.0.1:0"];
    let mut dev = Server::start(&cairn, &args);
    dev.until("the controller answers", || answers(&cairn));
    let note: Value = serde_json::from_str(&fs::read_to_string(context(&cairn)).unwrap()).unwrap();
    assert_eq!(fs::metadata(context(&cairn)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(context(&cairn)).unwrap(), fs::read(cairn.path("work/context.json")).unwrap());
    let token = note["token_file"].as_str().unwrap();
    assert_eq!(fs::metadata(token).unwrap().permissions().mode() & 0o777, 0o600);

    let out = client(&cairn, &["status"]).expect(0);
    assert_eq!(out.stdout, "");
    assert!(out.stderr.contains("no stack has been applied yet"), "{}", out.stderr);
    assert_eq!(client(&cairn, &["status", "-o", "json"]).expect(0).json(), serde_json::json!([]));
    client(&cairn, &["plan", "-f", "specs/kafka.yaml"]).expect(2);
    let second = client(&cairn, &args).expect(1);
    assert!(second.stderr.contains("another cairn dev works in"), "{}", second.stderr);
    let other = cairn.path("other").display().to_string();
    let listen = note["controller"].as_str().unwrap().trim_start_matches("http://");
    let taken = client(&cairn, &["dev", "--work-dir", &other, "--listen", listen]).expect(1);
    assert!(taken.stderr.contains(&format!("cannot listen on {listen}")), "{}", taken.stderr);

    let (status, log) = dev.stop(Signal::TERM);
    assert!(status.success(), "{log}");
    assert!(log.contains("cairn dev is up") && log.contains("go on running"), "{log}");
    let gone = client(&cairn, &["status"]).expect(1);
    assert!(gone.stderr.contains(&format!("--work-dir {dir}")), "{}", gone.stderr);

    let mut again = Server::start(&cairn, &args[..5]);
    again.until("the controller answers again", || answers(&cairn));
    let there: Value = serde_json::from_str(&fs::read_to_string(context(&cairn)).unwrap()).unwrap();
    assert_eq!(there, note, "a restart finds its addresses again");
    assert!(again.stop(Signal::INT).0.success());
}

#[test]
fn a_cluster_that_makes_no_sense_is_refused() {
    let cairn = Cairn::new();
    let dir = cairn.path("work").display().to_string();
    let run = |more: &[&str]| {
        let args: Vec<&str> = ["cluster", "--listen", "127.0.0.1:0", "--work-dir", &dir]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        cairn.run(&args).expect(1).stderr
    };
    assert!(
        run(&["--agents", "251"])
            .contains("error: the cluster cannot start: a cluster has at most 250 agents")
    );
    assert!(run(&["--resources", "cpus:many"]).contains("--resources"));
    assert!(
        run(&["--attributes", "rack:a", "--attributes", "rack:b"]).contains("--attributes is given 2 times")
    );
    assert!(run(&["--log", "cairn=loud"]).contains("does not say what to log"));
}

#[test]
fn a_scheduler_that_is_not_built_in_is_refused() {
    let args =
        ["scheduler", "solr", "--master", "127.0.0.1:1", "--framework", "x", "--state", "s", "--config", "c"];
    let out = Cairn::new().run(&args).expect(1);
    assert!(
        out.stderr.starts_with("error: there is no built-in scheduler `solr`\nhint: there are: "),
        "{out:?}"
    );
    assert!(out.stderr.contains("kafka, "), "{out:?}");
}
