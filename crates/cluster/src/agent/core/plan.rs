//! What the runner is told: sandbox, files, volumes, command line and environment of a container.

use std::ops::Add;
use std::path::PathBuf;
use std::time::Duration;

use cairn_mesos::v1::environment::Variable;
use cairn_mesos::v1::volume::source::sandbox_path;
use cairn_mesos::v1::{CommandInfo, Resource, container_info};

use super::Core;
use super::container::{Container, Kind};
use crate::agent::fetch::{FetchUri, inside};
use crate::agent::isolation::Limits;
use crate::agent::process::SESSION;
use crate::agent::runner::{ContainerPlan, Link, VolumeMount};
use crate::security::Claims;

/// Longest pause between two attempts of an executor to reach the agent.
const SUBSCRIPTION_BACKOFF_MAX: Duration = Duration::from_secs(2);

/// What a command may use beside what it asked for.
const COMMAND_OVERHEAD: Limits = Limits { cpus: 0.1, most_cpus: None, mem_mib: 32.0 };

impl Core {
    /// Where the sandbox of a container is.
    pub(super) fn sandbox(&self, framework: &str, executor: &str, container: &str) -> PathBuf {
        let agent = self.id.as_ref().map_or("", |id| id.value.as_str());
        let mut path = self.settings.work_dir.clone();
        for part in ["slaves", agent, "frameworks", framework, "executors", executor, "runs", container] {
            path.push(part);
        }
        path
    }

    /// The plan of a container, or why there can be none.
    pub(super) fn plan(&self, container: &Container) -> Result<ContainerPlan, String> {
        let command = container.command().ok_or("it has no command")?;
        container.check_image()?;
        check_secrets(command)?;
        let (program, argv) = command_line(command)?;
        Ok(ContainerPlan {
            container: container.id.clone(),
            sandbox: container.sandbox.clone(),
            above: None,
            links: links(container),
            uris: uris(command)?,
            volumes: self.volumes(container.resources())?,
            program,
            argv,
            env: with_variables(self.environment(container), command),
            user: container.user().to_owned(),
            limits: container.limits(),
        })
    }

    /// The plan of a container that is nested in `parent`.
    pub(super) fn nested_plan(
        &self,
        parent: &Container,
        container: &Container,
    ) -> Result<ContainerPlan, String> {
        let mut plan = self.plan(container)?;
        plan.env = self.task_environment(container);
        plan.above = Some(parent.sandbox.clone());
        plan.links.extend(links(parent));
        plan.volumes = self.volumes(container.tasks.iter().flat_map(|t| &t.info.resources))?;
        plan.volumes.extend(self.shared_volumes(parent, container)?);
        Ok(plan)
    }

    /// What a nested container shares with the executor's: the volumes of the task whose source is in the sandbox of the
    /// parent.
    fn shared_volumes(&self, parent: &Container, container: &Container) -> Result<Vec<VolumeMount>, String> {
        let persistent = self.volumes(parent.info.resources.iter())?;
        let asked = container.tasks.iter().flat_map(|t| &t.info.container).flat_map(|c| &c.volumes);
        let mut mounts = Vec::new();
        for volume in asked {
            let Some(from) = volume.source.as_ref().and_then(|source| source.sandbox_path.as_ref()) else {
                continue;
            };
            let relative = |path: &str| {
                inside(path).ok_or_else(|| format!("path {path:?} of a volume must be relative, without .."))
            };
            let (target, path) = (relative(&volume.container_path)?, relative(&from.path)?);
            let source =
                match persistent.iter().find_map(|p| Some(p.source.join(path.strip_prefix(&p.target).ok()?)))
                {
                    Some(persistent) => persistent,
                    None if from.r#type() == sandbox_path::Type::Self_ => container.sandbox.join(path),
                    None => parent.sandbox.join(path),
                };
            mounts.push(VolumeMount { source, target });
        }
        Ok(mounts)
    }

    /// What a command finds, with what the task says of it.
    pub(super) fn task_environment(&self, container: &Container) -> Vec<(String, String)> {
        let own = match &container.parent {
            Some(_) => self.nested_environment(container),
            None => self.environment(container),
        };
        match container.command() {
            Some(command) => with_variables(own, command),
            None => own,
        }
    }

