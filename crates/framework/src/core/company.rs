//! Instances of a cluster keep apart: one that would join a peer on its agent waits a moment for an agent with fewer of them.
//!
//! Which offers come first is chance, and a place is for ever: three nodes on one agent would go down with it, although two
//! others have room. The wait is bounded, since an agent that could hold it may never be offered.

use super::event::Capacity;
use super::matching::{Demand, Supply, admissible};
use super::{Core, Millis};
use crate::{InstanceSpec, Placement};

/// How many of the peers have their place on this agent.
pub(crate) fn peers_on(agent_id: &str, peers: &[&Placement]) -> usize {
    peers.iter().filter(|peer| peer.agent_id == agent_id).count()
}

/// Whether some agent that is not among `offered` could hold the instance, with fewer than `company` of its peers.
pub(crate) fn is_lonelier_elsewhere(
    demand: &Demand<'_>,
    company: usize,
    offered: &[Supply],
    agents: &[Capacity],
) -> bool {
    agents.iter().any(|agent| {
        peers_on(&agent.agent_id, demand.peers) < company
            && !offered.iter().any(|supply| supply.agent_id == agent.agent_id)
            && agent.holds(demand.spec)
            && admissible(&bare(agent), demand).is_ok()
    })
}

/// An agent with nothing to give, to ask whether it may be used at all.
fn bare(agent: &Capacity) -> Supply {
    Supply {
        agent_id: agent.agent_id.clone(),
        hostname: agent.hostname.clone(),
        attributes: agent.attributes.clone(),
        ..Supply::default()
    }
}

impl Core {
    /// Whether a place with so many peers is not taken yet. As long as it is not known which agents there are, there may
    /// be others.
    pub(crate) fn waits_for_room(
        &mut self,
        demand: &Demand<'_>,
        company: usize,
        offered: &[Supply],
        now: Millis,
    ) -> bool {
        let spec: &InstanceSpec = demand.spec;
        let keeps_apart = demand.placement.is_none() && spec.gang.is_none() && !self.model.independent;
        if company == 0 || !keeps_apart || self.setup.room_ms == 0 {
            return false;
        }
        if self.knows_agents() && !is_lonelier_elsewhere(demand, company, offered, &self.capacities) {
            return false;
        }
        let room_ms = self.setup.room_ms;
        let until = *self.live_mut(&spec.name).room_until.get_or_insert(now + room_ms);
        if until <= now {
            return false;
        }
        // The offers that are declined now are wanted after all then.
        self.revive_at = Some(self.revive_at.map_or(until, |at| at.min(until)));
        true
    }

    /// It is known which agents there are.
    pub(crate) fn know_agents(&mut self, agents: Vec<Capacity>, now: Millis) {
        let news = self.capacities != agents;
        self.capacities = agents;
        // Somebody may have waited for an agent that there is not.
        if news && self.live.values().any(|live| live.room_until.is_some_and(|until| until > now)) {
            self.revive_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(id: &str, cpus: f64) -> Capacity {
        Capacity {
            agent_id: id.into(),
            hostname: format!("host-{id}"),
            cpus,
            mem: 1024.0,
            ..Capacity::default()
        }
    }

    fn on(agent: &str) -> Placement {
        Placement { agent_id: agent.into(), hostname: format!("host-{agent}"), ..Placement::default() }
    }

    /// An instance of one cpu with these peers, of which offers of A come; B and C are there too.
    fn lonelier(peers: &[Placement], constraint: Option<&str>, cpus_of_others: f64) -> bool {
        let peers: Vec<&Placement> = peers.iter().collect();
        let constraints = constraint.into_iter().map(|c| c.parse().expect("a constraint")).collect();
        let spec = InstanceSpec { cpus: 1.0, constraints, ..InstanceSpec::default() };
        let demand = Demand { spec: &spec, placement: None, deployed: false, peers: &peers, replaces: None };
        let offered = [bare(&agent("A", 4.0))];
        let agents = [agent("A", 4.0), agent("B", cpus_of_others), agent("C", cpus_of_others)];
        is_lonelier_elsewhere(&demand, peers_on("A", &peers), &offered, &agents)
    }

    #[test]
    fn an_agent_with_fewer_peers_is_worth_waiting_for() {
        assert!(!lonelier(&[], None, 4.0), "nobody is here");
        assert!(lonelier(&[on("A")], None, 4.0));
        assert!(!lonelier(&[on("A"), on("B"), on("C")], None, 4.0), "it is the same everywhere");
        assert!(lonelier(&[on("A"), on("A"), on("B"), on("C")], None, 4.0));
    }

    #[test]
    fn but_not_one_that_could_never_hold_it() {
        assert!(!lonelier(&[on("A")], None, 0.5), "too small");
        assert!(!lonelier(&[on("A")], Some("hostname:like:host-A"), 4.0), "not wanted there");
        assert!(!lonelier(&[on("A")], Some("hostname:cluster"), 4.0), "it is to be where the others are");
    }
}
