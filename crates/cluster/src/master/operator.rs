//! The operator API: what the master shows, and the little it lets operators do.

use std::collections::BTreeMap;

use cairn_mesos::v1::master::{Call, Response, call, response};
use cairn_mesos::v1::resource::AllocationInfo;
use cairn_mesos::v1::{AgentId, AgentInfo, Flag, Resource, Role, Task, VersionInfo, agent_info};

use super::agent::Agent;
use super::core::{Master, framework_id};
use super::event::{CallKey, Reply, Time};
use super::format;
use super::framework::Framework;
use super::identity::PROTOCOL_VERSION;
use super::pool::Pool;
use super::status::time_info;

impl Master {
    pub(crate) fn operator_call(&mut self, key: CallKey, call: Call, now: Time) {
        let reply = self.answer_operator(call, now);
        self.reply(key, reply);
    }

    fn answer_operator(&mut self, call: Call, now: Time) -> Reply {
        use call::Type;
        use response::Type as Kind;
        let kind = call.r#type.and_then(|kind| Type::try_from(kind).ok()).unwrap_or(Type::Unknown);
        let (kind, answer) = match kind {
            Type::Teardown => {
                return self.tear_down(&call.teardown.unwrap_or_default().framework_id.value, now);
            }
            Type::GetHealth => (
                Kind::GetHealth,
                Response { get_health: Some(response::GetHealth { healthy: true }), ..Response::default() },
            ),
            Type::GetFlags => {
                (Kind::GetFlags, Response { get_flags: Some(self.flags()), ..Response::default() })
            }
            Type::GetVersion => {
                let version_info =
                    VersionInfo { version: PROTOCOL_VERSION.to_owned(), ..VersionInfo::default() };
                let get_version = Some(response::GetVersion { version_info });
                (Kind::GetVersion, Response { get_version, ..Response::default() })
            }
            Type::GetMaster => {
                (Kind::GetMaster, Response { get_master: Some(self.show_master()), ..Response::default() })
            }
            Type::GetAgents => {
                (Kind::GetAgents, Response { get_agents: Some(self.show_agents()), ..Response::default() })
            }
            Type::GetFrameworks => {
                let get_frameworks = Some(self.show_frameworks());
                (Kind::GetFrameworks, Response { get_frameworks, ..Response::default() })
            }
            Type::GetExecutors => {
                let get_executors = Some(self.show_executors());
                (Kind::GetExecutors, Response { get_executors, ..Response::default() })
            }
            Type::GetTasks => {
                (Kind::GetTasks, Response { get_tasks: Some(self.show_tasks()), ..Response::default() })
            }
            Type::GetRoles => {
                (Kind::GetRoles, Response { get_roles: Some(self.show_roles()), ..Response::default() })
            }
            Type::GetState => {
                (Kind::GetState, Response { get_state: Some(self.show_state()), ..Response::default() })
            }
            other => {
                let text = format!("Call {} is not supported", other.as_str_name());
                return Reply::Refused { status: 501, text };
            }
        };
        Reply::Operator(Box::new(Response { r#type: Some(kind as i32), ..answer }))
    }

    fn tear_down(&mut self, id: &str, now: Time) -> Reply {
        if !self.frameworks.contains_key(id) {
            return Reply::bad_request("No framework found with specified ID");
        }
        self.remove_framework(id, now);
        Reply::Ok
    }

    fn flags(&self) -> response::GetFlags {
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

    fn show_master(&self) -> response::GetMaster {
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

    fn show_agents(&self) -> response::GetAgents {
        let recovered = self.recovered.values().map(|agent| agent.info.clone());
        response::GetAgents {
            agents: self.agents.values().map(show_agent).collect(),
            recovered_agents: recovered.collect(),
        }
    }

    fn show_frameworks(&self) -> response::GetFrameworks {
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

    fn show_framework(&self, id: &str, framework: &Framework) -> response::get_frameworks::Framework {
        let mut used = Pool::default();
        let mut offered = Pool::default();
        for agent in self.agents.values() {
            agent.used.get(id).into_iter().for_each(|pool| used.add(pool));
            agent.offered.get(id).into_iter().for_each(|pool| offered.add(pool));
        }
        let offers = self.offers.values().filter(|offer| offer.framework == id);
        let connected = framework.stream().is_some();
        response::get_frameworks::Framework {
            framework_info: framework.info.clone(),
            active: connected,
            connected,
            recovered: framework.recovered,
            registered_time: Some(time_info(framework.registered)),
            reregistered_time: Some(time_info(framework.reregistered)),
            offers: offers.map(|offer| offer.sent.clone()).collect(),
            allocated_resources: shown(&used),
            offered_resources: shown(&offered),
            ..response::get_frameworks::Framework::default()
        }
    }

    fn show_executors(&self) -> response::GetExecutors {
        let executors = self.agents.iter().flat_map(|(id, agent)| {
            agent.executors.values().map(|executor| response::get_executors::Executor {
                executor_info: executor.clone(),
                agent_id: AgentId { value: id.clone() },
            })
        });
        response::GetExecutors { executors: executors.collect(), ..response::GetExecutors::default() }
    }

    fn show_tasks(&self) -> response::GetTasks {
        fn all<'a>(tasks: impl Iterator<Item = &'a Task>) -> Vec<Task> {
            tasks.cloned().collect()
        }
        let known = || self.frameworks.values();
        let completed = known().chain(&self.completed).flat_map(|framework| &framework.completed);
        response::GetTasks {
            tasks: all(known().flat_map(|framework| framework.tasks.values())),
            unreachable_tasks: all(known().flat_map(|framework| framework.unreachable.values())),
            completed_tasks: all(completed),
            ..response::GetTasks::default()
        }
    }

    fn show_roles(&self) -> response::GetRoles {
        let mut roles: BTreeMap<String, Role> = BTreeMap::new();
        for (id, framework) in &self.frameworks {
            for name in framework.roles.keys() {
                let role = roles.entry(name.clone()).or_insert_with(|| Role {
                    name: name.clone(),
                    weight: 1.0,
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

    /// What frameworks use or are offered in a role, without saying for whom it is reserved.
    fn taken_by_role(&self, role: &str) -> Pool {
        let taken = self.agents.values().flat_map(|agent| agent.used.values().chain(agent.offered.values()));
        let info = AllocationInfo { role: Some(role.to_owned()) };
        let resources = taken
            .flat_map(Pool::iter)
            .filter(|resource| resource.allocation_info.as_ref() == Some(&info) && resource.scalar.is_some());
        let plain = resources.map(|resource| Resource {
            reservations: Vec::new(),
            disk: None,
            allocation_info: None,
            ..resource
        });
        Pool::from_list(plain.collect())
    }
}

fn show_agent(agent: &Agent) -> response::get_agents::Agent {
    use agent_info::capability::Type as Can;
    let connected = agent.link().is_some();
    let capabilities = [Can::MultiRole, Can::HierarchicalRole, Can::ReservationRefinement];
    let info = AgentInfo { resources: agent.info.resources.clone(), ..agent.info.clone() };
    response::get_agents::Agent {
        active: connected,
        deactivated: Some(false),
        version: PROTOCOL_VERSION.to_owned(),
        pid: Some(format!("slave(1)@{}:{}", agent.ip, info.port.unwrap_or_default())),
        agent_info: info,
        registered_time: Some(time_info(agent.registered)),
        reregistered_time: agent.reregistered.map(time_info),
        total_resources: shown(&agent.total),
        allocated_resources: shown(&sum(agent.used.values())),
        offered_resources: shown(&sum(agent.offered.values())),
        capabilities: capabilities
            .into_iter()
            .map(|can| agent_info::Capability { r#type: Some(can as i32) })
            .collect(),
        ..response::get_agents::Agent::default()
    }
}

fn sum<'a>(pools: impl Iterator<Item = &'a Pool>) -> Pool {
    let mut sum = Pool::default();
    pools.for_each(|pool| sum.add(pool));
    sum
}

/// The operator API shows both forms where the older can say it: clients of either read it.
fn shown(pool: &Pool) -> Vec<Resource> {
    let both = |resource: Resource| {
        let older = format::unrefined(resource.clone());
        Resource { role: older.role, reservation: older.reservation, ..resource }
    };
    pool.list().into_iter().map(both).collect()
}

fn seconds(duration: std::time::Duration) -> String {
    format!("{}secs", duration.as_secs_f64())
}
