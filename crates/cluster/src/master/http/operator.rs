//! `POST /api/v1`.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use cairn_mesos::v1::master::{Call, call};

use super::body::{self, Refusal};
use super::{Web, validate};
use crate::master::driver::Command;

pub(crate) async fn handle(web: Web, request: Request) -> Result<Response, Refusal> {
    let (head, payload) = request.into_parts();
    let media = body::content_type(&head.headers)?;
    let payload = body::read(&head.headers, payload).await?;
    let call: Call = body::decode(media, &payload)?;
    validate::operator_call(&call)
        .map_err(|problem| Refusal::bad_request(format!("Failed to validate master::Call: {problem}")))?;
    let media = body::accepted(&head.headers)?;
    if call.r#type == Some(call::Type::Subscribe as i32) {
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "Call SUBSCRIBE is not supported"));
    }
    let reply = web.ask(|answer| Command::Operator { call: Box::new(call), answer }).await?;
    Ok(body::respond(reply, media))
}
