//! When it is worth to look at a stack again: at an event of the controller, and every so often.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::rest::Client;

/// Looks even without an event, since events may be lost.
const AT_LEAST: Duration = Duration::from_secs(1);
/// Events come in bunches: the first is looked at after so long.
const BUNCH: Duration = Duration::from_millis(30);

/// The controller's events, of which only that they come matters.
pub(crate) struct Changes {
    client: Client,
    events: Option<BoxStream<'static, bool>>,
}

impl Changes {
    /// Nothing is asked yet.
    pub(crate) fn new(client: &Client) -> Self {
        Self { client: client.clone(), events: None }
    }

    /// Listens, unless it does already. To be called before the first look, so that nothing falls between.
    pub(crate) async fn listen(&mut self) {
        if self.events.is_none()
            && let Ok(answer) = self.client.stream("/v1/events").await
        {
            self.events = Some(answer.bytes_stream().map(|piece| piece.is_ok()).boxed());
        }
    }

    /// Waits until something may have changed.
    pub(crate) async fn wait(&mut self) {
        let Some(events) = &mut self.events else {
            tokio::time::sleep(AT_LEAST).await;
            return self.listen().await;
        };
        match tokio::time::timeout(AT_LEAST, events.next()).await {
            Ok(Some(true)) => tokio::time::sleep(BUNCH).await,
            Ok(_) => {
                self.events = None;
                tokio::time::sleep(AT_LEAST).await;
                self.listen().await;
            }
            Err(_) => {}
        }
    }
}
