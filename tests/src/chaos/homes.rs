//! Where the agents of a run live: each in a network namespace and on a disk of its own, so that both can fail while no
//! process is touched.
//!
//! Who makes homes is alone in namespaces ([`seclude`]): what it makes and what it starts is gone when it has ended, however
//! that came.
//!
//! All addresses are loopback ones: beyond them Elasticsearch demands limits that only whoever owns the machine can set.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::WaitOptions;

use crate::cairn::Home;
use crate::until;

/// Says that this process has been secluded already.
const SECLUDED: &str = "CAIRN_CHAOS_SECLUDED";
/// What [`seclude`] asks for.
const NAMESPACES: [&str; 6] =
    ["--net", "--mount", "--propagation", "private", "--kill-child", "--mount-proc"];
/// Runs a program that ends with whoever has started it.
const BOUND: [&str; 3] = ["setpriv", "--pdeathsig", "KILL"];
/// The address of this process on the network of its agents.
pub const HUB: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);
/// The address of the agent at place 0; the others have those that follow.
const FIRST: u8 = 10;
/// A network card that nobody has.
const NOBODY: &str = "02:00:00:00:00:99";
/// How large a disk is while it is not full, bytes.
const DISK: u64 = 4 << 30;

/// What this process is, once [`seclude`] has come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secluded {
    /// The one that is alone.
    Here,
    /// One that has waited for it: it ended with this code.
    Over(u8),
}

/// Runs this program once more, alone in a network, a mount and a process namespace, and waits for its end. Whatever ends
/// this process, or that one, ends all that runs in there.
///
/// # Errors
/// Why the machine does not let it; then nothing has run.
pub fn seclude() -> Result<Secluded, String> {
    match (std::env::var_os(SECLUDED), std::process::id()) {
        (None, _) => enter(),
        (Some(_), 1) => hold().map(Secluded::Over),
        (Some(_), _) => open_loopback(&[]).map(|()| Secluded::Here),
    }
}

fn again() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("this program is not found: {error}"))
}

fn enter() -> Result<Secluded, String> {
    run("unshare", &[&NAMESPACES[..], &["--pid", "true"]].concat())?;
    let mut command = Command::new(BOUND[0]);
    command.args(&BOUND[1..]).arg("unshare").args(NAMESPACES).args(["--pid", "--"]);
    let status = command.arg(again()?).args(std::env::args_os().skip(1)).env(SECLUDED, "yes").status();
    let code = status.map_err(|error| format!("{}: {error}", BOUND[0]))?.code();
    Ok(Secluded::Over(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)))
}

/// What the first process of a namespace has to do: bury those whose parents are gone, until the one that counts has ended.
fn hold() -> Result<u8, String> {
    let mut command = Command::new(again()?);
    let child = command.args(std::env::args_os().skip(1)).spawn().map_err(|error| error.to_string())?;
    let child = i32::try_from(child.id()).map_err(|error| error.to_string())?;
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == child => {
                let code = status.exit_status().and_then(|code| u8::try_from(code).ok());
                return Ok(code.unwrap_or(u8::MAX));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(format!("wait: {error}")),
        }
    }
}

/// Leaves a single address to the loopback device of a network namespace, and lets the others go through networks.
fn open_loopback(within: &[String]) -> Result<(), String> {
    run_within(within, &["ip", "link", "set", "lo", "up"])?;
    run_within(within, &["sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1"])?;
    run_within(within, &["ip", "address", "add", "127.0.0.1/32", "dev", "lo"])?;
    run_within(within, &["ip", "address", "delete", "127.0.0.1/8", "dev", "lo"])
}

/// A namespace with a cable to the hub, and a disk.
struct House {
    /// Holds the namespace while nothing else is in it.
    anchor: Child,
    address: Ipv4Addr,
    /// The end of its cable at the hub.
    cable: String,
    /// Where its disk is mounted.
    disk: PathBuf,
}

/// Homes for agents. Once dropped, no disk is mounted any more; what is written there is gone.
pub struct Homes(Vec<House>);

impl Homes {
    /// Makes so many, with their disks in a folder, and a hub between them.
    ///
    /// # Errors
    /// When the machine does not let it; then nothing is left.
    pub fn make(folder: &Path, count: usize) -> Result<Self, String> {
        run("ip", &["link", "add", "hub", "type", "bridge"])?;
        run("ip", &["address", "add", &format!("{HUB}/24"), "dev", "hub"])?;
        run("ip", &["link", "set", "hub", "up"])?;
        let mut homes = Self(Vec::new());
        for place in 0..count {
            let house = House::new(place, &folder.join(format!("agent-{place}")))?;
            homes.0.push(house);
            homes.0[place].furnish()?;
        }
        Ok(homes)
    }

    /// For the agents.
    pub fn all(&self) -> Vec<Home> {
        self.0.iter().map(|house| Home { address: house.address, within: house.within() }).collect()
    }

    /// Cuts an agent off.
    ///
    /// # Errors
    /// When the machine does not let it; this goes for all that follow.
    pub fn unplug(&self, place: usize) -> Result<(), String> {
        run("ip", &["link", "set", &self.0[place].cable, "down"])
    }

