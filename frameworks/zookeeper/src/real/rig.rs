//! Plays SDK and executor for real servers on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cairn_framework::kit::founding::{CLUSTER, FOUNDERS};
use cairn_framework::{
    Action, Artifact, Ask, Config, Handle, InstanceSpec, InstanceStatus, Moment, Phase, Placement, Published,
    Service, Verdict, View, simulation,
};
use cairn_task::{FileMode, Place, TaskSpec};
use cairn_zookeeper_admin::{ServerId, fourletter};
use serde_json::{Value, json};
use zookeeper_client::{Acls, Client, CreateMode};

use crate::formation::MEMBERS;
use crate::names::name_of;
use crate::service::ZooKeeper;
use crate::survey;

/// The archive that `make dist` puts together: below CAIRN_DIST, or `dist/` of the checkout.
fn archive() -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let dist = std::env::var_os("CAIRN_DIST").unwrap_or_else(|| "dist".into());
    let archive = checkout.join(dist).join("zookeeper-3.9.4.tar");
    assert!(archive.exists(), "{} is missing: run `make dist`", archive.display());
    archive
}
const TRIES: u32 = 400;
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Rig {
    dir: tempfile::TempDir,
    service: ZooKeeper,
    handle: Handle,
    pub(super) options: Value,
    view: View,
    running: BTreeMap<ServerId, Child>,
    sandboxes: u32,
}

impl Drop for Rig {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Rig {
    pub(super) fn new(nodes: u32) -> Self {
        let mut rig = Self {
            dir: tempfile::tempdir().unwrap(),
            service: ZooKeeper,
            handle: simulation::handle(Published::default()),
            options: json!({ "heap": "64MiB" }),
            view: View { framework: "t-zk".into(), ..View::default() },
            running: BTreeMap::new(),
            sandboxes: 0,
        };
        rig.scale(nodes);
        rig.view.facts.insert(FOUNDERS.into(), rig.view.target.clone().into());
        rig
    }

    pub(super) fn scale(&mut self, nodes: u32) {
        self.options["nodes"] = nodes.into();
        self.view.target = (1..=nodes).map(name_of).collect();
        for id in 1..=nodes {
            self.view.instances.entry(name_of(id)).or_insert_with(|| InstanceStatus {
                name: name_of(id),
                placement: Some(place(id)),
                ..InstanceStatus::default()
            });
        }
    }

    fn config(&self) -> Config {
        let artifact = Artifact { uri: archive().display().to_string(), ..Artifact::default() };
        let distributions = [("3.9.4".to_owned(), artifact)].into();
        Config { options: self.options.clone().into(), distributions, ..Config::default() }
    }

    pub(super) fn launch(&mut self, id: ServerId) {
        let config = self.config();
        let spec = InstanceSpec { name: name_of(id), ..InstanceSpec::default() };
        let task = self.service.task(&config, &spec, &self.view).unwrap();
        self.sandboxes += 1;
        let sandbox = self.dir.path().join(format!("sandbox-{}", self.sandboxes));
        let volume = self.dir.path().join(format!("volume-{id}"));
        fs::create_dir_all(&sandbox).unwrap();
        fs::create_dir_all(&volume).unwrap();
        symlink(&volume, sandbox.join("data")).unwrap();
        run(Command::new("tar").arg("xf").arg(archive()), &sandbox);
        let status = self.view.instances.get_mut(&name_of(id)).unwrap();
        self.running.insert(id, execute(&task, status.placement.as_ref().unwrap(), &sandbox));
        status.task_id = Some(format!("{}.{}", name_of(id), self.sandboxes));
        status.phase = Phase::Ready;
    }

    pub(super) fn stop(&mut self, id: ServerId) {
        let mut child = self.gone(id);
        run(Command::new("kill").arg(child.id().to_string()), self.dir.path());
        child.wait().unwrap();
    }

