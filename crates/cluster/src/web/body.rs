//! Bodies of requests, and refusals.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cairn_mesos::codec::{self, CodecError, MediaType};

use super::gzip::{self, InflateError};

/// The longest body, in bytes, also of what has been compressed.
const LIMIT: usize = 16 * 1024 * 1024;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer that is a status code and a line of text.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    text: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), header: None }
    }

    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.header = HeaderValue::from_str(value).ok().map(|value| (name, value));
        self
    }
}

impl From<Refusal> for (StatusCode, String) {
    fn from(refusal: Refusal) -> Self {
        (refusal.status, refusal.text)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.text).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// A header as text; what is no text counts as absent.
pub(crate) fn header_text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The media type a request says its body has.
pub(crate) fn content_type(headers: &HeaderMap) -> Result<MediaType, Refusal> {
    let Some(value) = header_text(headers, header::CONTENT_TYPE) else {
        return Err(Refusal::bad_request("Expecting 'Content-Type' to be present"));
    };
    MediaType::from_content_type(value).ok_or_else(|| {
        let text = "Expecting 'Content-Type' of application/json or application/x-protobuf";
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)
    })
}

/// The media type a client wants its answer in.
pub(crate) fn accepted(headers: &HeaderMap) -> Result<MediaType, Refusal> {
    MediaType::from_accept(header_text(headers, header::ACCEPT)).ok_or_else(|| {
        let text = "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'";
        Refusal::new(StatusCode::NOT_ACCEPTABLE, text)
    })
}

/// All of a body, if it is no longer than it may be and comes in time.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let told = header_text(headers, header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if told.is_some_and(|length| length > LIMIT as u64) {
        return Err(too_long(LIMIT));
    }
    match tokio::time::timeout(PATIENCE, to_bytes(body, LIMIT)).await {
        Ok(Ok(bytes)) => plain(headers, bytes, LIMIT).await,
        Ok(Err(error)) if is_length_limit(&error) => Err(too_long(LIMIT)),
        Ok(Err(_)) => Err(Refusal::bad_request("The body ended early")),
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time")),
    }
}

/// A body of more than so many bytes.
pub(crate) fn too_long(bytes: usize) -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The body exceeds {bytes} bytes"))
}

/// What a body says, however it was sent. The limit is for what it says, in bytes.
pub(crate) async fn plain(headers: &HeaderMap, body: Bytes, limit: usize) -> Result<Bytes, Refusal> {
    if !gzip::is_compressed(headers) {
        return Ok(body);
    }
    let inflated = tokio::task::spawn_blocking(move || gzip::inflate(&body, limit)).await;
    inflated.unwrap_or(Err(InflateError::Broken)).map_err(|error| match error {
        InflateError::Broken => Refusal::bad_request(error.to_string()),
        InflateError::TooLong(_) => Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
    })
}

fn is_length_limit(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The call that a request brings, and the media type it came in.
pub(crate) async fn call<M: codec::Body>(headers: &HeaderMap, body: Body) -> Result<(M, MediaType), Refusal> {
    let media = content_type(headers)?;
    let body = read(headers, body).await?;
    Ok((decode(media, &body)?, media))
}

/// A call from its body. The texts are those of Apache Mesos as far as they say the same.
pub(crate) fn decode<M: codec::Body>(media: MediaType, body: &[u8]) -> Result<M, Refusal> {
    if media == MediaType::Json {
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        if first.is_some_and(|byte| *byte != b'{')
            && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
        {
            let text = "Failed to convert JSON into Call protobuf: Expecting a JSON object";
            return Err(Refusal::bad_request(text));
        }
    }
    media.decode(body).map_err(|error| {
        Refusal::bad_request(match error {
            CodecError::Protobuf(_) => "Failed to parse body into Call protobuf".to_owned(),
            CodecError::Json(error) if error.is_data() => {
                format!("Failed to convert JSON into Call protobuf: {error}")
            }
            CodecError::Json(error) => {
                format!("Failed to parse body into JSON: syntax error at line {} near: ", error.line())
            }
        })
    })
}
