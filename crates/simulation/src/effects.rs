//! What a scheduler's process does for its core: write, call, ask, wait.

use cairn_cluster::master::{CallKey, Input};
use cairn_framework::core::{Effect, Question};
use cairn_framework::store::{Change, Store};
use cairn_framework::{Progress, Verdict};
use cairn_mesos::v1::FrameworkId;
use cairn_mesos::v1::scheduler::{Call, call};

use crate::connection::{Connection, stream_id};
use crate::fault::Fault;
use crate::ledger::Called;
use crate::scheduler::{Incoming, self_name};
use crate::service::Kind;
use crate::world::{Happening, Lane, World};

/// A call that has no answer is given up after so long, milliseconds.
const GIVEN_UP: u64 = 5_000;

impl World {
    pub(crate) fn scheduler_effect(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::Store(changes) => self.store(index, &changes),
            Effect::Call(call) => self.call(index, *call),
            Effect::Ask(number, question) => self.ask(index, number, &question),
            Effect::WakeAt(at) => {
                let scheduler = &mut self.schedulers[index];
                // It may have passed meanwhile, when the store was slow.
                let wait = at.saturating_sub(scheduler.clock(self.now)).min(3_600_000);
                let life = scheduler.life;
                let at = self.now + wait;
                scheduler.wake = Some(at);
                self.after(wait, Happening::SchedulerWakes { index, life, at });
            }
        }
    }

    fn store(&mut self, index: usize, changes: &[Change]) {
        if self.luck.strikes(Fault::StoreFull, 40) {
            let full = self.luck.draw(Fault::StoreFull).between(100, 15_000);
            self.schedulers[index].full_until = self.now + full;
        }
        if self.now < self.schedulers[index].full_until {
            self.note(|| format!("{}: its disk is full", self_name(index)));
            return self.crash_scheduler(index, 1_000);
        }
        if self.luck.strikes(Fault::StoreUnsure, 60) {
            return self.lose_store(index, changes);
        }
        self.write(index, changes);
        if self.luck.strikes(Fault::SchedulerCrash, 80) {
            let away = self.luck.draw(Fault::SchedulerCrash).between(50, 20_000);
            return self.crash_scheduler(index, away);
        }
        if self.luck.strikes(Fault::StoreSlow, 200) {
            let wait = self.luck.draw(Fault::StoreSlow).between(50, 4_000);
            let life = self.schedulers[index].life;
            self.schedulers[index].work.write_begins();
            self.after(wait, Happening::SchedulerWrites { index, life });
        }
    }

    fn write(&mut self, index: usize, changes: &[Change]) {
        self.schedulers[index].store.apply(changes).expect("memory can be written");
        self.check_stored(index, changes);
    }

    /// Whether it is carried out, nobody can tell the process, which ends: the next one reads what there is.
    fn lose_store(&mut self, index: usize, changes: &[Change]) {
        let rng = self.luck.draw(Fault::StoreUnsure);
        let (is_done, away) = (rng.chance(50_000), rng.between(50, 20_000));
        self.note(|| format!("{} cannot tell whether it has stored; done: {is_done}", self_name(index)));
        if is_done {
            self.write(index, changes);
        }
        self.crash_scheduler(index, away);
    }

    fn call(&mut self, index: usize, call: Call) {
        self.check_call(index, &call);
        let scheduler = &self.schedulers[index];
        let life = scheduler.life;
        let Some(connection) = scheduler.connection.clone() else { return };
        self.send_call(index, life, &connection, call);
    }

    /// A process makes a call over its connection.
    pub(crate) fn send_call(&mut self, index: usize, life: u64, connection: &Connection, mut call: Call) {
        let over = connection.key;
        call.framework_id = connection.framework_id.clone().map(|value| FrameworkId { value });
        let run = self.master.run;
        self.note(|| format!("{}: {}", self_name(index), crate::words::call(&call)));
        let lost = self.luck.strikes(Fault::CallLost, 100) || !self.open.contains(&over);
        let unanswered = self.luck.strikes(Fault::AnswerLost, 100);
        let times = if self.luck.strikes(Fault::CallTwice, 100) { 2 } else { 1 };
        for _ in 0..if lost { 0 } else { times } {
            let key = self.number();
            if !unanswered {
                let leaves = call.r#type() == call::Type::Teardown;
                self.ledger.calls.insert(key, Called { index, life, over, leaves });
            }
            let input = Input::Call {
                key: CallKey(key),
                stream_id: Some(stream_id(over)),
                principal: None,
                call: Box::new(call.clone()),
            };
            let input = Box::new(input);
            self.send(Lane::ToMaster(over), Happening::Master { run, over: Some(over), input });
        }
        if lost || unanswered {
            // One call after the other: those behind it wait until it is given up.
            self.block(Lane::ToMaster(over), GIVEN_UP);
            let message = Incoming::CallFailed;
            self.after(GIVEN_UP, Happening::Scheduler { index, life, over: None, message });
        }
    }

    /// The service answers, when it gets to it.
    fn ask(&mut self, index: usize, number: u64, question: &Question) {
        let life = self.schedulers[index].life;
        let silent = self.luck.strikes(Fault::GateSilent, 500);
        let message = match question {
            Question::Gate(ask) => {
                let verdict = match self.luck.strikes(Fault::GateClosed, 3_000) {
                    true => Verdict::Wait("its gate has its reasons".into()),
                    false if self.schedulers[index].kind == Kind::Controller => match self.judge(ask) {
                        Some(verdict) => verdict,
                        None => return,
                    },
                    false => self.gate(index, ask),
                };
                let verdict = if silent { Verdict::Wait("its gate does not answer".into()) } else { verdict };
                self.ledger.asked(index, life, number, ask, &verdict);
                Incoming::Verdict(number, verdict)
            }
            Question::Settle(..) | Question::Farewell(..) if silent => {
                Incoming::Verdict(number, Verdict::Wait("no answer".into()))
            }
            Question::Settle(..) | Question::Farewell(..) => Incoming::Verdict(number, Verdict::Go),
            Question::Operate(_) => Incoming::Progress(number, Progress::Done(String::new())),
        };
        let wait = if silent { 30_000 } else { self.delays.between(1, 200) };
        self.after(wait, Happening::Scheduler { index, life, over: None, message });
    }
}