    /// Mesos gives nested containers but this.
    fn nested_environment(&self, container: &Container) -> Vec<(String, String)> {
        let mut env = self.basis(container);
        env.push(("MESOS_SANDBOX".to_owned(), container.sandbox.to_string_lossy().into_owned()));
        env
    }

    /// What every container finds that is nested in this one or beside it.
    pub(super) fn basis(&self, container: &Container) -> Vec<(String, String)> {
        let mut env = vec![
            ("PATH".to_owned(), self.settings.path.clone()),
            ("MESOS_CONTAINER_IP".to_owned(), self.settings.ip.clone()),
        ];
        env.extend(
            container.allocation_role().map(|role| ("MESOS_ALLOCATION_ROLE".to_owned(), role.to_owned())),
        );
        env
    }

    /// The persistent volumes among `resources`.
    pub(super) fn volumes<'a>(
        &self,
        resources: impl Iterator<Item = &'a Resource>,
    ) -> Result<Vec<VolumeMount>, String> {
        resources
            .filter_map(|resource| {
                let disk = resource.disk.as_ref()?;
                let target = &disk.volume.as_ref()?.container_path;
                let source = self.volume_path(resource)?;
                Some((source, target))
            })
            .map(|(source, target)| {
                let target = inside(target).ok_or_else(|| {
                    format!("container_path {target:?} of a volume must be relative, without ..")
                })?;
                Ok(VolumeMount { source, target })
            })
            .collect()
    }

    /// Where the data of a persistent volume is; none if `resource` is not one, or its ids are no file names.
    pub(super) fn volume_path(&self, resource: &Resource) -> Option<PathBuf> {
        let id = inside(&resource.disk.as_ref()?.persistence.as_ref()?.id)?;
        let role = match resource.reservations.last() {
            Some(reservation) => reservation.role.as_deref()?,
            None => resource.role(),
        };
        // Hierarchical roles become one directory, as in Mesos.
        let role = inside(role.replace('/', " "))?;
        Some(self.settings.work_dir.join("volumes/roles").join(role).join(id))
    }

    /// As Mesos sets it, down to the names: executors in other languages read these.
    fn environment(&self, container: &Container) -> Vec<(String, String)> {
        let timeouts = self.settings.timeouts;
        let endpoint = format!("{}:{}", self.settings.ip, self.settings.port);
        let sandbox = container.sandbox.to_string_lossy().into_owned();
        let checkpoint = container.framework.checkpoint();
        let grace = container.grace(timeouts.shutdown_grace);
        let mut env: Vec<(String, String)> = Vec::new();
        let mut set = |name: &str, value: &str| env.push((name.to_owned(), value.to_owned()));
        set("PATH", &self.settings.path);
        set("LIBPROCESS_IP", &self.settings.ip);
        set("LIBPROCESS_PORT", "0");
        set("MESOS_FRAMEWORK_ID", &container.key.framework);
        set("MESOS_EXECUTOR_ID", &container.key.executor);
        set("MESOS_SLAVE_ID", self.id.as_ref().map_or("", |id| id.value.as_str()));
        set("MESOS_SLAVE_PID", &format!("slave(1)@{endpoint}"));
        set("MESOS_AGENT_ENDPOINT", &endpoint);
        set("MESOS_CHECKPOINT", if checkpoint { "1" } else { "0" });
        set("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", &duration(grace));
        set("MESOS_HTTP_COMMAND_EXECUTOR", "0");
        if checkpoint {
            set("MESOS_RECOVERY_TIMEOUT", &duration(timeouts.recovery));
            set("MESOS_SUBSCRIPTION_BACKOFF_MAX", &duration(SUBSCRIPTION_BACKOFF_MAX));
        }
        if let (Kind::Command, Some(role)) = (container.kind, container.allocation_role()) {
            set("MESOS_ALLOCATION_ROLE", role);
        }
        if let (Some(key), Kind::Custom) = (&self.settings.key, container.kind) {
            let token = key.sign(&Claims {
                fid: container.key.framework.clone(),
                eid: container.key.executor.clone(),
                cid: container.id.clone(),
            });
            set("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", &token);
        }
        if self.settings.tls && container.kind == Kind::Custom {
            // The names that libprocess reads. Apache Mesos leaves it to operators to set them (docs/ssl.md there), with
            // --executor_environment_variables; here executors could not know otherwise how their agent is spoken to.
            set("LIBPROCESS_SSL_ENABLED", "true");
            set("LIBPROCESS_SSL_VERIFY_SERVER_CERT", "true");
            if let Some(authorities) = &self.settings.authorities {
                set("LIBPROCESS_SSL_CA_FILE", &authorities.to_string_lossy());
            }
        }
        // Last, whatever the command says: by these the agent finds the processes of the container.
        set("MESOS_DIRECTORY", &sandbox);
        set("MESOS_SANDBOX", &sandbox);
        env
    }
}

