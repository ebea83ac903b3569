//! Request bodies: bad JSON is answered with a problem document that says where.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Problem;

/// A JSON body. Unlike axum's own extractor it asks for no media type, takes an empty body for `{}`, and answers errors
/// with a [`Problem`] that names line and column.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        parse(&whole(request, state).await?).map(Self)
    }
}

/// How large a body may be where it is read, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit(usize);

/// Layers: bodies of so many bytes at most, and who sends a larger one is told how many.
pub(crate) fn at_most(bytes: usize) -> (DefaultBodyLimit, Extension<Limit>) {
    (DefaultBodyLimit::max(bytes), Extension(Limit(bytes)))
}

/// All of a body.
///
/// # Errors
/// 413 when it is too large, whether it says so or turns out to be; 400 when it breaks off.
pub(crate) async fn whole<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let limit = request.extensions().get::<Limit>().copied();
    Bytes::from_request(request, state).await.map_err(|refused| unread(&refused, limit))
}

fn unread(refused: &BytesRejection, limit: Option<Limit>) -> Problem {
    match (refused.status(), limit) {
        (StatusCode::PAYLOAD_TOO_LARGE, Some(Limit(bytes))) => too_large(bytes),
        (StatusCode::PAYLOAD_TOO_LARGE, None) => Problem::too_large(refused.body_text()),
        (status, _) => Problem::new(status, "unreadable-body", refused.body_text()),
    }
}

/// A body of more than so many bytes.
pub(crate) fn too_large(bytes: usize) -> Problem {
    Problem::too_large(format!("the body is too large: at most {bytes} bytes are taken"))
}

/// What is in a part of a body.
///
/// # Errors
/// 400 with what is wrong with it.
pub fn parsed<T: DeserializeOwned>(body: Value) -> Result<T, Problem> {
    serde_json::from_value(body).map_err(odd)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(odd)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn odd(error: serde_json::Error) -> Problem {
    Problem::bad_request(format!("the body is not what this resource takes: {error}"))
        .hint("send a JSON object; /openapi.json lists the fields")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Count {
        count: u32,
    }

    #[test]
    fn errors_say_where() {
        let problem = parse::<Count>(b"{\"count\": \"x\"}").unwrap_err();
        assert_eq!(problem.status, 400);
        assert!(problem.detail.contains("line 1 column 13"), "{}", problem.detail);
        assert!(parse::<Count>(b"{\"cuont\": 1}").unwrap_err().detail.contains("unknown field `cuont`"));
        assert!(parse::<Count>(b"").unwrap_err().detail.contains("missing field `count`"));
        assert_eq!(parse::<Count>(b"{\"count\": 3}").unwrap().count, 3);
    }
}
