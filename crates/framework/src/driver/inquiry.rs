//! What the master knows of frameworks, asked again and again with back-off for as long as it keeps this one from registering.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cairn_mesos::client::{Backoff, ClientError, OperatorClient};
use tokio::task::JoinHandle;

use super::Cluster;
use super::foreign::tear_down;
use super::link::Registration;
use super::shell::hold;
use crate::store::Store;

/// Between two looks: what is in the way may be gone in a moment, or only when an operator has said what is to become of it.
const PAUSES: Backoff = Backoff { first: Duration::from_millis(250), cap: Duration::from_secs(10) };
/// Answers of a master, or of what stands before it, that does not let this scheduler look.
const CLOSED: [u16; 3] = [403, 404, 501];

/// One question at a time.
#[derive(Debug, Default)]
pub(crate) struct Inquiry {
    under_way: Option<JoinHandle<Result<Cluster, ClientError>>>,
    /// Answers so far.
    answers: u32,
    /// The master has said once what it knows, so it lets this scheduler look.
    open: bool,
    /// Frameworks that the master is told to end.
    ended: BTreeSet<String>,
}

impl Inquiry {
    /// Asks, if it does not already: after a pause, and after the master has been told to end these frameworks. When these
    /// are others than before, an operator has just said so, and there is no pause. Only who leads ends anything.
    ///
    /// # Errors
    /// The client cannot be made: the master's address makes no sense, or not with what there is to come to it.
    pub(crate) fn keep(
        &mut self,
        me: &Registration,
        store: &Arc<dyn Store>,
        given_up: BTreeSet<String>,
    ) -> Result<(), ClientError> {
        if given_up != self.ended {
            self.answers = 0;
            self.ended = given_up;
            if let Some(before) = self.under_way.take() {
                before.abort();
            }
        }
        if self.under_way.is_none() {
            let (client, name) = (me.master.operator()?, me.framework.clone());
            let question = ask(self.pause(), client, name, Arc::clone(store), self.ended.clone());
            self.under_way = Some(tokio::spawn(question));
        }
        Ok(())
    }

    fn pause(&self) -> Duration {
        if self.answers == 0 { Duration::ZERO } else { PAUSES.delay(self.answers, 0.0) }
    }

    /// The answer, when it is there: what the master knows; nothing when it does not let this scheduler look. `None`: it could
    /// not be asked, and is asked again.
    ///
    /// # Errors
    /// The credential is not one that the master knows.
    pub(crate) async fn answer(&mut self) -> Result<Option<Cluster>, ClientError> {
        let Some(question) = &mut self.under_way else { return std::future::pending().await };
        let answer = question.await;
        self.under_way = None;
        self.answers = self.answers.saturating_add(1);
        match answer {
            Ok(Ok(cluster)) => {
                self.open = true;
                Ok(Some(cluster))
            }
            Ok(Err(error @ ClientError::Unauthorized { .. })) => Err(error),
            Ok(Err(error)) if !self.open && error.status().is_some_and(|status| CLOSED.contains(&status)) => {
                tracing::warn!(%error, "which frameworks there are is not told; registers without knowing whether its name is taken");
                Ok(Some(Cluster::default()))
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the master does not say yet which frameworks there are; asked again");
                Ok(None)
            }
            Err(error) => {
                tracing::error!(%error, "what the master knows could not be taken in; asked again");
                Ok(None)
            }
        }
    }
}

async fn ask(
    pause: Duration,
    client: OperatorClient,
    name: String,
    store: Arc<dyn Store>,
    given_up: BTreeSet<String>,
) -> Result<Cluster, ClientError> {
    tokio::time::sleep(pause).await;
    if !given_up.is_empty() && hold(&store).await.is_ok() {
        for id in &given_up {
            tear_down(&client, id).await;
        }
    }
    Cluster::look_for(&client, &name).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    fn registration(address: &str) -> Registration {
        let master = crate::Master::from(address);
        Registration {
            masters: master.masters().unwrap(),
            master,
            framework: "demo".into(),
            webui: String::new(),
            labels: std::collections::BTreeMap::new(),
        }
    }

    #[tokio::test]
    async fn a_master_that_is_away_is_asked_again_later_and_later() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let nobody = registration("127.0.0.1:1");
        let mut inquiry = Inquiry::default();
        assert_eq!(inquiry.pause(), Duration::ZERO);
        for millis in [250, 500] {
            inquiry.keep(&nobody, &store, BTreeSet::new()).unwrap();
            assert_eq!(inquiry.answer().await.unwrap(), None);
            assert_eq!(inquiry.pause(), Duration::from_millis(millis));
        }
        inquiry.keep(&nobody, &store, BTreeSet::new()).unwrap();
        inquiry.keep(&nobody, &store, ["F-7".to_owned()].into()).unwrap();
        assert_eq!(inquiry.pause(), Duration::ZERO, "an operator has said so: at once");
        assert_eq!(inquiry.answer().await.unwrap(), None);
        assert_eq!(inquiry.pause(), Duration::from_millis(250));
    }

    #[tokio::test]
    async fn an_address_that_makes_no_sense_is_an_error_at_once() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let master = crate::Master::from("ftp://nowhere");
        let odd = Registration { master, ..registration("127.0.0.1:1") };
        assert!(Inquiry::default().keep(&odd, &store, BTreeSet::new()).is_err());
    }
}
