//! The invariants of the design, held against every step of a scheduler and every write to its store.

use std::collections::BTreeSet;

use cairn_framework::core::{Core, Effect, Event};
use cairn_framework::store::Change;
use cairn_framework::{Action, Command, Moment, Phase, View};
use cairn_mesos::v1::TaskState;

use crate::ledger::{Known, Open, is_destroying};
use crate::service::Kind;
use crate::world::World;

/// What has to be known of a scheduler before it takes an event.
#[derive(Debug, Default)]
pub(crate) struct Before {
    offers: BTreeSet<String>,
    /// It hears that its subscription stands.
    subscribed: bool,
    open: Option<Open>,
    view: Option<View>,
    /// Instances that an operator wants stopped whatever their gates say.
    forced: Vec<String>,
}

impl Before {
    pub(crate) fn command(command: &Command) -> Self {
        let forced = match command {
            Command::Stop { instances, force: true } => instances.clone(),
            Command::Force(step) => step.split(':').take(1).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Self { forced, ..Self::default() }
    }
}

fn is_over(state: TaskState) -> bool {
    use TaskState::{
        TaskDropped, TaskError, TaskFailed, TaskFinished, TaskGone, TaskGoneByOperator, TaskKilled,
    };
    matches!(
        state,
        TaskDropped | TaskError | TaskFailed | TaskFinished | TaskGone | TaskGoneByOperator | TaskKilled
    )
}

impl World {
    pub(crate) fn note_event(&mut self, index: usize, event: &Event) {
        if self.is_traced()
            && let Some(words) = crate::words::event(event)
        {
            self.note(|| format!("scheduler {index} hears {words}"));
        }
    }

    pub(crate) fn before(&mut self, index: usize, event: &Event) -> Before {
        let mut before = Before::default();
        self.note_heard(index, event);
        match event {
            Event::Subscribed { .. } => before.subscribed = true,
            Event::Offers(offers) => before.offers = offers.iter().map(|o| o.id.value.clone()).collect(),
            Event::Update(status) if is_over(status.state()) => {
                self.ledger.ends.insert(status.uuid().to_vec(), status.task_id.value.clone());
            }
            Event::Verdict(number, _) => {
                let life = self.schedulers[index].life;
                before.open = self.ledger.gates.remove(&(index, life, *number));
                if let Some(open) = &before.open {
                    if (open.moment, open.action) == (Moment::Before, Action::Launch) {
                        self.ledger.admitted.insert((index, life, open.instance.clone()));
                    }
                    before.view = self.schedulers[index].core.as_ref().map(Core::view);
                }
            }
            _ => {}
        }
        before
    }

    /// Every offer is answered in the step that brings it; a subscription begins with questions; nothing is stopped without its
    /// gate, and one at a time.
    pub(crate) fn check_step(&mut self, index: usize, before: &Before, effects: &[Effect], now: u64) {
        let mut left = before.offers.clone();
        for effect in effects {
            let Effect::Call(call) = effect else { continue };
            let answered = call.accept.iter().flat_map(|a| &a.offer_ids);
            let answered = answered.chain(call.decline.iter().flat_map(|d| &d.offer_ids));
            for id in answered {
                left.remove(&id.value);
            }
        }
        if !left.is_empty() {
            self.violate("every offer is answered at once", || format!("scheduler {index} keeps {left:?}"));
        }
        if before.subscribed {
            self.check_reconciles(index, effects);
        }
        for effect in effects {
            match effect {
                Effect::Store(changes) => self.check_intents(index, before, changes),
                Effect::WakeAt(at) if *at <= now => {
                    self.violate("timers lie ahead", || {
                        format!("scheduler {index} wants to wake at {at}, now is {now}")
                    });
                }
                _ => {}
            }
        }
        if effects.iter().skip(1).any(|e| matches!(e, Effect::Store(_))) {
            self.violate("intent before effect", || format!("scheduler {index} stores after it acts"));
        }
    }

    fn check_intents(&mut self, index: usize, before: &Before, changes: &[Change]) {
        let target = changes.iter().find(|c| c.key == "target").and_then(|c| c.value.as_deref());
        let destroying = target.map_or_else(
            || self.ledger.destroying(index),
            |target| is_destroying(&serde_json::from_slice(target).unwrap_or_default()),
        );
        for change in changes.iter().filter(|_| !destroying) {
            self.check_intent(index, before, change);
        }
    }

    fn check_intent(&mut self, index: usize, before: &Before, change: &Change) {
        let Some(name) = change.key.strip_prefix("instance/") else { return };
        let Some(value) = &change.value else { return };
        let known = Known::read(value);
        let was = self.ledger.of(index, name).and_then(|k| k.task.clone());
        match &known.task {
            Some((task, true)) if was != Some((task.clone(), true)) => {
                self.check_stop(index, before, name, &known, task);
            }
            Some((task, false)) if was.is_none_or(|(was, _)| was != *task) && !known.deployed => {
                self.check_first_task(index, name, task);
            }
            _ => {}
        }
    }

