//! Maintenance: machines that are going to be unavailable, and those that are down.
//!
//! Agents on a machine with a window are offered with that window, and frameworks that run something there are asked to move
//! away by inverse offers, again and again as their filters allow, until the machine is down or the window is gone.

use std::collections::BTreeMap;

use cairn_mesos::v1::maintenance::cluster_status::DrainingMachine;
use cairn_mesos::v1::maintenance::inverse_offer_status::Status;
use cairn_mesos::v1::maintenance::{ClusterStatus, InverseOfferStatus, Schedule, Window};
use cairn_mesos::v1::scheduler::{Event, event};
use cairn_mesos::v1::task_status::Reason;
use cairn_mesos::v1::{AgentId, Filters, InverseOffer, MachineId, OfferId, TaskState, Unavailability};

use super::agents::Farewell;
use crate::master::agent::Agent;
use crate::master::core::{Master, framework_id};
use crate::master::event::{Reply, Time};
use crate::master::status::time_info;
use crate::master::told::of;
use crate::master::{offers, refusal};

/// An inverse offer that is not answered yet.
#[derive(Debug, Clone)]
struct OpenInverse {
    framework: String,
    agent: String,
}

/// What is planned, and what has come of it. The registry keeps windows and machines that are down.
#[derive(Debug, Clone, Default)]
pub(crate) struct Maintenance {
    windows: Vec<Window>,
    down: Vec<MachineId>,
    open: BTreeMap<String, OpenInverse>,
    /// The last answer of a framework about an agent.
    answers: BTreeMap<(String, String), InverseOfferStatus>,
    /// Until when a framework is not asked about an agent.
    quiet: BTreeMap<(String, String), Time>,
    /// Somebody may have to be asked who had not to be before.
    is_due: bool,
}

impl Maintenance {
    /// What the registry held.
    pub(crate) fn recovered(schedule: Option<Schedule>, down: Vec<MachineId>) -> Self {
        Self { windows: schedule.unwrap_or_default().windows, down, ..Self::default() }
    }

    pub(crate) fn schedule(&self) -> Schedule {
        Schedule { windows: self.windows.clone() }
    }

    pub(crate) fn down(&self) -> &[MachineId] {
        &self.down
    }

    /// When somebody may be asked, for the first time or again.
    pub(crate) fn next_question(&self) -> Option<Time> {
        if self.is_due { Some(Time::ZERO) } else { self.quiet.values().min().copied() }
    }

    /// Somebody uses an agent from now on, or is back to be asked.
    pub(crate) fn look_again(&mut self) {
        self.is_due = !self.windows.is_empty();
    }

    /// Whether agents there must stay away.
    pub(crate) fn is_down(&self, hostname: &str, ip: &str) -> bool {
        self.down.iter().any(|machine| is_on(machine, hostname, ip))
    }

    /// When the agent's machine is planned to be away.
    pub(crate) fn unavailability(&self, agent: &Agent) -> Option<Unavailability> {
        if self.windows.is_empty() {
            return None;
        }
        let window = self.windows.iter().find(|window| {
            window.machine_ids.iter().any(|machine| is_on(machine, agent.hostname(), &agent.ip))
        });
        window.map(|window| window.unavailability)
    }

    /// Nothing is asked, or remembered, about this agent any more.
    fn forget(&mut self, agent: &str) {
        self.open.retain(|_, open| open.agent != agent);
        self.answers.retain(|(of, _), _| of != agent);
        self.quiet.retain(|(of, _), _| of != agent);
    }
}

/// What a machine does not say of itself, it does not have to match.
fn is_on(machine: &MachineId, hostname: &str, ip: &str) -> bool {
    let same = |given: Option<&String>, own: &str| given.is_none_or(|given| given.eq_ignore_ascii_case(own));
    same(machine.hostname.as_ref(), hostname) && same(machine.ip.as_ref(), ip)
}

fn is_named(machine: &MachineId) -> bool {
    machine.hostname.as_ref().or(machine.ip.as_ref()).is_some_and(|name| !name.is_empty())
}

