//! What gates bring about outside: marks on the states of child schedulers, their end, and requests to their REST.
//!
//! A trait, so that the simulator can stand here too, and end the controller between any two of these.

use std::time::Duration;

use async_trait::async_trait;
use cairn_framework::http::reason;
use cairn_framework::rest::MEANT;
use cairn_framework::store::{Place, StoreError};

use crate::token::Secret;

const ASK_TIMEOUT: Duration = Duration::from_secs(20);

/// The world around the controller.
#[async_trait]
pub trait Outside: Send + Sync {
    /// As [`Place::exists`].
    async fn exists(&self, state: &Place) -> Result<bool, StoreError>;
    /// As [`Place::mark`].
    async fn mark(&self, state: &Place, name: &str) -> Result<(), StoreError>;
    /// As [`Place::unmark`].
    async fn unmark(&self, state: &Place, name: &str) -> Result<(), StoreError>;
    /// As [`Place::remove_below`].
    async fn remove(&self, state: &Place, root: &Place) -> Result<(), StoreError>;
    /// Tells the scheduler of `framework` at `endpoint` to take its service down. It answers at once and does so afterwards.
    /// Another scheduler that has this endpoint by now refuses.
    ///
    /// # Errors
    /// Why it could not be told, for people.
    async fn take_down(
        &self,
        framework: &str,
        endpoint: &str,
        token: &Secret,
        delete_data: bool,
    ) -> Result<(), String>;
}

/// Disks, ZooKeeper and HTTP as they are.
#[derive(Debug)]
pub(crate) struct Real<'a>(pub(crate) &'a reqwest::Client);

#[async_trait]
impl Outside for Real<'_> {
    async fn exists(&self, state: &Place) -> Result<bool, StoreError> {
        state.exists().await
    }

    async fn mark(&self, state: &Place, name: &str) -> Result<(), StoreError> {
        state.mark(name).await
    }

    async fn unmark(&self, state: &Place, name: &str) -> Result<(), StoreError> {
        state.unmark(name).await
    }

    async fn remove(&self, state: &Place, root: &Place) -> Result<(), StoreError> {
        state.remove_below(root).await
    }

    async fn take_down(
        &self,
        framework: &str,
        endpoint: &str,
        token: &Secret,
        delete_data: bool,
    ) -> Result<(), String> {
        let url = format!("http://{endpoint}/v1/destroy?delete_data={delete_data}");
        let request = self.0.post(url).header(MEANT, framework).bearer_auth(token.reveal());
        let answer = request.timeout(ASK_TIMEOUT).send().await.map_err(reason)?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("it answers {}", answer.status())) }
    }
}
