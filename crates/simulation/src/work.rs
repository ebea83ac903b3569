//! What a process has to do: what its core has decided, then answers that wait for that, then what has come in.

use std::collections::VecDeque;

/// The work of one process.
#[derive(Debug)]
pub(crate) struct Work<Effect, Answer, Input> {
    effects: VecDeque<Effect>,
    /// Given once all effects of the request are carried out.
    answer: Option<Answer>,
    inbox: VecDeque<Input>,
    writing: bool,
}

/// What is next.
#[derive(Debug)]
pub(crate) enum Next<Effect, Answer, Input> {
    Effect(Effect),
    Answer(Answer),
    Input(Input),
    Nothing,
    /// A write takes its time: nothing, until that is over.
    Writing,
}

impl<Effect, Answer, Input> Default for Work<Effect, Answer, Input> {
    fn default() -> Self {
        Self { effects: VecDeque::new(), answer: None, inbox: VecDeque::new(), writing: false }
    }
}

impl<Effect, Answer, Input> Work<Effect, Answer, Input> {
    /// Takes what is next.
    pub(crate) fn next(&mut self) -> Next<Effect, Answer, Input> {
        if self.writing {
            return Next::Writing;
        }
        if let Some(effect) = self.effects.pop_front() {
            return Next::Effect(effect);
        }
        if let Some(answer) = self.answer.take() {
            return Next::Answer(answer);
        }
        self.inbox.pop_front().map_or(Next::Nothing, Next::Input)
    }

    /// Something has come in.
    pub(crate) fn arrives(&mut self, input: Input) {
        self.inbox.push_back(input);
    }

    /// The core has taken an input: this follows.
    pub(crate) fn follows(&mut self, effects: Vec<Effect>) {
        self.effects = effects.into();
    }

    /// An effect that could not be carried out comes again, before all others.
    pub(crate) fn again(&mut self, effect: Effect) {
        self.effects.push_front(effect);
    }

    pub(crate) fn then_answer(&mut self, answer: Answer) {
        self.answer = Some(answer);
    }

    pub(crate) fn write_begins(&mut self) {
        self.writing = true;
    }

    pub(crate) fn write_ends(&mut self) {
        self.writing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(work: &mut Work<u8, &'static str, char>) -> String {
        let mut words = Vec::new();
        loop {
            match work.next() {
                Next::Nothing | Next::Writing => return words.join(" "),
                Next::Effect(effect) => words.push(effect.to_string()),
                Next::Answer(answer) => words.push(answer.to_owned()),
                Next::Input(input) => words.push(input.to_string()),
            }
        }
    }

    #[test]
    fn effects_come_first_and_what_has_come_in_last() {
        let mut work = Work::default();
        work.arrives('a');
        work.arrives('b');
        work.then_answer("done");
        work.follows(vec![2, 3]);
        work.again(1);
        assert_eq!(all(&mut work), "1 2 3 done a b");
    }

    #[test]
    fn all_waits_for_a_write() {
        let mut work = Work::default();
        work.write_begins();
        work.follows(vec![1]);
        work.arrives('a');
        assert!(matches!(work.next(), Next::Writing));
        work.write_ends();
        assert_eq!(all(&mut work), "1 a");
    }
}
