//! Stacks: apply, look at, destroy.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cairn_framework::View;
use cairn_framework::rest::Problem;
use cairn_stack::{Bundle, Params, check_bundle};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, App, secrets};
use crate::apply::{self, ApplyPlan, Wanted, no_stack};
use crate::clock;
use crate::state::Options;
use crate::view::{self, ServiceEndpoints, StackSummary, StackView};

/// A stack spec and the files that it names are text that people write; what is longer is none.
const SPEC_LIMIT: usize = 16 * 1024 * 1024;
/// Type of a body that holds several files: [`Bundle`] as JSON. Everything else is the text of one.
pub const BUNDLE: &str = "application/vnd.cairn.bundle+json";

type Pairs = Query<Vec<(String, String)>>;

/// What an apply answers.
#[derive(Debug, Serialize)]
pub(crate) struct AppliedAnswer {
    #[serde(flatten)]
    plan: ApplyPlan,
    /// Nothing was changed: it was only asked what would be.
    dry_run: bool,
}

/// `GET /v1/stacks`
pub(crate) async fn list(State(app): State<App>) -> Answer<Json<Vec<StackSummary>>> {
    let (published, options) = app.now()?;
    let stacks = view::stacks(&options, &published.view);
    Ok(Json(stacks.iter().map(StackView::summary).collect()))
}

/// `POST /v1/stacks`
pub(crate) async fn apply(
    State(app): State<App>,
    Query(query): Pairs,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    apply_any(&app, None, &query, &headers, body).await
}

/// `PUT /v1/stacks/{stack}`
pub(crate) async fn apply_named(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Pairs,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    apply_any(&app, Some(&name), &query, &headers, body).await
}

async fn apply_any(
    app: &App,
    name: Option<&str>,
    query: &[(String, String)],
    headers: &HeaderMap,
    body: Body,
) -> Answer<Response> {
    let ask = ApplyQuery::read(query)?;
    let values = secrets::sent(headers)?;
    let bytes = axum::body::to_bytes(body, SPEC_LIMIT).await.map_err(|e| {
        Problem::too_large(format!(
            "the stack spec cannot be read: {e}; at most {SPEC_LIMIT} bytes are taken"
        ))
    })?;
    let bundle = bundle(&ask.file, headers, &bytes)?;
    let checked = check_bundle(&bundle, &app.shared.settings.catalog, &ask.params)?;
    if let Some(name) = name.filter(|n| *n != checked.stack.name) {
        let detail = format!("the file is stack {}, the address says {name}", checked.stack.name);
        return Err(Problem::conflict("other-stack", detail).hint("use the name that the file has").into());
    }
    secrets::all_known(app, &checked, &values)?;
    let wanted = Wanted {
        stack: checked.stack,
        bundle,
        notes: Vec::new(),
        delete_data: ask.delete_data,
        secrets: values,
    };
    let mut plan = carry_out(app, wanted, ask.dry_run).await?;
    if !checked.warnings.is_empty() {
        plan.warnings_text = checked.warnings.render(false);
        plan.warnings = Some(checked.warnings);
    }
    Ok(answer(plan, ask.dry_run))
}

/// The files of a request.
fn bundle(file: &str, headers: &HeaderMap, bytes: &[u8]) -> Answer<Bundle> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with(BUNDLE) {
        return Ok(Bundle::single(file, bytes));
    }
    serde_json::from_slice(bytes).map_err(|e| {
        Problem::bad_request(format!("the files of the stack cannot be read: {e}"))
            .hint("is the controller of the same version as the client?")
            .into()
    })
}

/// Applies a checked stack, or says what that would do.
pub(crate) async fn carry_out(app: &App, wanted: Wanted, dry_run: bool) -> Answer<ApplyPlan> {
    let change = |options: &Options, view: &View| {
        let (options, plan) =
            apply::want(&app.shared.settings, options, view, wanted.clone(), clock::now_ms())?;
        Ok((options.filter(|_| !dry_run), plan))
    };
    app.shared.change(&app.handle, change).await
}

