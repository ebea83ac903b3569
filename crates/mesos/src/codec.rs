//! Bodies in both media types of the v1 API.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A message that can be a body: every message of [`crate::v1`].
pub trait Body: prost::Message + Default + Serialize + DeserializeOwned {}
impl<M: prost::Message + Default + Serialize + DeserializeOwned> Body for M {}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MediaType {
    /// `application/json`.
    Json,
    /// `application/x-protobuf`: smaller and faster, hence the default.
    #[default]
    Protobuf,
}

/// A body that is not what its media type says.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Not JSON, or not JSON of this message.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Not the protobuf of this message.
    #[error("{0}")]
    Protobuf(#[from] prost::DecodeError),
}

impl MediaType {
    /// The value of a `Content-Type` header, without parameters, which Mesos refuses.
    pub fn from_content_type(value: &str) -> Option<Self> {
        match value.trim() {
            "application/json" => Some(Self::Json),
            "application/x-protobuf" => Some(Self::Protobuf),
            _ => None,
        }
    }

    /// The type that an `Accept` header allows, JSON before protobuf as Mesos chooses; JSON when there is no header.
    pub fn from_accept(value: Option<&str>) -> Option<Self> {
        let Some(value) = value.filter(|value| !value.trim().is_empty()) else { return Some(Self::Json) };
        let allowed: Vec<&str> = value.split(',').filter_map(accepted_range).collect();
        [Self::Json, Self::Protobuf].into_iter().find(|media| {
            allowed.iter().any(|range| matches!(*range, "*/*" | "application/*") || *range == media.as_str())
        })
    }

    /// As a header value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/x-protobuf",
        }
    }

    /// Writes a message.
    pub fn encode<M: Body>(self, message: &M) -> Result<Vec<u8>, CodecError> {
        match self {
            Self::Json => Ok(serde_json::to_vec(message)?),
            Self::Protobuf => Ok(message.encode_to_vec()),
        }
    }

    /// Reads a message.
    pub fn decode<M: Body>(self, body: &[u8]) -> Result<M, CodecError> {
        match self {
            Self::Json => Ok(serde_json::from_slice(body)?),
            Self::Protobuf => Ok(M::decode(body)?),
        }
    }
}

impl std::fmt::Display for MediaType {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

/// One part of an `Accept` header without its parameters, unless it is ruled out by a quality of zero.
fn accepted_range(part: &str) -> Option<&str> {
    let mut pieces = part.split(';').map(str::trim);
    let range = pieces.next()?;
    let refused = pieces.any(|piece| {
        piece.strip_prefix("q=").and_then(|quality| quality.parse::<f32>().ok()).is_some_and(|q| q <= 0.0)
    });
    (!refused).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_chosen_as_mesos_does() {
        assert_eq!(MediaType::from_content_type("application/json; charset=utf-8"), None);
        assert_eq!(MediaType::from_content_type("application/x-protobuf"), Some(MediaType::Protobuf));
        assert_eq!(MediaType::from_accept(None), Some(MediaType::Json));
        assert_eq!(MediaType::from_accept(Some("*/*")), Some(MediaType::Json));
        assert_eq!(MediaType::from_accept(Some("application/x-protobuf")), Some(MediaType::Protobuf));
        let json_refused = "application/json;q=0, application/x-protobuf";
        assert_eq!(MediaType::from_accept(Some(json_refused)), Some(MediaType::Protobuf));
        assert_eq!(MediaType::from_accept(Some("text/plain")), None);
    }
}
