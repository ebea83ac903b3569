//! Watching a stack until it is what it should be.

use std::time::Duration;

use cairn_controller::view::{ServiceState, StackState, StackView};
use reqwest::StatusCode;
use tokio::time::Instant;

use super::changes::Changes;
use super::display::Display;
use super::rest::{Client, NoAnswer, escape};
use super::words;
use crate::failure::Failure;

/// How long an error must last to count: the scheduler of a changed service first reports how the old one ended.
const STUBBORN: Duration = Duration::from_secs(3);
/// How long the controller may be away, for example because it is being upgraded.
const AWAY: Duration = Duration::from_secs(60);
/// How often a terminal shows that time passes.
const TICK: Duration = Duration::from_millis(120);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Everything serves as the file says.
    Complete,
    /// The stack is gone.
    Gone,
}

/// How the watching ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// The goal is reached; with the stack, unless it is gone.
    Reached(Option<Box<StackView>>),
    /// It cannot go on without an operator, and why.
    Blocked(Vec<String>),
    /// Not in time; with the stack as it was last seen.
    TimedOut(Option<Box<StackView>>),
    /// Ctrl-C.
    Interrupted,
}

/// What to make of what is seen.
#[derive(Debug, PartialEq)]
enum Verdict {
    Reached,
    Errors(Vec<String>),
    Going,
}

fn judge(goal: Goal, seen: Option<&StackView>) -> Verdict {
    match (goal, seen) {
        (Goal::Gone, None) => Verdict::Reached,
        (Goal::Complete, None) => {
            Verdict::Errors(vec!["the stack is gone: somebody has destroyed it".into()])
        }
        (Goal::Complete, Some(stack)) if stack.state == StackState::Removing => {
            Verdict::Errors(vec!["the stack is being destroyed".into()])
        }
        (Goal::Complete, Some(stack)) if stack.complete && stack.state == StackState::Ready => {
            Verdict::Reached
        }
        (_, Some(stack)) => {
            let errors = errors(stack);
            if errors.is_empty() { Verdict::Going } else { Verdict::Errors(errors) }
        }
    }
}

/// What needs an operator. The error of a scheduler that is about to take a new configuration is an old one.
fn errors(stack: &StackView) -> Vec<String> {
    let stuck = stack.services.iter().filter(|s| s.state == ServiceState::Error && !s.scheduler.outdated);
    stuck.map(|service| format!("{}: {}", service.name, words::one_line(&service.message))).collect()
}

/// Since when something has been so without a break.
#[derive(Debug, Default)]
struct Since(Option<Instant>);

impl Since {
    /// Whether it has been so for as long as `patience`.
    fn lasts(&mut self, is: bool, patience: Duration, now: Instant) -> bool {
        if !is {
            self.0 = None;
            return false;
        }
        now.duration_since(*self.0.get_or_insert(now)) >= patience
    }
}

/// Watches `stack` until the goal is reached, it is stuck, time is up, or Ctrl-C.
///
/// # Errors
/// When the controller refuses to answer, or is away for too long.
pub(crate) async fn follow(
    client: &Client,
    stack: &str,
    goal: Goal,
    timeout: Option<Duration>,
    display: &mut Display,
) -> Result<End, Failure> {
    let mut last = None;
    let watching = watch(client, stack, goal, display, &mut last);
    let ended = tokio::select! {
        ended = watching => Some(ended),
        () = pause(timeout) => None,
        _ = tokio::signal::ctrl_c() => Some(Ok(End::Interrupted)),
    };
    display.finish();
    ended.unwrap_or(Ok(End::TimedOut(last)))
}

async fn pause(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

async fn watch(
    client: &Client,
    stack: &str,
    goal: Goal,
    display: &mut Display,
    last: &mut Option<Box<StackView>>,
) -> Result<End, Failure> {
    let path = format!("/v1/stacks/{}", escape(stack));
    let mut changes = Changes::new(client);
    let (mut stuck, mut away) = (Since::default(), Since::default());
    changes.listen().await;
    loop {
        let seen = match client.get::<StackView>(&path, &[]).await {
            Ok(view) => Some(Box::new(view)),
            Err(NoAnswer::Refused(StatusCode::NOT_FOUND, _)) => None,
            Err(NoAnswer::Silent(failure)) => {
                if away.0.is_none() {
                    display.note("the controller does not answer; waiting for it to come back");
                }
                if away.lasts(true, AWAY, Instant::now()) {
                    return Err(failure);
                }
                idle(&mut changes, display).await;
                continue;
            }
            Err(NoAnswer::Refused(_, failure)) => return Err(failure),
        };
        away.lasts(false, AWAY, Instant::now());
        if let Some(view) = &seen {
            display.show(view);
        }
        match judge(goal, seen.as_deref()) {
            Verdict::Reached => return Ok(End::Reached(seen)),
            Verdict::Errors(errors) if stuck.lasts(true, STUBBORN, Instant::now()) => {
                return Ok(End::Blocked(errors));
            }
            Verdict::Errors(_) => {}
            Verdict::Going => {
                stuck.lasts(false, STUBBORN, Instant::now());
            }
        }
        *last = seen;
        idle(&mut changes, display).await;
    }
}

/// Waits until something may have changed.
async fn idle(changes: &mut Changes, display: &Display) {
    let mut changed = std::pin::pin!(changes.wait());
    while tokio::time::timeout(TICK, &mut changed).await.is_err() {
        display.tick();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{half_way, ready};
    use super::*;

    #[test]
    fn a_goal_is_reached_only_when_everything_serves() {
        assert_eq!(judge(Goal::Complete, Some(&half_way())), Verdict::Going);
        assert_eq!(judge(Goal::Complete, Some(&ready())), Verdict::Reached);
        assert!(matches!(judge(Goal::Complete, None), Verdict::Errors(_)));
        assert_eq!(judge(Goal::Gone, None), Verdict::Reached);
        assert_eq!(judge(Goal::Gone, Some(&ready())), Verdict::Going);
    }

    #[test]
    fn an_error_counts_unless_it_is_that_of_an_old_configuration() {
        let mut stack = half_way();
        stack.services[0].state = ServiceState::Error;
        stack.services[0].message = "no agent has 64 cpus".into();
        let told = vec!["zookeeper: no agent has 64 cpus".to_owned()];
        assert_eq!(judge(Goal::Complete, Some(&stack)), Verdict::Errors(told));
        stack.services[0].scheduler.outdated = true;
        assert_eq!(judge(Goal::Complete, Some(&stack)), Verdict::Going);
    }

    #[test]
    fn only_what_lasts_counts() {
        let start = Instant::now();
        let after = |s: u64| start + Duration::from_secs(s);
        let mut since = Since::default();
        assert!(!since.lasts(true, STUBBORN, after(0)));
        assert!(!since.lasts(false, STUBBORN, after(2)));
        assert!(!since.lasts(true, STUBBORN, after(3)));
        assert!(since.lasts(true, STUBBORN, after(6)));
    }
}
