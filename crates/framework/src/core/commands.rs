//! What operators ask for.

use super::next::Next;
use super::render::Stale;
use super::state::Goal;
use super::{Core, Effect, Link, Millis, Out};
use crate::driver::{Accepted, Command};
use crate::rest::Problem;
use crate::{Action, Config, Moment, Phase};

impl Core {
    /// Takes a configuration that the controller gives at the start. The same or an older revision changes nothing, so
    /// that what REST has changed survives restarts. One that is refused is an error of the plan from then on, and the one
    /// before goes on to hold: its service is looked after, and can be taken down.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn given(&mut self, config: Config, now: Millis) -> Result<Vec<Effect>, Vec<crate::Problem>> {
        self.note_secrets(&config);
        self.refused.clear();
        if config.keeps {
            return Ok(Vec::new());
        }
        let known = self.state.target.config.as_ref();
        let same = known.is_some_and(|k| k.revision == config.revision && !self.state.target.drifted);
        if known.is_some_and(|k| k.revision > config.revision) || (same && known == Some(&config)) {
            return Ok(Vec::new());
        }
        let newer = known.is_none_or(|k| k.revision < config.revision);
        // The same revision with other inputs or options: a provider has moved. What REST has changed stays.
        let config = match known {
            Some(known) if !newer && self.state.target.drifted => {
                Config { options: known.options.clone(), ..config }
            }
            _ => config,
        };
        if let Err(problems) = self.service.model(&config) {
            // What is wrong with an option may quote it, and this goes to logs.
            self.refused = self.secrets().scrub_problems(problems);
            return Err(self.refused.clone());
        }
        if newer {
            self.state.target.drifted = false;
            if self.state.target.destroyed {
                self.state.target.destroy = None;
                self.state.target.destroyed = false;
            }
        }
        if self.state.target.config.as_ref() != Some(&config) {
            self.retarget(config);
        }
        let mut out = Out::default();
        self.advance(now, &mut out);
        Ok(self.effects(out))
    }

    fn retarget(&mut self, config: Config) {
        self.state.target.config = Some(config);
        self.state.target.generation += 1;
        self.remodel();
        // New orders deserve a new try at once.
        for record in self.state.instances.values_mut() {
            record.failed = 0;
        }
        for live in self.live.values_mut() {
            live.retry_at = 0;
        }
        self.asks.hurry(None);
    }

    /// Carries out a command. When this returns its effects, the first of them stores what was decided.
    ///
    /// # Errors
    /// Why it is refused; nothing has changed then.
    pub fn command(&mut self, command: Command, now: Millis) -> (Result<Accepted, Problem>, Vec<Effect>) {
        self.pass(now);
        let before = (self.state.clone(), self.admission.clone());
        let mut out = Out::default();
        if let Err(problem) = self.carry_out(command, now, &mut out) {
            return (Err(problem), Vec::new());
        }
        let changed = self.state != before.0 || self.admission != before.1;
        self.stale = Stale::Everybody;
        self.asks.hurry(None);
        self.advance(now, &mut out);
        (Ok(Accepted { generation: self.state.target.generation, changed }), self.effects(out))
    }

    fn carry_out(&mut self, command: Command, now: Millis, out: &mut Out) -> Result<(), Problem> {
        match command {
            Command::Configure { config, expected } => self.configure(*config, expected),
            Command::Restart(names) => self.each(&names, |record| {
                record.goal = Goal::Run;
                record.restart += 1;
                record.failed = 0;
            }),
            Command::Start(names) => {
                self.each(&names, |record| {
                    record.goal = Goal::Run;
                    record.failed = 0;
                })?;
                for name in &names {
                    let live = self.live_mut(name);
                    live.retry_at = 0;
                    live.failures = 0;
                }
                Ok(())
            }
            Command::Stop { instances, force } => {
                self.each(&instances, |record| record.goal = Goal::Stop)?;
                if force {
                    instances.iter().for_each(|name| self.stop(name, out));
                }
                Ok(())
            }
            Command::Replace(name) => self.replace(&name),
            Command::Pause => {
                self.state.target.paused = true;
                Ok(())
            }
            Command::Continue => {
                self.state.target.paused = false;
                Ok(())
            }
            Command::Force(step) => self.force(&step, out),
            Command::DeleteData(name) => self.delete_data(&name),
            Command::Operate { id, operation, instances, arguments } => {
                self.begin_operation(id, &operation, &instances, arguments, now)
            }
            Command::AbortOperation(id) => self.abort_operation(&id),
            Command::Reregister { teardown } => self.reregister(teardown),
            Command::Destroy { delete_data } => self.destroy(delete_data),
        }
    }

    fn configure(&mut self, config: Config, expected: Option<u64>) -> Result<(), Problem> {
        let target = &self.state.target;
        if target.destroy.is_some() {
            return Err(Problem::conflict("being-destroyed", "this framework is being destroyed")
                .hint("apply the stack again once it is gone"));
        }
        if expected.is_some_and(|e| e != target.generation) {
            return Err(Problem::conflict(
                "changed-meanwhile",
                "somebody else has changed the configuration meanwhile",
            )
            .hint("read it again and repeat the change"));
        }
        if target.config.as_ref() == Some(&config) {
            return Ok(());
        }
        self.service.model(&config).map_err(Problem::invalid)?;
        self.state.target.drifted = true;
        self.retarget(config);
        Ok(())
    }

    fn each(&mut self, names: &[String], change: impl Fn(&mut super::state::Record)) -> Result<(), Problem> {
        if let Some(unknown) = names.iter().find(|n| !self.in_target(n)) {
            return Err(self.unknown_instance(unknown));
        }
        for name in names {
            if let Some(record) = self.state.instances.get_mut(name) {
                change(record);
            }
        }
        Ok(())
    }

    pub(crate) fn unknown_instance(&self, name: &str) -> Problem {
        let known: Vec<_> = self.model.instances.iter().map(|i| i.name.as_str()).collect();
        Problem::not_found("unknown-instance", format!("there is no instance {name}"))
            .hint(format!("instances: {}", known.join(", ")))
    }

    /// Gives up an instance's place and data, to launch it anew under the same name, elsewhere if it can be. Only when it
    /// does not run, or when nobody can tell: then its old task is taken for dead because the operator says so. One that
    /// is on its way out is gone then, also one of which an agent that never comes back has still to give something back;
    /// nobody would wait for its agent any more.
    fn replace(&mut self, name: &str) -> Result<(), Problem> {
        let stays = self.in_target(name);
        let waits = self.need(name, 0) == Next::CleanUp;
        let phase = self.live.get(name).map(|l| l.phase).unwrap_or_default();
        let Some(record) = self.state.instances.get_mut(name) else {
            return Err(self.unknown_instance(name));
        };
        if record.task.is_none() && !stays && !waits {
            let detail = format!("{name} is on its way out, and nothing of it runs any more");
            return Err(Problem::conflict("instance-leaving", detail)
                .hint("what it holds is given back when its data is deleted"));
        }
        if record.task.is_some() && phase != Phase::Unreachable {
            return Err(Problem::conflict("instance-alive", format!("{name} has a live task ({phase:?})"))
                .hint("stop it first: replace deletes its data and launches it anew"));
        }
        if let Some(placement) = record.placement.take() {
            record.given_up.insert(placement.agent_id.clone());
            record.replaces = Some(placement);
        }
        record.task = None;
        record.goal = Goal::Run;
        record.deployed = false;
        self.live.remove(name);
        self.forget_if_empty(name);
        Ok(())
    }

    /// Takes a step's gate for open, once.
    fn force(&mut self, step: &str, out: &mut Out) -> Result<(), Problem> {
        let name = step.split(':').next().unwrap_or_default().to_owned();
        if !self.state.instances.contains_key(&name) {
            return Err(self.unknown_instance(&name));
        }
        match self.need(&name, 0) {
            Next::Disrupt(_) => self.stop(&name, out),
            Next::Launch => self.live_mut(&name).admitted = true,
            Next::Verify(action) => self.go(&name, action, Moment::After, 0, out),
            Next::Retire => self.go(&name, Action::Remove, Moment::After, 0, out),
            Next::Nothing | Next::BackOff(_) | Next::Busy | Next::GivenUp | Next::CleanUp => {
                return Err(Problem::conflict("nothing-to-force", format!("{name} waits for no gate"))
                    .hint("GET /v1/plans shows what each step waits for"));
            }
        }
        Ok(())
    }

    fn delete_data(&mut self, name: &str) -> Result<(), Problem> {
        let leaving = !self.in_target(name);
        let Some(record) = self.state.instances.get_mut(name) else {
            return Err(self.unknown_instance(name));
        };
        if !leaving {
            return Err(Problem::conflict("instance-in-use", format!("{name} belongs to the target"))
                .hint("remove it first; then its data can be deleted"));
        }
        record.delete_data = true;
        Ok(())
    }

    fn destroy(&mut self, delete_data: bool) -> Result<(), Problem> {
        if self.link == Link::Connecting && self.state.identity.id.is_some() {
            return Err(Problem::unavailable("not connected to the master; nothing can be stopped now")
                .hint("try again when the master is back"));
        }
        if self.destroyed() || self.leaves() {
            return Ok(());
        }
        self.state.target.destroy = Some(delete_data);
        self.state.target.generation += 1;
        for record in self.state.instances.values_mut() {
            record.delete_data |= delete_data;
        }
        Ok(())
    }
}
