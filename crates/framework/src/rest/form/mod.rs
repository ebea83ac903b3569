//! Parameters from the query or from a form, whichever a script sends: for interfaces of earlier frameworks, which scripts
//! go on using. [`text`] reads the values as these have them; [`Earlier`] is what they could do to numbered nodes, [`tasks`] and
//! [`counted`] how they listed and scaled them, [`EarlierContents`] what they could do to what a service holds.

mod contents;
mod count;
mod node;
mod nodes;
mod shape;
pub mod text;

use std::collections::BTreeMap;
use std::time::Duration;

pub use contents::{EarlierContents, listed, matches};
pub use count::counted;
pub use nodes::{Earlier, Kind};
pub use shape::{Is, tasks};

/// What the verbs of [`Earlier`] are, for [`crate::rest::Api::at`].
pub const OF_NODES: &[(&str, &str)] =
    &[("post", "As the earlier framework had it: list add update start stop restart remove clone log")];
/// The same of [`EarlierContents`] that can be spread over nodes.
pub const OF_CONTENTS: &[(&str, &str)] =
    &[("post", "As the earlier framework had it: list add update delete rebalance")];
/// The same of what can only be [`listed`].
pub const OF_LISTS: &[(&str, &str)] = &[("post", "As the earlier framework had it: list")];

use super::body::too_large;
use super::{Problem, Refused, Token};
use axum::extract::{FromRequest, Query, Request};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// Largest form.
const FORM_LIMIT: usize = 64 * 1024;
/// Longest wait that a request may ask for.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// The parameters of a request.
#[derive(Debug, Default)]
pub struct Params {
    values: BTreeMap<String, String>,
    may_write: bool,
}

impl Params {
    /// These, as of somebody who may change something.
    pub fn of(values: &[(&str, &str)]) -> Self {
        let values = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self { values, may_write: true }
    }

    /// A parameter that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// A parameter that was sent, even if empty: that resets it.
    pub fn sent(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn need(&self, name: &str) -> Refused<&str> {
        self.get(name).ok_or_else(|| Problem::bad_request(format!("{name} required")))
    }

    /// A parameter as a number.
    ///
    /// # Errors
    /// It is none.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Refused<Option<T>> {
        let parse =
            |v: &str| v.parse().map_err(|_| Problem::bad_request(format!("{name}: `{v}` is not a number")));
        self.get(name).map(parse).transpose()
    }

    /// A parameter that is `true`, or just there.
    pub fn flag(&self, name: &str) -> bool {
        self.sent(name).is_some_and(|v| v.is_empty() || v == "true")
    }

    /// How long the answer may take: the parameter `timeout`.
    ///
    /// # Errors
    /// It is no period.
    pub fn timeout(&self, otherwise: Duration) -> Refused<Duration> {
        let given = self.get("timeout").map(|t| text::period(t).map_err(Problem::bad_request)).transpose()?;
        Ok(given.unwrap_or(otherwise).min(LONGEST))
    }

    /// Names of all that were sent.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// A GET passes the scheduler's door without a token, so what changes something asks for it here.
    ///
    /// # Errors
    /// 401 for a GET without a token, where one is needed.
    pub fn may_write(&self) -> Refused<()> {
        if self.may_write {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "token-needed",
            "this request changes something and carries no valid token",
        )
        .hint("send it as a POST with `Authorization: Bearer <token>`"))
    }
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let may_write = *request.method() == Method::POST
            || request.extensions().get::<Token>().is_some_and(|token| token.admits(&request));
        let mut values = query(request.uri()).map_err(IntoResponse::into_response)?;
        let body = axum::body::to_bytes(request.into_body(), FORM_LIMIT).await;
        let body = body.map_err(|e| unreadable(&e).into_response())?;
        let form = String::from_utf8_lossy(&body);
        if !form.trim().is_empty() {
            let uri = format!("/?{}", form.trim()).parse::<Uri>();
            let uri = uri.map_err(|_| Problem::bad_request("the form cannot be read").into_response())?;
            values.extend(query(&uri).map_err(IntoResponse::into_response)?);
        }
        Ok(Self { values, may_write })
    }
}

fn unreadable(error: &axum::Error) -> Problem {
    // Only the words of the error tell which one it is.
    if error.to_string().contains("length limit") {
        too_large(FORM_LIMIT)
    } else {
        Problem::bad_request(error.to_string())
    }
}

fn query(uri: &Uri) -> Refused<BTreeMap<String, String>> {
    Query::try_from_uri(uri).map(|Query(values)| values).map_err(|e| Problem::bad_request(e.body_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_form_that_is_too_large_is_told_how_large_it_may_be() {
        let form = axum::body::Body::from(vec![b'a'; FORM_LIMIT + 1]);
        let refused = Params::from_request(Request::post("/").body(form).unwrap(), &()).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let body = axum::body::to_bytes(refused.into_body(), 1_000).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains("at most 65536 bytes"), "{body:?}");
    }
}
