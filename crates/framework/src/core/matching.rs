//! Which offer an instance can use, and what has to be reserved, created or given back for it. Pure arithmetic.

use std::collections::{BTreeMap, BTreeSet};

use cairn_planted::planted;
use serde::Serialize;

use super::planted::Bug;
use crate::{InstanceSpec, Placement, PortSpec};

/// The executor's own share of an instance's resources.
pub(crate) const EXECUTOR_CPUS: Milli = 10;
/// MiB, in thousandths.
pub(crate) const EXECUTOR_MEM: Milli = 16_000;

/// Thousandths of a unit: Mesos counts scalars to three decimals.
pub(crate) type Milli = i64;

/// A scalar in thousandths.
pub(crate) fn milli(value: f64) -> Milli {
    // Values come from checked options and from offers; the cast saturates.
    (value * 1000.0).round() as Milli
}

/// Some resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) cpus: Milli,
    pub(crate) mem: Milli,
    pub(crate) disk: Milli,
    pub(crate) ports: BTreeSet<u16>,
    /// Size by persistence id.
    pub(crate) volumes: BTreeMap<String, Milli>,
}

/// One offer, sorted by what may be used for whom.
#[derive(Debug, Clone, Default)]
pub(crate) struct Supply {
    pub(crate) agent_id: String,
    pub(crate) hostname: String,
    pub(crate) address: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) free: Pool,
    /// Ports that something else listens on, whatever the offer says.
    pub(crate) taken: BTreeSet<u16>,
    /// Reserved for this framework, by instance.
    pub(crate) own: BTreeMap<String, Pool>,
    /// Ids of this framework's executors that run on the agent. They use something that is not offered.
    pub(crate) executors: BTreeSet<String>,
}

/// Why an offer does not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Refusal {
    /// Too little of something.
    Insufficient {
        /// `cpus`, `mem` or `disk`.
        resource: String,
        /// What is needed, for people.
        need: String,
        /// What the offer has.
        have: String,
    },
    /// No port of the wanted kind.
    Port {
        /// Name of the port.
        port: String,
        /// What was looked for.
        wanted: String,
    },
    /// A constraint says no.
    Constraint {
        /// Why.
        why: String,
    },
    /// The instance has its place on another agent.
    Elsewhere {
        /// Where.
        hostname: String,
    },
    /// Peers have their places there; an agent with fewer of them is waited for.
    Crowded {
        /// How many.
        peers: usize,
    },
    /// A volume with data is not in the offer.
    VolumeMissing {
        /// Persistence id.
        volume: String,
    },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Insufficient { resource, need, have } => {
                write!(f, "needs {resource} {need}, the offer has {have}")
            }
            Self::Port { port, wanted } => write!(f, "port {port}: {wanted} is in no offer"),
            Self::Constraint { why } => f.write_str(why),
            Self::Elsewhere { hostname } => write!(f, "keeps its place on {hostname}"),
            Self::Crowded { peers } => {
                write!(f, "waits for an agent with fewer than {peers} of its peers")
            }
            Self::VolumeMissing { volume } => write!(f, "its volume {volume} is not offered"),
        }
    }
}

/// What is to be done with an offer for one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fit {
    pub(crate) placement: Placement,
    pub(crate) reserve: Pool,
    pub(crate) unreserve: Pool,
    /// Volumes to create: path, persistence id, size.
    pub(crate) create: Vec<(String, String, Milli)>,
}

/// Who asks.
#[derive(Debug)]
pub(crate) struct Demand<'a> {
    pub(crate) spec: &'a InstanceSpec,
    pub(crate) placement: Option<&'a Placement>,
    /// It has served: its volumes hold data and must be there.
    pub(crate) deployed: bool,
    /// Places of its peers.
    pub(crate) peers: &'a [&'a Placement],
    /// The place that it had before it was replaced.
    pub(crate) replaces: Option<&'a Placement>,
}

/// Fits a demand into a supply; `volume_id` names a new volume by its path.
pub(crate) fn fit(
    supply: &Supply,
    demand: &Demand<'_>,
    volume_id: &mut dyn FnMut(&str) -> String,
) -> Result<Fit, Refusal> {
    admissible(supply, demand)?;
    let mine = supply.own.get(&demand.spec.name).cloned().unwrap_or_default();
    let mut fit = Fit { placement: place(supply, demand), ..Fit::default() };
    scalar("cpus", milli(demand.spec.cpus) + EXECUTOR_CPUS, mine.cpus, supply.free.cpus, |r, u| {
        (fit.reserve.cpus, fit.unreserve.cpus) = (r, u);
    })?;
    scalar("mem", milli(demand.spec.mem) + EXECUTOR_MEM, mine.mem, supply.free.mem, |r, u| {
        (fit.reserve.mem, fit.unreserve.mem) = (r, u);
    })?;
    ports(supply, demand, &mine, &mut fit)?;
    volumes(supply, demand, &mine, &mut fit, volume_id)?;
    Ok(fit)
}

