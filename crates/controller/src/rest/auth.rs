//! The token: who has none sees nothing.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cairn_framework::rest::Problem;

use super::App;

/// Lets a request through that carries the controller's token.
pub(crate) async fn require_token(State(app): State<App>, request: Request, next: Next) -> Response {
    match bearer(request.headers()) {
        Some(given) if app.shared.token.matches(given) => next.run(request).await,
        given => {
            let detail =
                if given.is_some() { "the token is not this controller's" } else { "a token is needed" };
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
                .hint("send `Authorization: Bearer <token>` with the content of the controller's token file");
            ([(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response()
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
