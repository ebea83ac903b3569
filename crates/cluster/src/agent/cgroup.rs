//! Control groups: what holds a container together whatever it does, and to what it asked for.
//!
//! A process leaves a session with one call and an environment with another, but never its control group. So where this
//! process may make groups, each container has one of its own in the unified hierarchy, by which all of it is found. Limits
//! are set where a machine has the controllers: in the unified hierarchy, or in one of version 1 for each.
//!
//! Source: the kernel's `admin-guide/cgroup-v2.rst` and `admin-guide/cgroup-v1/memory.rst`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Pid;

use super::isolation::{Isolation, Keep, Limits};

/// The group below which all others are, in each hierarchy; Mesos calls its own `mesos`.
const ROOT: &str = "cairn";
/// The unit of `cpu.shares` and, scaled, of `cpu.weight`: what one CPU weighs, and the least there may be; as in Mesos.
const SHARES_PER_CPU: f64 = 1024.0;
const LEAST_SHARES: f64 = 2.0;
/// Microseconds in which a limit of CPUs holds, and the least of them that a container gets: the kernel's own, and as in Mesos.
const CPU_PERIOD: f64 = 100_000.0;
const LEAST_QUOTA: f64 = 1_000.0;
/// Least memory a container is held to, as in Mesos.
const LEAST_MEMORY_MIB: f64 = 32.0;
/// How often a container is looked at for memory it could not have.
pub(crate) const OUT_OF_MEMORY_LOOK: Duration = Duration::from_millis(250);

/// Where the groups of containers are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cgroups {
    /// Unified hierarchy: containers are found by it.
    unified: Option<PathBuf>,
    cpu: Option<Controller>,
    memory: Option<Controller>,
}

/// A controller of resources, and where its files are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Controller {
    /// In the unified hierarchy.
    Unified,
    /// In a hierarchy of its own, version 1.
    Own(PathBuf),
}

/// Why limits cannot be set.
#[derive(Debug, thiserror::Error)]
#[error(
    "--isolation {asked}: {why}; run the agent as root on a machine with that controller, or leave the option out"
)]
pub struct CgroupError {
    asked: &'static str,
    why: String,
}

impl Cgroups {
    /// What this process may use of the machine's.
    ///
    /// # Errors
    /// Limits are wanted that cannot be set here. That containers cannot be found by their groups is no error.
    pub(crate) fn detect(isolation: Isolation) -> Result<Self, CgroupError> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mounts = Mounts::parse(&mounts);
        let unified = mounts.unified.as_deref().and_then(|mount| usable(mount).ok());
        let wanted = |keep, asked, controller| {
            let found = || find(controller, &mounts, unified.as_deref());
            kept(keep, found).map_err(|why| CgroupError { asked, why })
        };
        let cpu = wanted(isolation.cpu, "cgroups/cpu", "cpu")?;
        let memory = wanted(isolation.mem, "cgroups/mem", "memory")?;
        Ok(Self { unified, cpu, memory })
    }

    /// The groups of a container, which need not exist.
    pub(crate) fn of(&self, container: &str) -> Cgroup {
        let below = |base: &PathBuf| base.join(container);
        let unified = self.unified.as_ref().map(below);
        let place = |controller: &Option<Controller>| match controller {
            None => None,
            Some(Controller::Unified) => unified.clone().map(Place::Unified),
            Some(Controller::Own(base)) => Some(Place::Own(below(base))),
        };
        Cgroup { cpu: place(&self.cpu), memory: place(&self.memory), unified }
    }
}

/// The groups of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cgroup {
    unified: Option<PathBuf>,
    cpu: Option<Place>,
    memory: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Unified(PathBuf),
    Own(PathBuf),
}

impl Cgroup {
    /// Makes the groups with their limits, and gives the files to which a process writes `0` to be in them.
    ///
    /// # Errors
    /// A group cannot be made or opened.
    pub(crate) fn make(&self, limits: &Limits) -> io::Result<Vec<File>> {
        let dirs: Vec<&PathBuf> = self.dirs().collect();
        for dir in &dirs {
            fs::create_dir_all(dir)?;
        }
        self.limit(limits)?;
        dirs.iter().map(|dir| OpenOptions::new().write(true).open(dir.join("cgroup.procs"))).collect()
    }

