//! Writes need the token; reads do not.

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::Problem;

/// A bearer token, or none where none is needed. Never printed.
#[derive(Clone, Default)]
pub struct Token(Option<[u8; 32]>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Token(…)" } else { "Token(none)" })
    }
}

impl Token {
    /// A token with this text; only its hash is kept, so that comparing takes the same time for any guess.
    pub fn new(text: &str) -> Self {
        Self(Some(Sha256::digest(text.trim()).into()))
    }

    /// Whether a request carries it.
    pub fn admits(&self, request: &Request) -> bool {
        let Some(expected) = self.0 else { return true };
        let given = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let given = given.and_then(|v| v.strip_prefix("Bearer "));
        given.is_some_and(|g| <[u8; 32]>::from(Sha256::digest(g.trim())) == expected)
    }
}

/// Middleware: lets reads pass, and writes that carry the token.
pub async fn writes_need_token(State(token): State<Token>, request: Request, next: Next) -> Response {
    let read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if read || token.admits(&request) {
        return next.run(request).await;
    }
    token_needed().into_response()
}

pub(crate) fn token_needed() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "token-needed",
        "this request needs a token and carries no valid one",
    )
    .hint("send `Authorization: Bearer <token>`; the token file's path is in the configuration")
}
