//! What an agent's process does for its core.

use std::time::Duration;

use cairn_cluster::agent::simulation::{Effect, Record};
use cairn_cluster::master::{self, LinkKey};
use cairn_executor::simulation::Input;

use crate::container::Container;
use crate::fault::Fault;
use crate::machine::{AgentNews, ExecutorNews};
use crate::work::Next;
use crate::world::{Happening, Lane, World};

/// As that of the real runner.
const LEFTOVER_GRACE: Duration = Duration::from_secs(2);

impl World {
    /// Carries out effects in order, and takes what has come in when there are none left.
    pub(crate) fn pump_agent(&mut self, index: usize) {
        loop {
            let machine = &mut self.machines[index];
            if machine.agent.is_none() {
                return;
            }
            match machine.work.next() {
                Next::Effect(_) if self.luck.strikes(Fault::AgentCrash, 20) => {
                    let away = self.luck.draw(Fault::AgentCrash).between(50, 20_000);
                    return self.crash_agent(index, away);
                }
                Next::Effect(effect) => self.agent_effect(index, effect),
                Next::Answer((container, uuid)) => {
                    self.check_accepted(index, container, &uuid);
                    self.send_executor(index, container, Input::Accepted(uuid));
                }
                Next::Input(news) => self.take_news(index, news),
                Next::Nothing => return self.arm_agent(index),
                Next::Writing => return,
            }
        }
    }

    /// Its disk has written what it was given.
    pub(crate) fn agent_written(&mut self, index: usize, life: u64) {
        if self.machines[index].agent_is(life) {
            self.machines[index].work.write_ends();
            self.pump_agent(index);
        }
    }

    /// How long a write to the agent's disk takes, when not no time; and whether it is tried again then, for want of room.
    fn agent_writes(&mut self, index: usize) -> Option<(u64, bool)> {
        if self.luck.strikes(Fault::AgentDiskFull, 40) {
            let long = self.luck.draw(Fault::AgentDiskFull).between(100, 60_000);
            self.machines[index].full_until = self.now + long;
        }
        let full = self.machines[index].full_until.saturating_sub(self.now);
        if full > 0 {
            self.note(|| format!("the disk of agent {index} is full"));
            return Some((full, true));
        }
        let slow = self.luck.strikes(Fault::AgentDiskSlow, 100);
        slow.then(|| (self.luck.draw(Fault::AgentDiskSlow).between(50, 20_000), false))
    }

    fn agent_saves(&mut self, index: usize, record: Record) {
        if let Some((long, again)) = self.agent_writes(index) {
            let life = self.machines[index].life;
            self.machines[index].work.write_begins();
            self.after(long, Happening::AgentWrites { index, life });
            if again {
                return self.machines[index].work.again(Effect::Save(record));
            }
        }
        let machine = &mut self.machines[index];
        let Some(core) = &machine.agent else { return };
        match record {
            Record::Agent => machine.record = core.agent_record(),
            Record::Container(id) => match core.container_record(&id) {
                Some(record) => drop(machine.records.insert(id, record)),
                None => drop(machine.records.remove(&id)),
            },
        }
    }

    fn agent_effect(&mut self, index: usize, effect: Effect) {
        let machine = &mut self.machines[index];
        match effect {
            Effect::Save(record) => self.agent_saves(index, record),
            Effect::Leave { .. } => self.agent_leaves(index),
            Effect::Start(plan) => self.prepare(index, plan),
            Effect::Wait(id) => self.wait_for(index, id),
            Effect::End(id, grace) => {
                if let Some(container) = machine.container(&id) {
                    self.end_container(index, container, grace);
                }
            }
            // Checks of plain commands; executors probe by themselves.
            Effect::Update(..) | Effect::Probe { .. } => {}
            Effect::DeleteVolumes(paths) => {
                let (life, wait) = (machine.life, self.delays.between(0, 200));
                self.after(
                    wait,
                    Happening::Agent { index, life, over: None, news: AgentNews::Delete(paths) },
                );
            }
            Effect::ToExecutor(key, event) => {
                let life = machine.life;
                let listens = |c: &Container| c.key == key && c.connected == Some(life);
                let found = machine.containers.iter().find(|(_, c)| listens(c)).map(|(n, _)| *n);
                if let Some(container) = found {
                    self.send_executor(index, container, crate::container::heard(*event));
                }
            }
            Effect::ToMaster(message) => {
                let (link, run) = (machine.link, self.master.run);
                let input = Box::new(master::Input::Agent { link: LinkKey(link), message });
                self.send(Lane::ToMaster(link), Happening::Master { run, over: Some(link), input });
            }
        }
    }

    /// Waits for the end of a container. One whose first process nobody knows is ended: there may be none.
    fn wait_for(&mut self, index: usize, id: String) {
        let machine = &mut self.machines[index];
        let Some(number) = machine.container(&id) else { return self.tell_exit(index, id, None) };
        if let Some(container) = machine.containers.get_mut(&number) {
            container.waited = true;
        }
        let handle = machine.agent.as_ref().and_then(|core| core.handle(&id));
        if handle.is_some_and(|handle| handle.process.is_none()) {
            self.end_container(index, number, LEFTOVER_GRACE);
        }
    }

    fn end_container(&mut self, machine: usize, container: u64, grace: Duration) {
        let news = ExecutorNews::Terminate;
        self.after(0, Happening::Executor { machine, container, news });
        let grace = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.after(grace, Happening::Executor { machine, container, news: ExecutorNews::Kill });
    }

    pub(crate) fn tell_exit(&mut self, index: usize, id: String, status: Option<i32>) {
        let life = self.machines[index].life;
        let wait = self.delays.between(1, 50);
        let news = AgentNews::Exited(id, status);
        self.after(wait, Happening::Agent { index, life, over: None, news });
    }

    pub(crate) fn send_executor(&mut self, machine: usize, container: u64, input: Input) {
        let life = self.machines[machine].life;
        let news = ExecutorNews::FromAgent { life, input };
        self.send(Lane::ToExecutor(container), Happening::Executor { machine, container, news });
    }
}
