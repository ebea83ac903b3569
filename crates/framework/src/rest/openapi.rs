//! A description of the resources, for clients that read OpenAPI.

use serde_json::{Map, Value, json};

use super::Resource;
use crate::Service;

/// What every scheduler serves.
pub const SKELETON: &[Resource] = &[
    (
        "get",
        "/v1/health",
        "How the scheduler is: 503 when it cannot go on without an operator, unless ?alive=true asks only whether it runs",
    ),
    ("get", "/v1/status", "Everything; ?after=VERSION&wait_ms=N waits for a change"),
    ("get", "/v1/plans", "Names of the plans"),
    ("get", "/v1/plans/{plan}", "A plan: 200 complete, 202 under way, 417 errors"),
    ("post", "/v1/plans/{plan}/{verb}", "pause, continue, force?step=ID"),
    ("get", "/v1/instances", "All instances"),
    ("get", "/v1/instances/{instance}", "One instance"),
    ("delete", "/v1/instances/{instance}", "Delete the data that a removed instance has left"),
    ("post", "/v1/instances/{instance}/{verb}", "restart, stop, start, replace"),
    ("get", "/v1/operations", "What can be done inside running instances, and what is under way or was done"),
    ("post", "/v1/operations", "Begin one: {operation, nodes? or instances?, ...arguments}"),
    ("get", "/v1/operations/{id}", "One: 200 over, 202 under way, 417 failed"),
    ("post", "/v1/operations/{id}/abort", "End it"),
    ("get", "/v1/jobs", "Jobs: how they stand, when they run next, their last runs with exit codes"),
    ("post", "/v1/jobs/{job}/run", "Run a job now, whether it is done or not"),
    ("get", "/v1/endpoints", "Outputs, names and addresses"),
    ("get", "/v1/declared", "What is declared inside the service, by kind: topics, indices"),
    ("get", "/v1/config", "Effective options and inputs"),
    ("put", "/v1/config", "Replace the options: {options, generation?}"),
    ("get", "/v1/debug/offers", "Why offers were refused"),
    ("get", "/v1/state", "What is stored; needs the token"),
    (
        "put",
        "/v1/state",
        "Replace what is stored with an earlier answer; the scheduler ends, and goes on with it when it is started again",
    ),
    (
        "post",
        "/v1/reregister",
        "Register as a new framework, once the master has removed this one; data is kept; with ?teardown=true also once it has ended what runs under this name and is on no record",
    ),
    ("post", "/v1/destroy", "Stop everything and leave the cluster; ?delete_data=true deletes volumes too"),
    ("get", "/metrics", "Prometheus metrics"),
    ("get", "/v1/artifacts/cairn", "The executor's program"),
];

/// What a service serves beside [`SKELETON`]: its own resources, those of its cluster, of what it holds and of its nodes.
pub fn resources(service: &dyn Service) -> Vec<(String, String, String)> {
    let owned = |(method, path, summary): Resource| (method.to_owned(), path.to_owned(), summary.to_owned());
    let nodes = service.nodes();
    let contents = service.contents().iter().flat_map(|contents| super::contents::resources(*contents));
    let served = contents.chain(nodes.iter().flat_map(super::nodes::resources));
    let served = served.map(|(method, path, summary)| (method.to_owned(), path, summary));
    let api = service.api();
    let cluster = service.cluster().and_then(|c| c.resource()).map(|(path, summary)| ("get", path, summary));
    cluster.into_iter().chain(api.resources().iter().copied()).map(owned).chain(served).collect()
}

/// The whole document.
pub(crate) fn document(service: &dyn Service) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let fixed = SKELETON
        .iter()
        .map(|(method, path, summary)| ((*method).to_owned(), (*path).to_owned(), (*summary).to_owned()));
    for (method, path, summary) in fixed.chain(resources(service)) {
        let operation = operation(&path, &summary);
        paths.entry(path).or_insert_with(|| json!({}))[method] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": format!("Cairn scheduler: {}", service.name()), "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": { "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } } },
        "security": [{ "token": [] }, {}],
    })
}

fn operation(path: &str, summary: &str) -> Value {
    let parameters: Vec<Value> = path
        .split('{')
        .skip(1)
        .filter_map(|part| part.split('}').next())
        .map(|name| json!({ "name": name.trim_start_matches('*'), "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    json!({
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "2XX": { "description": "done, or under way", "content": { "application/json": {} } },
            "default": { "description": "a problem document (RFC 9457)", "content": { "application/problem+json": {} } },
        },
    })
}
