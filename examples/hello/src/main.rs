//! A framework of your own: any number of small web servers that greet.
//!
//! Only what is different about the service stands here. Offers, placement, restarts, plans, REST, recovery: the SDK.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use cairn_framework::driver::Given;
use cairn_framework::kit::Nodes;
use cairn_framework::{
    Access, Argument, Authorities, Config, Credentials, Handle, InstanceSpec, Master, Model, Operate,
    OperationSpec, PortSpec, Problem, Progress, RunOptions, Service, View, Wait, run,
};
use cairn_task::{Action, ConfigFile, Probe, ProbeKind, ReadySpec, TaskSpec};
use serde::Deserialize;

/// What a stack may set; framework.yaml says the same as a JSON Schema.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    count: u32,
    greeting: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { count: 2, greeting: "Hello".into() }
    }
}

struct Hello;

/// Asks for the page at the first argument as often as the second says.
const WARM_UP: &str = "import sys, time, urllib.request
for n in range(int(sys.argv[2])):
    urllib.request.urlopen(sys.argv[1]).read()
    time.sleep(0.05)
    print(n + 1)
";

#[async_trait::async_trait]
impl Service for Hello {
    fn name(&self) -> &'static str {
        "hello"
    }

    /// Which instances there should be, and what each needs.
    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let options: Options = config.parse()?;
        let instance = |id| InstanceSpec {
            name: format!("web-{id}"),
            cpus: 0.05,
            mem: 32.0,
            ports: vec![PortSpec::any("http")],
            ..InstanceSpec::default()
        };
        Ok(Model { instances: (0..options.count).map(instance).collect(), ..Model::default() })
    }

    /// How one of them is run. A changed greeting changes the file, and so restarts them, one at a time.
    fn task(&self, config: &Config, _: &InstanceSpec, _: &View) -> Result<TaskSpec, Wait> {
        let options: Options = config.parse().map_err(|p| Wait::For(format!("better options: {p:?}")))?;
        let url = "http://{{ address }}:{{ ports.http }}/".to_owned();
        let serve = [
            "python3",
            "-m",
            "http.server",
            "{{ ports.http }}",
            "--bind",
            "{{ address }}",
            "--directory",
            "www",
        ];
        let page = format!("{} from {{{{ instance }}}}\n", options.greeting.replace('{', ""));
        let probe = Probe {
            kind: ProbeKind::Http { url, headers: BTreeMap::new() },
            interval_ms: 100,
            timeout_ms: 1_000,
        };
        Ok(TaskSpec {
            command: serve.map(str::to_owned).to_vec(),
            files: vec![ConfigFile { path: "www/index.html".into(), content: page, ..ConfigFile::default() }],
            requires: [("python3".to_owned(), "install Python 3 on the agent".to_owned())].into(),
            ready: Some(ReadySpec { probe, deadline_ms: 30_000 }),
            ..TaskSpec::default()
        })
    }

    /// What operators can have done: `POST /v1/operations {"operation": "warm-up", "nodes": "*", "times": 100}`.
    fn operations(&self) -> Vec<OperationSpec> {
        const TIMES: Argument = Argument::any("times", "How often; 10 without it");
        let warm_up = OperationSpec::new("warm-up", "Each server asks itself for its page");
        vec![OperationSpec { arguments: &[TIMES], ..warm_up }]
    }

    /// A command beside the server; its last line is what `GET /v1/operations` shows meanwhile.
    async fn operate(&self, handle: &Handle, step: &Operate) -> Progress {
        let url = "http://{{ address }}:{{ ports.http }}/?warm-up";
        let times = step.argument("times").unwrap_or_else(|| "10".into());
        let argv = ["python3", "-u", "-c", WARM_UP, url, &times].map(str::to_owned).to_vec();
        handle.carry_out(step, Action { argv, timeout_ms: 600_000, ..Action::default() }).await
    }

    /// Its servers have numbers: the SDK serves `/v1/servers` and lets operations name them.
    fn nodes(&self) -> Vec<Nodes> {
        vec![Nodes { count: "count", port: "http", ..Nodes::new("web", "servers") }]
    }

    /// What dependents may use: `${hello.urls}`.
    fn outputs(&self, _: &Config, view: &View) -> BTreeMap<String, String> {
        let urls: Vec<_> = view.endpoints("http").iter().map(|e| format!("http://{e}/")).collect();
        [("urls".to_owned(), urls.join(","))].into()
    }
}

/// Reads the command line that a controller gives its schedulers: `--master HOST:PORT --framework NAME --state STATE
/// --config FILE --listen IP --port P --token-file FILE`, and where its cluster wants
/// them `--credential FILE` and `--ca FILE`.
fn options() -> Result<RunOptions, String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let given: BTreeMap<&str, &str> =
        words.chunks_exact(2).filter_map(|w| Some((w[0].strip_prefix("--")?, w[1].as_str()))).collect();
    let need = |name: &str| given.get(name).copied().ok_or(format!("--{name} is missing"));
    let listen = given.get("listen").unwrap_or(&"127.0.0.1");
    let port = given.get("port").unwrap_or(&"0");
    let credentials = given.get("credential").map(|file| Credentials::load(file.as_ref())).transpose();
    let credentials = credentials.map_err(|e| e.to_string())?;
    let authorities = given.get("ca").map(|file| Authorities::load(file.as_ref())).transpose();
    let authorities = authorities.map_err(|e| e.to_string())?;
    let start = Config { revision: 1, ..Config::default() };
    Ok(RunOptions {
        master: Master { address: need("master")?.into(), access: Access { credentials, authorities } },
        framework: need("framework")?.into(),
        state: need("state")?.parse().map_err(|e| format!("--state: {e}"))?,
        advertise: None,
        config: given.get("config").map_or(Given::Default(Box::new(start)), |file| Given::File(file.into())),
        listen: listen.parse().map_err(|e| format!("--listen {listen}: {e}"))?,
        port: port.parse().map_err(|e| format!("--port {port}: {e}"))?,
        token: given.get("token-file").map(PathBuf::from),
        executor: Some(executor().ok_or("`cairn` is not on the PATH, and CAIRN_BIN does not name it")?),
    })
}

/// Agents run the tasks with Cairn's own executor, which this scheduler serves to them.
fn executor() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = || std::env::split_paths(&path).map(|dir| dir.join("cairn")).find(|file| file.is_file());
    std::env::var_os("CAIRN_BIN").map(PathBuf::from).or_else(found)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match options() {
        Ok(options) => run(Arc::new(Hello), options).await.map_err(|e| e.to_string()),
        Err(error) => Err(error),
    };
    result.map_or_else(
        |error| {
            eprintln!("hello: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}
