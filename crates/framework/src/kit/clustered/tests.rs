use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::*;
use crate::kit::contents::{Contents, Kind, Surveyed};
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

    async fn survey(&self, _: &View, _: &Wanted) -> Result<u32, String> {
        match self.number.load(Ordering::Relaxed) {
            u32::MAX => Err("nobody counts".into()),
            number => Ok(number),
        }
    }

    fn unasked(&self, ask: &Ask, why: String) -> Verdict {
        if ask.action == Action::Restart { Verdict::Go } else { Verdict::Wait(why) }
    }

    fn arrived(&self, _: &str, _: &Look<'_, Self>) -> Decided<u32> {
        Err("arrived".into())
    }

    fn restart(&self, _: &str, _: &Look<'_, Self>) -> Decided<u32> {
        Err("restart".into())
    }

    fn stop(&self, _: &str, _: &Look<'_, Self>) -> Decided<u32> {
        Err("stop".into())
    }

    fn leave(&self, _: &str, _: &Look<'_, Self>) -> Decided<u32> {
        Err("leave".into())
    }

    fn gone(&self, _: &str, _: &Look<'_, Self>) -> Decided<u32> {
        Err("gone".into())
    }

    fn settled(&self, look: &Look<'_, Self>) -> Decided<u32> {
        Ok(if *look.survey < self.wanted { Decision::Do(*look.survey) } else { Decision::GO })
    }

    async fn perform(&self, _: &Handle, look: &Look<'_, Self>, _: u32) -> Performed {
        if *look.survey > 100 {
            return Err("it is full".into());
        }
        self.number.fetch_add(u32::from(!self.deaf), Ordering::Relaxed);
        Ok(None)
    }
}

async fn settled(number: u32, wanted: u32, deaf: bool) -> (Verdict, u32) {
    let counter = Counter { number: number.into(), wanted, deaf };
    let handle = simulation::handle(Published::default());
    let verdict = counter.keep(&handle, &Config::default(), &View::default()).await;
    (verdict, counter.number.into_inner())
}

fn waits(reason: &str) -> Verdict {
    Verdict::Wait(reason.into())
}

#[tokio::test]
async fn what_was_done_is_looked_at_again() {
    assert_eq!(settled(1, 1, false).await, (Verdict::Go, 1));
    assert_eq!(settled(1, 3, false).await, (Verdict::Go, 3));
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
    assert_eq!(counter.keep(&handle, &config, &View::default()).await, waits("number: is odd"));
}

async fn judged(number: u32, moment: Moment, action: Action, target: &[&str]) -> Verdict {
    let counter = Counter { number: number.into(), wanted: 0, deaf: false };
    let view = View { target: target.iter().map(|n| (*n).to_owned()).collect(), ..View::default() };
    let ask = Ask { moment, action, instance: "node-0".into(), config: Config::default(), view: view.into() };
    counter.judge(&simulation::handle(Published::default()), &ask).await
}

#[tokio::test]
async fn each_step_has_its_question() {
    use Action::{Launch, Remove, Restart, Stop};
    use Moment::{After, Before};
    let node = ["node-0"];
    assert_eq!(judged(0, Before, Launch, &node).await, Verdict::Go, "nobody has said anything against it");
    assert_eq!(judged(0, After, Stop, &node).await, Verdict::Go);
    for (moment, action, question) in [
        (After, Launch, "arrived"),
        (After, Restart, "arrived"),
        (Before, Restart, "restart"),
        (Before, Stop, "stop"),
        (Before, Remove, "leave"),
        (After, Remove, "gone"),
    ] {
        assert_eq!(judged(0, moment, action, &node).await, waits(question));
    }
    assert_eq!(judged(0, Before, Remove, &[]).await, Verdict::Go, "the whole service goes");
}

#[tokio::test]
async fn where_nobody_can_be_asked_the_service_says_what_that_means() {
    let before = Moment::Before;
    assert_eq!(judged(u32::MAX, before, Action::Restart, &["node-0"]).await, Verdict::Go);
    assert_eq!(judged(u32::MAX, before, Action::Stop, &["node-0"]).await, waits("nobody counts"));
    assert_eq!(settled(u32::MAX, 1, true).await.0, waits("nobody counts"));
}

#[tokio::test]
async fn what_a_look_shows_is_listed_beside_what_is_declared() {
    static COUNTER: Counter = Counter { number: AtomicU32::new(3), wanted: 0, deaf: false };
    let kind = Kind { one: "count", many: "counts", body: "{}", names: |_| true, help: "anything" };
    let counts = Surveyed { kind, cluster: &COUNTER, there: |n| [("now".to_owned(), json!(n))].into() };
    let config = Config { options: json!({}).into(), ..Config::default() };
    let published = Published { config, ..Published::default() };
    assert_eq!(counts.list(&published).await, Ok(json!({ "counts": { "now": 3 } })));
    let now = json!({ "name": "now", "declared": null, "there": 3 });
    assert_eq!(counts.show(&published, "now").await, Ok(now));
    assert_eq!(counts.show(&published, "then").await, Ok(json!(null)));
}