impl Master {
    pub(super) fn update_schedule(&mut self, schedule: Schedule, now: Time) -> Result<Reply, Reply> {
        for window in &schedule.windows {
            if window.machine_ids.is_empty() {
                return Err(Reply::bad_request("List of machines in the maintenance window is empty"));
            }
            if window.unavailability.duration.is_some_and(|duration| duration.nanoseconds < 0) {
                return Err(Reply::bad_request("Unavailability 'duration' is negative"));
            }
        }
        let mut seen: Vec<&MachineId> = Vec::new();
        for machine in schedule.windows.iter().flat_map(|window| &window.machine_ids) {
            if !is_named(machine) {
                return Err(Reply::bad_request("Machine has neither a hostname nor an ip"));
            }
            if seen.contains(&machine) {
                let text = format!("Machine '{}' appears more than once in the schedule", machine.hostname());
                return Err(Reply::bad_request(text));
            }
            seen.push(machine);
        }
        if let Some(machine) = self.maintenance.down.iter().find(|machine| !seen.contains(machine)) {
            let text = format!("Machine '{}' is down and must stay in the schedule", machine.hostname());
            return Err(Reply::bad_request(text));
        }
        let before: Vec<_> = self
            .agents
            .iter()
            .map(|(id, agent)| (id.clone(), self.maintenance.unavailability(agent)))
            .collect();
        self.maintenance.windows = schedule.windows;
        self.persist();
        for (id, before) in before {
            let after = self.agents.get(&id).and_then(|agent| self.maintenance.unavailability(agent));
            if before != after {
                self.rescind_inverse_offers(&id);
                self.maintenance.forget(&id);
                // Offers that do not say so are void; new ones will.
                self.rescind_offers_on(&id);
            }
        }
        self.ask_to_leave_after_offers(now);
        Ok(Reply::Ok)
    }

    /// The offers that a change of the schedule brings come first, as from Apache Mesos.
    fn ask_to_leave_after_offers(&mut self, now: Time) {
        self.allocate(now);
        self.ask_to_leave(now);
    }

    fn rescind_inverse_offers(&mut self, agent: &str) {
        let open = self.maintenance.open.iter().filter(|(_, open)| open.agent == agent);
        for (id, framework) in open.map(|(id, open)| (id.clone(), open.framework.clone())).collect::<Vec<_>>()
        {
            self.maintenance.open.remove(&id);
            let rescind = event::RescindInverseOffer { inverse_offer_id: OfferId { value: id } };
            let event =
                Event { rescind_inverse_offer: Some(rescind), ..of(event::Type::RescindInverseOffer) };
            self.send_to(&framework, event);
        }
    }

    /// Ask everybody who has something on a machine that is going away, and has not been asked.
    pub(crate) fn ask_to_leave(&mut self, now: Time) {
        self.maintenance.is_due = false;
        self.maintenance.quiet.retain(|_, until| *until > now);
        if self.maintenance.windows.is_empty() {
            return;
        }
        let mut questions: BTreeMap<String, Vec<InverseOffer>> = BTreeMap::new();
        let mut asked = Vec::new();
        for (id, agent) in self.agents.iter().filter(|(_, agent)| agent.link().is_some()) {
            let Some(unavailability) = self.maintenance.unavailability(agent) else { continue };
            for (framework, _) in agent.used() {
                let key = (id.to_string(), framework.clone());
                let open = self
                    .maintenance
                    .open
                    .values()
                    .any(|open| *open.agent == **id && open.framework == *framework);
                let connected = self.frameworks.get(framework).is_some_and(|known| known.stream().is_some());
                if connected && !open && !self.maintenance.quiet.contains_key(&key) {
                    let url = offers::agent_url(agent.hostname(), &agent.ip, agent.info.port);
                    asked.push((key, unavailability, url));
                }
            }
        }
        for ((agent, framework), unavailability, url) in asked {
            let id = self.new_offer_id();
            let offer = InverseOffer {
                id: OfferId { value: id.clone() },
                url: Some(url),
                framework_id: framework_id(&framework),
                agent_id: Some(AgentId { value: agent.clone() }),
                unavailability,
                resources: Vec::new(),
            };
            questions.entry(framework.clone()).or_default().push(offer);
            self.maintenance.open.insert(id, OpenInverse { framework, agent });
        }
        for (framework, inverse_offers) in questions {
            let offers = event::InverseOffers { inverse_offers };
            let event = Event { inverse_offers: Some(offers), ..of(event::Type::InverseOffers) };
            self.send_to(&framework, event);
        }
    }

