//! Fetches that may be given up: what is to end needs no files any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The containers whose files are being fetched. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fetching(Arc<Mutex<HashMap<String, CancellationToken>>>);

impl Fetching {
    /// Fetches for a container, which nobody else does meanwhile.
    ///
    /// # Errors
    /// Why not everything was fetched: for one, the container was to end.
    pub(crate) async fn fetch(
        &self,
        container: &str,
        fetch: impl Future<Output = Result<(), String>>,
    ) -> Result<(), String> {
        let ended = CancellationToken::new();
        self.all().insert(container.to_owned(), ended.clone());
        let fetched = tokio::select! {
            fetched = fetch => fetched,
            () = ended.cancelled() => Err("it was ended while its files were fetched".to_owned()),
        };
        self.all().remove(container);
        fetched
    }

    /// A container is to end.
    pub(crate) fn give_up(&self, container: &str) {
        if let Some(ended) = self.all().get(container) {
            ended.cancel();
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_fetch_goes_on_until_its_own_container_is_to_end() {
        let fetching = Fetching::default();
        assert_eq!(fetching.fetch("a", ready(Ok(()))).await, Ok(()));
        let (fetched, ()) = tokio::join!(biased; fetching.fetch("a", pending()), async {
            fetching.give_up("b");
            assert!(!fetching.all()["a"].is_cancelled());
            fetching.give_up("a");
        });
        assert!(fetched.is_err());
        assert!(fetching.all().is_empty());
    }
}