/// 202 when there is something to watch, 200 when nothing changes.
pub(crate) fn answer(plan: ApplyPlan, dry_run: bool) -> Response {
    let status = if plan.changed && !dry_run { StatusCode::ACCEPTED } else { StatusCode::OK };
    let place = format!("/v1/stacks/{}", plan.stack);
    (status, [(header::LOCATION, place)], Json(AppliedAnswer { plan, dry_run })).into_response()
}

#[derive(Debug)]
struct ApplyQuery {
    dry_run: bool,
    delete_data: bool,
    file: String,
    params: Params,
}

impl ApplyQuery {
    fn read(pairs: &[(String, String)]) -> Answer<Self> {
        let mut query =
            Self { dry_run: false, delete_data: false, file: "stack.yaml".into(), params: Params::new() };
        for (name, value) in pairs {
            match (name.as_str(), name.strip_prefix("param.")) {
                ("dry_run", _) => query.dry_run = flag(name, value)?,
                ("delete_data", _) => query.delete_data = flag(name, value)?,
                ("file", _) => query.file.clone_from(value),
                (_, Some(param)) => {
                    query.params.insert(param.to_owned(), scalar(value));
                }
                (other, None) => {
                    return Err(Problem::bad_request(format!("there is no query parameter `{other}`"))
                        .hint("there are: dry_run, delete_data, file, param.<name>")
                        .into());
                }
            }
        }
        Ok(query)
    }
}

fn flag(name: &str, value: &str) -> Answer<bool> {
    match value {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(Problem::bad_request(format!("{name} is true or false, not `{other}`")).into()),
    }
}

/// Numbers and truth values as such, all else as text.
fn scalar(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

/// `GET /v1/stacks/{stack}`
pub(crate) async fn show(State(app): State<App>, Path(name): Path<String>) -> Answer<Json<StackView>> {
    find(&app, &name).map(Json)
}

/// The stack of that name.
pub(crate) fn find(app: &App, name: &str) -> Answer<StackView> {
    let (published, options) = app.now()?;
    let found = view::stack(&options, name, &published.view);
    found.ok_or_else(|| no_stack(&options, name).into())
}

/// `GET /v1/stacks/{stack}/spec`: the files as they were applied, the stack as it is now, and how they differ.
pub(crate) async fn spec(State(app): State<App>, Path(name): Path<String>) -> Answer<Json<Value>> {
    let (_, options) = app.now()?;
    let stored = options.stacks.get(&name).ok_or_else(|| no_stack(&options, &name))?;
    let files = stored.files().files;
    Ok(Json(json!({"source": stored.source, "files": files, "stack": stored.spec, "notes": stored.notes})))
}

/// `GET /v1/stacks/{stack}/outputs`
pub(crate) async fn outputs(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Answer<Json<BTreeMap<String, String>>> {
    Ok(Json(find(&app, &name)?.outputs))
}

/// `GET /v1/stacks/{stack}/endpoints`
pub(crate) async fn endpoints(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Answer<Json<Vec<ServiceEndpoints>>> {
    Ok(Json(find(&app, &name)?.services.iter().map(view::ServiceView::endpoints).collect()))
}

#[derive(Debug, Deserialize)]
pub(crate) struct DestroyQuery {
    #[serde(default)]
    delete_data: bool,
}

/// `DELETE /v1/stacks/{stack}`
pub(crate) async fn destroy(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<DestroyQuery>,
) -> Answer<Response> {
    let change = |options: &Options, _: &View| {
        let going = apply::destroy(options, &name, query.delete_data)?;
        Ok(((going != *options).then_some(going), ()))
    };
    app.shared.change(&app.handle, change).await?;
    let place = format!("/v1/stacks/{name}");
    let body = Json(json!({"stack": name, "delete_data": query.delete_data}));
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], body).into_response())
}
