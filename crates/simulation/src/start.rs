//! What the runner does to start a container, and what becomes of it: it may take its time, or fail.

use cairn_cluster::agent::ContainerPlan;
use cairn_cluster::master::{CallKey, Input};
use cairn_mesos::client::ExecutorEnvironment;
use cairn_mesos::v1::scheduler::{Call, call};

use crate::connection::stream_id;
use crate::container::Container;
use crate::fault::Fault;
use crate::machine::{AgentNews, ExecutorNews};
use crate::world::{Happening, World};

/// Why there is no process, and when that is found: in percent of the time that a start takes.
const FAILURES: [(u64, &str); 3] =
    [(0, "unknown user"), (50, "its files cannot be fetched"), (100, "no process can be made")];

impl World {
    /// The runner makes the sandbox and fetches what belongs there.
    pub(crate) fn prepare(&mut self, index: usize, plan: Box<ContainerPlan>) {
        let machine = &mut self.machines[index];
        machine.volumes.extend(plan.volumes.iter().map(|v| v.source.clone()));
        let (life, mut wait) = (machine.life, self.delays.between(10, 300));
        self.note(|| format!("agent {index} prepares container {}", plan.container));
        if self.luck.strikes(Fault::StartSlow, 1_500) {
            wait += self.luck.draw(Fault::StartSlow).between(1_000, 90_000);
            self.note(|| format!("that takes {wait} ms"));
        }
        if self.luck.strikes(Fault::ExecutorShutDown, 700) {
            let when = self.luck.draw(Fault::ExecutorShutDown).between(0, 2 * wait);
            self.shut_down_executor(&plan, when);
        }
        if self.luck.strikes(Fault::StartFails, 1_500) {
            let drawn = self.luck.draw(Fault::StartFails).index(FAILURES.len());
            let (percent, why) = FAILURES[drawn.unwrap_or_default()];
            let news = AgentNews::Started(plan.container, Err(why.to_owned()));
            return self.after(wait * percent / 100, Happening::Agent { index, life, over: None, news });
        }
        self.after(wait, Happening::Spawn { index, life, plan });
    }

    /// All is there: the process starts. An agent that has ended meanwhile has taken its runner with it.
    pub(crate) fn spawn(&mut self, index: usize, life: u64, plan: &ContainerPlan) {
        if !self.machines[index].agent_is(life) {
            return;
        }
        let (number, now) = (self.number(), self.now);
        let Some(container) = Container::new(plan, now) else { return };
        let machine = &mut self.machines[index];
        machine.containers.insert(number, container);
        let news = AgentNews::Started(plan.container.clone(), Ok(machine.pid()));
        let (told, connects) = (self.delays.between(0, 20), self.delays.between(5, 60));
        self.after(told, Happening::Agent { index, life, over: None, news });
        let news = ExecutorNews::Connect;
        self.after(connects, Happening::Executor { machine: index, container: number, news });
        if self.luck.strikes(Fault::AgentCrash, 300) {
            let away = self.luck.draw(Fault::AgentCrash).between(50, 20_000);
            self.crash_agent(index, away);
        }
    }

    /// A framework shuts an executor down that it has launched, whatever its scheduler thinks.
    fn shut_down_executor(&mut self, plan: &ContainerPlan, when: u64) {
        let read = |name: &str| plan.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let Ok(env) = ExecutorEnvironment::read(read) else { return };
        let Some(agent_id) = env.agent_id else { return };
        let owns = |id: &Option<String>| id.as_deref() == Some(env.framework_id.value.as_str());
        let Some(owner) = self.schedulers.iter().find(|s| owns(&s.framework_id())) else { return };
        let Some(over) = owner.connection_key() else { return };
        let shutdown = call::Shutdown { executor_id: env.executor_id, agent_id };
        let call = Call {
            r#type: Some(call::Type::Shutdown as i32),
            framework_id: Some(env.framework_id),
            shutdown: Some(shutdown),
            ..Call::default()
        };
        let (run, key) = (self.master.run, CallKey(self.number()));
        let stream_id = Some(stream_id(over));
        let input = Box::new(Input::Call { key, stream_id, principal: None, call: Box::new(call) });
        self.note(|| format!("its framework has it shut down in {when} ms"));
        self.after(when, Happening::Master { run, over: Some(over), input });
    }
}