    /// A framework says whether it will be gone by then.
    pub(crate) fn answer_inverse_offers(
        &mut self,
        framework: &str,
        ids: &[OfferId],
        filters: Option<&Filters>,
        accepted: bool,
        now: Time,
    ) {
        let until = now + refusal::of_whole(offers::refuse_seconds(filters));
        for id in ids {
            if self.maintenance.open.get(&id.value).is_none_or(|open| open.framework != framework) {
                continue;
            }
            let Some(open) = self.maintenance.open.remove(&id.value) else { continue };
            let key = (open.agent, open.framework);
            let status = InverseOfferStatus {
                status: if accepted { Status::Accept } else { Status::Decline } as i32,
                framework_id: framework_id(framework),
                timestamp: time_info(now),
            };
            self.maintenance.answers.insert(key.clone(), status);
            self.maintenance.quiet.insert(key, until);
        }
    }

    /// The framework is not connected any more: what it was asked is void.
    pub(crate) fn withdraw_inverse_offers_of(&mut self, framework: &str) {
        self.maintenance.open.retain(|_, open| open.framework != framework);
        self.maintenance.quiet.retain(|(_, of), _| of != framework);
    }

    pub(super) fn start_maintenance(&mut self, machines: Vec<MachineId>, now: Time) -> Result<Reply, Reply> {
        let scheduled: Vec<&MachineId> =
            self.maintenance.windows.iter().flat_map(|window| &window.machine_ids).collect();
        for machine in &machines {
            if !scheduled.contains(&machine) {
                let text = format!("Machine '{}' is not part of a maintenance schedule", machine.hostname());
                return Err(Reply::bad_request(text));
            }
            if self.maintenance.down.contains(machine) {
                let text = format!("Machine '{}' is already down", machine.hostname());
                return Err(Reply::bad_request(text));
            }
        }
        let here = |agent: &Agent| machines.iter().any(|machine| is_on(machine, agent.hostname(), &agent.ip));
        let agents = self.agents.iter().filter(|(_, agent)| here(agent));
        let agents: Vec<(String, String)> =
            agents.map(|(id, agent)| (id.to_string(), agent.hostname().to_owned())).collect();
        self.maintenance.down.extend(machines);
        self.persist();
        for (id, hostname) in agents {
            let text = format!("Agent {hostname} removed: Operator initiated 'Machine DOWN'");
            let farewell = Farewell {
                state: TaskState::TaskLost,
                reason: Reason::AgentRemoved,
                text: &text,
                for_good: false,
            };
            self.maintenance.forget(&id);
            self.send_away(&id, &farewell, now);
            self.publish_agent_removed(&id);
        }
        Ok(Reply::Ok)
    }

    pub(super) fn stop_maintenance(&mut self, machines: &[MachineId]) -> Result<Reply, Reply> {
        if let Some(machine) = machines.iter().find(|machine| !self.maintenance.down.contains(machine)) {
            let text = format!("Machine '{}' is not in DOWN mode", machine.hostname());
            return Err(Reply::bad_request(text));
        }
        self.maintenance.down.retain(|machine| !machines.contains(machine));
        for window in &mut self.maintenance.windows {
            window.machine_ids.retain(|machine| !machines.contains(machine));
        }
        self.maintenance.windows.retain(|window| !window.machine_ids.is_empty());
        self.persist();
        Ok(Reply::Ok)
    }

    pub(super) fn show_maintenance(&self) -> ClusterStatus {
        let planned = self.maintenance.windows.iter().flat_map(|window| &window.machine_ids);
        let draining = planned.filter(|machine| !self.maintenance.down.contains(machine)).map(|machine| {
            let answers = self.maintenance.answers.iter().filter(|((agent, _), _)| {
                self.agents.get(agent).is_some_and(|agent| is_on(machine, agent.hostname(), &agent.ip))
            });
            DrainingMachine {
                id: machine.clone(),
                statuses: answers.map(|(_, status)| status.clone()).collect(),
            }
        });
        ClusterStatus { draining_machines: draining.collect(), down_machines: self.maintenance.down.clone() }
    }
}
