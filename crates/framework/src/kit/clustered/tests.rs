use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::{Problem, Published, simulation};

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Wanted {
    number: u32,
}

impl Options for Wanted {
    fn check(&self, _: &Config, problems: &mut Vec<Problem>) {
        if self.number % 2 == 1 {
            problems.push(Problem::new("number", "is odd"));
        }
    }
}

/// A cluster that has a number, which should be the wanted one; each act adds one.
struct Counter {
    number: AtomicU32,
    wanted: u32,
    /// What it is told is not taken up.
    deaf: bool,
}

#[async_trait]
impl Clustered for Counter {
    type Options = Wanted;
    type Survey = u32;
    type Act = u32;

    async fn survey(&self, _: &View) -> u32 {
        self.number.load(Ordering::Relaxed)
    }

    fn judge(&self, _: &Ask, _: &Wanted, number: &u32) -> Decision<u32> {
        if *number < self.wanted { Decision::Do(*number) } else { Decision::GO }
    }

    fn settled(&self, _: &Wanted, _: &View, number: &u32) -> Decision<u32> {
        if *number < self.wanted { Decision::Do(*number) } else { Decision::GO }
    }

    async fn perform(&self, site: Site<'_, Self>, _: u32) -> Performed {
        if *site.survey > 100 {
            return Err("it is full".into());
        }
        self.number.fetch_add(u32::from(!self.deaf), Ordering::Relaxed);
        Ok(None)
    }

    async fn at_rest(&self, site: Site<'_, Self>) -> Verdict {
        if *site.survey == 7 { Verdict::Refuse("seven".into()) } else { Verdict::Go }
    }
}

async fn settled(number: u32, wanted: u32, deaf: bool) -> (Verdict, u32) {
    let counter = Counter { number: number.into(), wanted, deaf };
    let handle = simulation::handle(Published::default());
    let verdict = settle(&counter, &handle, &Config::default(), &View::default()).await;
    (verdict, counter.number.into_inner())
}

fn waits(reason: &str) -> Verdict {
    Verdict::Wait(reason.into())
}

#[tokio::test]
async fn what_was_done_is_looked_at_again() {
    assert_eq!(settled(1, 1, false).await, (Verdict::Go, 1));
    assert_eq!(settled(1, 3, false).await, (Verdict::Go, 3));
    assert_eq!(settled(5, 7, false).await, (Verdict::Refuse("seven".into()), 7), "at rest, and not well");
    assert_eq!(settled(101, 102, false).await, (waits("it is full"), 101));
}

#[tokio::test]
async fn one_answer_does_not_do_everything() {
    let told = waits("the cluster is taking up what it was told");
    assert_eq!(settled(0, 9, false).await, (told.clone(), 3), "the rest with the next question");
    assert_eq!(settled(1, 9, true).await, (told, 1), "nothing is done twice");
}

#[tokio::test]
async fn options_that_cannot_be_read_are_waited_for() {
    let counter = Counter { number: 0.into(), wanted: 0, deaf: false };
    let config = Config { options: serde_json::json!({ "number": 1 }).into(), ..Config::default() };
    let handle = simulation::handle(Published::default());
    assert_eq!(settle(&counter, &handle, &config, &View::default()).await, waits("number: is odd"));
}
