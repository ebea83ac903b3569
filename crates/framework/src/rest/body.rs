//! Request bodies: bad JSON is answered with a problem document that says where.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
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
        let bytes = Bytes::from_request(request, state).await.map_err(|e| {
            let status = e.status();
            Problem::new(
                status,
                if status == 413 { "body-too-large" } else { "unreadable-body" },
                e.body_text(),
            )
        })?;
        parse(&bytes).map(Self)
    }
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
