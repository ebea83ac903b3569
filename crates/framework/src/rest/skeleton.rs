//! The resources that every scheduler serves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router, middleware};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::{Token, token_needed, writes_need_token};
use super::body::at_most;
use super::limits::{BODY_LIMIT, Limits, bounded};
use super::meant::only_if_meant;
use super::{Body, Executable, Problem, Refused, openapi};
use crate::store::Entries;
use crate::{
    Accepted, Command, GoalState, Handle, Health, InstanceStatus, Plan, PlanStatus, Service, Status,
};

/// Largest state that can be brought back.
const STATE_LIMIT: usize = 16 << 20;
/// Longest long poll.
const WAIT_MAX: u64 = 60_000;

/// The whole REST of the scheduler of `framework`: the skeleton, the service's own resources, authentication.
pub(crate) fn router(
    service: &Arc<dyn Service>,
    handle: &Handle,
    framework: &str,
    token: Token,
    executable: Executable,
) -> Router {
    let api = openapi::document(service.as_ref());
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/status", get(status))
        .route("/v1/plans", get(plans))
        .route("/v1/plans/{plan}", get(plan))
        .route("/v1/plans/{plan}/{verb}", post(plan_verb))
        .route("/v1/instances", get(instances))
        .route("/v1/instances/{instance}", get(instance).delete(delete_data))
        .route("/v1/instances/{instance}/{verb}", post(instance_verb))
        .route("/v1/endpoints", get(endpoints))
        .route("/v1/jobs", get(jobs))
        .route("/v1/jobs/{job}/run", post(run_job))
        .route("/v1/debug/offers", get(offers))
        .route("/v1/state", get(export).put(restore).layer(at_most(STATE_LIMIT)))
        .route("/v1/reregister", post(reregister))
        .route("/v1/destroy", post(destroy))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(move || async move { Json(api) }))
        .with_state(handle.clone())
        .merge(super::config::routes(handle.clone(), service.secrets()))
        .route("/v1/artifacts/cairn", get(move || async move { executable.serve().await }))
        .merge(super::nodes::routes(service, handle))
        .merge(super::operations::routes(service, handle))
        .merge(service.api().router(handle.clone()))
        .merge(super::cluster::routes(service, handle))
        .merge(super::contents::routes(service.as_ref(), handle))
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(handle.clone(), super::scrub::scrub))
        .layer(at_most(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(Limits::default(), bounded))
        // For resources where a GET changes something: the service has to ask the token itself.
        .layer(Extension(token.clone()))
        .layer(middleware::from_fn_with_state(token, writes_need_token))
        .layer(middleware::from_fn_with_state(Arc::from(framework), only_if_meant))
}

async fn unknown(uri: axum::http::Uri) -> Problem {
    Problem::not_found("unknown-resource", format!("there is no resource {}", uri.path()))
        .hint("/openapi.json lists what there is")
}

#[derive(Deserialize)]
struct HealthQuery {
    /// Whether it runs is the question, not whether it can go on: starting it again mends nothing of that.
    #[serde(default)]
    alive: bool,
}

async fn health(State(handle): State<Handle>, Query(query): Query<HealthQuery>) -> Response {
    let health = handle.published().status.health.clone();
    let failed = matches!(health, Health::Failed(_)) && !query.alive;
    let code = if failed { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(health)).into_response()
}

#[derive(Deserialize)]
struct After {
    after: Option<u64>,
    wait_ms: Option<u64>,
}

/// Answers at once, or, with `after`, when the version is greater than that or `wait_ms` have passed.
async fn status(State(handle): State<Handle>, Query(query): Query<After>) -> Json<Status> {
    if let Some(after) = query.after {
        let wait = Duration::from_millis(query.wait_ms.unwrap_or(0).min(WAIT_MAX));
        let mut changes = handle.subscribe();
        // A time-out is an answer too: the document as it is.
        let _ = tokio::time::timeout(wait, changes.wait_for(|p| p.status.version > after)).await;
    }
    Json(handle.published().status.clone())
}

async fn plans(State(handle): State<Handle>) -> Json<Value> {
    Json(json!({ "plans": [handle.published().status.plan.name] }))
}

