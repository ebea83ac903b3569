//! What is given back: nothing that the store still has for an instance.

use std::collections::{BTreeMap, BTreeSet};

use cairn_mesos::v1::Resource;
use cairn_mesos::v1::offer::operation::Type;
use cairn_mesos::v1::scheduler::Call;

use crate::acts::label;
use crate::ledger::Known;
use crate::told::thousandths;
use crate::world::World;

/// What one call gives back of an instance's reservations on one agent.
#[derive(Debug, Default)]
struct Freed {
    /// Thousandths.
    cpus: u64,
    mem: u64,
    ports: BTreeSet<u64>,
}

impl Freed {
    fn add(&mut self, resource: &Resource) {
        let amount = thousandths(resource.scalar.as_ref().map_or(0.0, |s| s.value));
        match resource.name.as_str() {
            "cpus" => self.cpus += amount,
            "mem" => self.mem += amount,
            // What is reserved of a disk is in no record: its volumes are, and those are destroyed first.
            "disk" => {}
            _ => {
                let ranges = resource.ranges.iter().flat_map(|r| &r.range);
                self.ports.extend(ranges.flat_map(|r| r.begin..=r.end));
            }
        }
    }

    /// What of this an instance that keeps its place needs there; `held` was reserved for it.
    fn needed(&self, known: &Known, held: (u64, u64)) -> Option<String> {
        if let Some(port) = known.ports.values().find(|port| self.ports.contains(port)) {
            return Some(format!("its port {port}"));
        }
        let (cpus, mem) = (held.0.saturating_sub(self.cpus), held.1.saturating_sub(self.mem));
        let short = cpus < known.cpus && self.cpus > 0 || mem < known.mem && self.mem > 0;
        short.then(|| format!("{} of its cpus and {} of its mem, in thousandths", self.cpus, self.mem))
    }
}

impl World {
    /// No reservation is freed that the store holds: not of who keeps its place, but for what it does not need any more.
    pub(crate) fn check_freed(&mut self, index: usize, call: &Call) {
        let Some(accept) = &call.accept else { return };
        let operations = accept.operations.iter().filter(|o| o.r#type() == Type::Unreserve);
        let resources = operations.flat_map(|o| &o.unreserve).flat_map(|u| &u.resources);
        let mut freed: BTreeMap<String, Freed> = BTreeMap::new();
        for resource in resources {
            let name = label(resource, "instance").unwrap_or_default().to_owned();
            freed.entry(name).or_default().add(resource);
        }
        for (name, freed) in freed {
            let offers = accept.offer_ids.iter().map(|id| id.value.as_str());
            if let Some(why) = self.still_held(index, offers, &name, &freed) {
                self.violate("nothing is freed that the store holds", || {
                    format!("scheduler {index} gives back what {name} has: {why}")
                });
            }
        }
    }

    /// Why these resources must not be given back.
    fn still_held<'a>(
        &self,
        index: usize,
        mut offers: impl Iterator<Item = &'a str>,
        name: &str,
        freed: &Freed,
    ) -> Option<String> {
        if self.ledger.destroying(index) {
            return None;
        }
        let held = offers.find_map(|id| self.ledger.told.get(&index)?.offered.get(id))?;
        let Some(known) = self.ledger.of(index, name) else {
            return Some("it is in no record, and not all is to go".into());
        };
        if known.agent.as_ref() != Some(&held.agent) {
            let given_up = known.given_up.contains(&held.agent);
            return (!given_up).then(|| format!("it has given up nothing on {}", held.agent));
        }
        if known.gives_back() {
            return None;
        }
        freed.needed(known, held.reserved.get(name).copied().unwrap_or_default())
    }
}
