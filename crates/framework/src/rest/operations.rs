//! `/v1/operations`: named work inside a running service.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::{Body, Problem, Refused};
use crate::operation::{Operation, OperationStatus};
use crate::{Command, Handle, Service, View};

#[derive(Clone)]
struct Serving {
    service: Arc<dyn Service>,
    handle: Handle,
}

pub(crate) fn routes(service: &Arc<dyn Service>, handle: &Handle) -> Router {
    Router::new()
        .route("/v1/operations", get(list).post(begin))
        .route("/v1/operations/{id}", get(show))
        .route("/v1/operations/{id}/abort", post(abort))
        .with_state(Serving { service: Arc::clone(service), handle: handle.clone() })
}

async fn list(State(serving): State<Serving>) -> Json<Value> {
    let offered: Vec<Value> = serving
        .service
        .operations()
        .iter()
        .map(|o| {
            let arguments: Map<String, Value> =
                o.arguments.iter().map(|a| (a.name.to_owned(), a.about.into())).collect();
            json!({ "name": o.name, "summary": o.summary, "parallel": o.parallel, "arguments": arguments })
        })
        .collect();
    Json(json!({ "offered": offered, "operations": serving.handle.published().operations }))
}

fn find(handle: &Handle, id: &str) -> Refused<Operation> {
    let published = handle.published();
    published.operations.iter().find(|o| o.id == id).cloned().ok_or_else(|| {
        Problem::not_found("unknown-operation", format!("there is no operation {id}"))
            .hint("GET /v1/operations lists them; old ones are forgotten")
    })
}

/// Status codes as with plans: 200 over, 202 under way, 417 failed.
async fn show(State(serving): State<Serving>, Path(id): Path<String>) -> Refused<Response> {
    let operation = find(&serving.handle, &id)?;
    let code = match operation.status {
        OperationStatus::Pending | OperationStatus::Started => StatusCode::ACCEPTED,
        OperationStatus::Error => StatusCode::EXPECTATION_FAILED,
        OperationStatus::Complete | OperationStatus::Aborted => StatusCode::OK,
    };
    Ok((code, Json(operation)).into_response())
}

async fn begin(State(serving): State<Serving>, Body(body): Body<Map<String, Value>>) -> Refused<Response> {
    let mut arguments = body;
    let Some(Value::String(operation)) = arguments.remove("operation") else {
        return Err(
            Problem::bad_request("`operation` is missing").hint("GET /v1/operations lists what there is")
        );
    };
    let view = serving.handle.published().view.clone();
    let instances = chosen(serving.service.as_ref(), &view, &mut arguments)?;
    let id = format!("{operation}-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
    let command = Command::Operate { id: id.clone(), operation, instances, arguments };
    serving.handle.command(command).await?;
    Ok(accepted(&id))
}

async fn abort(State(serving): State<Serving>, Path(id): Path<String>) -> Refused<Response> {
    serving.handle.command(Command::AbortOperation(id.clone())).await?;
    Ok(accepted(&id))
}

/// 202 with the operation to watch.
fn accepted(id: &str) -> Response {
    (StatusCode::ACCEPTED, Json(json!({ "id": id, "operation": format!("/v1/operations/{id}") })))
        .into_response()
}

/// The instances that the body means, taken out of it: nodes by their ids under `nodes` or what they are called, or
/// `instances` by name. Without either: all.
fn chosen(service: &dyn Service, view: &View, body: &mut Map<String, Value>) -> Refused<Vec<String>> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut named = false;
    for nodes in service.nodes() {
        let given = body.remove(nodes.many).or_else(|| body.remove("nodes"));
        if let Some(given) = given {
            named = true;
            let ids = nodes.chosen(&words(&given), &nodes.target(view), view)?;
            names.extend(ids.into_iter().map(|id| nodes.instance(id)));
        }
    }
    if let Some(given) = body.remove("instances") {
        let given = words(&given);
        named |= given != "*";
        names.extend(
            given.split(',').map(str::trim).filter(|n| *n != "*" && !n.is_empty()).map(str::to_owned),
        );
    }
    if !named {
        return Ok(view.target.clone());
    }
    // In the order of the target; what is not in it comes last, to be refused by name.
    let mut ordered: Vec<String> = view.target.iter().filter(|n| names.remove(*n)).cloned().collect();
    ordered.extend(names);
    Ok(ordered)
}

/// `"0,2"`, `2` or `[0, 2]`, as text.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(words).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::Nodes;
    use crate::rest::stub::Stub;

    #[test]
    fn instances_as_people_name_them() {
        let view =
            View { target: ["broker-0", "broker-1", "broker-2"].map(String::from).into(), ..View::default() };
        let service = Stub { nodes: vec![Nodes::new("broker", "brokers")], ..Stub::default() };
        let chosen = |body: Value| {
            let Value::Object(mut body) = body else { return Vec::new() };
            let chosen = chosen(&service, &view, &mut body).unwrap();
            assert_eq!(body.keys().collect::<Vec<_>>(), ["keyspace"], "arguments are left");
            chosen
        };
        assert_eq!(chosen(json!({ "keyspace": "x" })), view.target);
        assert_eq!(chosen(json!({ "keyspace": "x", "nodes": "*" })), view.target);
        assert_eq!(chosen(json!({ "keyspace": "x", "nodes": [2, 0] })), ["broker-0", "broker-2"]);
        assert_eq!(chosen(json!({ "keyspace": "x", "brokers": 1 })), ["broker-1"]);
        assert_eq!(chosen(json!({ "keyspace": "x", "instances": ["broker-2", "x"] })), ["broker-2", "x"]);
    }
}