fn current(handle: &Handle, name: &str) -> Refused<Plan> {
    let plan = handle.published().status.plan.clone();
    if plan.name == name {
        return Ok(plan);
    }
    Err(Problem::not_found("unknown-plan", format!("there is no plan {name}"))
        .hint(format!("the plan is {}", plan.name)))
}

/// Status codes as in dcos-commons: 200 complete, 202 under way, 417 errors.
async fn plan(State(handle): State<Handle>, Path(name): Path<String>) -> Refused<Response> {
    let plan = current(&handle, &name)?;
    let code = match plan.status {
        PlanStatus::Complete => StatusCode::OK,
        PlanStatus::Error => StatusCode::EXPECTATION_FAILED,
        PlanStatus::Waiting
        | PlanStatus::Pending
        | PlanStatus::Prepared
        | PlanStatus::Starting
        | PlanStatus::Started
        | PlanStatus::Delayed
        | PlanStatus::InProgress => StatusCode::ACCEPTED,
    };
    Ok((code, Json(plan)).into_response())
}

#[derive(Deserialize)]
struct StepQuery {
    step: Option<String>,
}

async fn plan_verb(
    State(handle): State<Handle>,
    Path((name, verb)): Path<(String, String)>,
    Query(query): Query<StepQuery>,
) -> Refused<Response> {
    current(&handle, &name)?;
    let command = match verb.as_str() {
        "pause" | "interrupt" => Command::Pause,
        "continue" => Command::Continue,
        "force" | "forceComplete" => Command::Force(query.step.ok_or_else(|| {
            Problem::bad_request("force needs ?step=").hint("steps have their ids in GET /v1/plans/deploy")
        })?),
        _ => return Err(unknown_verb(&verb, "pause, continue, force")),
    };
    Ok(accepted(&handle.command(command).await?))
}

/// What a verb means for these instances; none if it is not one for several.
pub fn verb_command(verb: &str, instances: Vec<String>, force: bool) -> Option<Command> {
    Some(match verb {
        "restart" => Command::Restart(instances),
        "stop" => Command::Stop { instances, force },
        "start" => Command::Start(instances),
        _ => return None,
    })
}

/// 404 for a verb; `known` lists those that there are.
pub fn unknown_verb(verb: &str, known: &str) -> Problem {
    Problem::not_found("unknown-verb", format!("there is no verb {verb}")).hint(format!("verbs: {known}"))
}

/// 202 with the plan to watch.
pub fn accepted(accepted: &Accepted) -> Response {
    let body =
        json!({ "plan": "/v1/plans/deploy", "generation": accepted.generation, "changed": accepted.changed });
    (StatusCode::ACCEPTED, Json(body)).into_response()
}

async fn instances(State(handle): State<Handle>) -> Json<Value> {
    Json(json!({ "instances": handle.published().status.instances }))
}

async fn instance(State(handle): State<Handle>, Path(name): Path<String>) -> Refused<Response> {
    let published = handle.published();
    let found = published.view.instances.get(&name);
    let found = found.ok_or_else(|| {
        Problem::not_found("unknown-instance", format!("there is no instance {name}"))
            .hint("GET /v1/instances lists them")
    })?;
    Ok(Json(found).into_response())
}

async fn instance_verb(
    State(handle): State<Handle>,
    Path((name, verb)): Path<(String, String)>,
) -> Refused<Response> {
    let command = match verb.as_str() {
        "replace" => Command::Replace(name),
        other => verb_command(other, vec![name], false)
            .ok_or_else(|| unknown_verb(other, "restart, stop, start, replace"))?,
    };
    Ok(accepted(&handle.command(command).await?))
}

fn is_job(instance: &InstanceStatus) -> bool {
    instance.goal != GoalState::Running
}

/// Every instance that runs to completion.
async fn jobs(State(handle): State<Handle>) -> Json<Value> {
    let published = handle.published();
    let jobs = published.status.instances.iter().filter(|i| is_job(i)).map(|i| {
        json!({
            "job": i.name, "goal": i.goal, "phase": i.phase, "message": i.message, "next_run_ms": i.next_run_ms,
            "runs": i.runs,
        })
    });
    Json(json!({ "jobs": jobs.collect::<Vec<_>>() }))
}

