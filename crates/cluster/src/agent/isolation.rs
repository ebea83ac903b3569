//! What containers are held to.

use std::str::FromStr;

use cairn_mesos::v1::{Resource, value};

/// Which limits of a container the kernel keeps. The names are those of Mesos's `--isolation`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Isolation {
    /// `cgroups/cpu`: CPUs are shared in proportion to what containers asked for. Without it (`posix/cpu`) by the kernel's own
    /// rules.
    pub cpu: bool,
    /// `cgroups/mem`: a container that needs more memory than it asked for ends, and its tasks fail with
    /// REASON_CONTAINER_LIMITATION_MEMORY. Without it (`posix/mem`) nothing holds it.
    pub mem: bool,
}

/// What sets a container apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Containment {
    /// Which of its limits the kernel keeps.
    pub isolation: Isolation,
    /// Whether it runs as the user that its framework names. Only root can do that; otherwise it runs as the agent's user.
    pub switch_user: bool,
}

impl Default for Containment {
    fn default() -> Self {
        Self { isolation: Isolation::default(), switch_user: true }
    }
}

/// An unknown kind of isolation.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is unknown; there are posix/cpu, posix/mem, cgroups/cpu and cgroups/mem, with commas between them"
)]
pub struct IsolationError(String);

impl FromStr for Isolation {
    type Err = IsolationError;

    fn from_str(text: &str) -> Result<Self, IsolationError> {
        let mut isolation = Self::default();
        for name in text.split(',').map(str::trim) {
            match name {
                "posix/cpu" | "posix/mem" => {}
                "cgroups/cpu" => isolation.cpu = true,
                "cgroups/mem" => isolation.mem = true,
                _ => return Err(IsolationError(name.to_owned())),
            }
        }
        Ok(isolation)
    }
}

/// How much a container asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// CPUs.
    pub cpus: f64,
    /// Memory in MiB.
    pub mem_mib: f64,
}

impl Limits {
    /// The sum of some resources.
    pub fn of<'a>(resources: impl Iterator<Item = &'a Resource>) -> Self {
        let mut limits = Self::default();
        for resource in resources.filter(|r| r.r#type == value::Type::Scalar as i32) {
            let amount = resource.scalar.as_ref().map_or(0.0, |scalar| scalar.value);
            match resource.name.as_str() {
                "cpus" => limits.cpus += amount,
                "mem" => limits.mem_mib += amount,
                _ => {}
            }
        }
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isolation_is_named_as_in_mesos() {
        assert_eq!("posix/cpu,posix/mem".parse(), Ok(Isolation::default()));
        assert_eq!("cgroups/cpu, cgroups/mem".parse(), Ok(Isolation { cpu: true, mem: true }));
        let error = "cgroups/net_cls".parse::<Isolation>().unwrap_err().to_string();
        assert!(error.starts_with("\"cgroups/net_cls\" is unknown"), "{error}");
    }

    #[test]
    fn what_is_asked_for_is_summed_up() {
        let resources: cairn_mesos::resources::Resources =
            "cpus:0.5;mem:64;disk:10;ports:[1-2]".parse().unwrap();
        let resources = resources.to_vec();
        let twice = resources.iter().chain(&resources);
        assert_eq!(Limits::of(twice), Limits { cpus: 1.0, mem_mib: 128.0 });
    }
}
