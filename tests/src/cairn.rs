//! The program under test as its user has it: a binary, a work folder, a command line.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Authority, Http, processes, until};

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is not.
    #[expect(clippy::panic, reason = "a test's failure is a panic")]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("not JSON ({e}): {self:#?}"))
    }

    /// The same, if the exit code is this one.
    ///
    /// # Panics
    /// When it is another.
    // Often the exit code is all that matters.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// A cluster and a controller, in a folder that goes away with all that works in it.
pub struct Cairn {
    binary: PathBuf,
    folder: tempfile::TempDir,
    cluster: Option<Child>,
    controller: Option<Child>,
    cluster_port: u16,
    controller_port: u16,
    /// Where the servers listen.
    host: Ipv4Addr,
    agents: usize,
    /// Agents that are processes of their own.
    apart: Vec<Option<Child>>,
    /// Where those live, if not beside the cluster's own.
    homes: Vec<Home>,
    /// Who may ask the cluster, if not everybody.
    operator: Option<(String, String)>,
    resources: Option<String>,
    path: Option<String>,
    frameworks: Option<PathBuf>,
    /// What each verb is told beside the usual.
    told: BTreeMap<&'static str, Vec<String>>,
    /// Whose certificates the cluster's servers show, as PEM, where they speak TLS.
    authority: Option<String>,
}

/// A place for an agent that is a process of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Its address there.
    pub address: Ipv4Addr,
    /// The words before a command that make it run there.
    pub within: Vec<String>,
}

/// A program of Cairn that nothing of Cairn starts again; whoever runs one keeps it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The master.
    Master,
    /// The controller.
    Controller,
    /// An agent that is a process of its own, by its place.
    Agent(usize),
}

/// The folder of the checkout.
pub fn checkout() -> PathBuf {
    // What cargo says at run time: with a target directory that several checkouts share, what it said when this was
    // compiled may name another one.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().map(Path::to_owned).unwrap_or_default()
}

/// The binary that the tests run: `CAIRN_BIN`, or the release build beside the checkout.
pub fn binary() -> PathBuf {
    std::env::var_os("CAIRN_BIN").map_or_else(|| checkout().join("target/release/cairn"), PathBuf::from)
}

/// The address of the agent of this place, from 0.
fn agent_address(place: usize) -> Ipv4Addr {
    let first = std::env::var("CAIRN_FIRST_ADDRESS").ok().and_then(|a| a.parse().ok());
    let first: u32 = first.unwrap_or(Ipv4Addr::LOCALHOST).into();
    Ipv4Addr::from(first + u32::try_from(place).unwrap_or_default())
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    listener.map(|a| a.port()).unwrap_or_default()
}

#[expect(clippy::unwrap_used, clippy::panic, reason = "a test's failure is a panic")]
impl Cairn {
    /// Nothing runs yet.
    pub fn new(agents: usize) -> Self {
        let folder = tempfile::Builder::new().prefix("cairn-e2e").tempdir().unwrap();
        Self {
            binary: binary(),
            folder,
            cluster: None,
            controller: None,
            cluster_port: free_port(),
            controller_port: free_port(),
            host: Ipv4Addr::LOCALHOST,
            agents,
            apart: Vec::new(),
            homes: Vec::new(),
            operator: None,
            resources: None,
            path: None,
            frameworks: None,
            told: BTreeMap::new(),
            authority: None,
        }
    }

    /// Agents with these resources.
    #[must_use]
    pub fn resources(mut self, resources: &str) -> Self {
        self.resources = Some(resources.to_owned());
        self
    }

    /// With a cluster whose agents say this of themselves, one after the other: `rack:r1`.
    #[must_use]
    pub fn attributes(self, each: &[&str]) -> Self {
        let told: Vec<&str> = each.iter().flat_map(|attributes| ["--attributes", attributes]).collect();
        self.tell("cluster", &told)
    }

    /// Servers with this PATH.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// With agents that are processes of their own.
    #[must_use]
    pub fn apart(mut self) -> Self {
        self.apart.resize_with(std::mem::take(&mut self.agents), || None);
        self
    }

    /// With so many agents more that are processes of their own.
    #[must_use]
    pub fn and_apart(mut self, agents: usize) -> Self {
        self.apart.resize_with(agents, || None);
        self
    }

