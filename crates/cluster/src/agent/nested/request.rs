//! What a call asks for, if it asks for it as it should.

use cairn_mesos::v1::agent::{Call, call};
use cairn_mesos::v1::{CommandInfo, ContainerId, ContainerInfo, container_info};
use serde::{Deserialize, Serialize};

use super::path::Path;

/// Signal that ends what is not told another one: SIGKILL.
const KILL: i32 = 9;

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    /// Start a container.
    Launch(Box<Launch>),
    /// Tell when it has ended, and how.
    Wait {
        /// Which.
        path: Path,
        /// Whether the answer is that of WAIT_NESTED_CONTAINER.
        nested: bool,
    },
    /// Send its first process a signal.
    Kill {
        /// Which.
        path: Path,
        /// What.
        signal: i32,
    },
    /// Forget one that has ended, and delete its sandbox.
    Remove(Path),
    /// Tell what it says.
    Output(Path),
}

impl Request {
    /// The same, from an executor.
    pub(crate) fn of_executor(mut self) -> Self {
        if let Self::Launch(launch) = &mut self {
            launch.is_executors = true;
        }
        self
    }

    /// Which container it is about.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Launch(launch) => &launch.path,
            Self::Wait { path, .. } | Self::Kill { path, .. } | Self::Remove(path) | Self::Output(path) => {
                path
            }
        }
    }
}

/// What a nested container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Class {
    /// One with a sandbox of its own.
    Own,
    /// A conversation in its parent's.
    Session,
}

/// A container to start. It has a parent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Launch {
    pub(crate) path: Path,
    pub(crate) class: Class,
    pub(crate) command: CommandInfo,
    pub(crate) container: ContainerInfo,
    /// It is not an operator's: it may do nothing that its parent could not do.
    pub(crate) is_executors: bool,
}

/// Why a call asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It is not what it should be, in the words of Mesos.
    Invalid(String),
    /// It is about a container without parent that no task has.
    Standalone,
}

/// What a call asks for; `None` if that is nothing about nested containers.
///
/// # Errors
/// See [`Problem`].
pub(crate) fn read(kind: call::Type, call: &Call) -> Result<Option<Request>, Problem> {
    use call::Type;
    let nested = |name: &str, id: Option<&ContainerId>| path(name, id, Standing::Nested);
    let any = |name: &str, id: Option<&ContainerId>| path(name, id, Standing::Any);
    let request = match kind {
        Type::LaunchNestedContainer => {
            let asked = call.launch_nested_container.as_ref();
            let path = nested("launch_nested_container", asked.map(|a| &a.container_id))?;
            let asked = asked.cloned().unwrap_or_default();
            launch("launch_nested_container", path, Class::Own, asked.command, asked.container)?
        }
        Type::LaunchNestedContainerSession => {
            let asked = call.launch_nested_container_session.as_ref();
            let path = nested("launch_nested_container_session", asked.map(|a| &a.container_id))?;
            let asked = asked.cloned().unwrap_or_default();
            launch("launch_nested_container_session", path, Class::Session, asked.command, asked.container)?
        }
        Type::LaunchContainer => {
            let asked = call.launch_container.as_ref();
            let path = any("launch_container", asked.map(|a| &a.container_id))?;
            let asked = asked.cloned().unwrap_or_default();
            if !asked.limits.is_empty() {
                let why = "limits are not kept for nested containers, which share what their parent has; leave them out";
                return Err(Problem::Invalid(format!("'launch_container' is invalid: {why}")));
            }
            launch("launch_container", path, Class::Own, asked.command, asked.container)?
        }
        Type::WaitNestedContainer => {
            let asked = call.wait_nested_container.as_ref();
            let path = nested("wait_nested_container", asked.map(|a| &a.container_id))?;
            Request::Wait { path, nested: true }
        }
        Type::WaitContainer => {
            let asked = call.wait_container.as_ref();
            Request::Wait { path: any("wait_container", asked.map(|a| &a.container_id))?, nested: false }
        }
        Type::KillNestedContainer => {
            let asked = call.kill_nested_container.as_ref();
            let path = nested("kill_nested_container", asked.map(|a| &a.container_id))?;
            Request::Kill { path, signal: asked.and_then(|a| a.signal).unwrap_or(KILL) }
        }
        Type::KillContainer => {
            let asked = call.kill_container.as_ref();
            let path = any("kill_container", asked.map(|a| &a.container_id))?;
            Request::Kill { path, signal: asked.and_then(|a| a.signal).unwrap_or(KILL) }
        }
        Type::RemoveNestedContainer => {
            let asked = call.remove_nested_container.as_ref();
            Request::Remove(nested("remove_nested_container", asked.map(|a| &a.container_id))?)
        }
        Type::RemoveContainer => {
            let asked = call.remove_container.as_ref();
            Request::Remove(any("remove_container", asked.map(|a| &a.container_id))?)
        }
        Type::AttachContainerOutput => {
            let asked = call.attach_container_output.as_ref();
            Request::Output(path(
                "attach_container_output",
                asked.map(|a| &a.container_id),
                Standing::TaskToo,
            )?)
        }
        _ => return Ok(None),
    };
    Ok(Some(request))
}