    /// Ends [`Self::unplug`].
    ///
    /// # Errors
    /// As there.
    pub fn plug(&self, place: usize) -> Result<(), String> {
        run("ip", &["link", "set", &self.0[place].cable, "up"])
    }

    /// Cuts two agents off from each other, and from nobody else: what one sends to the other goes to nobody.
    ///
    /// # Errors
    /// As [`Self::unplug`].
    pub fn part(&self, one: usize, other: usize) -> Result<(), String> {
        let forget = |from: usize, to: usize| {
            let to = self.0[to].address.to_string();
            self.0[from].ip(&[
                "neighbour",
                "replace",
                &to,
                "lladdr",
                NOBODY,
                "dev",
                "eth0",
                "nud",
                "permanent",
            ])
        };
        forget(one, other)?;
        forget(other, one)
    }

    /// Ends [`Self::part`].
    ///
    /// # Errors
    /// As there.
    pub fn join(&self, one: usize, other: usize) -> Result<(), String> {
        let find = |from: usize, to: usize| {
            self.0[from].ip(&["neighbour", "delete", &self.0[to].address.to_string(), "dev", "eth0"])
        };
        find(one, other)?;
        find(other, one)
    }

    /// Makes the disk of an agent as small as what is on it.
    ///
    /// # Errors
    /// As [`Self::unplug`].
    pub fn fill(&self, place: usize) -> Result<(), String> {
        let disk = &self.0[place].disk;
        let mut told = String::new();
        // More may be written between the look and the change, which is then refused.
        for _ in 0..100 {
            match resize(disk, used(disk)?) {
                Ok(()) => return Ok(()),
                Err(refused) => told = refused,
            }
        }
        Err(told)
    }

    /// Ends [`Self::fill`].
    ///
    /// # Errors
    /// As there.
    pub fn clear(&self, place: usize) -> Result<(), String> {
        resize(&self.0[place].disk, DISK)
    }
}

impl House {
    fn new(place: usize, disk: &Path) -> Result<Self, String> {
        let mut anchor = Command::new("unshare");
        let anchor = anchor
            .arg("--net")
            .args(BOUND)
            .args(["sleep", "infinity"])
            .current_dir("/")
            .stdin(Stdio::null())
            .spawn();
        let anchor = anchor.map_err(|error| format!("unshare: {error}"))?;
        let host = u8::try_from(place).map_or(u8::MAX, |place| FIRST.saturating_add(place));
        let [a, b, c, _] = HUB.octets();
        Ok(Self {
            anchor,
            address: Ipv4Addr::new(a, b, c, host),
            cable: format!("agent{place}"),
            disk: disk.to_owned(),
        })
    }

    fn furnish(&self) -> Result<(), String> {
        let pid = self.anchor.id().to_string();
        let network = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/net")).ok();
        until("a network namespace is there", Duration::from_secs(10), || {
            network(&pid).filter(|theirs| Some(theirs) != network("self").as_ref())
        });
        run("ip", &["link", "add", &self.cable, "type", "veth", "peer", "name", "eth0", "netns", &pid])?;
        run("ip", &["link", "set", &self.cable, "master", "hub", "up"])?;
        open_loopback(&self.within())?;
        self.ip(&["address", "add", &format!("{}/24", self.address), "dev", "eth0"])?;
        self.ip(&["link", "set", "eth0", "up"])?;
        std::fs::create_dir_all(&self.disk).map_err(|error| format!("{}: {error}", self.disk.display()))?;
        let disk = self.disk.display().to_string();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={DISK}"), "cairn-chaos", &disk])
    }

    /// The words before a command that is to run there.
    fn within(&self) -> Vec<String> {
        vec!["nsenter".into(), format!("--net=/proc/{}/ns/net", self.anchor.id()), "--".into()]
    }

    /// Changes its network from within.
    fn ip(&self, args: &[&str]) -> Result<(), String> {
        run_within(&self.within(), &[&["ip"], args].concat())
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = run("umount", &["--lazy", &self.disk.display().to_string()]);
        let _ = self.anchor.kill();
        let _ = self.anchor.wait();
    }
}

/// What is on a disk, bytes.
fn used(disk: &Path) -> Result<u64, String> {
    let told = rustix::fs::statvfs(disk).map_err(|error| format!("{}: {error}", disk.display()))?;
    Ok((told.f_blocks - told.f_bfree) * told.f_frsize)
}

fn resize(disk: &Path, bytes: u64) -> Result<(), String> {
    run("mount", &["-o", &format!("remount,size={bytes}"), &disk.display().to_string()])
}

fn run_within(within: &[String], command: &[&str]) -> Result<(), String> {
    let words: Vec<&str> = within.iter().map(String::as_str).chain(command.iter().copied()).collect();
    run(words[0], &words[1..])
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let out = Command::new(program).args(args).stdin(Stdio::null()).output();
    let out = out.map_err(|error| format!("{program}: {error}"))?;
    if out.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&out.stderr).trim().to_owned();
    Err(format!("{program} {}: {told}", args.join(" ")))
}
