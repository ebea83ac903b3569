//! Messages as bytes.

use std::convert::Infallible;
use std::marker::PhantomData;

use bytes::Bytes;
use cairn_mesos::recordio::{self, Decoder};
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::{LONGEST, PULSE, SILENCE};

/// What comes of a channel as the chunks of a body; ends when the channel does.
pub(crate) fn outgoing<T: Serialize + Send + 'static>(
    messages: mpsc::Receiver<T>,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    stream::unfold(messages, |mut messages| async move {
        loop {
            let record = match tokio::time::timeout(PULSE, messages.recv()).await {
                Ok(Some(message)) => match serde_json::to_vec(&message) {
                    Ok(record) => record,
                    Err(error) => {
                        tracing::error!(%error, "a message between master and agent cannot be written; it is lost");
                        continue;
                    }
                },
                Ok(None) => return None,
                Err(_) => Vec::new(),
            };
            let mut bytes = Vec::new();
            recordio::encode(&record, &mut bytes);
            return Some((Ok(Bytes::from(bytes)), messages));
        }
    })
}

/// The messages in a body.
pub(crate) struct Incoming<S, T> {
    body: S,
    decoder: Decoder,
    messages: PhantomData<T>,
}

impl<S, T, C, E> Incoming<S, T>
where
    S: Stream<Item = Result<C, E>> + Unpin,
    T: DeserializeOwned,
    C: AsRef<[u8]>,
    E: std::fmt::Display,
{
    pub(crate) fn new(body: S) -> Self {
        Self { body, decoder: Decoder::new(LONGEST), messages: PhantomData }
    }

    /// The next message; none at the end of the body.
    ///
    /// # Errors
    /// The other side is silent, broke off, or says what is no message.
    pub(crate) async fn next(&mut self) -> Result<Option<T>, String> {
        loop {
            if let Some(record) = self.decoder.next_record().map_err(|error| error.to_string())? {
                if record.is_empty() {
                    continue;
                }
                return serde_json::from_slice(&record).map(Some).map_err(|error| error.to_string());
            }
            let chunk = tokio::time::timeout(SILENCE, self.body.next());
            match chunk.await.map_err(|_| format!("nothing was heard for {SILENCE:?}"))? {
                Some(Ok(chunk)) => self.decoder.feed(chunk.as_ref()),
                Some(Err(error)) => return Err(error.to_string()),
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{FromAgent, ToAgent};
    use cairn_mesos::v1::{AgentId, FrameworkId, TaskId, TaskState, TaskStatus};

    async fn there<T: Serialize + DeserializeOwned + Clone + Send + 'static>(messages: Vec<T>) -> Vec<T> {
        let (sender, receiver) = mpsc::channel(8);
        for message in messages {
            sender.send(message).await.unwrap();
        }
        drop(sender);
        let mut incoming = Incoming::new(Box::pin(outgoing(receiver)));
        let mut came = Vec::new();
        while let Some(message) = incoming.next().await.unwrap() {
            came.push(message);
        }
        came
    }

    #[tokio::test]
    async fn messages_come_as_they_were_sent() {
        let status = TaskStatus { uuid: Some(vec![7; 16]), healthy: Some(false), ..TaskStatus::default() };
        let update = FromAgent::Update {
            framework_id: FrameworkId { value: "F".into() },
            status: Box::new(status),
            latest_state: TaskState::TaskFinished,
        };
        assert_eq!(there(vec![update.clone(), FromAgent::Unregister]).await, [update, FromAgent::Unregister]);
        let registered = ToAgent::Registered { agent_id: AgentId { value: "S0".into() } };
        let acknowledge = ToAgent::Acknowledge {
            framework_id: FrameworkId { value: "F".into() },
            task_id: TaskId { value: "t".into() },
            uuid: vec![0, 255, 7],
        };
        assert_eq!(there(vec![registered.clone(), acknowledge.clone()]).await, [registered, acknowledge]);
    }

    #[tokio::test]
    async fn nonsense_is_an_error() {
        for text in ["x\n", "2\n{}", "9\n\"Nothing\""] {
            let body = stream::iter([Ok::<_, Infallible>(Bytes::from(text.to_owned()))]);
            assert!(Incoming::<_, FromAgent>::new(body).next().await.is_err(), "{text}");
        }
    }
}
