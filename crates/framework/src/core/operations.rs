//! Operations on running instances: which step may begin, what an answer means, what is kept.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::asks::Topic;
use super::event::Question;
use super::next::Next;
use super::{Core, Millis, Out};
use crate::operation::{Operate, Operation, OperationStatus, OperationStep, Progress};
use crate::rest::Problem;
use crate::{OperationSpec, Verdict};

/// Ended operations that are kept for people to read.
const KEPT: usize = 50;
/// Most of a step's result that is kept, bytes: its end.
const RESULT: usize = 4_096;

impl Core {
    /// All operations that are under way or kept, newest first.
    pub fn operations(&self) -> Vec<Operation> {
        let mut all: Vec<Operation> = self.state.operations.values().map(|o| self.as_seen(o)).collect();
        all.sort_by(|a, b| (b.asked_ms, &b.id).cmp(&(a.asked_ms, &a.id)));
        all
    }

    /// An operation with what its unfinished steps wait for.
    fn as_seen(&self, operation: &Operation) -> Operation {
        let mut seen = operation.clone();
        for step in seen.steps.iter_mut().filter(|s| !s.status.is_over()) {
            let topic = Topic::Operate(operation.id.clone(), step.instance.clone());
            if let Some(Verdict::Wait(message)) = self.asks.last(&topic) {
                step.message.clone_from(message);
            } else if let (OperationStatus::Pending, Err(why)) =
                (step.status, self.may_operate(&step.instance))
            {
                step.message = why;
            }
        }
        seen
    }

    /// Takes an operator's wish.
    pub(crate) fn begin_operation(
        &mut self,
        id: String,
        name: &str,
        instances: &[String],
        arguments: Map<String, Value>,
        now: Millis,
    ) -> Result<(), Problem> {
        let spec = self.offered(name)?;
        if self.destroying() {
            return Err(Problem::conflict("being-destroyed", "this framework is being destroyed"));
        }
        self.check_arguments(&spec, &arguments)?;
        if instances.is_empty() {
            return Err(Problem::bad_request("it is on no instance").hint("GET /v1/instances lists them"));
        }
        instances.iter().try_for_each(|instance| self.check_instance(name, instance))?;
        let step = |i: &String| OperationStep { instance: i.clone(), ..OperationStep::default() };
        let operation = Operation {
            id: id.clone(),
            operation: name.to_owned(),
            arguments,
            parallel: spec.parallel,
            asked_ms: now,
            steps: instances.iter().map(step).collect(),
            ..Operation::default()
        };
        self.state.operations.insert(id, operation);
        Ok(())
    }

    /// An instance that there is, and on which the same is not under way.
    fn check_instance(&self, name: &str, instance: &str) -> Result<(), Problem> {
        if !self.in_target(instance) {
            return Err(self.unknown_instance(instance));
        }
        let same = |o: &&Operation| o.operation == name && o.steps.iter().any(|s| s.instance == instance);
        let Some(other) = self.state.operations.values().find(|o| o.ended_ms.is_none() && same(o)) else {
            return Ok(());
        };
        let message = format!("{name} is under way on {instance} already");
        Err(Problem::conflict("operation-running", message)
            .hint(format!("GET /v1/operations/{} shows how far it is; POST …/abort ends it", other.id)))
    }

    fn offered(&self, name: &str) -> Result<OperationSpec, Problem> {
        let offered = self.service.operations();
        offered.iter().find(|o| o.name == name).copied().ok_or_else(|| {
            let names: Vec<_> = offered.iter().map(|o| o.name).collect();
            let hint = match names.as_slice() {
                [] => format!("{} offers none", self.service.name()),
                names => format!("operations: {}", names.join(", ")),
            };
            Problem::not_found("unknown-operation", format!("there is no operation {name}")).hint(hint)
        })
    }

