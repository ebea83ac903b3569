//! One instance on every agent: which instances that makes, as agents come and go.

use std::collections::{BTreeMap, BTreeSet};

use super::Core;
use super::event::Capacity;
use super::matching;
use super::render::Stale;
use super::state::Record;
use crate::InstanceSpec;

/// What a template comes to on the agents that there are.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Spread {
    /// One instance an agent, in the order of their numbers.
    pub(crate) instances: Vec<InstanceSpec>,
    /// Those of them whose agent is not there at present. They keep their places and nobody waits for them.
    pub(crate) away: BTreeSet<String>,
}

/// Spreads `template` over the agents. An instance belongs to the agent on which it has its place, for ever; an agent
/// without one gets the lowest free number.
pub(crate) fn spread(
    template: &InstanceSpec,
    records: &BTreeMap<String, Record>,
    agents: &[Capacity],
) -> Spread {
    let mut numbers = BTreeSet::new();
    let mut away = BTreeSet::new();
    let mut served = BTreeSet::new();
    for (number, record) in numbered(template, records) {
        let Some(place) = &record.placement else { continue };
        let agent = agents.iter().find(|a| a.agent_id == place.agent_id);
        let kept = match agent {
            Some(agent) => admits(template, agent),
            None => !record.retired,
        };
        if kept && served.insert(place.agent_id.as_str()) {
            numbers.insert(number);
            if agent.is_none() {
                away.insert(name(template, number));
            }
        }
    }
    let new = agents.iter().filter(|a| admits(template, a) && !served.contains(a.agent_id.as_str())).count();
    let holds = |n: &u32| records.get(&name(template, *n)).is_some_and(|r| r.placement.is_some());
    let free: Vec<u32> = (0..).filter(|n| !numbers.contains(n) && !holds(n)).take(new).collect();
    numbers.extend(free);
    let instance = |number: u32| InstanceSpec { name: name(template, number), ..template.clone() };
    Spread { instances: numbers.into_iter().map(instance).collect(), away }
}

fn name(template: &InstanceSpec, number: u32) -> String {
    format!("{}-{number}", template.name)
}

/// Records that are, or were, instances of the template, by number.
fn numbered<'a>(template: &InstanceSpec, records: &'a BTreeMap<String, Record>) -> BTreeMap<u32, &'a Record> {
    records.iter().filter_map(|(n, record)| Some((number_of(template, n)?, record))).collect()
}

fn number_of(template: &InstanceSpec, instance: &str) -> Option<u32> {
    instance.strip_prefix(template.name.as_str())?.strip_prefix('-')?.parse().ok()
}

fn admits(template: &InstanceSpec, agent: &Capacity) -> bool {
    template.constraints.iter().all(|constraint| {
        let here = matching::value(&constraint.attribute, &agent.hostname, &agent.attributes);
        constraint.admits(here, &[]).is_ok()
    })
}

impl Core {
    /// The target follows the agents, so the driver should look at them every so often.
    pub fn follows_agents(&self) -> bool {
        self.model.each_agent.is_some() && !self.destroying()
    }

    /// It is known which agents there are.
    pub fn knows_agents(&self) -> bool {
        !self.capacities.is_empty()
    }

    /// Brings the target in line with the agents as they are known now.
    pub(crate) fn follow_agents(&mut self) {
        let template = match &self.model.each_agent {
            Some(template) if !self.destroying() => template,
            _ => {
                self.away.clear();
                return;
            }
        };
        let Spread { instances, away } = spread(template, &self.state.instances, &self.capacities);
        // Who is away is a matter of knowing: before anything is known, everybody is taken to be there.
        self.away = if self.capacities.is_empty() { BTreeSet::new() } else { away };
        // Others are counted as ever.
        let others = self.model.instances.iter().filter(|i| number_of(template, &i.name).is_none()).cloned();
        let instances: Vec<InstanceSpec> = others.chain(instances).collect();
        if self.model.instances != instances {
            self.model.instances = instances;
            self.settled = false;
            self.stale = Stale::Everybody;
            self.note_target();
            self.adopt();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Placement;

    fn agent(id: &str, rack: &str) -> Capacity {
        Capacity {
            agent_id: id.into(),
            hostname: format!("host-{id}"),
            attributes: [("rack".to_owned(), rack.to_owned())].into(),
            ..Capacity::default()
        }
    }

    fn on(agent: &str, retired: bool) -> Record {
        let placement = Some(Placement { agent_id: agent.into(), ..Placement::default() });
        Record { placement, retired, ..Record::default() }
    }

    fn names(template: &InstanceSpec, records: &[(&str, Record)], agents: &[Capacity]) -> (String, String) {
        let records = records.iter().map(|(n, r)| ((*n).to_owned(), r.clone())).collect();
        let spread = spread(template, &records, agents);
        let list = |names: Vec<String>| names.join(" ");
        (
            list(spread.instances.into_iter().map(|i| i.name).collect()),
            list(spread.away.into_iter().collect()),
        )
    }

    fn template() -> InstanceSpec {
        InstanceSpec { name: "agent".into(), one_per_agent: true, ..InstanceSpec::default() }
    }

    #[test]
    fn every_agent_gets_one_and_new_ones_the_lowest_free_number() {
        let (a, b, c) = (agent("A", "1"), agent("B", "1"), agent("C", "1"));
        let told = names(&template(), &[], &[a.clone(), b.clone()]);
        assert_eq!(told.0, "agent-0 agent-1");
        let placed = [("agent-0", on("A", false)), ("agent-2", on("B", false))];
        assert_eq!(names(&template(), &placed, &[a, b, c]).0, "agent-0 agent-1 agent-2");
    }

    #[test]
    fn places_of_agents_that_are_away_are_kept_and_those_that_come_back_find_theirs() {
        let placed = [("agent-0", on("A", false)), ("agent-1", on("B", false))];
        let told = names(&template(), &placed, &[agent("B", "1")]);
        assert_eq!(told, ("agent-0 agent-1".into(), "agent-0".into()));
        let told = names(&template(), &placed, &[agent("A", "1"), agent("B", "1")]);
        assert_eq!(told, ("agent-0 agent-1".into(), String::new()));
        let retired = [("agent-3", on("A", true))];
        assert_eq!(names(&template(), &retired, &[agent("A", "1")]).0, "agent-3");
        assert_eq!(names(&template(), &retired, &[agent("B", "1")]).0, "agent-0");
    }

    #[test]
    fn what_a_constraint_does_not_admit_leaves() {
        let mut template = template();
        template.constraints = vec!["rack:like:1".parse().unwrap()];
        let agents = [agent("A", "1"), agent("B", "2")];
        let placed = [("agent-0", on("A", false)), ("agent-1", on("B", false))];
        assert_eq!(names(&template, &placed, &agents).0, "agent-0");
        assert_eq!(names(&template, &[], &agents).0, "agent-0");
    }

    #[test]
    fn two_on_one_agent_become_one() {
        let placed = [("agent-0", on("A", false)), ("agent-1", on("A", false)), ("other", on("A", false))];
        assert_eq!(names(&template(), &placed, &[agent("A", "1")]).0, "agent-0");
    }
}
