//! What the master shows: itself, agents, frameworks, executors, tasks and roles.

use std::collections::BTreeMap;

use cairn_mesos::v1::master::response;
use cairn_mesos::v1::resource::AllocationInfo;
use cairn_mesos::v1::{AgentId, AgentInfo, Flag, Resource, Role, TimeInfo, agent_info};

use super::resources::sum;
use crate::master::agent::Agent;
use crate::master::core::{Master, framework_id};
use crate::master::format;
use crate::master::framework::Framework;
use crate::master::identity::PROTOCOL_VERSION;
use crate::master::pool::Pool;
use crate::master::status::time_info;
use crate::packed::Packed;

impl Master {
    pub(super) fn flags(&self) -> response::GetFlags {
        let flag = |name: &str, value: String| Flag { name: name.to_owned(), value: Some(value) };
        let timeouts = &self.timeouts;
        let mut flags = vec![
            flag("agent_reregister_timeout", seconds(timeouts.agent_recovery)),
            flag("agent_timeout", seconds(timeouts.agent)),
            flag("hostname", self.identity.hostname.clone()),
            flag("ip", self.identity.ip.to_string()),
        ];
        flags.extend(timeouts.offer.map(|timeout| flag("offer_timeout", seconds(timeout))));
        flags.push(flag("port", self.identity.port.to_string()));
        response::GetFlags { flags }
    }

    pub(super) fn show_master(&self) -> response::GetMaster {
        let started = Some(self.started.as_secs_f64());
        let master_info = Some(self.identity.master_info());
        response::GetMaster { master_info, start_time: started, elected_time: started }
    }

    /// Tasks, executors, frameworks and agents in one.
    pub(crate) fn show_state(&self) -> response::GetState {
        response::GetState {
            get_tasks: Some(self.show_tasks()),
            get_executors: Some(self.show_executors()),
            get_frameworks: Some(self.show_frameworks()),
            get_agents: Some(self.show_agents()),
        }
    }

    pub(super) fn show_agents(&self) -> response::GetAgents {
        let recovered =
            self.recovered.values().map(|agent| AgentInfo { checkpoint: Some(true), ..agent.info.clone() });
        response::GetAgents {
            agents: self.agents.iter().map(|(id, agent)| self.show_agent(id, agent)).collect(),
            recovered_agents: recovered.collect(),
        }
    }

    pub(super) fn show_frameworks(&self) -> response::GetFrameworks {
        let frameworks = self.frameworks.iter().map(|(id, framework)| self.show_framework(id, framework));
        let completed = self.completed.iter().map(|framework| response::get_frameworks::Framework {
            unregistered_time: Some(time_info(framework.reregistered)),
            ..self.show_framework("", framework)
        });
        response::GetFrameworks {
            frameworks: frameworks.collect(),
            completed_frameworks: completed.collect(),
            ..response::GetFrameworks::default()
        }
    }

    pub(super) fn show_framework(
        &self,
        id: &str,
        framework: &Framework,
    ) -> response::get_frameworks::Framework {
        let mut used = Pool::default();
        let mut offered = Pool::default();
        for agent in self.agents.values() {
            agent.used_by(id).into_iter().for_each(|pool| used.add(pool));
        }
        self.offers.of(id).for_each(|(_, offer)| offered.add(&offer.allocated()));
        let connected = framework.stream().is_some();
        response::get_frameworks::Framework {
            framework_info: framework.info.clone(),
            active: connected,
            connected,
            recovered: framework.recovered,
            registered_time: Some(time_info(framework.registered)),
            reregistered_time: Some(time_info(framework.reregistered)),
            offers: self.offers.of(id).filter_map(|(id, offer)| self.shown_offer(id, offer)).collect(),
            allocated_resources: format::both(used.list()),
            offered_resources: format::both(offered.list()),
            offer_constraints: Some(framework.constraints.said().clone()),
            ..response::get_frameworks::Framework::default()
        }
    }