    fn check_arguments(&self, spec: &OperationSpec, arguments: &Map<String, Value>) -> Result<(), Problem> {
        let known = |name: &String| spec.arguments.iter().any(|known| known.name == name);
        if let Some(unknown) = arguments.keys().find(|name| !known(name)) {
            let names: Vec<_> = spec.arguments.iter().map(|argument| argument.name).collect();
            let hint = match names.as_slice() {
                [] => format!("{} takes none", spec.name),
                names => format!("arguments: {}", names.join(", ")),
            };
            let message = format!("{} has no argument `{unknown}`", spec.name);
            return Err(Problem::bad_request(message).hint(hint));
        }
        let mut problems = spec.check(arguments);
        problems.extend(self.service.check_operation(spec.name, arguments));
        if problems.is_empty() { Ok(()) } else { Err(Problem::invalid(problems)) }
    }

    /// Takes an operator's wish to end an operation.
    pub(crate) fn abort_operation(&mut self, id: &str) -> Result<(), Problem> {
        let Some(operation) = self.state.operations.get_mut(id) else {
            return Err(Problem::not_found("unknown-operation", format!("there is no operation {id}"))
                .hint("GET /v1/operations lists them"));
        };
        operation.aborting = true;
        Ok(())
    }

    /// Begins the steps that may begin, ends those that cannot go on, and puts the questions that are due.
    pub(crate) fn operate(&mut self, now: Millis, out: &mut Out) {
        let ids: Vec<String> = self.open_operations().map(|o| o.id.clone()).collect();
        for id in ids {
            let Some(mut operation) = self.state.operations.remove(&id) else { continue };
            self.move_on(&mut operation, now);
            self.state.operations.insert(id, operation);
        }
        self.forget_old_operations();
        let open: Vec<Operation> = self.open_operations().cloned().collect();
        for operation in open {
            for step in operation.steps.iter().filter(|s| s.status == OperationStatus::Started) {
                self.ask_step(&operation, step, now, out);
            }
        }
    }

    fn open_operations(&self) -> impl Iterator<Item = &Operation> {
        self.state.operations.values().filter(|o| o.ended_ms.is_none())
    }

    fn move_on(&self, operation: &mut Operation, now: Millis) {
        let wanted = operation.aborting || self.destroying();
        for step in operation.steps.iter_mut().filter(|s| s.status == OperationStatus::Started) {
            if let Some(over) = self.cut_off(step, wanted) {
                (step.status, step.message) = over;
            }
        }
        let failed = operation.steps.iter().find(|s| s.status == OperationStatus::Error);
        let failed = failed.map(|s| s.instance.clone()).filter(|_| !operation.parallel);
        for step in operation.steps.iter_mut().filter(|s| s.status == OperationStatus::Pending) {
            let why = match &failed {
                _ if wanted => String::new(),
                Some(on) => format!("not begun, because it failed on {on}"),
                None if !self.in_target(&step.instance) => format!("{} is leaving", step.instance),
                None => continue,
            };
            (step.status, step.message) = (OperationStatus::Aborted, why);
        }
        self.begin_steps(operation);
        operation.status = operation.summary();
        if operation.status.is_over() {
            operation.ended_ms = Some(now);
        }
    }

    /// A step whose task has ended, or is being stopped, goes no further: whatever it began ended with it.
    fn cut_off(&self, step: &OperationStep, wanted: bool) -> Option<(OperationStatus, String)> {
        let task = self.state.instances.get(&step.instance).and_then(|r| r.task.as_ref());
        if task.is_some_and(|t| !t.killing && Some(&t.id) == step.task.as_ref()) {
            return None;
        }
        let message = format!("{} stopped or restarted meanwhile", step.instance);
        Some((if wanted { OperationStatus::Aborted } else { OperationStatus::Error }, message))
    }

    fn begin_steps(&self, operation: &mut Operation) {
        for step in &mut operation.steps {
            if step.status == OperationStatus::Pending && self.may_operate(&step.instance).is_ok() {
                let task = self.state.instances.get(&step.instance).and_then(|r| r.task.as_ref());
                step.task = task.map(|t| t.id.clone());
                step.status = OperationStatus::Started;
            }
            if !operation.parallel && !step.status.is_over() {
                return;
            }
        }
    }