/// Whether the instance may run there at all, whatever is free.
pub(crate) fn admissible(supply: &Supply, demand: &Demand<'_>) -> Result<(), Refusal> {
    if let Some(placement) = demand.placement {
        if placement.agent_id != supply.agent_id {
            return Err(Refusal::Elsewhere { hostname: placement.hostname.clone() });
        }
        return Ok(());
    }
    if demand.spec.one_per_agent && demand.peers.iter().any(|p| p.agent_id == supply.agent_id) {
        return Err(Refusal::Constraint { why: "has an instance already".into() });
    }
    for constraint in &demand.spec.constraints {
        let attribute = constraint.attribute.as_str();
        let here = value(attribute, &supply.hostname, &supply.attributes);
        let peers: Vec<_> =
            demand.peers.iter().map(|p| value(attribute, &p.hostname, &p.attributes)).collect();
        constraint.admits(here, &peers).map_err(|why| Refusal::Constraint { why })?;
    }
    Ok(())
}

/// What an agent has under the name that a constraint gives: its host name, or one of its attributes.
pub(crate) fn value<'a>(
    attribute: &str,
    hostname: &'a str,
    attributes: &'a BTreeMap<String, String>,
) -> Option<&'a str> {
    if attribute == "hostname" { Some(hostname) } else { attributes.get(attribute).map(String::as_str) }
}

fn place(supply: &Supply, demand: &Demand<'_>) -> Placement {
    let mut placement = demand.placement.cloned().unwrap_or_default();
    // The agent may have got another host name or address since.
    placement.agent_id.clone_from(&supply.agent_id);
    placement.hostname.clone_from(&supply.hostname);
    placement.address.clone_from(&supply.address);
    placement.attributes.clone_from(&supply.attributes);
    placement
}

fn scalar(
    name: &str,
    need: Milli,
    mine: Milli,
    free: Milli,
    set: impl FnOnce(Milli, Milli),
) -> Result<(), Refusal> {
    let missing = (need - mine).max(0);
    if missing > free {
        return Err(insufficient(name, need, mine + free));
    }
    set(missing, (mine - need).max(0));
    Ok(())
}

fn insufficient(resource: &str, need: Milli, have: Milli) -> Refusal {
    let text = |m: Milli| format!("{}", m as f64 / 1000.0);
    Refusal::Insufficient { resource: resource.into(), need: text(need), have: text(have) }
}

fn ports(supply: &Supply, demand: &Demand<'_>, mine: &Pool, fit: &mut Fit) -> Result<(), Refusal> {
    let mut taken: BTreeSet<u16> = BTreeSet::new();
    let mut chosen = BTreeMap::new();
    for port in &demand.spec.ports {
        let there = |p: &u16| (mine.ports.contains(p) || supply.free.ports.contains(p)) && !taken.contains(p);
        let number = match bound(port, demand, &fit.placement) {
            Some(number) if there(&number) => number,
            Some(number) if demand.deployed || port.uniform && demand.replaces.is_some() => {
                return Err(port_refusal(port, &number.to_string()));
            }
            // None yet, or one that nobody knows: what was to reserve it got lost, and somebody else has it now.
            _ => pick(port, demand, mine, supply, &taken)?,
        };
        taken.insert(number);
        chosen.insert(port.name.clone(), number);
    }
    fit.reserve.ports = taken.difference(&mine.ports).copied().collect();
    if planted(Bug::FreePorts) {
        taken.clear();
    }
    fit.unreserve.ports = mine.ports.difference(&taken).copied().collect();
    fit.placement.ports = chosen;
    Ok(())
}

/// The number that a port must have: the one that it has, or, where all have the same, the one that it had elsewhere.
fn bound(port: &PortSpec, demand: &Demand<'_>, placement: &Placement) -> Option<u16> {
    let former = demand.replaces.filter(|_| port.uniform).and_then(|p| p.ports.get(&port.name));
    placement.ports.get(&port.name).or(former).copied().filter(|p| admits(port, *p))
}

fn admits(port: &PortSpec, number: u16) -> bool {
    port.within.is_none_or(|(from, to)| (from..=to).contains(&number))
}

