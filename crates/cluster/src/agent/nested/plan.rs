//! What is started: command line, environment, user and place of a nested container.

use std::path::{Path, PathBuf};

use cairn_mesos::v1::volume::source::sandbox_path;
use cairn_mesos::v1::{ContainerInfo, container_info};
use serde::{Deserialize, Serialize};

use super::request::{Class, Launch};
use crate::agent::core::{check_secrets, command_line, uris, with_variables};
use crate::agent::fetch::inside;
use crate::agent::isolation::Limits;
use crate::agent::process::SESSION;
use crate::agent::runner::{ContainerPlan, NestedPlan, Talk, VolumeMount};

/// What a container gives those that are started in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ground {
    /// The task's or executor's container that it is or is in.
    pub(crate) host: String,
    /// The sandbox of that one.
    pub(crate) host_sandbox: PathBuf,
    /// That of the outermost container, below which all sandboxes are.
    pub(crate) root_sandbox: PathBuf,
    /// Its own sandbox, absolute.
    pub(crate) sandbox: PathBuf,
    /// Its whole environment.
    pub(crate) env: Vec<(String, String)>,
    /// What any nested container of this host finds, with or without an environment of its own.
    pub(crate) basis: Vec<(String, String)>,
    /// The user it runs as; empty for the agent's own.
    pub(crate) user: String,
}

/// What is started, and what it gives in its turn; or why it cannot be.
pub(crate) fn plan(launch: &Launch, parent: &Ground) -> Result<(NestedPlan, Ground), String> {
    let Launch { path, class, command, container, is_executors } = launch;
    check_container(container)?;
    check_secrets(command)?;
    let (program, argv) = command_line(command)?;
    let sandbox = path.sandbox(&parent.root_sandbox);
    let user = command.user.clone().unwrap_or_else(|| parent.user.clone());
    if *is_executors && user != parent.user {
        return Err(format!(
            "what an executor starts runs as its own user, {:?}; leave 'command.user' out",
            parent.user
        ));
    }
    let (env, place) = surroundings(*class, &sandbox, parent);
    let env = with_variables(env, command);
    let (uris, volumes) = match class {
        Class::Session => Default::default(),
        Class::Own => (uris(command)?, volumes(container, parent)?),
    };
    // The agent reads files of this machine as its own user.
    if let Some(file) = uris.iter().find(|uri| *is_executors && !uri.is_http()) {
        return Err(format!("{}: what an executor starts is fetched by http or https", file.value));
    }
    let ground = Ground {
        // Whoever is in a session is where the session is.
        sandbox: place.clone(),
        env: env.clone(),
        user: user.clone(),
        ..parent.clone()
    };
    let plan = ContainerPlan {
        container: path.to_string(),
        sandbox,
        above: None,
        links: Vec::new(),
        uris,
        volumes,
        program,
        argv,
        env,
        user,
        limits: Limits::default(),
    };
    let is_logged = *class == Class::Own;
    let (host, root) = (parent.host.clone(), parent.root_sandbox.clone());
    Ok((NestedPlan { host, root, place, talk: talk(*class, container), is_logged, plan }, ground))
}

/// How it is spoken with.
fn talk(class: Class, container: &ContainerInfo) -> Talk {
    let window = container.tty_info.as_ref().map(|tty| tty.window_size.unwrap_or_default());
    match (class, window) {
        (_, Some(window)) => Talk::Terminal { rows: window.rows, columns: window.columns },
        (Class::Session, None) => Talk::Pipes,
        (Class::Own, None) => Talk::Files,
    }
}

/// The environment of a container, without what its command adds, and the directory that it starts in.
fn surroundings(class: Class, sandbox: &Path, parent: &Ground) -> (Vec<(String, String)>, PathBuf) {
    let mark = |name: &str, path: &Path| (name.to_owned(), path.to_string_lossy().into_owned());
    // By MESOS_SANDBOX or MESOS_DIRECTORY the host's end finds it, by the other variable its own.
    let (mut env, place, marks) = match class {
        Class::Session => (parent.env.clone(), parent.sandbox.clone(), vec![mark(SESSION, sandbox)]),
        Class::Own => {
            let marks = vec![mark("MESOS_SANDBOX", sandbox), mark("MESOS_DIRECTORY", &parent.host_sandbox)];
            (parent.basis.clone(), sandbox.to_owned(), marks)
        }
    };
    env.retain(|(name, _)| marks.iter().all(|(mark, _)| mark != name));
    env.extend(marks);
    (env, place)
}

fn check_container(container: &ContainerInfo) -> Result<(), String> {
    let has_image = container.mesos.as_ref().is_some_and(|mesos| mesos.image.is_some());
    if container.r#type() == container_info::Type::Docker || has_image {
        return Err("The provided ContainerInfo is not supported: there are no images here".to_owned());
    }
    Ok(())
}

