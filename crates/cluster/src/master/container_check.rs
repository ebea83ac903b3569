//! Whether the container that a task or an executor wants makes sense, and whether a task is held to more than it asked for. The
//! texts are those that Apache Mesos gives.

use cairn_mesos::resources::Resources;
use cairn_mesos::v1::volume::source::Type as Source;
use cairn_mesos::v1::{ContainerInfo, Resource, TaskInfo, Volume, container_info};

/// A container and its volumes.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(container: &ContainerInfo) -> Result<(), String> {
    for volume in &container.volumes {
        check_volume(volume).map_err(|problem| format!("Invalid volume: {problem}"))?;
    }
    if container.r#type() != container_info::Type::Docker {
        return Ok(());
    }
    let Some(docker) = &container.docker else {
        return Err("DockerInfo 'docker' is not set for DOCKER typed ContainerInfo".to_owned());
    };
    if docker.parameters.iter().any(|parameter| parameter.key == "name") {
        return Err("Parameter in DockerInfo must not be 'name'".to_owned());
    }
    Ok(())
}

fn check_volume(volume: &Volume) -> Result<(), String> {
    let given = [volume.host_path.is_some(), volume.image.is_some(), volume.source.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        return Err("Only one of them should be set: 'host_path', 'image' and 'source'".to_owned());
    }
    let Some(source) = &volume.source else { return Ok(()) };
    let (there, name, kind) = match source.r#type() {
        Source::DockerVolume => (source.docker_volume.is_some(), "docker_volume", "DOCKER_VOLUME"),
        Source::HostPath => (source.host_path.is_some(), "host_path", "HOST_PATH"),
        Source::SandboxPath => (source.sandbox_path.is_some(), "sandbox_path", "SANDBOX_PATH"),
        Source::Secret => (source.secret.is_some(), "secret", "SECRET"),
        Source::CsiVolume => (source.csi_volume.is_some(), "csi_volume", "CSI"),
        Source::Unknown => return Err("'source.type' is unknown".to_owned()),
    };
    if there { Ok(()) } else { Err(format!("'source.{name}' is not set for {kind} volume")) }
}

/// What it says of sharing control groups; `None`: nothing, which means that it shares them.
pub(crate) fn shares_cgroups(container: Option<&ContainerInfo>) -> Option<bool> {
    container?.linux_info.as_ref()?.share_cgroups
}

/// How much of a scalar resource is asked for; `None`: it is not asked for.
pub(super) fn asked(resources: &[Resource], name: &str) -> Option<f64> {
    let named = || resources.iter().filter(|resource| resource.name == name && resource.scalar.is_some());
    named().next()?;
    Some(Resources::from_iter(named().cloned()).total(name))
}

/// The limits of a task: they are not below what it asked for.
///
/// # Errors
/// Which one is.
pub(crate) fn check_limits(task: &TaskInfo) -> Result<(), String> {
    if task.limits.keys().any(|name| name != "cpus" && name != "mem") {
        return Err("Only cpus and mem may be included in a task's resource limits".to_owned());
    }
    for (name, long, short) in [("cpus", "CPU", "cpu"), ("mem", "memory", "memory")] {
        let Some(limit) = task.limits.get(name) else { continue };
        let Some(asked) = asked(&task.resources, name) else {
            return Err(format!("When a {long} limit is specified, a {long} request must also be specified"));
        };
        if limit.value < asked {
            return Err(format!("The {short} limit must be greater than or equal to the {short} request"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn container(value: Value) -> Result<(), String> {
        check(&serde_json::from_value(value).unwrap())
    }

    fn limits(limits: &Value) -> Result<(), String> {
        let cpus = json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}});
        let task = json!({"name": "t", "task_id": {"value": "t"}, "agent_id": {"value": "a"},
                          "resources": [cpus], "limits": limits});
        check_limits(&serde_json::from_value(task).unwrap())
    }

    #[test]
    fn volumes_have_one_source() {
        let volume = |more: Value| {
            let mut volume = json!({"container_path": "v", "mode": "RW"});
            volume.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            container(json!({"type": "MESOS", "volumes": [volume]}))
        };
        let one = "Invalid volume: Only one of them should be set: 'host_path', 'image' and 'source'";
        assert_eq!(volume(json!({})), Err(one.to_owned()));
        assert_eq!(volume(json!({"host_path": "/a", "source": {"type": "HOST_PATH"}})), Err(one.to_owned()));
        let unset = "Invalid volume: 'source.sandbox_path' is not set for SANDBOX_PATH volume";
        assert_eq!(volume(json!({"source": {"type": "SANDBOX_PATH"}})), Err(unset.to_owned()));
        assert_eq!(volume(json!({"host_path": "/a"})), Ok(()));
    }

    #[test]
    fn a_docker_container_says_what_it_is() {
        let unset = "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo";
        assert_eq!(container(json!({"type": "DOCKER"})), Err(unset.to_owned()));
        let named = json!({"image": "i", "parameters": [{"key": "name", "value": "n"}]});
        let name = "Parameter in DockerInfo must not be 'name'";
        assert_eq!(container(json!({"type": "DOCKER", "docker": named})), Err(name.to_owned()));
        assert_eq!(container(json!({"type": "DOCKER", "docker": {"image": "i"}})), Ok(()));
    }

    #[test]
    fn limits_are_not_below_what_is_asked_for() {
        let only = "Only cpus and mem may be included in a task's resource limits";
        assert_eq!(limits(&json!({"disk": {"value": 1.0}})), Err(only.to_owned()));
        let below = "The cpu limit must be greater than or equal to the cpu request";
        assert_eq!(limits(&json!({"cpus": {"value": 0.4}})), Err(below.to_owned()));
        let alone = "When a memory limit is specified, a memory request must also be specified";
        assert_eq!(limits(&json!({"mem": {"value": 64.0}})), Err(alone.to_owned()));
        for fine in [json!(0.5), json!("Infinity")] {
            assert_eq!(limits(&json!({"cpus": {"value": fine}})), Ok(()));
        }
    }
}