    /// Whether a step may begin on an instance: it serves, and is not about to be touched.
    fn may_operate(&self, instance: &str) -> Result<(), String> {
        if !self.serves(instance) {
            return Err(format!("waits until {instance} serves"));
        }
        match self.need(instance, 0) {
            Next::Nothing => Ok(()),
            _ => Err(format!("waits for a change of {instance} first")),
        }
    }

    fn ask_step(&mut self, operation: &Operation, step: &OperationStep, now: Millis, out: &mut Out) {
        let topic = Topic::Operate(operation.id.clone(), step.instance.clone());
        let Some(number) = self.asks.due(&topic, now) else { return };
        let ask = Operate {
            id: format!("{}.{}", operation.id, step.instance),
            operation: operation.operation.clone(),
            instance: step.instance.clone(),
            arguments: operation.arguments.clone(),
            abort: operation.aborting,
            config: self.config(),
            view: Arc::new(self.view()),
        };
        out.asks.push((number, Question::Operate(Box::new(ask))));
    }

    /// Takes an answer about a step.
    pub(crate) fn progressed(&mut self, number: u64, progress: Progress, now: Millis) {
        let clean = |text: &str| self.secrets().scrub(text).into_owned();
        let progress = match progress {
            Progress::Running(message) => Progress::Running(clean(&message)),
            Progress::Done(result) => Progress::Done(clean(&result)),
            Progress::Failed(reason) => Progress::Failed(clean(&reason)),
        };
        let verdict = match &progress {
            Progress::Running(message) => Verdict::Wait(message.clone()),
            Progress::Done(_) => Verdict::Go,
            Progress::Failed(reason) => Verdict::Refuse(reason.clone()),
        };
        let Some(Topic::Operate(id, instance)) = self.asks.answer(number, &verdict, now) else { return };
        let Some(operation) = self.state.operations.get_mut(&id) else { return };
        let aborting = operation.aborting;
        let step = operation.steps.iter_mut().find(|s| s.instance == instance && !s.status.is_over());
        let Some(step) = step else { return };
        let (status, message) = match progress {
            Progress::Running(_) => return,
            Progress::Done(result) => (OperationStatus::Complete, result),
            Progress::Failed(reason) if aborting => (OperationStatus::Aborted, reason),
            Progress::Failed(reason) => (OperationStatus::Error, reason),
        };
        (step.status, step.message) = (status, end_of(message.trim_end(), RESULT));
    }

    /// The operation that a step of keeps an instance from being touched, while it serves.
    pub(crate) fn operated(&self, instance: &str) -> Option<&str> {
        self.open_operations().find(|o| o.is_on(instance)).map(|o| o.id.as_str())
    }

    fn forget_old_operations(&mut self) {
        let mut ended: Vec<(Millis, String)> =
            self.state.operations.values().filter_map(|o| Some((o.ended_ms?, o.id.clone()))).collect();
        ended.sort();
        let surplus = ended.len().saturating_sub(KEPT);
        for (_, id) in ended.into_iter().take(surplus) {
            self.state.operations.remove(&id);
        }
    }
}

/// A text, or its last whole lines that have at most so many bytes, and how many lines that leaves out. Of a last line that has more
/// by itself, its end.
fn end_of(text: &str, most: usize) -> String {
    let mut from = text.len().saturating_sub(most);
    if from == 0 {
        return text.to_owned();
    }
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let kept = match text[from..].split_once('\n') {
        _ if text[..from].ends_with('\n') => &text[from..],
        Some((_, whole)) => whole,
        None => return text[from..].to_owned(),
    };
    let left_out = text.lines().count() - kept.lines().count();
    format!("({left_out} lines before these are left out)\n{kept}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_result_is_its_last_whole_lines() {
        assert_eq!(end_of("a\nb", 3), "a\nb");
        assert_eq!(end_of("one\ntwo\nthree\nfour", 10), "(2 lines before these are left out)\nthree\nfour");
        assert_eq!(end_of("one\ntwo\nthree\nfour", 8), "(3 lines before these are left out)\nfour");
        assert_eq!(end_of("größer", 3), "er", "at a character's border");
        assert_eq!(end_of("one\nlonger", 3), "ger");
    }
}
