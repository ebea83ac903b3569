//! The events of a subscription, one after the other.

use std::marker::PhantomData;
use std::time::Duration;

use reqwest::{Response, Url};

use super::ClientError;
use super::http::{Http, media_of};
use crate::codec::{Body, MediaType};
use crate::recordio::Decoder;

pub(crate) struct EventStream<E> {
    response: Response,
    media: MediaType,
    decoder: Decoder,
    events: PhantomData<E>,
}

impl<E: Body> EventStream<E> {
    pub(crate) fn new(response: Response, http: &Http) -> Self {
        let media = media_of(&response).unwrap_or(http.options.media);
        let decoder = Decoder::new(http.options.max_message);
        Self { response, media, decoder, events: PhantomData }
    }

    pub(crate) fn url(&self) -> &Url {
        self.response.url()
    }

    /// The next event. Whatever keeps it from coming is an error, silence for longer than `limit` too.
    pub(crate) async fn next(&mut self, limit: Option<Duration>) -> Result<E, ClientError> {
        match limit {
            None => self.read().await,
            Some(limit) => match tokio::time::timeout(limit, self.read()).await {
                Ok(event) => event,
                Err(_) => Err(ClientError::Silent(limit)),
            },
        }
    }

    async fn read(&mut self) -> Result<E, ClientError> {
        loop {
            if let Some(record) = self.decoder.next_record()? {
                return Ok(self.media.decode(&record)?);
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.decoder.feed(&chunk),
                Ok(None) => return Err(ClientError::StreamEnded(self.url().clone())),
                Err(error) => return Err(ClientError::unreachable(self.url(), &error)),
            }
        }
    }
}
