//! What containers are held to.

use std::ops::Add;
use std::str::FromStr;

use cairn_mesos::v1::{Resource, TaskInfo, value};

/// Which limits of a container the kernel keeps. The names are those of Mesos's `--isolation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isolation {
    /// `cgroups/cpu`: CPUs are shared in proportion to what containers asked for. Without it (`posix/cpu`) by the kernel's own
    /// rules, by which who has more threads gets more.
    pub cpu: Keep,
    /// `cgroups/mem`: a container that needs more memory than it asked for ends, and its tasks fail with
    /// REASON_CONTAINER_LIMITATION_MEMORY. Without it (`posix/mem`) nothing holds it.
    pub mem: Keep,
}

/// Whether the kernel keeps a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It does not.
    No,
    /// It does where it can.
    IfPossible,
    /// It does, or the agent does not start.
    Yes,
}

impl Isolation {
    /// Nothing is kept: `posix/cpu,posix/mem`.
    pub const NONE: Self = Self { cpu: Keep::No, mem: Keep::No };
    /// All is kept: `cgroups/cpu,cgroups/mem`.
    pub const ALL: Self = Self { cpu: Keep::Yes, mem: Keep::Yes };
}

/// Shares of CPUs, which take nothing from anybody while CPUs are free. A limit of memory can end what ran well before, so somebody
/// has to ask for it.
impl Default for Isolation {
    fn default() -> Self {
        Self { cpu: Keep::IfPossible, mem: Keep::No }
    }
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
        let mut isolation = Self::NONE;
        for name in text.split(',').map(str::trim) {
            match name {
                "posix/cpu" | "posix/mem" => {}
                "cgroups/cpu" => isolation.cpu = Keep::Yes,
                "cgroups/mem" => isolation.mem = Keep::Yes,
                _ => return Err(IsolationError(name.to_owned())),
            }
        }
        Ok(isolation)
    }
}

/// How much a container asked for, and how much it may have.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// CPUs that it asked for.
    pub cpus: f64,
    /// CPUs that it may have at most; none: what is free.
    pub most_cpus: Option<f64>,
    /// Memory that it may have at most, in MiB: what it asked for, or what its limit says, which may be infinite.
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

    /// Those of a task, which may have some of its own.
    pub fn of_task(task: &TaskInfo) -> Self {
        let asked = Self::of(task.resources.iter());
        let own = |name: &str| task.limits.get(name).map(|limit| limit.value);
        Self { most_cpus: own("cpus"), mem_mib: own("mem").unwrap_or(asked.mem_mib), ..asked }
    }
}

/// As Mesos sums up: where one has a limit for CPUs, others are held to what they asked for.
impl Add for Limits {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let is_limited = self.most_cpus.is_some() || other.most_cpus.is_some();
        let most = |one: &Self| one.most_cpus.unwrap_or(one.cpus);
        Self {
            cpus: self.cpus + other.cpus,
            most_cpus: is_limited.then(|| most(&self) + most(&other)),
            mem_mib: self.mem_mib + other.mem_mib,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isolation_is_named_as_in_mesos() {
        assert_eq!("posix/cpu,posix/mem".parse(), Ok(Isolation::NONE));
        assert_eq!("cgroups/cpu, cgroups/mem".parse(), Ok(Isolation::ALL));
        let error = "cgroups/net_cls".parse::<Isolation>().unwrap_err().to_string();
        assert!(error.starts_with("\"cgroups/net_cls\" is unknown"), "{error}");
    }

    #[test]
    fn what_is_asked_for_is_summed_up() {
        let resources: cairn_mesos::resources::Resources =
            "cpus:0.5;mem:64;disk:10;ports:[1-2]".parse().unwrap();
        let resources = resources.to_vec();
        let twice = resources.iter().chain(&resources);
        assert_eq!(Limits::of(twice), Limits { cpus: 1.0, most_cpus: None, mem_mib: 128.0 });
    }

    #[test]
    fn limits_are_summed_up_as_by_mesos() {
        let task = |limits: serde_json::Value| -> TaskInfo {
            let resource = |name: &str, value: f64| serde_json::json!({"name": name, "type": "SCALAR", "scalar": {"value": value}});
            serde_json::from_value(serde_json::json!({
                "name": "t", "task_id": {"value": "t"}, "agent_id": {"value": "a"}, "limits": limits,
                "resources": [resource("cpus", 0.5), resource("mem", 64.0)]}))
            .unwrap()
        };
        let plain = Limits::of_task(&task(serde_json::json!({})));
        assert_eq!(plain, Limits { cpus: 0.5, most_cpus: None, mem_mib: 64.0 });
        let limited = task(serde_json::json!({"cpus": {"value": 2.0}, "mem": {"value": "Infinity"}}));
        let limited = Limits::of_task(&limited);
        assert_eq!(limited, Limits { cpus: 0.5, most_cpus: Some(2.0), mem_mib: f64::INFINITY });
        assert_eq!(plain + plain, Limits { cpus: 1.0, most_cpus: None, mem_mib: 128.0 });
        assert_eq!((plain + limited).most_cpus, Some(2.5));
    }
}
