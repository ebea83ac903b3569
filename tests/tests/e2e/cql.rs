//! Cassandra's clients: the driver for Python, in an environment of its own beside the distributions.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Python with the driver; installed when it is missing.
fn python() -> PathBuf {
    let dist = std::env::var_os("CAIRN_DIST")
        .map_or_else(|| cairn_tests::cairn::checkout().join("dist"), PathBuf::from);
    let folder = dist.join(".python-cassandra");
    let python = folder.join("bin/python");
    let works = |python: &PathBuf| {
        let import =
            Command::new(python).args(["-c", "import cassandra.cluster"]).stderr(Stdio::null()).status();
        import.is_ok_and(|s| s.success())
    };
    if !works(&python) {
        let run = |program: &std::path::Path, args: &[&str]| {
            let done = Command::new(program).args(args).output().expect("it starts");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        run("python3".as_ref(), &["-m", "venv", folder.to_str().expect("a path in UTF-8")]);
        run(&python, &["-m", "pip", "-q", "install", "cassandra-driver"]);
    }
    python
}

/// Rows of each statement.
pub(crate) fn execute(points: &str, statements: &[String]) -> Vec<Value> {
    let script = cairn_tests::cairn::checkout().join("tests/tests/e2e/cql.py");
    let mut child = Command::new(python())
        .arg(script)
        .arg(points)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    let text = statements.iter().fold(String::new(), |text, s| text + s + "\n");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    let out = child.wait_with_output().expect("it ends");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let lines = String::from_utf8_lossy(&out.stdout).into_owned();
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The one row set of one statement.
pub(crate) fn query(points: &str, statement: &str) -> Value {
    execute(points, &[statement.to_owned()]).pop().unwrap_or_default()
}