/// The volumes whose source is in the sandbox of the parent. Those in its own are directories like others.
fn volumes(container: &ContainerInfo, parent: &Ground) -> Result<Vec<VolumeMount>, String> {
    let asked = container.volumes.iter();
    let asked = asked.filter_map(|volume| Some((volume, volume.source.as_ref()?.sandbox_path.as_ref()?)));
    let relative = |path: &str| {
        inside(path).ok_or_else(|| format!("path {path:?} of a volume must be relative, without .."))
    };
    asked
        .filter(|(_, from)| from.r#type() == sandbox_path::Type::Parent)
        .map(|(volume, from)| {
            let source = parent.sandbox.join(relative(&from.path)?);
            Ok(VolumeMount { source, target: relative(&volume.container_path)? })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use cairn_mesos::v1::CommandInfo;
    use serde_json::{Value, json};

    use super::super::path::tests::path;
    use super::*;

    fn ground() -> Ground {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Ground {
            host: "h".into(),
            host_sandbox: "/w/h".into(),
            root_sandbox: "/w/h".into(),
            sandbox: "/w/h".into(),
            env: vec![
                variable("A", "1"),
                variable("MESOS_DIRECTORY", "/w/h"),
                variable("MESOS_SANDBOX", "/w/h"),
            ],
            basis: vec![variable("PATH", "/bin")],
            user: "web".into(),
        }
    }

    fn launch(class: Class, command: Value, container: Value) -> Launch {
        let command: CommandInfo = serde_json::from_value(command).unwrap();
        let container = serde_json::from_value(container).unwrap();
        Launch { path: path("h.a"), class, command, container, is_executors: false }
    }

    fn variables(plan: &NestedPlan) -> Vec<String> {
        plan.plan.env.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn a_session_is_where_its_parent_is() {
        let command = json!({"value": "id", "environment": {"variables": [
            {"name": "A", "value": "2"}, {"name": "MESOS_SANDBOX", "value": "/"}]}});
        let asked = launch(Class::Session, command, json!({"type": "MESOS"}));
        let (plan, ground) = plan(&asked, &ground()).unwrap();
        assert_eq!((plan.place.to_str(), plan.talk, plan.is_logged), (Some("/w/h"), Talk::Pipes, false));
        let env = ["MESOS_DIRECTORY=/w/h", "MESOS_SANDBOX=/w/h", "CAIRN_SESSION=/w/h/containers/a", "A=2"];
        assert_eq!(variables(&plan), env);
        assert_eq!((plan.plan.user.as_str(), ground.sandbox.to_str()), ("web", Some("/w/h")));
    }

    #[test]
    fn another_one_has_a_sandbox_of_its_own() {
        let command = json!({"shell": false, "value": "env", "user": "nobody"});
        let volume = json!({"mode": "RW", "container_path": "in", "source": {"type": "SANDBOX_PATH",
                            "sandbox_path": {"type": "PARENT", "path": "out"}}});
        let asked = launch(Class::Own, command, json!({"type": "MESOS", "volumes": [volume]}));
        let (plan, inner) = plan(&asked, &ground()).unwrap();
        assert_eq!((plan.place.to_str(), plan.talk), (Some("/w/h/containers/a"), Talk::Files));
        let env = ["PATH=/bin", "MESOS_SANDBOX=/w/h/containers/a", "MESOS_DIRECTORY=/w/h"];
        assert_eq!((variables(&plan), plan.plan.user.as_str()), (env.map(str::to_owned).into(), "nobody"));
        let mount = VolumeMount { source: "/w/h/out".into(), target: "in".into() };
        assert_eq!(plan.plan.volumes, [mount]);
        assert_eq!((inner.host.as_str(), inner.sandbox.to_str()), ("h", Some("/w/h/containers/a")));
    }

    #[test]
    fn a_terminal_has_a_size_that_may_be_unknown() {
        let talk = |tty: Value| {
            let container = json!({"type": "MESOS", "tty_info": tty});
            plan(&launch(Class::Session, json!({"value": "sh"}), container), &ground()).unwrap().0.talk
        };
        assert_eq!(talk(json!({})), Talk::Terminal { rows: 0, columns: 0 });
        let sized = json!({"window_size": {"rows": 24, "columns": 80}});
        assert_eq!(talk(sized), Talk::Terminal { rows: 24, columns: 80 });
    }

    #[test]
    fn executors_gain_nothing_by_what_they_start() {
        let start = |command: Value| {
            let asked = launch(Class::Own, command, json!({"type": "MESOS"}));
            plan(&Launch { is_executors: true, ..asked }, &ground())
        };
        assert!(start(json!({"value": "x", "user": "web", "uris": [{"value": "https://h/f"}]})).is_ok());
        assert!(start(json!({"value": "x", "user": "root"})).unwrap_err().contains("its own user, \"web\""));
        let file = start(json!({"value": "x", "uris": [{"value": "/etc/shadow"}]}));
        assert!(file.unwrap_err().starts_with("/etc/shadow: "));
    }

    #[test]
    fn what_cannot_be_started_is_told() {
        let why = |command: Value, container: Value| {
            plan(&launch(Class::Own, command, container), &ground()).unwrap_err()
        };
        assert!(why(json!({}), json!({"type": "MESOS"})).contains("no value"));
        assert!(
            why(json!({"value": "x"}), json!({"type": "DOCKER"}))
                .starts_with("The provided ContainerInfo is not supported")
        );
    }
}