    /// With a cluster that speaks TLS, and clients that trust its authority. Say before which agents there are.
    #[must_use]
    pub fn secure(self) -> Self {
        let authority = Authority::new();
        let places = (0..self.agents).map(agent_address);
        let apart = (0..self.apart.len()).map(|place| self.home(place).address);
        let addresses: Vec<String> = places.chain(apart).chain([self.host]).map(|a| a.to_string()).collect();
        let shown = authority.server(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
        let ca = self.file("ca.pem", &authority.certificate());
        let (certificate, key) = (self.file("tls.pem", &shown.certificate), self.file("tls.key", &shown.key));
        let server = ["--tls-cert", &certificate, "--tls-key", &key, "--ca", &ca];
        let mut secure =
            self.tell("cluster", &server).tell("agent", &server).tell("controller", &["--ca", &ca]);
        secure.authority = Some(authority.certificate());
        secure
    }

    /// A client for a server of the cluster at `host:port`.
    pub fn server(&self, address: &str) -> Http {
        let http = Http::new(&format!("http://{address}"), None);
        match &self.authority {
            Some(authority) => http.trusting(authority),
            None => http,
        }
    }

    /// Where the master answers, as its clients are told.
    fn master_url(&self) -> String {
        let scheme = if self.authority.is_some() { "https://" } else { "" };
        format!("{scheme}{}", self.master())
    }

    /// With agents that are processes of their own, in these places; the servers listen where those reach them.
    #[must_use]
    pub fn at(mut self, host: Ipv4Addr, homes: Vec<Home>) -> Self {
        self.host = host;
        self.apart.resize_with(homes.len(), || None);
        self.homes = homes;
        self
    }

    /// A cluster that lets in only whom it knows: with `secrets`, its controller, its agents and an operator, `ops`.
    #[must_use]
    pub fn closed(mut self, [controller, agent, operator]: [&str; 3]) -> Self {
        let known = format!("cairn {controller}\nagent {agent}\nops {operator}\n");
        let known = self.private("known.txt", &known);
        let controller = self.private("controller.txt", &format!("cairn {controller}\n"));
        let agent = json!({"principal": "agent", "secret": agent}).to_string();
        let agent = self.private("agent.json", &agent);
        self.operator = Some(("ops".to_owned(), operator.to_owned()));
        self.tell("cluster", &["--credentials", &known])
            .tell("agent", &["--credential", &agent, "--credentials", &known])
            .tell("controller", &["--credential", &controller])
    }

    /// Tells the servers of a verb (`cluster`, `agent`, `controller`) more than usual.
    #[must_use]
    pub fn tell(mut self, verb: &'static str, args: &[&str]) -> Self {
        self.told.entry(verb).or_default().extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    fn told(&self, verb: &str) -> impl Iterator<Item = &str> {
        self.told.get(verb).into_iter().flatten().map(String::as_str)
    }

    /// With framework specs in a directory of its folder.
    #[must_use]
    pub fn frameworks(mut self, directory: &str) -> Self {
        self.frameworks = Some(self.folder().join(directory));
        self
    }

    /// Its folder, as `/proc` shows it.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    /// Starts both and waits until both answer.
    #[must_use]
    pub fn up(mut self) -> Self {
        self.start_cluster();
        for place in 0..self.apart.len() {
            self.start_agent(place);
        }
        self.start_controller();
        self
    }

    /// Starts `cairn` with arguments; what it prints goes into a file of the folder.
    pub fn spawn(&self, log: &str, args: &[&str]) -> Child {
        self.spawn_within(&[], log, args)
    }

    fn spawn_within(&self, within: &[String], log: &str, args: &[&str]) -> Child {
        let log = File::options().create(true).append(true).open(self.folder().join(log)).unwrap();
        let mut command = self.command_within(within);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        command.args(args).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command.spawn().unwrap_or_else(|e| panic!("{}: {e}", self.binary.display()))
    }

    fn command(&self) -> Command {
        self.command_within(&[])
    }

    /// A `cairn` with these words before it.
    fn command_within(&self, within: &[String]) -> Command {
        let words: Vec<&OsStr> = within.iter().map(OsStr::new).chain([self.binary.as_os_str()]).collect();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .current_dir(checkout())
            .env("CAIRN_CONTEXT", self.folder().join("context.json"))
            .env("CAIRN_CONTROLLER", self.controller_url())
            .env("CAIRN_TOKEN_FILE", self.token_file())
            .env("HOME", self.folder())
            .env("NO_COLOR", "1");
        if let Some(frameworks) = &self.frameworks {
            command.env("CAIRN_FRAMEWORKS", frameworks);
        }
        command
    }

    /// Starts `cairn cluster`.
    pub fn start_cluster(&mut self) {
        let dir = self.folder().join("cluster");
        let listen = self.master();
        let agents = self.agents.to_string();
        let dir = dir.display().to_string();
        let mut args = vec!["cluster", "--agents", &agents, "--listen", &listen, "--work-dir", &dir];
        if let Some(resources) = &self.resources {
            args.extend(["--resources", resources]);
        }
        args.extend(self.told("cluster"));
        self.cluster = Some(self.spawn("cluster.log", &args));
        let http = self.server(&listen);
        until("the cluster answers", Duration::from_secs(90), || {
            http.try_send("GET", "/health", None).ok().filter(|(status, _)| *status == 200)
        });
    }

    /// Where the agent of a place lives: at its home, or on the address after those of the cluster's own agents and the
    /// one before.
    fn home(&self, place: usize) -> Home {
        let beside = || Home { address: agent_address(self.agents + place), within: Vec::new() };
        self.homes.get(place).cloned().unwrap_or_else(beside)
    }

    fn start_agent(&mut self, place: usize) {
        let home = self.home(place);
        let address = home.address.to_string();
        let dir = self.folder().join(format!("agent-{place}")).display().to_string();
        let master = self.master_url();
        let mut args = vec!["agent", "--master", &master, "--address", &address, "--work-dir", &dir];
        if let Some(resources) = &self.resources {
            args.extend(["--resources", resources]);
        }
        args.extend(self.told("agent"));
        self.apart[place] = Some(self.spawn_within(&home.within, &format!("agent-{place}.log"), &args));
        let http = self.server(&format!("{address}:5051"));
        until("the agent answers", Duration::from_secs(90), || {
            http.try_send("GET", "/health", None).ok().filter(|(status, _)| *status == 200)
        });
    }

    /// Starts one that has ended, and waits until it answers.
    pub fn start(&mut self, server: Server) {
        match server {
            Server::Master => self.start_cluster(),
            Server::Controller => self.start_controller(),
            Server::Agent(place) => self.start_agent(place),
        }
    }

    /// The process of one that runs.
    pub fn pid(&self, server: Server) -> i32 {
        let child = match server {
            Server::Master => &self.cluster,
            Server::Controller => &self.controller,
            Server::Agent(place) => &self.apart[place],
        };
        i32::try_from(child.as_ref().expect("it runs").id()).unwrap()
    }

    /// Waits until one that was told to end has ended.
    pub fn wait(&mut self, server: Server) {
        let child = match server {
            Server::Master => self.cluster.take(),
            Server::Controller => self.controller.take(),
            Server::Agent(place) => self.apart[place].take(),
        };
        let mut child = child.expect("it runs");
        until("it ends", Duration::from_secs(30), || child.try_wait().unwrap());
    }

    /// Starts `cairn controller`.
    pub fn start_controller(&mut self) {
        let dir = self.folder().join("controller").display().to_string();
        let master = self.master_url();
        let listen = format!("{}:{}", self.host, self.controller_port);
        let mut args = vec!["controller", "--master", &master, "--listen", &listen, "--work-dir", &dir];
        args.extend(self.told("controller"));
        self.controller = Some(self.spawn("controller.log", &args));
        until("the controller answers", Duration::from_secs(90), || {
            let answer = Http::new(&self.controller_url(), None).try_send("GET", "/v1/health", None);
            answer.ok().filter(|(status, _)| *status == 200)
        });
    }

    /// kill -9 of the cluster process.
    pub fn kill_cluster(&mut self) {
        kill(self.cluster.take());
    }

    /// Waits until the controller has ended by itself.
    pub fn wait_for_controller(&mut self) {
        let mut controller = self.controller.take().expect("it has been started");
        until("the controller ends", Duration::from_secs(30), || controller.try_wait().ok().flatten());
    }

    /// kill -9 of the controller process.
    pub fn kill_controller(&mut self) {
        kill(self.controller.take());
    }

    /// Ends everything that works in the folder.
    pub fn stop_all(&mut self) {
        if let Ok(folder) = self.folder.path().canonicalize() {
            processes::end_all(&folder);
        }
        let ours = [self.cluster.take(), self.controller.take()];
        for mut child in ours.into_iter().chain(self.apart.drain(..)).flatten() {
            let _ = child.wait();
        }
    }

    /// Where the master answers.
    pub fn master(&self) -> String {
        format!("{}:{}", self.host, self.cluster_port)
    }

    /// The master, for an operator.
    pub fn operator(&self) -> Http {
        let http = self.server(&self.master());
        match &self.operator {
            Some((name, secret)) => http.principal(name, secret),
            None => http,
        }
    }

    /// Starts another program in the folder, with `CAIRN_BIN` set.
    pub fn spawn_program(&self, program: &Path, args: &[&str]) -> Child {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.folder()).env("CAIRN_BIN", &self.binary);
        let log = File::create(self.folder().join("program.log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command.spawn().unwrap_or_else(|e| panic!("{}: {e}", program.display()))
    }

    /// Where the controller answers.
    pub fn controller_url(&self) -> String {
        format!("http://{}:{}", self.host, self.controller_port)
    }

    /// The file with its token.
    pub fn token_file(&self) -> PathBuf {
        self.folder().join("controller/token")
    }

    /// A client for the controller, with its token.
    pub fn http(&self) -> Http {
        let token = fs::read_to_string(self.token_file()).unwrap();
        Http::new(&self.controller_url(), Some(token.trim().to_owned()))
    }

    /// Runs `cairn` with arguments and waits for its end.
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command();
        let out = command.args(args).stdin(Stdio::null()).output().unwrap();
        Output {
            code: out.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
        }
    }

    /// As [`Self::run`], with environment variables and standard input.
    pub fn run_with(&self, args: &[&str], env: &[(&str, &str)], stdin: &str) -> Output {
        let mut command = self.command();
        command.args(args).envs(env.iter().copied()).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        Output {
            code: out.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
        }
    }

    /// Applies a stack file, and waits until all of it serves.
    #[track_caller]
    pub fn apply(&self, file: &str, timeout: &str) {
        let out = self.run(&["apply", "-f", file, "--timeout", timeout]);
        assert_eq!(out.code, 0, "{}\n{}\n{}", out.stdout, out.stderr, self.logs());
    }

    /// Writes a file into the folder; gives its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// The same, for a file that only its owner may read.
    pub fn private(&self, name: &str, text: &str) -> String {
        let path = self.file(name, text);
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    /// The running processes whose command line contains all of `parts`.
    pub fn processes(&self, parts: &[&str]) -> Vec<processes::Process> {
        let mut all = processes::below(&self.folder());
        all.retain(|p| parts.iter().all(|part| p.command.contains(part)));
        all
    }

    /// What all files of this name in the folder hold, for example the `stdout` of all tasks.
    pub fn files(&self, name: &str) -> Vec<String> {
        let mut folders = vec![self.folder()];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            // What goes away meanwhile is not there.
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    Ok(kind) if kind.is_file() && entry.file_name() == *name => {
                        found.extend(fs::read_to_string(entry.path()).ok());
                    }
                    _ => {}
                }
            }
        }
        found
    }

    /// The last lines of the controller's and the cluster's logs, for a failure's report.
    pub fn logs(&self) -> String {
        let tail = |name: &str| {
            let text = fs::read_to_string(self.folder().join(name)).unwrap_or_default();
            let lines: Vec<_> = text.lines().rev().take(30).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        format!("--- cluster.log\n{}\n--- controller.log\n{}", tail("cluster.log"), tail("controller.log"))
    }
}

fn kill(child: Option<Child>) {
    if let Some(mut child) = child {
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Cairn {
    fn drop(&mut self) {
        self.stop_all();
    }
}
