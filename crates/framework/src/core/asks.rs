//! Questions to gates: which are open, what was said, when to ask again.

use std::collections::{BTreeMap, BTreeSet};

use super::Millis;
use crate::{Action, Moment, Verdict};

/// First pause before a question is put again.
const AGAIN: Millis = 100;
/// Longest pause.
const AGAIN_MAX: Millis = 3_000;

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    /// A gate.
    Gate(String, Action, Moment),
    /// A step of an operation, by operation and instance.
    Operate(String, String),
    /// The service's declared inner things.
    Settle,
    /// What a destroyed service leaves behind.
    Farewell,
}

#[derive(Debug, Clone, Default)]
struct Asked {
    /// Number of the question that is out.
    open: Option<u64>,
    /// Answers so far that were not Go.
    tries: u32,
    /// When to ask again.
    next: Millis,
    /// Last answer, unless it was Go.
    answer: Option<Verdict>,
}

/// All questions.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    topics: BTreeMap<Topic, Asked>,
    /// Topics of the questions that are out, by number; some of them nobody waits for any more.
    open: BTreeMap<u64, Topic>,
    counter: u64,
}

impl Asks {
    /// Whether to put the question now; if so, its number.
    pub(crate) fn due(&mut self, topic: &Topic, now: Millis) -> Option<u64> {
        let asked = self.topics.entry(topic.clone()).or_default();
        if asked.open.is_some() || asked.next > now {
            return None;
        }
        self.counter += 1;
        asked.open = Some(self.counter);
        self.open.insert(self.counter, topic.clone());
        asked.open
    }

    /// Takes an answer. `None`: nobody waits for it any more.
    pub(crate) fn answer(&mut self, number: u64, verdict: &Verdict, now: Millis) -> Option<Topic> {
        let topic = self.open.remove(&number)?;
        let asked = self.topics.get_mut(&topic).filter(|asked| asked.open == Some(number))?;
        if *verdict == Verdict::Go {
            self.topics.remove(&topic);
        } else {
            asked.open = None;
            asked.next = now + pause(asked.tries);
            asked.tries += 1;
            asked.answer = Some(verdict.clone());
        }
        Some(topic)
    }

    /// Last answer that was not Go.
    pub(crate) fn last(&self, topic: &Topic) -> Option<&Verdict> {
        self.topics.get(topic)?.answer.as_ref()
    }

    /// Last answer of any gate of an instance that was not Go.
    pub(crate) fn last_of(&self, instance: &str) -> Option<&Verdict> {
        self.gates(instance).find_map(|(_, asked)| asked.answer.as_ref())
    }

    /// Drops every question that `keep` no longer wants; answers on their way are ignored then.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Topic) -> bool) {
        self.topics.retain(|topic, _| keep(topic));
    }

    /// Puts waiting questions again at once, because something has changed: all, or those about `instances` and those that
    /// are about no single one.
    pub(crate) fn hurry(&mut self, instances: Option<&BTreeSet<String>>) {
        for (topic, asked) in &mut self.topics {
            if instances.is_none_or(|names| !matches!(topic, Topic::Gate(name, ..) if !names.contains(name)))
            {
                asked.next = 0;
                asked.tries = 0;
            }
        }
    }

    /// The clock has gone back by so much.
    pub(crate) fn set_back(&mut self, by: Millis) {
        for asked in self.topics.values_mut() {
            asked.next = asked.next.saturating_sub(by);
        }
    }

    /// The gates of one instance.
    fn gates(&self, instance: &str) -> impl Iterator<Item = (&Topic, &Asked)> {
        let first = Topic::Gate(instance.to_owned(), Action::Launch, Moment::Before);
        let its = move |topic: &Topic| matches!(topic, Topic::Gate(name, ..) if name == instance);
        self.topics.range(first..).take_while(move |(topic, _)| its(topic))
    }

    /// When the next pause ends. Questions that could be put already wait for an event, not for time.
    pub(crate) fn wake_after(&self, now: Millis) -> Option<Millis> {
        self.topics.values().filter(|a| a.open.is_none() && a.next > now).map(|a| a.next).min()
    }
}

/// Each half as long again as the one before: what one waits for is then noticed within half the time that it has taken.
fn pause(tries: u32) -> Millis {
    (0..tries.min(20)).fold(AGAIN, |pause, _| (pause + pause / 2).min(AGAIN_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_again_with_growing_pauses_until_go() {
        let mut asks = Asks::default();
        let topic = Topic::Settle;
        let first = asks.due(&topic, 0).unwrap();
        assert_eq!(asks.due(&topic, 0), None, "it is out already");
        asks.answer(first, &Verdict::Wait("x".into()), 10);
        assert_eq!(asks.last(&topic), Some(&Verdict::Wait("x".into())));
        assert_eq!(asks.due(&topic, 50), None);
        let second = asks.due(&topic, 110).unwrap();
        asks.answer(second, &Verdict::Wait("x".into()), 110);
        assert_eq!(asks.wake_after(110), Some(260));
        let third = asks.due(&topic, 260).unwrap();
        assert_eq!(asks.answer(third, &Verdict::Go, 270), Some(Topic::Settle));
        assert_eq!(asks.last(&topic), None);
    }

    #[test]
    fn an_answer_nobody_waits_for_is_ignored() {
        let mut asks = Asks::default();
        let number = asks.due(&Topic::Settle, 0).unwrap();
        asks.retain(|_| false);
        assert_eq!(asks.answer(number, &Verdict::Go, 1), None);
    }
}