async fn run_job(State(handle): State<Handle>, Path(job): Path<String>) -> Refused<Response> {
    if !handle.published().status.instances.iter().any(|i| is_job(i) && i.name == job) {
        return Err(Problem::not_found("unknown-job", format!("there is no job {job}"))
            .hint("GET /v1/jobs lists them"));
    }
    Ok(accepted(&handle.command(Command::Restart(vec![job])).await?))
}

/// Deletes what a removed instance has left behind.
async fn delete_data(State(handle): State<Handle>, Path(name): Path<String>) -> Refused<Response> {
    Ok(accepted(&handle.command(Command::DeleteData(name)).await?))
}

async fn endpoints(State(handle): State<Handle>) -> Json<Value> {
    let published = handle.published();
    let instances: BTreeMap<&String, Value> = published
        .view
        .instances
        .iter()
        .filter_map(|(name, i)| {
            let place = i.placement.as_ref()?;
            let addresses: BTreeMap<_, _> =
                place.ports.keys().filter_map(|p| Some((p.clone(), place.endpoint(p)?))).collect();
            Some((name, json!({ "dns": published.view.dns(name), "address": addresses, "phase": i.phase })))
        })
        .collect();
    Json(json!({ "outputs": published.status.outputs, "instances": instances }))
}

async fn offers(State(handle): State<Handle>) -> Json<Value> {
    Json(json!({ "refusals": *handle.published().refusals }))
}

/// It shows more than a status does, so reading needs the token too. Secrets are not in it in the open.
async fn export(
    State(handle): State<Handle>,
    Extension(token): Extension<Token>,
    request: Request,
) -> Refused<Json<Entries>> {
    if !token.admits(&request) {
        return Err(token_needed());
    }
    handle.export().await.map(Json)
}

/// The scheduler ends when it has answered; started again, it goes on with this state.
async fn restore(State(handle): State<Handle>, Body(entries): Body<Entries>) -> Refused<Response> {
    let told = handle.restore(entries).await?;
    let mut answer = StatusCode::NO_CONTENT.into_response();
    // It is dropped when the answer is on its way.
    answer.extensions_mut().insert(Arc::new(told));
    Ok(answer)
}

#[derive(Deserialize)]
struct Reregister {
    #[serde(default)]
    teardown: bool,
}

/// After the master has removed the framework, or when what runs under its name is to be given up; refused otherwise.
async fn reregister(State(handle): State<Handle>, Query(query): Query<Reregister>) -> Refused<Response> {
    Ok(accepted(&handle.command(Command::Reregister { teardown: query.teardown }).await?))
}

#[derive(Deserialize)]
struct Destroy {
    #[serde(default)]
    delete_data: bool,
}

async fn destroy(State(handle): State<Handle>, Query(query): Query<Destroy>) -> Refused<Response> {
    let done = handle.command(Command::Destroy { delete_data: query.delete_data }).await?;
    let body = json!({ "plan": "/v1/plans/destroy", "generation": done.generation, "changed": done.changed });
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

async fn metrics(State(handle): State<Handle>) -> Response {
    let status = handle.published().status.clone();
    let framework = &status.framework;
    let mut text = String::from("# TYPE cairn_instances gauge\n");
    let mut phases: BTreeMap<String, usize> = BTreeMap::new();
    for instance in &status.instances {
        *phases.entry(format!("{:?}", instance.phase).to_lowercase()).or_default() += 1;
    }
    for (phase, count) in phases {
        text += &format!("cairn_instances{{framework=\"{framework}\",phase=\"{phase}\"}} {count}\n");
    }
    text += "# TYPE cairn_plan_complete gauge\n";
    text += &format!("cairn_plan_complete{{framework=\"{framework}\"}} {}\n", u8::from(status.complete));
    text += "# TYPE cairn_registered gauge\n";
    text +=
        &format!("cairn_registered{{framework=\"{framework}\"}} {}\n", u8::from(status.health == Health::Ok));
    text += "# TYPE cairn_failures gauge\n";
    for instance in &status.instances {
        let (name, failures) = (&instance.name, instance.failures);
        text += &format!("cairn_failures{{framework=\"{framework}\",instance=\"{name}\"}} {failures}\n");
    }
    text += &handle.lateness.metrics(framework);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
