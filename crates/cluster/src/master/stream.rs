//! The body of an answer to SUBSCRIBE.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use cairn_mesos::codec::{Body, MediaType};
use cairn_mesos::recordio;
use futures_util::Stream;
use tokio::sync::{mpsc, oneshot};

/// Framed events as they come. It ends when the master closes it.
#[derive(Debug)]
pub(crate) struct EventStream {
    pub(crate) id: String,
    pub(crate) media: MediaType,
    frames: mpsc::Receiver<Bytes>,
    /// Dropped with the body, by which the master learns that the client is gone.
    _guard: oneshot::Sender<()>,
}

impl EventStream {
    pub(crate) fn new(
        id: String,
        media: MediaType,
        frames: mpsc::Receiver<Bytes>,
        guard: oneshot::Sender<()>,
    ) -> Self {
        Self { id, media, frames, _guard: guard }
    }
}

impl Stream for EventStream {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.frames.poll_recv(context).map(|frame| frame.map(Ok))
    }
}

/// An event as a record. `None` when it cannot be written, which no event is known to cause.
pub(crate) fn frame(event: &impl Body, media: MediaType) -> Option<Bytes> {
    let record = media.encode(event).ok()?;
    let mut frame = Vec::with_capacity(record.len() + 12);
    recordio::encode(&record, &mut frame);
    Some(frame.into())
}
