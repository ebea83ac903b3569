//! `POST /api/v1`.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cairn_mesos::v1::master::{Call, call};

use super::{Web, answer, validate};
use crate::master::driver::Command;
use crate::web::body::{self, Refusal};

pub(crate) async fn handle(
    web: Web,
    request: Request,
    principal: Option<String>,
) -> Result<Response, Refusal> {
    let (head, payload) = request.into_parts();
    let (call, _) = body::call::<Call>(&head.headers, payload).await?;
    validate::operator_call(&call)
        .map_err(|problem| Refusal::bad_request(format!("Failed to validate master::Call: {problem}")))?;
    let media = body::accepted(&head.headers)?;
    if call.r#type == Some(call::Type::Subscribe as i32) {
        let stream = web.ask(|answer| Command::Watch { media, answer }).await?;
        let headers = [(header::CONTENT_TYPE, stream.media.as_str())];
        return Ok((headers, Body::from_stream(stream)).into_response());
    }
    let reply = web.operate(call, principal).await?;
    Ok(answer::respond(reply, media))
}