impl Container {
    fn command(&self) -> Option<&CommandInfo> {
        match self.kind {
            Kind::Custom => self.info.command.as_ref(),
            Kind::Command => self.tasks.first()?.info.command.as_ref(),
            Kind::Default => None,
        }
    }

    /// What wants an image must not run without one: on this machine's own files it would be another program.
    fn check_image(&self) -> Result<(), String> {
        let wanted = match self.kind {
            Kind::Custom | Kind::Default => self.info.container.as_ref(),
            Kind::Command => self.tasks.first().and_then(|task| task.info.container.as_ref()),
        };
        let Some(wanted) = wanted else { return Ok(()) };
        let has_image = wanted.mesos.as_ref().is_some_and(|mesos| mesos.image.is_some());
        if wanted.r#type() == container_info::Type::Docker || has_image {
            return Err(
                "None of the enabled containerizers (mesos) could create a container for the provided \
                        TaskInfo/ExecutorInfo message: there are no images here"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.info.resources.iter().chain(self.tasks.iter().flat_map(|t| &t.info.resources))
    }

    /// Whom it runs as: whom its command names, else whom its framework does.
    pub(super) fn user(&self) -> &str {
        let own = self.command().and_then(|command| command.user.as_deref());
        own.unwrap_or(&self.framework.user)
    }

    /// What it may use: what its executor and its tasks have asked for.
    pub(super) fn limits(&self) -> Limits {
        let tasks = self.tasks.iter().filter(|task| !task.is_over());
        // A nested container has its executor's information, but not its resources.
        let own: &[Resource] = if self.parent.is_none() { &self.info.resources } else { &[] };
        let asked = tasks.map(|task| Limits::of_task(&task.info)).fold(Limits::of(own.iter()), Add::add);
        match self.kind {
            // Mesos's command executor adds this to what its task has asked for.
            Kind::Command => asked + COMMAND_OVERHEAD,
            Kind::Custom | Kind::Default => asked,
        }
    }

    fn allocation_role(&self) -> Option<&str> {
        self.resources().find_map(|r| r.allocation_info.as_ref()?.role.as_deref())
    }

    /// Time between the order to shut down and SIGKILL.
    pub(super) fn grace(&self, default: Duration) -> Duration {
        self.info.shutdown_grace_period.map_or(default, |d| nanoseconds(d.nanoseconds))
    }
}

/// Whether each secret of an environment comes with its value: nobody here knows where else to look.
pub(crate) fn check_secrets(command: &CommandInfo) -> Result<(), String> {
    let variables = command.environment.iter().flat_map(|e| &e.variables);
    let mut secrets = variables.filter_map(|variable| Some((&variable.name, variable.secret.as_ref()?)));
    match secrets.find(|(_, secret)| secret.value.is_none()) {
        Some((name, _)) => Err(format!("Default secret resolver cannot resolve the reference of {name}")),
        None => Ok(()),
    }
}

/// What a variable is set to, a secret one as well.
fn text(variable: &Variable) -> String {
    let secret = variable.secret.as_ref().and_then(|secret| secret.value.as_ref());
    match secret {
        Some(secret) => String::from_utf8_lossy(&secret.data).into_owned(),
        None => variable.value().to_owned(),
    }
}

/// An environment with the variables of a command, which win, but for those by which the agent finds the processes of the
/// container.
pub(crate) fn with_variables(mut env: Vec<(String, String)>, command: &CommandInfo) -> Vec<(String, String)> {
    const KEPT: [&str; 3] = ["MESOS_DIRECTORY", "MESOS_SANDBOX", SESSION];
    let variables = command.environment.iter().flat_map(|e| &e.variables);
    for variable in variables.filter(|variable| !KEPT.contains(&variable.name.as_str())) {
        env.retain(|(name, _)| *name != variable.name);
        env.push((variable.name.clone(), text(variable)));
    }
    env
}

/// The links by which people find the sandbox: `latest` beside it, and for a nested one `tasks/ID` in the executor's.
fn links(container: &Container) -> Vec<Link> {
    let (Some(beside), Some(name)) = (container.sandbox.parent(), container.sandbox.file_name()) else {
        return Vec::new();
    };
    if container.parent.is_none() {
        return vec![Link { at: beside.join("latest"), to: name.into() }];
    }
    let (Some(executor), Some(task)) = (beside.parent(), container.tasks.first()) else { return Vec::new() };
    vec![Link { at: executor.join("tasks").join(task.id()), to: container.sandbox.clone() }]
}

pub(super) fn nanoseconds(count: i64) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or_default())
}

