//! What came of showing an agent: who need not be asked again.
//!
//! Whoever wants nothing of some resources wants no part of them either. So when no more is left of an agent than what nobody
//! wanted, only those are asked who may think otherwise by now.

use std::collections::BTreeSet;

use super::seekers::{Moment, Seekers};
use super::sorter::Leaf;
use crate::master::pool::Pool;

/// More than these are asked sooner by going through all of them, whose order is known.
const FEW: usize = 8;

/// Who is to be asked about an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    All,
    These(Vec<Leaf>),
}

/// What came of showing an agent.
#[derive(Debug)]
pub(crate) enum Answer {
    /// There was nothing to ask about.
    NotAsked,
    /// It says nothing about any later time.
    Void,
    /// In the end none of them wanted anything of what was left.
    Asked {
        who: Who,
        left: Pool,
        /// Whether some of them got something before.
        granted: bool,
    },
}

/// Nobody wants anything of this, but for those whose wishes have changed since, and those in doubt.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unwanted {
    resources: Pool,
    asked: Moment,
    /// They have got, given back, or not been asked for some of it, or do not refuse it any more.
    doubtful: BTreeSet<Leaf>,
}

impl Unwanted {
    pub(crate) fn doubt(&mut self, seeker: Leaf) {
        self.doubtful.insert(seeker);
    }

    /// Who may want something of what is left.
    pub(crate) fn whom_to_ask(&self, left: &Pool, seekers: &Seekers) -> Who {
        if !self.resources.contains(left) {
            return Who::All;
        }
        let mut these = self.doubtful.clone();
        these.extend(seekers.changed_since(self.asked).take(FEW + 1));
        if these.len() > FEW { Who::All } else { Who::These(these.into_iter().collect()) }
    }

    /// The agent has been shown.
    pub(crate) fn learn(&mut self, answer: Answer, now: Moment) {
        match answer {
            Answer::NotAsked => {}
            Answer::Void => *self = Self::default(),
            Answer::Asked { who: Who::These(these), granted: true, .. } => {
                self.asked = now;
                self.doubtful = these.into_iter().collect();
            }
            Answer::Asked { left, .. } => {
                *self = Self { resources: left, asked: now, doubtful: BTreeSet::new() };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cairn_mesos::resources::Resources;
    use cairn_mesos::v1::FrameworkInfo;

    use super::super::sorter::Sorter;
    use super::*;

    fn cpus(cores: f64) -> Pool {
        Pool::from_list(Resources::cpus(cores).to_vec())
    }

    struct Market {
        sorter: Sorter,
        seekers: Seekers,
    }

    impl Market {
        fn come(&mut self, framework: &str) -> Leaf {
            let role = "r".to_owned();
            self.seekers.place(
                framework,
                &FrameworkInfo::default(),
                [(&role, None)].into_iter(),
                &mut self.sorter,
            );
            self.sorter.leaf("r", framework)
        }

        fn ask(&self, unwanted: &Unwanted, cores: f64) -> Who {
            unwanted.whom_to_ask(&cpus(cores), &self.seekers)
        }

        fn answer(&self, unwanted: &mut Unwanted, who: Who, left: f64, granted: bool) {
            unwanted.learn(Answer::Asked { who, left: cpus(left), granted }, self.seekers.now());
        }
    }

    fn these(leaves: &[Leaf]) -> Who {
        Who::These(leaves.to_vec())
    }

    #[test]
    fn only_who_may_have_changed_his_mind_is_asked_about_what_nobody_wanted() {
        let mut market = Market { sorter: Sorter::default(), seekers: Seekers::default() };
        let [one, _] = ["f", "g"].map(|name| market.come(name));
        let mut unwanted = Unwanted::default();
        assert_eq!(market.ask(&unwanted, 1.0), Who::All);
        market.answer(&mut unwanted, Who::All, 2.0, true);
        assert_eq!((market.ask(&unwanted, 2.0), market.ask(&unwanted, 2.5)), (these(&[]), Who::All));
        unwanted.doubt(one);
        let new = market.come("h");
        assert_eq!(market.ask(&unwanted, 1.0), these(&[one, new]));
        market.answer(&mut unwanted, these(&[one, new]), 1.0, false);
        for number in 0..=FEW {
            market.come(&format!("more-{number}"));
        }
        assert_eq!(market.ask(&unwanted, 1.0), Who::All);
        market.answer(&mut unwanted, Who::All, 1.0, false);
        assert_eq!((market.ask(&unwanted, 1.0), market.ask(&unwanted, 2.0)), (these(&[]), Who::All));
        unwanted.learn(Answer::NotAsked, market.seekers.now());
        assert_eq!(market.ask(&unwanted, 1.0), these(&[]));
        unwanted.learn(Answer::Void, market.seekers.now());
        assert_eq!(market.ask(&unwanted, 1.0), Who::All);
    }

    #[test]
    fn who_has_got_something_is_asked_when_it_comes_back_and_so_is_who_came_meanwhile() {
        let mut market = Market { sorter: Sorter::default(), seekers: Seekers::default() };
        let one = market.come("f");
        let mut unwanted = Unwanted::default();
        market.answer(&mut unwanted, Who::All, 2.0, false);
        let two = market.come("g");
        market.answer(&mut unwanted, these(&[two]), 0.0, true);
        assert_eq!(market.ask(&unwanted, 2.0), these(&[two]));
        let again = market.come("f");
        assert_eq!((again, market.ask(&unwanted, 2.0)), (one, these(&[one, two])));
    }
}
