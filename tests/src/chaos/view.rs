//! The stack as the controller tells it and as `/proc` shows it, side by side.

use std::collections::BTreeMap;

use serde_json::Value;

use super::decide::{Service, Target, Topology};
use super::sight::{Container, Sight};
use crate::Cairn;

/// The stack's name.
pub const STACK: &str = "chaos";

/// Both at one moment.
pub struct View {
    stack: Value,
    schedulers: Value,
    sight: Sight,
}

/// Where an instance is: its agent, address, ports and volumes, with its name. None of it may change.
pub type Places = BTreeMap<String, Value>;

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_default()
}

fn get(cairn: &Cairn, path: &str) -> Result<Value, String> {
    let (status, told) = cairn.http().try_send("GET", path, None).map_err(|error| error.to_string())?;
    if status == 200 { Ok(told) } else { Err(format!("GET {path}: HTTP {status} {told}")) }
}

impl View {
    /// Asks and looks.
    ///
    /// # Errors
    /// When the controller does not answer.
    pub fn of(cairn: &Cairn) -> Result<Self, String> {
        let stack = get(cairn, &format!("/v1/stacks/{STACK}"))?;
        let schedulers = get(cairn, "/v1/instances")?;
        Ok(Self { stack, schedulers, sight: Sight::of(&cairn.folder()) })
    }

    /// What there is to hurt.
    pub fn topology(&self, agents: usize, homes: bool) -> Topology {
        let names =
            |service: &Value| list(service, "instances").iter().map(|i| text(i, "name").to_owned()).collect();
        let services = list(&self.stack, "services").iter();
        let services =
            services.map(|s| Service { name: text(s, "name").to_owned(), instances: names(s) }).collect();
        Topology { services, agents, homes }
    }

    /// The process of something that runs in a container.
    pub fn pid(&self, target: &Target) -> Option<i32> {
        match target {
            Target::Instance { service, instance } => {
                self.container(service, instance).server.last().copied()
            }
            Target::Executor { service, instance } => self.container(service, instance).executor,
            Target::Scheduler { service } => self.scheduler(service).server.last().copied(),
            Target::Controller | Target::Master | Target::Agent(_) | Target::Link(..) => None,
        }
    }

    fn service(&self, name: &str) -> &Value {
        list(&self.stack, "services").iter().find(|s| text(s, "name") == name).unwrap_or(&Value::Null)
    }

    fn container(&self, service: &str, instance: &str) -> Container {
        let service = self.service(service);
        let found = list(service, "instances").iter().find(|i| text(i, "name") == instance);
        let task = found.map_or("", |i| text(i, "task_id"));
        self.sight.container(text(&service["scheduler"], "framework_id"), task)
    }

    /// A child scheduler is an instance of the controller's own framework, which the stack does not name.
    fn scheduler(&self, service: &str) -> Container {
        let task = text(&self.service(service)["scheduler"], "task_id");
        self.sight.any(task)
    }

    /// Everything is as the file says, and so it runs; or what is not.
    pub fn converged(&self, dead: &[i32]) -> Result<(), String> {
        if self.stack["complete"] != true {
            return Err(format!("the stack is not complete: {}", self.stack["state"]));
        }
        for service in list(&self.stack, "services") {
            let name = text(service, "name");
            if text(&service["scheduler"], "phase") != "ready" {
                return Err(format!("the scheduler of {name} is {}", service["scheduler"]["phase"]));
            }
            runs(&format!("the scheduler of {name}"), &self.scheduler(name), dead)?;
            for instance in list(service, "instances") {
                let which = format!("{name}/{}", text(instance, "name"));
                if text(instance, "phase") != "ready" {
                    return Err(format!("{which} is {}: {}", instance["phase"], instance["message"]));
                }
                runs(&which, &self.container(name, text(instance, "name")), dead)?;
            }
        }
        let late = list(&self.schedulers, "instances").iter().find(|i| text(i, "phase") != "ready");
        late.map_or(Ok(()), |i| Err(format!("{} is {}", i["name"], i["phase"])))
    }

    /// Instances that run twice.
    pub fn twice(&self) -> Vec<String> {
        self.sight.twice()
    }
}

fn runs(which: &str, container: &Container, dead: &[i32]) -> Result<(), String> {
    let all: Vec<i32> = container.server.iter().copied().chain(container.executor).collect();
    if container.server.is_empty() || container.executor.is_none() {
        return Err(format!("{which} is said to be ready and does not run: {container:?}"));
    }
    if let Some(pid) = all.iter().find(|pid| dead.contains(pid)) {
        return Err(format!("{which}: process {pid} is still there"));
    }
    Ok(())
}

/// Where all instances of all services are.
///
/// # Errors
/// When a scheduler does not answer.
pub fn places(cairn: &Cairn, topology: &Topology) -> Result<Places, String> {
    let mut places = Places::new();
    for service in &topology.services {
        let told = get(cairn, &format!("/v1/stacks/{STACK}/services/{}/proxy/v1/instances", service.name))?;
        for instance in list(&told, "instances") {
            places.insert(
                format!("{}/{}", service.name, text(instance, "name")),
                instance["placement"].clone(),
            );
        }
    }
    Ok(places)
}

/// Agents that the master says are there.
///
/// # Errors
/// When the master does not answer.
pub fn agents(cairn: &Cairn) -> Result<usize, String> {
    let call = serde_json::json!({ "type": "GET_AGENTS" });
    let told = cairn.operator().try_send("POST", "/api/v1", Some(call));
    let (_, told) = told.map_err(|error| error.to_string())?;
    Ok(list(&told["get_agents"], "agents").iter().filter(|agent| agent["active"] == true).count())
}