    /// Those files of the groups that there are: for a process that joins the container.
    ///
    /// # Errors
    /// One cannot be opened.
    pub(crate) fn gates(&self) -> io::Result<Vec<File>> {
        let open = |dir: &PathBuf| OpenOptions::new().write(true).open(dir.join("cgroup.procs"));
        let there = |opened: &io::Result<File>| {
            opened.as_ref().err().is_none_or(|error| error.kind() != io::ErrorKind::NotFound)
        };
        self.dirs().map(open).filter(there).collect()
    }

    /// Holds a container to new limits.
    ///
    /// # Errors
    /// The kernel does not take them.
    pub(crate) fn limit(&self, limits: &Limits) -> io::Result<()> {
        let shares = (limits.cpus * SHARES_PER_CPU).round().max(LEAST_SHARES);
        let quota = finite(limits.most_cpus.map(|cpus| (cpus * CPU_PERIOD).max(LEAST_QUOTA)));
        match &self.cpu {
            Some(Place::Unified(dir)) => {
                fs::write(dir.join("cpu.weight"), weight(shares).to_string())?;
                let quota = quota.as_deref().unwrap_or("max");
                at_most(&dir.join("cpu.max"), &format!("{quota} {CPU_PERIOD}"), limits)?;
            }
            Some(Place::Own(dir)) => {
                fs::write(dir.join("cpu.shares"), shares.to_string())?;
                at_most(&dir.join("cpu.cfs_quota_us"), quota.as_deref().unwrap_or("-1"), limits)?;
            }
            None => {}
        }
        let bytes = finite(Some(limits.mem_mib.max(LEAST_MEMORY_MIB) * 1_048_576.0));
        match &self.memory {
            Some(Place::Unified(dir)) => {
                // Who needs more than there is ends as a whole.
                fs::write(dir.join("memory.oom.group"), "1")?;
                fs::write(dir.join("memory.max"), bytes.as_deref().unwrap_or("max"))?;
            }
            Some(Place::Own(dir)) => {
                fs::write(dir.join("memory.limit_in_bytes"), bytes.as_deref().unwrap_or("-1"))?;
            }
            None => {}
        }
        Ok(())
    }

    /// Every process in the container.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let Some(dir) = &self.unified else { return Vec::new() };
        let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| Pid::from_raw(line.trim().parse().ok()?)).collect()
    }

    /// SIGKILL to all of it at once, so that nothing can be forked meanwhile. Kernels before 5.14 do not know it.
    pub(crate) fn kill(&self) {
        if let Some(dir) = &self.unified {
            let _ = fs::write(dir.join("cgroup.kill"), "1");
        }
    }

    /// Whether its memory is limited.
    pub(crate) fn is_memory_limited(&self) -> bool {
        self.memory.is_some()
    }

    /// Whether a process of it was ended because there was no more memory for it, and how much it had at most, in bytes.
    pub(crate) fn out_of_memory(&self) -> Option<u64> {
        let (events, peak) = match self.memory.as_ref()? {
            Place::Unified(dir) => (dir.join("memory.events"), dir.join("memory.peak")),
            Place::Own(dir) => (dir.join("memory.oom_control"), dir.join("memory.max_usage_in_bytes")),
        };
        let killed = fs::read_to_string(events).ok()?;
        let killed =
            killed.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok())?;
        let peak = || fs::read_to_string(peak).ok()?.trim().parse().ok();
        (killed > 0).then(|| peak().unwrap_or_default())
    }

    /// Takes the groups away; those that still hold a process stay.
    pub(crate) fn remove(&self) {
        for dir in self.dirs() {
            if let Err(error) = fs::remove_dir(dir)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::debug!(group = %dir.display(), %error, "cannot take a control group away");
            }
        }
    }

    fn dirs(&self) -> impl Iterator<Item = &PathBuf> {
        let own = [&self.cpu, &self.memory].into_iter().filter_map(|place| match place {
            Some(Place::Own(dir)) => Some(dir),
            Some(Place::Unified(_)) | None => None,
        });
        self.unified.iter().chain(own)
    }
}

/// A whole number as files of the kernel have it; none for what is not limited.
fn finite(amount: Option<f64>) -> Option<String> {
    amount.filter(|amount| amount.is_finite()).map(|amount| amount.round().to_string())
}

/// Sets how much of the CPUs a group may have. A kernel without such a limit lacks the file, and only who wants one needs it.
fn at_most(file: &Path, quota: &str, limits: &Limits) -> io::Result<()> {
    if limits.most_cpus.is_some() || file.exists() { fs::write(file, quota) } else { Ok(()) }
}

/// From shares (2 to 262144) to a weight (1 to 10000), as systemd and container runtimes do.
fn weight(shares: f64) -> u64 {
    (1.0 + (shares - 2.0) * 9_999.0 / 262_142.0).clamp(1.0, 10_000.0) as u64
}