fn pick(
    port: &PortSpec,
    demand: &Demand<'_>,
    mine: &Pool,
    supply: &Supply,
    taken: &BTreeSet<u16>,
) -> Result<u16, Refusal> {
    let usable = |p: &u16| admits(port, *p) && !taken.contains(p) && !supply.taken.contains(p);
    let mut candidates = mine.ports.iter().chain(&supply.free.ports).copied().filter(usable);
    let found = if port.uniform {
        let used = |number: &u16| demand.peers.iter().any(|p| p.ports.get(&port.name) == Some(number));
        // From the far end: other services, which take the first free port, leave those alone on all agents.
        candidates.rev().min_by_key(|number| !used(number))
    } else {
        candidates.next()
    };
    found.ok_or_else(|| {
        let wanted = port
            .within
            .map_or("any port".to_owned(), |(a, b)| if a == b { a.to_string() } else { format!("{a}..{b}") });
        port_refusal(port, &wanted)
    })
}

fn port_refusal(port: &PortSpec, wanted: &str) -> Refusal {
    Refusal::Port { port: port.name.clone(), wanted: wanted.to_owned() }
}

fn volumes(
    supply: &Supply,
    demand: &Demand<'_>,
    mine: &Pool,
    fit: &mut Fit,
    volume_id: &mut dyn FnMut(&str) -> String,
) -> Result<(), Refusal> {
    let mut needed = 0;
    for volume in &demand.spec.volumes {
        let known = fit.placement.volumes.get(&volume.path).cloned();
        if known.as_ref().is_some_and(|id| mine.volumes.contains_key(id)) {
            continue;
        }
        if let Some(id) = known.as_ref().filter(|_| demand.deployed) {
            return Err(Refusal::VolumeMissing { volume: id.clone() });
        }
        let size = milli(volume.size as f64);
        let id = known.unwrap_or_else(|| volume_id(&volume.path));
        fit.placement.volumes.insert(volume.path.clone(), id.clone());
        fit.create.push((volume.path.clone(), id, size));
        needed += size;
    }
    // Plain reserved disk is left over when a CREATE failed after its RESERVE: it is used first.
    scalar("disk", needed, mine.disk, supply.free.disk, |r, u| {
        (fit.reserve.disk, fit.unreserve.disk) = (r, u);
    })
}

impl Supply {
    /// An executor of the instance runs on the agent.
    pub(crate) fn runs(&self, instance: &str) -> bool {
        let of = |id: &String| id.rsplit_once('.').is_some_and(|(name, _)| name == instance);
        self.executors.iter().any(of)
    }

