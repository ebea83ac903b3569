//! Cassandra's clients: the driver for Python, in an environment of its own beside the distributions.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Python with the driver; installed when it is missing.
fn python() -> PathBuf {
    let dist = std::env::var_os("CAIRN_DIST").map_or_else(|| crate::checkout().join("dist"), PathBuf::from);
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

/// A driver that is connected to a cluster.
pub struct Session {
    child: Child,
    statements: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Session {
    /// Starts a driver; a statement that takes longer than `patience` fails.
    ///
    /// # Panics
    /// When Python cannot be started or the driver not installed.
    pub fn open(points: &str, patience: Duration) -> Self {
        let mut child = Command::new(python())
            .arg(crate::checkout().join("tests/src/cql.py"))
            .args([points, &patience.as_secs_f32().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("python starts");
        let statements = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, statements, answers }
    }

    /// The rows of one statement.
    ///
    /// # Errors
    /// What the driver says, or that it has ended: then only another one can go on.
    pub fn execute(&mut self, statement: &str) -> Result<Value, String> {
        writeln!(self.statements, "{statement}").map_err(|error| error.to_string())?;
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|error| error.to_string())?;
        let told: Value = serde_json::from_str(&line).map_err(|_| "the driver has ended".to_owned())?;
        match told["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(told),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Rows of each statement.
///
/// # Panics
/// When one fails.
#[expect(clippy::panic, reason = "a test's failure is a panic")]
pub fn execute(points: &str, statements: &[String]) -> Vec<Value> {
    let mut session = Session::open(points, Duration::from_secs(30));
    let run = |statement: &String| session.execute(statement).unwrap_or_else(|e| panic!("{statement}: {e}"));
    statements.iter().map(run).collect()
}

/// The one row set of one statement.
///
/// # Panics
/// When it fails.
pub fn query(points: &str, statement: &str) -> Value {
    execute(points, &[statement.to_owned()]).pop().unwrap_or_default()
}