    pub(super) fn show_executors(&self) -> response::GetExecutors {
        let executors = self.agents.iter().flat_map(|(id, agent)| {
            agent.executors.values().map(|executor| response::get_executors::Executor {
                executor_info: executor.clone(),
                agent_id: AgentId { value: id.to_string() },
            })
        });
        response::GetExecutors { executors: executors.collect(), ..response::GetExecutors::default() }
    }

    pub(super) fn show_tasks(&self) -> response::GetTasks {
        let known = || self.frameworks.values();
        let completed = known().chain(&self.completed).flat_map(|framework| &framework.completed);
        response::GetTasks {
            tasks: known().flat_map(|framework| framework.tasks.values()).collect(),
            unreachable_tasks: known().flat_map(|framework| framework.unreachable.values()).collect(),
            completed_tasks: completed.map(Packed::open).collect(),
            ..response::GetTasks::default()
        }
    }

    pub(super) fn show_roles(&self) -> response::GetRoles {
        let mut roles: BTreeMap<String, Role> = BTreeMap::new();
        for (id, framework) in &self.frameworks {
            for name in framework.roles.keys() {
                let role = roles.entry(name.clone()).or_insert_with(|| Role {
                    name: name.clone(),
                    weight: self.sharing.weight(name),
                    ..Role::default()
                });
                role.frameworks.push(framework_id(id));
            }
        }
        for role in roles.values_mut() {
            role.resources = self.taken_by_role(&role.name).list();
        }
        response::GetRoles { roles: roles.into_values().collect() }
    }

    pub(super) fn show_agent(&self, id: &str, agent: &Agent) -> response::get_agents::Agent {
        use agent_info::capability::Type as Can;
        let capabilities =
            [Can::MultiRole, Can::HierarchicalRole, Can::ReservationRefinement, Can::AgentDraining];
        let mut offered = Pool::default();
        self.offers.on(id).for_each(|offer| offered.add(&offer.allocated()));
        let standing = self.standing_of(id);
        let drain = standing.and_then(|standing| standing.drain);
        let began = standing.map(|standing| standing.drain_started).unwrap_or_default();
        let nanoseconds = i64::try_from(began.saturating_mul(1_000_000_000)).unwrap_or(i64::MAX);
        response::get_agents::Agent {
            active: agent.link().is_some() && self.in_use(id),
            deactivated: Some(standing.is_some_and(|standing| standing.deactivated)),
            version: PROTOCOL_VERSION.to_owned(),
            pid: Some(format!("slave(1)@{}:{}", agent.ip, agent.info.port.unwrap_or_default())),
            agent_info: AgentInfo { checkpoint: Some(true), ..agent.info.clone() },
            registered_time: Some(time_info(agent.registered)),
            reregistered_time: agent.reregistered.map(time_info),
            total_resources: format::both(agent.total().list()),
            allocated_resources: format::both(sum(agent.used().map(|(_, pool)| pool)).list()),
            offered_resources: format::both(offered.list()),
            capabilities: capabilities
                .into_iter()
                .map(|can| agent_info::Capability { r#type: Some(can as i32) })
                .collect(),
            drain_info: drain,
            estimated_drain_start_time: drain.map(|_| TimeInfo { nanoseconds }),
            ..response::get_agents::Agent::default()
        }
    }

    /// What frameworks use or are offered in a role, without saying for whom it is reserved.
    fn taken_by_role(&self, role: &str) -> Pool {
        let used = self.agents.values().flat_map(|agent| agent.used().flat_map(|(_, pool)| pool.iter()));
        let info = AllocationInfo { role: Some(role.to_owned()) };
        let used = used.filter(|resource| resource.allocation_info.as_ref() == Some(&info));
        let offers = self.offers.iter().filter(|offer| offer.role == role);
        let taken = used.chain(offers.flat_map(|offer| offer.resources.iter()));
        let plain = taken.filter(|resource| resource.scalar.is_some()).map(|resource| Resource {
            reservations: Vec::new(),
            disk: None,
            allocation_info: None,
            ..resource
        });
        Pool::from_list(plain.collect())
    }
}

fn seconds(duration: std::time::Duration) -> String {
    format!("{}secs", duration.as_secs_f64())
}
