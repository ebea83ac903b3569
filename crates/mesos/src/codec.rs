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
        let Some(value) = value else { return Some(Self::Json) };
        let allowed = |media: &Self| allows(value, &[media.as_str(), "application/*", "*/*"]);
        [Self::Json, Self::Protobuf].into_iter().find(allowed)
    }

    /// As a header value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/x-protobuf",
        }
    }

    /// Writes a message.
    ///
    /// # Errors
    /// It holds what JSON cannot say.
    pub fn encode<M: Body>(self, message: &M) -> Result<Vec<u8>, CodecError> {
        match self {
            Self::Json => Ok(serde_json::to_vec(message)?),
            Self::Protobuf => Ok(message.encode_to_vec()),
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// It is none of this type.
    pub fn decode<M: Body>(self, body: &[u8]) -> Result<M, CodecError> {
        match self {
            Self::Json => {
                serde_json::from_slice(body).or_else(|error| with_the_last(body).ok_or_else(|| error.into()))
            }
            Self::Protobuf => Ok(M::decode(body)?),
        }
    }
}

/// Reads an object that says a name twice: the last counts, as with Mesos. It takes time and memory, so that only those pay for it
/// who would be refused otherwise.
fn with_the_last<M: Body>(body: &[u8]) -> Option<M> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    serde_json::from_value(value).ok()
}

impl std::fmt::Display for MediaType {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Whether the list of a header like `Accept` or `Accept-Encoding` allows something: by the first of its names that stands
/// there at all, the most exact one first, unless its quality is zero or no number. This is how libprocess reads such lists.
pub fn allows(list: &str, names: &[&str]) -> bool {
    let quality = |name: &&str| {
        list.split(',').find_map(|part| {
            let mut pieces = part.split(';').map(str::trim);
            pieces.next()?.eq_ignore_ascii_case(name).then(|| {
                let given = pieces.find_map(|piece| piece.strip_prefix("q")?.trim_start().strip_prefix('='));
                given.is_none_or(|given| given.trim().parse::<f64>().is_ok_and(|quality| quality > 0.0))
            })
        })
    };
    names.iter().find_map(quality).unwrap_or(false)
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
        assert_eq!(MediaType::from_accept(Some("")), None);
        let named = "application/json;q=0, */*;q=0.1";
        assert_eq!(
            MediaType::from_accept(Some(named)),
            Some(MediaType::Protobuf),
            "what is named goes before what is not"
        );
        let capital = "text/html, Application/JSON ; q = 0.5";
        assert_eq!(MediaType::from_accept(Some(capital)), Some(MediaType::Json));
    }

    #[test]
    fn of_a_name_that_is_said_twice_the_last_counts() {
        use crate::v1::scheduler::{Call, call};
        let read = |body: &str| MediaType::Json.decode::<Call>(body.as_bytes());
        let twice = r#"{"type": "REVIVE", "type": "SUPPRESS", "framework_id": {"value": "a", "value": "b"}}"#;
        let call = read(twice).unwrap();
        assert_eq!((call.r#type(), call.framework_id.unwrap().value.as_str()), (call::Type::Suppress, "b"));
        let wrong = read(r#"{"type": "REVIVE", "type": "SUPPRESS", "framework_id": 7}"#).unwrap_err();
        assert!(wrong.to_string().contains("column"), "it is told where: {wrong}");
    }
}
