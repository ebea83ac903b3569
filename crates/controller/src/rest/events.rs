//! Events as they happen, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cairn_framework::rest::too_many;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::broadcast::error::RecvError;

use super::App;
use crate::events::{Event, Subscription};
use crate::service::Shared;

/// How many clients may listen at a time.
pub(crate) const STREAMS: usize = 2_048;
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /v1/events`. With `Last-Event-ID` the stream goes on after that event. A note says when something is missing,
/// or that a client was too slow; it then looks at the stacks anew.
pub(crate) async fn stream(State(app): State<App>, headers: HeaderMap) -> Response {
    let Ok(place) = Arc::clone(&app.shared.streams).try_acquire_owned() else {
        return too_many("streams of events");
    };
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok());
    let subscription = app.shared.events.subscribe(last);
    let held = events(&app, subscription).inspect(move |_| _ = &place);
    Sse::new(held).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

fn events(
    app: &App,
    subscription: Subscription,
) -> impl Stream<Item = Result<sse::Event, Infallible>> + use<> {
    let Subscription { missed, gap, receiver } = subscription;
    let hole = gap.then(|| note("some events are not kept any more: look at the stacks anew"));
    let shared = app.shared.clone();
    let first: Vec<sse::Event> = hole.into_iter().chain(missed.iter().map(|e| encode(&shared, e))).collect();
    // Ends with the scheduler, so that a listening client does not hold up its end.
    let changes = app.handle.subscribe();
    let live = stream::unfold(Some((receiver, changes, shared)), |state| async move {
        let (mut receiver, mut changes, shared) = state?;
        let next = tokio::select! {
            next = receiver.recv() => next,
            () = closed(&mut changes) => return None,
        };
        match next {
            Ok(event) => Some((encode(&shared, &event), Some((receiver, changes, shared)))),
            Err(RecvError::Lagged(_)) => Some((note("too slow: connect again with the last id"), None)),
            Err(RecvError::Closed) => None,
        }
    });
    stream::iter(first).chain(live).map(Ok)
}

async fn closed<T>(changes: &mut tokio::sync::watch::Receiver<T>) {
    while changes.changed().await.is_ok() {}
}

fn encode(shared: &Arc<Shared>, event: &Event) -> sse::Event {
    // Strings and numbers always encode.
    let data = serde_json::to_string(event).unwrap_or_default();
    sse::Event::default().event("change").id(shared.events.id(event)).data(data)
}

fn note(text: &str) -> sse::Event {
    sse::Event::default().event("note").data(text)
}
