//! What the controller's gates bring about, played: states, marks, and requests to child schedulers.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use cairn_controller::Secret;
use cairn_controller::outside::Outside;
use cairn_framework::store::{Place, StoreError};

use crate::stack::State;

/// What a gate finds, and what it has done.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) states: BTreeMap<String, State>,
    /// Who serves where.
    endpoints: BTreeMap<String, String>,
    /// The process ends before the next thing after so many.
    ends_after: Option<u64>,
    refuses: bool,
    /// Schedulers that were told to take their services down, with their data or without.
    pub(crate) told: Vec<(String, bool)>,
    /// Places of states that were removed.
    pub(crate) removed: Vec<String>,
}

/// The world around one question to a gate.
#[derive(Debug)]
pub(crate) struct Played(Mutex<Done>);

impl Played {
    pub(crate) fn new(
        states: BTreeMap<String, State>,
        endpoints: BTreeMap<String, String>,
        ends_after: Option<u64>,
        refuses: bool,
    ) -> Self {
        Self(Mutex::new(Done { states, endpoints, ends_after, refuses, ..Done::default() }))
    }

    /// Lets a gate think; nothing that is played keeps it waiting. `None`: the process has ended within it.
    pub(crate) fn once<T>(&self, gate: impl Future<Output = T>) -> Option<T> {
        match pin!(gate).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(verdict) => Some(verdict),
            Poll::Pending => None,
        }
    }

    pub(crate) fn into_done(self) -> Done {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for ever if the process ends before the next thing.
    async fn next(&self) {
        let ends = match &mut self.done().ends_after {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        if ends {
            std::future::pending::<()>().await;
        }
    }

    async fn disk(&self, state: &Place) -> Result<(), StoreError> {
        self.next().await;
        if self.done().refuses {
            let reason = "no space left on device".to_owned();
            return Err(StoreError::Broken { place: state.to_string(), reason });
        }
        Ok(())
    }
}

#[async_trait]
impl Outside for Played {
    async fn exists(&self, state: &Place) -> Result<bool, StoreError> {
        self.disk(state).await?;
        let place = state.to_string();
        let done = self.done();
        let marked = || {
            let (state, mark) = place.rsplit_once('/')?;
            done.states.get(state)?.marks.get(mark)
        };
        Ok(done.states.contains_key(&place) || marked().is_some())
    }

    async fn mark(&self, state: &Place, name: &str) -> Result<(), StoreError> {
        self.disk(state).await?;
        self.done().states.entry(state.to_string()).or_default().marks.insert(name.to_owned());
        Ok(())
    }

    async fn unmark(&self, state: &Place, name: &str) -> Result<(), StoreError> {
        self.disk(state).await?;
        if let Some(state) = self.done().states.get_mut(&state.to_string()) {
            state.marks.remove(name);
        }
        Ok(())
    }

    async fn remove(&self, state: &Place, _: &Place) -> Result<(), StoreError> {
        self.disk(state).await?;
        let place = state.to_string();
        // Not at once: what is removed first may be the mark.
        if let Some(state) = self.done().states.get_mut(&place) {
            state.marks.clear();
        }
        self.next().await;
        let mut done = self.done();
        done.states.remove(&place);
        done.removed.push(place);
        Ok(())
    }

    async fn take_down(
        &self,
        framework: &str,
        endpoint: &str,
        _: &Secret,
        delete_data: bool,
    ) -> Result<(), String> {
        self.next().await;
        let mut done = self.done();
        match done.endpoints.get(endpoint) {
            None => Err("connection refused".into()),
            Some(other) if other != framework => Err("it answers 421 Misdirected Request".into()),
            Some(_) => {
                done.told.push((framework.to_owned(), delete_data));
                Ok(())
            }
        }
    }
}
