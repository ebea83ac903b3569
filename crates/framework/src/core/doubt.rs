//! When the absence of something in an offer proves that it is not there: not while another offer may hold it that the
//! master takes for unanswered.

use std::collections::BTreeMap;

use super::Millis;

/// How long after a lost call it proves nothing: longer than the embedded master waits for an answer to an offer.
const DOUBT: Millis = 90_000;
/// A step after a longer pause counts as one after so much: clocks jump, and what a jump skips has not been waited for.
const MOST: Millis = 10_000;
/// Begins the ids of tasks that there never are, see [`Doubt::question`].
const QUESTION: &str = "answered.";

/// Offers that were answered, and that the master may still hold.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// So long a lost call still counts.
    left: Millis,
    seen: Millis,
    /// Counts the answers to offers in which this framework holds something, or takes something.
    given: u64,
    /// By agent: the last of them.
    last: BTreeMap<String, u64>,
    /// The master has been asked whether it has taken so many,
    asked: u64,
    /// and has these.
    taken: u64,
}

impl Doubt {
    /// A call got lost.
    pub(super) fn begin(&mut self, now: Millis) {
        self.left = DOUBT;
        self.seen = now;
        self.ask_again();
    }

    /// The question may have got lost, or the master not have known what to say.
    pub(super) fn ask_again(&mut self) {
        self.asked = self.taken;
    }

    /// The master has taken all offers back.
    pub(super) fn end(&mut self) {
        self.left = 0;
        self.asked = self.given;
        self.taken = self.given;
    }

    /// It is `now`, however that came.
    pub(super) fn pass(&mut self, now: Millis) {
        let passed = now.saturating_sub(self.seen).min(MOST);
        self.left = self.left.saturating_sub(passed);
        self.seen = now;
    }

    /// An offer of this agent is answered in which this framework holds something, or takes something.
    pub(super) fn answered(&mut self, agent: &str) {
        self.given += 1;
        self.last.insert(agent.to_owned(), self.given);
    }

    /// What to ask the master so that offers of these agents prove something, unless it has been: about tasks that there never
    /// are. It takes calls in their order, and tells in order what comes of them; so offers that come after its answer were
    /// made when it had all answers that went before the question.
    pub(super) fn question<'a>(&mut self, agents: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
        let heard = self.asked.max(self.taken);
        let open = agents.filter(|agent| self.last.get(*agent).is_some_and(|number| *number > heard));
        let open: Vec<_> =
            open.map(|agent| (format!("{QUESTION}{}", self.given), agent.to_owned())).collect();
        if !open.is_empty() {
            self.asked = self.given;
        }
        open
    }

    /// Takes the master's word on a task. False: it does not answer the question.
    pub(super) fn is_told(&mut self, task_id: &str) -> bool {
        let number = task_id.strip_prefix(QUESTION).and_then(|number| number.parse::<u64>().ok());
        let Some(number) = number.filter(|number| *number <= self.given) else { return false };
        self.taken = self.taken.max(number);
        true
    }

    /// What an offer of this agent lacks is in no other one.
    pub(super) fn is_over(&self, agent: &str) -> bool {
        self.left == 0 && self.last.get(agent).is_none_or(|number| *number <= self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_after_its_time_and_not_when_the_clock_jumps() {
        let mut doubt = Doubt::default();
        assert!(doubt.is_over("S0"));
        doubt.begin(1_000);
        for now in [111_000, 101_000, 500_000] {
            doubt.pass(now);
        }
        assert!(!doubt.is_over("S0"), "two jumps forwards and one back are no minute and a half");
        for second in 501..=569 {
            doubt.pass(second * 1_000);
        }
        assert!(!doubt.is_over("S0"));
        doubt.pass(570_000);
        assert!(doubt.is_over("S0"));
    }

    #[test]
    fn an_answer_counts_when_the_master_has_taken_what_was_asked_after_it() {
        let mut doubt = Doubt::default();
        let ask = |doubt: &mut Doubt| doubt.question(["S0", "S1"].into_iter());
        assert_eq!(ask(&mut doubt), []);
        doubt.answered("S0");
        assert!(!doubt.is_over("S0") && doubt.is_over("S1"));
        assert_eq!(ask(&mut doubt), [("answered.1".to_owned(), "S0".to_owned())]);
        assert_eq!(ask(&mut doubt), [], "it is asked already");
        doubt.answered("S1");
        doubt.answered("S2");
        assert!(doubt.is_told("answered.1"));
        assert!(doubt.is_over("S0") && !doubt.is_over("S1"));
        assert_eq!(ask(&mut doubt), [("answered.3".to_owned(), "S1".to_owned())]);
        doubt.begin(0);
        assert_eq!(ask(&mut doubt).len(), 1, "the question may have got lost");
        doubt.ask_again();
        assert_eq!(ask(&mut doubt).len(), 1);
        doubt.end();
        assert!(doubt.is_over("S1") && ask(&mut doubt).is_empty());
        assert!(!doubt.is_told("node-0.a1") && !doubt.is_told("answered.4"));
    }
}
