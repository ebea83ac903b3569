//! Commands beside instances: orders go out as framework messages, what the executors answer is noted here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cairn_mesos::v1::{AgentId, ExecutorId, scheduler::Call, scheduler::call};
use cairn_task::{Action, ActionReport, ActionState, Order};
use tokio::sync::Notify;

use super::Handle;
use super::handle::Request;

/// How long an answer may take; messages may get lost, so whoever waits asks again later.
const ANSWER: Duration = Duration::from_secs(5);
/// Reports that are kept; the oldest go.
const REPORTS: usize = 1_024;

/// What executors have told of their actions.
#[derive(Debug, Default)]
pub(crate) struct Board {
    told: Mutex<Told>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Told {
    /// Newest state by task and action, with its number.
    reports: BTreeMap<(String, String), (u64, ActionState)>,
    count: u64,
}

impl Board {
    /// Notes a message of the executor of a task. Others than reports are not for us.
    pub(crate) fn note(&self, task: &str, data: &[u8]) {
        let report: ActionReport = match serde_json::from_slice(data) {
            Ok(report) => report,
            Err(error) => {
                tracing::warn!(task, %error, "a framework message is no report of an action");
                return;
            }
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.count += 1;
        let count = told.count;
        told.reports.insert((task.to_owned(), report.id), (count, report.state));
        if told.reports.len() > REPORTS {
            let oldest = told.reports.iter().min_by_key(|(_, (count, _))| *count).map(|(key, _)| key.clone());
            oldest.and_then(|key| told.reports.remove(&key));
        }
        drop(told);
        self.news.notify_waiters();
    }

    fn last(&self, key: &(String, String)) -> Option<(u64, ActionState)> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).reports.get(key).cloned()
    }

    /// The first report about an action after `seen`.
    async fn next(&self, key: &(String, String), seen: u64) -> ActionState {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            match self.last(key) {
                Some((count, state)) if count > seen => return state,
                _ => news.await,
            }
        }
    }
}

impl Handle {
    /// Runs a command beside an instance: in its sandbox, with its environment and user. Answers how it is now, so it is
    /// called again until [`ActionState::is_over`]. The same id is the same run, also after a restart of this scheduler; it
    /// runs again only in another task of the instance, or after [`Handle::forget`]. Made for gates:
    ///
    /// ```no_run
    /// # use cairn_framework::{Handle, Verdict}; use cairn_task::{Action, ActionState};
    /// # async fn gate(handle: Handle, action: Action) -> Verdict {
    /// match handle.run("node-2", &action).await {
    ///     Ok(ActionState::Done { code: 0, .. }) => Verdict::Go,
    ///     Ok(ActionState::Running { .. } | ActionState::Unknown) => Verdict::Wait("it is being decommissioned".into()),
    ///     Ok(ended) => {
    ///         handle.forget("node-2", &action.id).await; // so that the next question tries again
    ///         Verdict::Wait(format!("decommission failed, and is tried again: {}", ended.output()))
    ///     }
    ///     Err(why) => Verdict::Wait(why),
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Why it cannot be asked just now: the instance has no task, or its executor does not answer within 5 s.
    pub async fn run(&self, instance: &str, action: &Action) -> Result<ActionState, String> {
        self.order(instance, &action.id, Order::Run(action.clone())).await
    }

    /// How an action is.
    ///
    /// # Errors
    /// As [`Handle::run`].
    pub async fn ask(&self, instance: &str, id: &str) -> Result<ActionState, String> {
        self.order(instance, id, Order::Ask { id: id.to_owned() }).await
    }

    /// Ends an action; over only once a later answer says so.
    ///
    /// # Errors
    /// As [`Handle::run`].
    pub async fn abort(&self, instance: &str, id: &str) -> Result<ActionState, String> {
        self.order(instance, id, Order::Abort { id: id.to_owned() }).await
    }

    /// Lets the same id run anew. That an executor cannot be reached does not matter: the next `run` tells.
    pub async fn forget(&self, instance: &str, id: &str) {
        let forgotten = self.order(instance, id, Order::Forget { id: id.to_owned() }).await;
        if let Err(why) = forgotten {
            tracing::debug!(instance, id, why, "the result of an action could not be forgotten");
        }
    }

    async fn order(&self, instance: &str, id: &str, order: Order) -> Result<ActionState, String> {
        let published = self.published();
        let status = published.view.instances.get(instance);
        let status = status.ok_or_else(|| format!("there is no instance {instance}"))?;
        let (Some(task), Some(place)) = (&status.task_id, &status.placement) else {
            return Err(format!("{instance} does not run"));
        };
        let data = serde_json::to_vec(&order).unwrap_or_default();
        if published.secrets.are_in(&String::from_utf8_lossy(&data)) {
            return Err(
                "a secret would stand on a command line or in the environment; write it into a file instead"
                    .into(),
            );
        }
        let message = call::Message {
            agent_id: AgentId { value: place.agent_id.clone() },
            executor_id: ExecutorId { value: task.clone() },
            data,
        };
        let call =
            Call { r#type: Some(call::Type::Message as i32), message: Some(message), ..Call::default() };
        let key = (task.clone(), id.to_owned());
        let seen = self.board.last(&key).map_or(0, |(count, _)| count);
        let gone = |_| "this scheduler is shutting down".to_owned();
        self.requests.send(Request::Send(Box::new(call))).await.map_err(gone)?;
        let answer = tokio::time::timeout(ANSWER, self.board.next(&key, seen)).await;
        answer.map_err(|_| format!("the executor of {instance} does not answer"))
    }
}

/// A board that handles and the loop share.
pub(crate) type SharedBoard = Arc<Board>;

#[cfg(test)]
mod tests {
    use super::*;

    fn report(id: &str, state: ActionState) -> Vec<u8> {
        serde_json::to_vec(&ActionReport { id: id.into(), state }).unwrap()
    }

    #[tokio::test]
    async fn whoever_asks_hears_what_is_told_afterwards() {
        let board = Arc::new(Board::default());
        let key = ("t".to_owned(), "a".to_owned());
        board.note("t", &report("a", ActionState::Unknown));
        let seen = board.last(&key).unwrap().0;
        let waiting = tokio::spawn({
            let (board, key) = (Arc::clone(&board), key.clone());
            async move { board.next(&key, seen).await }
        });
        board.note("t", b"not a report");
        board.note("other", &report("a", ActionState::Aborted { output: String::new() }));
        board.note("t", &report("a", ActionState::Done { code: 0, output: "x".into() }));
        assert_eq!(waiting.await.unwrap(), ActionState::Done { code: 0, output: "x".into() });
    }

    #[test]
    fn the_oldest_reports_go() {
        let board = Board::default();
        for n in 0..=REPORTS {
            board.note("t", &report(&n.to_string(), ActionState::Unknown));
        }
        assert!(board.last(&("t".into(), "0".into())).is_none());
        assert!(board.last(&("t".into(), REPORTS.to_string())).is_some());
    }
}