    /// One that has never served is launched: the gate of this step has said so, to this very process.
    fn check_first_task(&mut self, index: usize, name: &str, task: &str) {
        let life = self.schedulers[index].life;
        if !self.ledger.admitted.remove(&(index, life, name.to_owned())) {
            self.violate("the gate is asked before each disruptive step", || {
                format!("scheduler {index} launches {task} for the first time and its gate has not said so")
            });
        }
    }

    /// A task is newly to be stopped: its gate has said so, and all others serve, or it does not serve itself.
    fn check_stop(&mut self, index: usize, before: &Before, name: &str, known: &Known, task: &str) {
        let forced = before.forced.iter().any(|n| n == name);
        let opened = before.open.as_ref().is_some_and(|open| {
            open.instance == name && open.moment == Moment::Before && open.action != Action::Launch
        });
        // Gangs stop and start together, whatever their gates say.
        if !opened && !forced && !known.gang {
            return self.violate("the gate is asked before each disruptive step", || {
                format!("scheduler {index} stops {task} and its gate has not said so")
            });
        }
        let restarts = before.open.as_ref().is_some_and(|open| open.action == Action::Restart);
        if self.schedulers[index].kind == Kind::Controller && restarts && !forced {
            self.check_reconfigured(name, known);
        }
        if self.schedulers[index].kind.is_independent() || forced {
            return;
        }
        let Some(view) = &before.view else { return };
        let ready = |n: &String| view.instances.get(n).is_some_and(|i| i.phase == Phase::Ready);
        let verified = |n: &String| self.ledger.of(index, n).is_some_and(|k| k.verified);
        let serves = |n: &String| ready(n) && verified(n);
        let others = view.target.iter().filter(|n| *n != name && !serves(n));
        let stopped = |n: &&String| self.ledger.of(index, n).is_some_and(|k| k.to_stop);
        let down: Vec<String> = others.filter(|n| !stopped(n)).cloned().collect();
        if serves(&name.to_owned()) && !down.is_empty() {
            self.violate("one disruption at a time", || {
                format!("scheduler {index} stops {task} while {down:?} do not serve")
            });
        }
    }

    /// A batch is durable.
    pub(crate) fn check_stored(&mut self, index: usize, changes: &[Change]) {
        self.check_program(index, "stores something");
        self.check_nothing_secret_stored(index, changes);
        if self.schedulers[index].kind == Kind::Controller {
            self.check_controller_stored(changes);
        }
        for change in changes {
            if let Some(name) = change.key.strip_prefix("instance/") {
                self.check_record(index, name, change.value.as_deref().map(Known::read));
            } else if change.key == "target" {
                let target = change.value.as_deref().and_then(|v| serde_json::from_slice(v).ok());
                let target = target.unwrap_or_default();
                self.note_down(index, &target);
                self.ledger.targets.insert(index, target);
            }
        }
    }

    /// Who has served keeps its place, ports and volumes, unless an operator has given up its data.
    fn check_record(&mut self, index: usize, name: &str, now: Option<Known>) {
        let before = self.ledger.of(index, name).cloned().unwrap_or_default();
        let role = self.schedulers[index].name.clone();
        let given_up = self.ledger.may_delete(&role, name);
        let after = now.clone().unwrap_or_default();
        let keeps = |old: &std::collections::BTreeMap<String, String>| {
            old.iter().all(|(path, id)| after.volumes.get(path) == Some(id))
        };
        if !given_up && !before.volumes.is_empty() && before.deployed | before.retired {
            let moved = before.agent != after.agent;
            if moved || !keeps(&before.volumes) {
                self.violate("no data is deleted or forgotten", || {
                    format!("scheduler {index} forgets the volumes of {name}: {before:?}, then {now:?}")
                });
            }
            let ports = before.ports.iter().all(|(port, number)| after.ports.get(port) == Some(number));
            if !moved && !ports {
                self.violate("who has served keeps its ports", || {
                    format!("scheduler {index}, {name}: {before:?}, then {now:?}")
                });
            }
        }
        if let (Some((old, _)), Some((new, _))) = (&before.task, &after.task)
            && old != new
            && !self.ledger.declared_dead.contains(old)
        {
            self.violate("one live task per instance", || {
                format!("scheduler {index} launches {new} of {name} and has not heard the end of {old}")
            });
        }
        match now {
            Some(known) => self.ledger.store(index, name, known),
            None => self.ledger.forget(index, name),
        }
    }

    /// An operator hears that a request is accepted: it must not get lost any more.
    pub(crate) fn check_promise(&mut self, index: usize, generation: u64) {
        let stored = self.ledger.targets.get(&index).and_then(|t| t["generation"].as_u64());
        if stored.unwrap_or_default() < generation {
            self.violate("what is accepted is stored", || {
                format!("scheduler {index} accepts generation {generation} and has stored {stored:?}")
            });
        }
    }
}
