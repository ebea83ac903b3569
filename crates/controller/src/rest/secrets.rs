//! Secrets: set, listed, forgotten. No answer holds a value.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cairn_framework::View;
use cairn_framework::rest::Problem;
use cairn_stack::{Checked, is_name, is_secret_name};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, App};
use crate::clock;
use crate::secrets::{self, MAX_BYTES, SecretView, full_name};
use crate::state::Options;
use crate::token::Secret;

/// Header with the values of the secrets that a stack declares: JSON, name to value, in base64. A header as the token
/// is one: the body stays the file as people wrote it, which is kept and shown.
const HEADER: &str = "cairn-secrets";

/// The secrets that came with a stack.
///
/// # Errors
/// When they cannot be read; what they are is not repeated.
pub(crate) fn sent(headers: &HeaderMap) -> Answer<BTreeMap<String, Secret>> {
    let Some(header) = headers.get(HEADER) else { return Ok(BTreeMap::new()) };
    let values = BASE64.decode(header.as_bytes()).ok();
    let values = values.and_then(|bytes| serde_json::from_slice::<BTreeMap<String, String>>(&bytes).ok());
    let values = values.ok_or_else(|| {
        Problem::bad_request(format!("the header {HEADER} cannot be read"))
            .hint("it holds a JSON object of texts, in base64; or set secrets with PUT /v1/secrets/NAME")
    })?;
    for (name, value) in &values {
        check_name(name)?;
        secrets::check_value(name, value)?;
    }
    Ok(values.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
}

/// Every secret that the stack uses is there, or comes with it.
///
/// # Errors
/// All that are not, each with its place.
pub(crate) fn all_known(app: &App, checked: &Checked, sent: &BTreeMap<String, Secret>) -> Answer<()> {
    let (_, options) = app.now()?;
    let stored = secrets::known(&options.secrets, &checked.stack.name);
    let known: BTreeSet<&str> = stored.chain(sent.keys().map(String::as_str)).collect();
    checked.secrets.missing(&known).map_or(Ok(()), |report| Err(report.into()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scope {
    stack: Option<String>,
}

/// `GET /v1/secrets`
pub(crate) async fn list(State(app): State<App>) -> Answer<Json<Vec<SecretView>>> {
    let (_, options) = app.now()?;
    Ok(Json(app.shared.settings.vault.views(&options)))
}

/// `PUT /v1/secrets/{name}`
pub(crate) async fn set(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(scope): Query<Scope>,
    body: Body,
) -> Answer<(StatusCode, Json<Value>)> {
    check(&name, &scope)?;
    let too_large = |_| Problem::too_large(format!("a secret has at most {MAX_BYTES} bytes"));
    let bytes = axum::body::to_bytes(body, MAX_BYTES + 1).await.map_err(too_large)?;
    let value = String::from_utf8(bytes.to_vec()).map_err(|_| {
        Problem::bad_request(format!("the secret `{name}` is no text in UTF-8"))
            .hint("encode it, for example in base64")
    })?;
    secrets::check_value(&name, &value)?;
    let values = BTreeMap::from([(name.clone(), Secret::new(value))]);
    let change = |options: &Options, _: &View| {
        let vault = &app.shared.settings.vault;
        let fresh = vault.fresh(&options.secrets, scope.stack.as_deref(), &values, clock::now_ms())?;
        Ok(match secrets::set(options, fresh) {
            Some((options, services)) => (Some(options), (true, services)),
            None => (None, (false, Vec::new())),
        })
    };
    let (changed, services) = app.shared.change(&app.handle, change).await?;
    let status = if services.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let answer = json!({"name": name, "stack": scope.stack, "changed": changed, "services": services});
    Ok((status, Json(answer)))
}

/// `DELETE /v1/secrets/{name}`
pub(crate) async fn remove(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(scope): Query<Scope>,
) -> Answer<StatusCode> {
    check(&name, &scope)?;
    let full = full_name(scope.stack.as_deref(), &name);
    let change = |options: &Options, _: &View| Ok((Some(secrets::remove(options, &full)?), ()));
    app.shared.change(&app.handle, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check(name: &str, scope: &Scope) -> Result<(), Problem> {
    check_name(name)?;
    match scope.stack.as_deref().filter(|stack| !is_name(stack)) {
        Some(stack) => Err(Problem::bad_request(format!("`{stack}` cannot be the name of a stack"))),
        None => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), Problem> {
    if is_secret_name(name) {
        return Ok(());
    }
    Err(Problem::bad_request(format!("`{name}` cannot be the name of a secret"))
        .hint("at most 64 letters, digits, `-`, `_` and `.`"))
}
