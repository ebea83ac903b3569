//! Who may come in to the agent: operators with their credentials, executors with their tokens.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::security::{Claims, Credentials, Key};

/// Whom the agent asks who they are.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Operators; `None`: whoever comes is one.
    pub(crate) credentials: Option<Credentials>,
    /// What the tokens of executors are signed with; `None`: they need none.
    pub(crate) key: Option<Key>,
    /// Whether executors may come without a token all the same.
    pub(crate) anonymous: bool,
}

/// Who has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Visitor {
    /// May do everything.
    Operator,
    /// The executor of some task here.
    Executor(Claims),
}

/// Nobody who may come in; how one says who one is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unknown(&'static str);

impl IntoResponse for Unknown {
    fn into_response(self) -> Response {
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, self.0)], "401 Unauthorized.").into_response()
    }
}

const READ_ONLY: Unknown = Unknown("Basic realm=\"mesos-agent-readonly\"");
const READ_WRITE: Unknown = Unknown("Basic realm=\"mesos-agent-readwrite\"");
const EXECUTOR: Unknown = Unknown("Bearer realm=\"mesos-agent-executor\"");

impl Entry {
    /// For the endpoints that only show.
    pub(crate) fn reader(&self, headers: &HeaderMap) -> Result<(), Unknown> {
        if self.is_operator(headers) { Ok(()) } else { Err(READ_ONLY) }
    }

    /// For the operator API. Executors ask it who their neighbours are.
    pub(crate) fn visitor(&self, headers: &HeaderMap) -> Result<Visitor, Unknown> {
        if self.is_operator(headers) {
            return Ok(Visitor::Operator);
        }
        self.token(headers).map(Visitor::Executor).ok_or(READ_WRITE)
    }

    /// For the executor API: which executor somebody is. `None`: he need not prove it.
    pub(crate) fn executor(&self, headers: &HeaderMap) -> Result<Option<Claims>, Unknown> {
        match self.key {
            Some(_) if self.anonymous && authorization(headers).is_none() => Ok(None),
            Some(_) => self.token(headers).map(Some).ok_or(EXECUTOR),
            None => Ok(None),
        }
    }

    fn is_operator(&self, headers: &HeaderMap) -> bool {
        self.credentials.as_ref().is_none_or(|known| known.check(authorization(headers)).is_some())
    }

    fn token(&self, headers: &HeaderMap) -> Option<Claims> {
        let (scheme, token) = authorization(headers)?.split_once(' ')?;
        let key = self.key.as_ref().filter(|_| scheme.eq_ignore_ascii_case("bearer"))?;
        key.verify(token.trim())
    }
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    fn claims(executor: &str) -> Claims {
        Claims { fid: "F".into(), eid: executor.into(), cid: "c".into() }
    }

    fn entry() -> Entry {
        Entry {
            credentials: Some(Credentials::parse("p s").unwrap()),
            key: Some(Key::new(b"k")),
            anonymous: false,
        }
    }

    #[test]
    fn an_executor_shows_a_token_of_its_agent() {
        let executor = |value: &str| entry().executor(&headers(value));
        let token = |key: &[u8]| format!("Bearer {}", Key::new(key).sign(&claims("e")));
        assert_eq!(executor(&token(b"k")), Ok(Some(claims("e"))));
        for wrong in [&token(b"other"), "Basic cDpz", "Bearer x", "Bearer"] {
            assert_eq!(executor(wrong), Err(EXECUTOR), "{wrong}");
        }
        assert_eq!(entry().executor(&HeaderMap::new()), Err(EXECUTOR));
        assert_eq!(Entry::default().executor(&HeaderMap::new()), Ok(None));
        let anonymous = Entry { anonymous: true, ..entry() };
        assert_eq!(anonymous.executor(&HeaderMap::new()), Ok(None));
        assert_eq!(anonymous.executor(&headers("Bearer x")), Err(EXECUTOR), "what is shown must be right");
        assert!(anonymous.visitor(&HeaderMap::new()).is_err(), "it is for the executor API alone");
    }

    #[test]
    fn operators_read_and_executors_only_ask() {
        let executor = headers(&format!("Bearer {}", Key::new(b"k").sign(&claims("e"))));
        assert_eq!(entry().visitor(&headers("Basic cDpz")), Ok(Visitor::Operator));
        assert!(entry().reader(&headers("Basic cDpz")).is_ok());
        assert_eq!(entry().visitor(&executor), Ok(Visitor::Executor(claims("e"))));
        assert!(entry().reader(&executor).is_err());
        for wrong in [headers("Basic cDp0"), HeaderMap::new()] {
            assert!(entry().visitor(&wrong).is_err() && entry().reader(&wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(Entry::default().visitor(&HeaderMap::new()), Ok(Visitor::Operator));
    }
}
