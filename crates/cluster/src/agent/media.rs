//! In which form a client of the operator API speaks, and wants to be spoken to.
//!
//! Beside plain messages there are streams of them (`application/recordio`); then other headers say what each message is.
//! Source: `Http::api` in Mesos's `src/slave/http.cpp`, and its texts.

use axum::http::{HeaderMap, StatusCode, header};
use cairn_mesos::codec::{self, MediaType};

use super::http::Refusal;
use crate::web::body::header_text;

/// The media type of streams.
const RECORDIO: &str = "application/recordio";
/// What the messages of a stream are that is sent.
pub(crate) const MESSAGE_CONTENT_TYPE: &str = "message-content-type";
/// What they may be in one that is answered.
const MESSAGE_ACCEPT: &str = "message-accept";

/// What a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// One message.
    Message(MediaType),
    /// A stream.
    Records(MediaType),
}

/// What a client wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accept {
    /// A message; a stream of them as well, which is then called what they are.
    Message(MediaType),
    /// A stream.
    Records(MediaType),
}

impl Accept {
    /// How a message is written.
    pub(crate) fn message(self) -> MediaType {
        match self {
            Self::Message(media) | Self::Records(media) => media,
        }
    }

    /// What an answer in this form is called.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Message(media) => media.as_str(),
            Self::Records(_) => RECORDIO,
        }
    }
}

/// What a request's headers say that is sent.
///
/// # Errors
/// They do not say it, or it is nothing that is understood.
pub(crate) fn sent(headers: &HeaderMap) -> Result<Sent, Refusal> {
    let bad = |why: &str| Err((StatusCode::BAD_REQUEST, why.to_owned()));
    let unsupported = |why: &str| Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why.to_owned()));
    let message = header_text(headers, MESSAGE_CONTENT_TYPE);
    match header_text(headers, header::CONTENT_TYPE) {
        None => bad("Expecting 'Content-Type' to be present"),
        Some(RECORDIO) => match message.map(MediaType::from_content_type) {
            None => bad("Expecting 'Message-Content-Type' to be set for streaming requests"),
            Some(None) => {
                unsupported("Expecting 'Message-Content-Type' of application/json or application/x-protobuf")
            }
            Some(Some(media)) => Ok(Sent::Records(media)),
        },
        Some(other) => match (MediaType::from_content_type(other), message) {
            (None, _) => unsupported(
                "Expecting 'Content-Type' of application/json or application/x-protobuf or application/recordio",
            ),
            (_, Some(_)) => {
                unsupported("Expecting 'Message-Content-Type' to be not set for non-streaming requests")
            }
            (Some(media), None) => Ok(Sent::Message(media)),
        },
    }
}

/// What a request's headers say that is wanted.
///
/// # Errors
/// It is nothing that there is.
pub(crate) fn accepted(headers: &HeaderMap) -> Result<Accept, Refusal> {
    let refuse = |why: &str| Err((StatusCode::NOT_ACCEPTABLE, why.to_owned()));
    let (wanted, message) = (header_text(headers, header::ACCEPT), header_text(headers, MESSAGE_ACCEPT));
    if let Some(media) = MediaType::from_accept(wanted) {
        return match message {
            Some(_) => refuse("Expecting 'Message-Accept' to be not set for non-streaming responses"),
            None => Ok(Accept::Message(media)),
        };
    }
    if !wanted.is_some_and(|list| codec::allows(list, &[RECORDIO])) {
        return refuse(
            "Expecting 'Accept' to allow application/json or application/x-protobuf or application/recordio",
        );
    }
    match MediaType::from_accept(message) {
        Some(media) => Ok(Accept::Records(media)),
        None => refuse("Expecting 'Message-Accept' to allow application/json or application/x-protobuf"),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_stream_says_what_its_messages_are() {
        let sent =
            |pairs: &[(&'static str, &str)]| sent(&headers(pairs)).map_err(|(status, _)| status.as_u16());
        let stream = ("content-type", RECORDIO);
        assert_eq!(
            sent(&[stream, (MESSAGE_CONTENT_TYPE, "application/json")]),
            Ok(Sent::Records(MediaType::Json))
        );
        assert_eq!(sent(&[stream]), Err(400));
        assert_eq!(sent(&[stream, (MESSAGE_CONTENT_TYPE, "text/plain")]), Err(415));
        let plain = ("content-type", "application/json");
        assert_eq!(sent(&[plain]), Ok(Sent::Message(MediaType::Json)));
        assert_eq!(sent(&[plain, (MESSAGE_CONTENT_TYPE, "application/json")]), Err(415));
        assert_eq!((sent(&[]), sent(&[("content-type", "text/plain")])), (Err(400), Err(415)));
    }

    #[test]
    fn messages_are_wanted_before_streams() {
        let accepted =
            |pairs: &[(&'static str, &str)]| accepted(&headers(pairs)).map_err(|(status, _)| status.as_u16());
        let stream = ("accept", RECORDIO);
        assert_eq!(accepted(&[stream]), Ok(Accept::Records(MediaType::Json)));
        let protobuf = (MESSAGE_ACCEPT, "application/x-protobuf");
        assert_eq!(accepted(&[stream, protobuf]), Ok(Accept::Records(MediaType::Protobuf)));
        assert_eq!(accepted(&[stream, (MESSAGE_ACCEPT, "text/plain")]), Err(406));
        assert_eq!(accepted(&[]), Ok(Accept::Message(MediaType::Json)));
        assert_eq!(accepted(&[("accept", "*/*")]), Ok(Accept::Message(MediaType::Json)));
        assert_eq!(accepted(&[("accept", "*/*"), protobuf]), Err(406));
        assert_eq!(accepted(&[("accept", "text/plain")]), Err(406));
    }
}