/// Which containers a call may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Those in others; one without parent is a mistake.
    Nested,
    /// Any; one without parent would be a standalone one.
    Any,
    /// Any; one without parent is a task's.
    TaskToo,
}

fn path(name: &str, id: Option<&ContainerId>, standing: Standing) -> Result<Path, Problem> {
    let invalid = |why: String| Err(Problem::Invalid(why));
    let Some(id) = id else { return invalid(format!("Expecting '{name}' to be present")) };
    match (Path::of(id), standing) {
        (Err(why), _) => invalid(format!("'{name}.container_id' is invalid: {why}")),
        (Ok(path), Standing::Nested) if path.parent().is_none() => {
            invalid(format!("Expecting '{name}.container_id.parent' to be present"))
        }
        (Ok(path), Standing::Any) if path.parent().is_none() => Err(Problem::Standalone),
        (Ok(path), _) => Ok(path),
    }
}

fn launch(
    name: &str,
    path: Path,
    class: Class,
    command: Option<CommandInfo>,
    container: Option<ContainerInfo>,
) -> Result<Request, Problem> {
    let container = container.unwrap_or_else(|| ContainerInfo {
        r#type: container_info::Type::Mesos as i32,
        ..ContainerInfo::default()
    });
    if container.linux_info.as_ref().is_some_and(|linux| !linux.share_cgroups()) {
        let why = "containers share the control groups of their parent; leave 'share_cgroups' out";
        return Err(Problem::Invalid(format!("'{name}.container.linux_info' is invalid: {why}")));
    }
    let command = command.unwrap_or_default();
    Ok(Request::Launch(Box::new(Launch { path, class, command, container, is_executors: false })))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::path::tests::path;
    use super::*;

    fn asked(call: Value) -> Result<Option<Request>, Problem> {
        let call: Call = serde_json::from_value(call).unwrap();
        read(call.r#type(), &call)
    }

    fn refused(call: Value) -> String {
        match asked(call) {
            Err(Problem::Invalid(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn calls_say_which_container_they_mean() {
        let id = json!({"value": "b", "parent": {"value": "a"}});
        let wait = json!({"type": "WAIT_CONTAINER", "wait_container": {"container_id": id}});
        assert_eq!(asked(wait), Ok(Some(Request::Wait { path: path("a.b"), nested: false })));
        let kill = json!({"type": "KILL_NESTED_CONTAINER", "kill_nested_container": {"container_id": id}});
        assert_eq!(asked(kill), Ok(Some(Request::Kill { path: path("a.b"), signal: 9 })));
        let output = json!({"type": "ATTACH_CONTAINER_OUTPUT",
                            "attach_container_output": {"container_id": {"value": "a"}}});
        assert_eq!(asked(output), Ok(Some(Request::Output(path("a")))));
        assert_eq!(asked(json!({"type": "GET_STATE"})), Ok(None));
    }

    #[test]
    fn mistakes_are_told_as_by_mesos() {
        let kind = "WAIT_NESTED_CONTAINER";
        assert_eq!(refused(json!({"type": kind})), "Expecting 'wait_nested_container' to be present");
        let wait = |id: Value| json!({"type": kind, "wait_nested_container": {"container_id": id}});
        assert_eq!(
            refused(wait(json!({"value": "a"}))),
            "Expecting 'wait_nested_container.container_id.parent' to be present"
        );
        assert_eq!(
            refused(wait(json!({"value": ""}))),
            "'wait_nested_container.container_id' is invalid: ID must not be empty"
        );
        let alone = json!({"type": "KILL_CONTAINER", "kill_container": {"container_id": {"value": "a"}}});
        assert_eq!(asked(alone), Err(Problem::Standalone));
        let apart = json!({"type": "LAUNCH_NESTED_CONTAINER", "launch_nested_container": {
            "container_id": {"value": "b", "parent": {"value": "a"}},
            "container": {"type": "MESOS", "linux_info": {"share_cgroups": false}}}});
        assert!(refused(apart).contains("share_cgroups"));
    }
}