/// The controller for a limit, as far as it is to be kept and can be; why not, where it has to.
fn kept(keep: Keep, find: impl FnOnce() -> Result<Controller, String>) -> Result<Option<Controller>, String> {
    match keep {
        Keep::No => Ok(None),
        Keep::Yes => find().map(Some),
        Keep::IfPossible => Ok(find()
            .inspect_err(|why| tracing::info!(why, "tasks are not held to their shares of CPUs"))
            .ok()),
    }
}

/// Where a controller can be used, or why it cannot.
fn find(controller: &str, mounts: &Mounts, unified: Option<&Path>) -> Result<Controller, String> {
    if let Some(mount) = mounts.own(controller) {
        return usable(mount).map(Controller::Own).map_err(|e| format!("{}: {e}", mount.display()));
    }
    let base = unified.ok_or("no control group can be made")?;
    let enable = |dir: &Path| fs::write(dir.join("cgroup.subtree_control"), format!("+{controller}"));
    let above = base.parent().unwrap_or(base);
    enable(above).and_then(|()| enable(base)).map_err(|e| format!("{}: {e}", above.display()))?;
    Ok(Controller::Unified)
}

/// The group for all containers below a mount, if others can be made in it and processes moved to them.
fn usable(mount: &Path) -> io::Result<PathBuf> {
    if !rustix::process::geteuid().is_root() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "only root may move processes between groups",
        ));
    }
    let base = mount.join(ROOT);
    fs::create_dir_all(&base)?;
    OpenOptions::new().write(true).open(base.join("cgroup.procs"))?;
    Ok(base)
}

/// Where hierarchies of control groups are mounted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Mounts {
    unified: Option<PathBuf>,
    /// Version 1: the names of the controllers, and where.
    own: Vec<(Vec<String>, PathBuf)>,
}

impl Mounts {
    /// From `/proc/self/mountinfo`: `ID PARENT DEVICE ROOT MOUNT OPTIONS … - TYPE SOURCE OPTIONS`.
    fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let Some((mount, filesystem)) = line.split_once(" - ") else { continue };
            let Some(mount) = mount.split(' ').nth(4).map(PathBuf::from) else { continue };
            let mut fields = filesystem.split(' ');
            match fields.next() {
                Some("cgroup2") => found.unified = found.unified.or(Some(mount)),
                Some("cgroup") => {
                    let options = fields.nth(1).unwrap_or_default();
                    found.own.push((options.split(',').map(str::to_owned).collect(), mount));
                }
                _ => {}
            }
        }
        found
    }

    fn own(&self, controller: &str) -> Option<&Path> {
        let own = self.own.iter().find(|(names, _)| names.iter().any(|name| name == controller));
        own.map(|(_, mount)| mount.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_both_versions_are_found() {
        let text = "31 23 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
32 31 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw
35 31 0:30 / /sys/fs/cgroup/memory rw,nosuid shared:11 - cgroup cgroup rw,memory
36 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:12 - cgroup cgroup rw,cpu,cpuacct
";
        let mounts = Mounts::parse(text);
        assert_eq!(mounts.unified.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
        assert_eq!(mounts.own("memory"), Some(Path::new("/sys/fs/cgroup/memory")));
        assert_eq!(mounts.own("cpu"), Some(Path::new("/sys/fs/cgroup/cpu,cpuacct")));
        assert_eq!(mounts.own("io"), None);
    }

    #[test]
    fn a_limit_is_kept_where_it_has_to_be_and_where_it_can_be() {
        let there = || Ok(Controller::Unified);
        let missing = || Err("no control group can be made".to_owned());
        assert_eq!(kept(Keep::IfPossible, there), Ok(Some(Controller::Unified)));
        assert_eq!(kept(Keep::IfPossible, missing), Ok(None));
        assert_eq!(kept(Keep::Yes, missing), missing().map(Some));
        assert_eq!(kept(Keep::No, there), Ok(None));
    }

    #[test]
    fn shares_become_weights() {
        assert_eq!([2.0, 1024.0, 262_144.0].map(weight), [1, 39, 10_000]);
    }

    #[test]
    fn without_hierarchies_a_container_has_no_groups() {
        let group = Cgroups::default().of("c1");
        assert_eq!(group, Cgroup::default());
        assert!(group.make(&Limits::default()).unwrap().is_empty());
        assert!(group.processes().is_empty());
    }
}
