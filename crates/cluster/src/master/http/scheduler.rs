//! `POST /api/v1/scheduler`.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cairn_mesos::codec::MediaType;
use cairn_mesos::v1::scheduler::{Call, call};

use super::{Web, answer, validate};
use crate::master::calls::mismatch;
use crate::master::driver::Command;
use crate::web::body::{self, Refusal};

const STREAM_ID: &str = "mesos-stream-id";

pub(crate) async fn handle(
    web: Web,
    request: Request,
    principal: Option<String>,
) -> Result<Response, Refusal> {
    let (head, payload) = request.into_parts();
    let (call, media) = body::call::<Call>(&head.headers, payload).await?;
    validate::scheduler_call(&call)
        .map_err(|problem| Refusal::bad_request(format!("Failed to validate scheduler::Call: {problem}")))?;
    let stream_id = body::header_text(&head.headers, STREAM_ID).map(str::to_owned);
    let call = Box::new(call);
    if call.r#type == Some(call::Type::Subscribe as i32) {
        if stream_id.is_some() {
            let text = "Subscribe calls should not include the 'Mesos-Stream-Id' header";
            return Err(Refusal::bad_request(text));
        }
        let media = body::accepted(&head.headers)?;
        let claimed =
            call.subscribe.as_ref().and_then(|subscribe| subscribe.framework_info.principal.as_deref());
        if let Some(mismatch) = mismatch(principal.as_deref(), claimed) {
            return Err(Refusal::bad_request(format!("Failed to validate scheduler::Call: {mismatch}")));
        }
        return subscribe(&web, call, principal, media).await;
    }
    let reply = web.ask(|answer| Command::Call { call, stream_id, principal, answer }).await?;
    Ok(answer::respond(reply, media))
}

async fn subscribe(
    web: &Web,
    call: Box<Call>,
    principal: Option<String>,
    media: MediaType,
) -> Result<Response, Refusal> {
    let stream = web.ask(|answer| Command::Subscribe { call, principal, media, answer }).await?;
    let headers =
        [(header::CONTENT_TYPE.as_str(), stream.media.as_str().to_owned()), (STREAM_ID, stream.id.clone())];
    Ok((headers, Body::from_stream(stream)).into_response())
}
