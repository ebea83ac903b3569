//! A service of a stack: look at it, scale it.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use cairn_framework::rest::Body;
use serde::Deserialize;

use super::stacks::{answer, carry_out, find};
use super::{Answer, App};
use crate::apply::no_stack;
use crate::scale::{no_service, scale as scaled};
use crate::view::ServiceView;

/// `GET /v1/stacks/{stack}/services/{service}`
pub(crate) async fn show(
    State(app): State<App>,
    Path((stack, service)): Path<(String, String)>,
) -> Answer<Json<ServiceView>> {
    let found = find(&app, &stack)?.services.into_iter().find(|s| s.name == service);
    found.map(Json).ok_or_else(|| unknown(&app, &stack, &service))
}

/// 404 for a service, or for its stack.
pub(crate) fn unknown(app: &App, stack: &str, service: &str) -> super::Refusal {
    match app.now() {
        Ok((_, options)) => match options.stacks.get(stack) {
            Some(stored) => no_service(&stored.spec, service).into(),
            None => no_stack(&options, stack).into(),
        },
        Err(refusal) => refusal,
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scale {
    count: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ScaleQuery {
    #[serde(default)]
    dry_run: bool,
}

/// `POST /v1/stacks/{stack}/services/{service}/scale`
pub(crate) async fn scale(
    State(app): State<App>,
    Path((stack, service)): Path<(String, String)>,
    Query(query): Query<ScaleQuery>,
    Body(body): Body<Scale>,
) -> Answer<Response> {
    let (_, options) = app.now()?;
    let stored = options.stacks.get(&stack).ok_or_else(|| no_stack(&options, &stack))?;
    let wanted = scaled(stored, &service, body.count, &app.shared.settings.catalog)?;
    Ok(answer(carry_out(&app, wanted, query.dry_run).await?, query.dry_run))
}