    pub(super) fn crash(&mut self, id: ServerId) {
        let mut child = self.gone(id);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn gone(&mut self, id: ServerId) -> Child {
        let status = self.view.instances.get_mut(&name_of(id)).unwrap();
        status.task_id = None;
        status.phase = Phase::Waiting;
        self.running.remove(&id).unwrap()
    }

    /// What the watcher notes.
    pub(super) async fn note(&mut self) {
        let members = json!(survey::take(&self.view).await.members().unwrap());
        self.view.observed.insert(MEMBERS.into(), members.into());
        self.view.facts.insert(CLUSTER.into(), json!("1"));
    }

    /// The scheduler has been killed and is back: it knows of places, and of nothing else.
    pub(super) fn forget(&mut self) {
        self.view.observed.clear();
    }

    /// What a gate says once.
    pub(super) async fn ask(&self, id: ServerId, action: Action, moment: Moment) -> Result<(), String> {
        let (config, view) = (self.config(), self.view.clone().into());
        match self
            .service
            .gate(&self.handle, &Ask { moment, action, instance: name_of(id), config, view })
            .await
        {
            Verdict::Go => Ok(()),
            Verdict::Wait(reason) | Verdict::Refuse(reason) => Err(reason),
        }
    }

    /// Asks until the gate opens.
    pub(super) async fn pass(&mut self, id: ServerId, action: Action, moment: Moment) {
        let mut last = String::new();
        for _ in 0..TRIES {
            match self.ask(id, action, moment).await {
                Ok(()) => return,
                Err(reason) => {
                    if reason != last {
                        eprintln!("{} {action:?} {moment:?}: {reason}", name_of(id));
                    }
                    if reason.contains("noted") {
                        self.note().await;
                    }
                    last = reason;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("{} {action:?} {moment:?} stays closed: {last}", name_of(id));
    }

    /// Removes servers in whatever order the gates allow.
    pub(super) async fn remove(&mut self, ids: &[ServerId]) {
        let mut left = ids.to_vec();
        for _ in 0..TRIES {
            let Some(at) = self.first_open(&left).await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let id = left.remove(at);
            self.stop(id);
            self.pass(id, Action::Remove, Moment::After).await;
            if left.is_empty() {
                return;
            }
        }
        panic!("{left:?} cannot be removed");
    }

    async fn first_open(&self, ids: &[ServerId]) -> Option<usize> {
        for (at, id) in ids.iter().enumerate() {
            match self.ask(*id, Action::Remove, Moment::Before).await {
                Ok(()) => return Some(at),
                Err(reason) => eprintln!("{} Remove: {reason}", name_of(*id)),
            }
        }
        None
    }

    pub(super) async fn serves(&self, id: ServerId) {
        for _ in 0..TRIES {
            if survey::take(&self.view).await.report(id).is_some() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("{} does not serve", name_of(id));
    }

    pub(super) async fn voters(&self) -> Vec<ServerId> {
        survey::take(&self.view).await.members().unwrap().voters().collect()
    }

    pub(super) async fn leader(&self) -> Option<ServerId> {
        survey::take(&self.view).await.leader().map(|(id, _)| id)
    }

    pub(super) async fn followers_first(&self) -> Vec<ServerId> {
        let leader = self.leader().await;
        let mut ids: Vec<_> = self.running.keys().copied().collect();
        ids.sort_by_key(|id| Some(*id) == leader);
        ids
    }

    fn endpoint(&self, id: ServerId) -> String {
        self.view.placement(&name_of(id)).unwrap().endpoint("client").unwrap()
    }

    pub(super) async fn conf(&self, id: ServerId) -> String {
        fourletter::ask(&self.endpoint(id), "conf").await.unwrap()
    }

    pub(super) async fn create(&self, path: &str) {
        let client = Client::connect(&self.endpoint(1)).await.unwrap();
        client.create(path, b"x", &CreateMode::Persistent.with_acls(Acls::anyone_all())).await.unwrap();
    }

    pub(super) async fn exists(&self, path: &str, at: ServerId) -> bool {
        let client = Client::connect(&self.endpoint(at)).await.unwrap();
        client.sync("/").await.unwrap();
        client.check_stat(path).await.unwrap().is_some()
    }
}

fn place(id: ServerId) -> Placement {
    let address = format!("127.0.0.{id}");
    let held = ["client", "quorum", "election"]
        .map(|name| (name, TcpListener::bind((address.as_str(), 0)).unwrap()));
    let ports = held.iter().map(|(name, l)| ((*name).to_owned(), l.local_addr().unwrap().port())).collect();
    let volumes = [("data".to_owned(), format!("volume-{id}"))].into();
    Placement { address, ports, volumes, ..Placement::default() }
}

fn execute(task: &TaskSpec, placement: &Placement, sandbox: &PathBuf) -> Child {
    let place = Place {
        address: placement.address.clone(),
        ports: placement.ports.clone(),
        sandbox: sandbox.display().to_string(),
        ..Place::default()
    };
    let task = task.render(&place).unwrap();
    for file in &task.files {
        let path = sandbox.join(&file.path);
        if file.keep && path.exists() {
            continue;
        }
        fs::write(&path, &file.content).unwrap();
        if file.mode == FileMode::Private {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    for command in &task.prepare {
        run(Command::new(&command[0]).args(&command[1..]), sandbox);
    }
    let log = fs::File::create(sandbox.join("log")).unwrap();
    let mut command = Command::new(&task.command[0]);
    command.args(&task.command[1..]).current_dir(sandbox).stdin(Stdio::null());
    command.stderr(log.try_clone().unwrap()).stdout(log).spawn().unwrap()
}

fn run(command: &mut Command, dir: &Path) {
    assert!(command.current_dir(dir).status().unwrap().success(), "{command:?}");
}