pub(crate) fn command_line(command: &CommandInfo) -> Result<(String, Vec<String>), String> {
    let value = command.value.clone().filter(|v| !v.is_empty()).ok_or("its command has no value")?;
    if command.shell() {
        return Ok(("/bin/sh".to_owned(), vec!["sh".to_owned(), "-c".to_owned(), value]));
    }
    let argv = if command.arguments.is_empty() { vec![value.clone()] } else { command.arguments.clone() };
    Ok((value, argv))
}

pub(crate) fn uris(command: &CommandInfo) -> Result<Vec<FetchUri>, String> {
    command
        .uris
        .iter()
        .map(|uri| {
            FetchUri::parse(
                &uri.value,
                uri.executable(),
                uri.extract(),
                uri.cache(),
                uri.output_file.as_deref(),
            )
            .map_err(|e| e.to_string())
        })
        .collect()
}

/// A duration as libprocess writes it: in the largest unit that is not below one.
pub(super) fn duration(duration: Duration) -> String {
    const UNITS: [(&str, f64); 8] = [
        ("weeks", 604_800.0),
        ("days", 86_400.0),
        ("hrs", 3_600.0),
        ("mins", 60.0),
        ("secs", 1.0),
        ("ms", 1e-3),
        ("us", 1e-6),
        ("ns", 1e-9),
    ];
    let seconds = duration.as_secs_f64();
    let (unit, size) = UNITS.into_iter().find(|(_, size)| seconds >= *size).unwrap_or(("ns", 1e-9));
    let count = (seconds / size * 1e9).round() / 1e9;
    format!("{count}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_variables_like_others() {
        let variable = |secret: serde_json::Value| {
            let variables = serde_json::json!([{"name": "S", "type": "SECRET", "secret": secret}]);
            serde_json::json!({"environment": {"variables": variables}})
        };
        let read = |command| serde_json::from_value::<CommandInfo>(command).unwrap();
        let known = read(variable(serde_json::json!({"type": "VALUE", "value": {"data": "aGk="}})));
        assert_eq!(check_secrets(&known), Ok(()));
        assert_eq!(with_variables(Vec::new(), &known), [("S".to_owned(), "hi".to_owned())]);
        let elsewhere = read(variable(serde_json::json!({"type": "REFERENCE", "reference": {"name": "r"}})));
        assert!(check_secrets(&elsewhere).unwrap_err().contains('S'));
    }

    #[test]
    fn durations_as_libprocess_writes_them() {
        let written = [900_000, 2_000, 250, 0, 60_000].map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(written, ["15mins", "2secs", "250ms", "0ns", "1mins"]);
    }
}