    /// Takes out what a fit uses, so that the next instance sees what is left.
    pub(crate) fn take(&mut self, instance: &str, fit: &Fit) {
        self.free.cpus -= fit.reserve.cpus;
        self.free.mem -= fit.reserve.mem;
        self.free.disk -= fit.reserve.disk;
        for port in &fit.reserve.ports {
            self.free.ports.remove(port);
        }
        self.own.remove(instance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VolumeSpec;

    fn supply() -> Supply {
        Supply {
            agent_id: "S0".into(),
            hostname: "h0".into(),
            address: "127.0.0.1".into(),
            free: Pool {
                cpus: 4000,
                mem: 8_192_000,
                disk: 40_960_000,
                ports: (31000..31010).collect(),
                ..Pool::default()
            },
            ..Supply::default()
        }
    }

    fn spec() -> InstanceSpec {
        InstanceSpec {
            name: "broker-0".into(),
            cpus: 0.5,
            mem: 384.0,
            ports: vec![PortSpec::any("client")],
            volumes: vec![VolumeSpec { path: "data".into(), size: 1024 }],
            ..InstanceSpec::default()
        }
    }

    fn run(
        supply: &Supply,
        spec: &InstanceSpec,
        placement: Option<&Placement>,
        deployed: bool,
    ) -> Result<Fit, Refusal> {
        fit(supply, &Demand { spec, placement, deployed, peers: &[], replaces: None }, &mut |path| {
            format!("vol-{path}")
        })
    }

    #[test]
    fn a_new_instance_reserves_everything_it_needs() {
        let fit = run(&supply(), &spec(), None, false).unwrap();
        assert_eq!(fit.reserve.cpus, 510);
        assert_eq!(fit.reserve.mem, 400_000);
        assert_eq!(fit.reserve.disk, 1_024_000);
        assert_eq!(fit.placement.ports["client"], 31000);
        assert_eq!(fit.create, [("data".to_owned(), "vol-data".to_owned(), 1_024_000)]);
        assert_eq!(fit.unreserve, Pool::default());
    }

    #[test]
    fn a_relaunch_uses_what_is_reserved_and_nothing_else() {
        let first = run(&supply(), &spec(), None, false).unwrap();
        let mut later = supply();
        later.take("broker-0", &first);
        let volumes = BTreeMap::from([("vol-data".to_owned(), 1_024_000)]);
        let mine = Pool { disk: 0, volumes, ..first.reserve.clone() };
        later.own.insert("broker-0".into(), mine);
        let again = run(&later, &spec(), Some(&first.placement), true).unwrap();
        assert_eq!(again.placement, first.placement);
        assert_eq!((again.reserve, again.unreserve), (Pool::default(), Pool::default()));
        assert!(again.create.is_empty());
    }

    #[test]
    fn a_uniform_port_is_everybodys_and_stays_with_who_is_replaced() {
        let spec = InstanceSpec { ports: vec![PortSpec::any("client"), PortSpec::uniform("ring")], ..spec() };
        let ask = |peers: &[&Placement], replaces: Option<&Placement>, supply: &Supply| {
            let demand = Demand { spec: &spec, placement: None, deployed: false, peers, replaces };
            fit(supply, &demand, &mut |path| format!("vol-{path}")).map(|fit| fit.placement)
        };
        let first = ask(&[], None, &supply()).unwrap();
        assert_eq!((first.ports["client"], first.ports["ring"]), (31000, 31009));
        let other = Placement { ports: [("ring".to_owned(), 31004)].into(), ..Placement::default() };
        assert_eq!(ask(&[&other], None, &supply()).unwrap().ports["ring"], 31004);
        let mut crowded = supply();
        crowded.free.ports.remove(&31004);
        assert_eq!(ask(&[&other], None, &crowded).unwrap().ports["ring"], 31009, "better than nothing");
        let refused = ask(&[&first], Some(&other), &crowded).unwrap_err();
        assert_eq!(refused.to_string(), "port ring: 31004 is in no offer");
        assert_eq!(ask(&[&first], Some(&other), &supply()).unwrap().ports["ring"], 31004);
    }

    #[test]
    fn more_cpus_are_topped_up_and_fewer_given_back() {
        let mut later = supply();
        later.own.insert("broker-0".into(), Pool { cpus: 1010, mem: 100_000, ..Pool::default() });
        let fit = run(&later, &spec(), None, false).unwrap();
        assert_eq!((fit.reserve.cpus, fit.unreserve.cpus), (0, 500));
        assert_eq!((fit.reserve.mem, fit.unreserve.mem), (300_000, 0));
    }

    #[test]
    fn a_volume_with_data_is_never_made_anew() {
        let mut placement = run(&supply(), &spec(), None, false).unwrap().placement;
        let refused = run(&supply(), &spec(), Some(&placement), true);
        assert_eq!(refused, Err(Refusal::VolumeMissing { volume: "vol-data".into() }));
        placement.agent_id = "S9".into();
        assert!(matches!(run(&supply(), &spec(), Some(&placement), true), Err(Refusal::Elsewhere { .. })));
    }

    #[test]
    fn a_port_that_was_never_reserved_gives_way() {
        let placement = run(&supply(), &spec(), None, false).unwrap().placement;
        let mut later = supply();
        later.free.ports.remove(&31000);
        assert_eq!(run(&later, &spec(), Some(&placement), false).unwrap().placement.ports["client"], 31001);
        let replaces = Some(&placement);
        let spec = spec();
        let demand = Demand { spec: &spec, placement: replaces, deployed: false, peers: &[], replaces };
        let again = fit(&later, &demand, &mut |path| format!("vol-{path}")).unwrap();
        assert_eq!(again.placement.ports["client"], 31001, "also where one was replaced");
        later.own.insert(
            "broker-0".into(),
            Pool { volumes: BTreeMap::from([("vol-data".to_owned(), 1_024_000)]), ..Pool::default() },
        );
        assert!(
            matches!(run(&later, &spec, Some(&placement), true), Err(Refusal::Port { .. })),
            "it has served"
        );
    }

    #[test]
    fn refusals_say_what_is_missing() {
        let mut big = spec();
        big.cpus = 64.0;
        let refusal = run(&supply(), &big, None, false).unwrap_err();
        assert_eq!(refusal.to_string(), "needs cpus 64.01, the offer has 4");
        let mut port = spec();
        port.ports[0].within = Some((9092, 9092));
        assert_eq!(
            run(&supply(), &port, None, false).unwrap_err().to_string(),
            "port client: 9092 is in no offer"
        );
    }
}
