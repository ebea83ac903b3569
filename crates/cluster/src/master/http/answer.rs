//! What the master answers, as HTTP.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cairn_mesos::codec::{self, MediaType};

use crate::master::Reply;
use crate::web::body::Refusal;

/// The master's answer as one of HTTP.
pub(crate) fn respond(reply: Reply, media: MediaType) -> Response {
    match reply {
        Reply::Accepted => StatusCode::ACCEPTED.into_response(),
        Reply::Ok => StatusCode::OK.into_response(),
        Reply::Operator(answer) => encoded(answer.as_ref(), media),
        Reply::Refused { status, text } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Refusal::new(status, text).into_response()
        }
    }
}

fn encoded<M: codec::Body>(message: &M, media: MediaType) -> Response {
    match media.encode(message) {
        Ok(bytes) => ([(header::CONTENT_TYPE, media.as_str())], bytes).into_response(),
        Err(error) => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
