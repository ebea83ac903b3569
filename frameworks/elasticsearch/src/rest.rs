//! REST resources of clusters, beside the skeleton of every scheduler and `/v1/nodes`.

#![allow(clippy::result_large_err, reason = "problem documents are what the SDK takes, and rare")]

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::Method;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use cairn_framework::rest::{Body, Problem, Resource, accepted, declaration};
use cairn_framework::{Handle, Refused};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::nodes::{HTTP, NODES, TRANSPORT, client};
use crate::options::Options;
use crate::task::cluster_name;

/// How long a search may take.
const SEARCH: Duration = Duration::from_secs(30);

pub(crate) const RESOURCES: [Resource; 10] = [
    ("get", "/v1/cluster", "Health and members, as the cluster sees them"),
    ("get", "/v1/indices", "All indices"),
    ("put", "/v1/indices/{name}", "Declare an index: {settings?, mappings?, aliases?}"),
    ("delete", "/v1/indices/{name}", "Declare it no more; the index itself stays"),
    ("get", "/v1/templates", "All index templates"),
    ("put", "/v1/templates/{name}", "Declare a template, as for PUT /_index_template"),
    ("delete", "/v1/templates/{name}", "Declare it no more; the template itself stays"),
    ("post", "/v1/search/{index}", "Search, as for POST /INDEX/_search; by GET with ?q="),
    ("get", "/v1/tasks", "Nodes, as elasticsearch-mesos showed them"),
    ("put", "/v1/cluster/elasticsearchNodes", "Set the number of nodes: {value}"),
];

pub(crate) fn routes(handle: Handle) -> Router {
    Router::new()
        .route("/v1/cluster", get(cluster))
        .route("/v1/indices", get(|h| pass(h, "/_cat/indices?format=json&expand_wildcards=all&bytes=b")))
        .route("/v1/indices/{name}", declaration("indices"))
        .route("/v1/templates", get(|h| pass(h, "/_index_template")))
        .route("/v1/templates/{name}", declaration("templates"))
        .route("/v1/search", get(search_all).post(search_all))
        .route("/v1/search/{index}", get(search).post(search))
        .route("/v1/tasks", get(tasks))
        .route("/v1/cluster/elasticsearchNodes", get(count).put(set_count))
        .with_state(handle)
}

async fn pass(State(handle): State<Handle>, path: &'static str) -> Refused<Json<Value>> {
    Ok(Json(client(&handle.published().view).get(path).await?))
}

async fn cluster(State(handle): State<Handle>) -> Refused<Json<Value>> {
    let published = handle.published();
    let client = client(&published.view);
    let (health, nodes) = tokio::try_join!(
        client.get("/_cluster/health?master_timeout=5s"),
        client.get(
            "/_cat/nodes?format=json&h=name,ip,node.role,master,version,heap.percent,cpu,load_1m,disk.avail"
        )
    )?;
    let options = Options::read(&published.config).unwrap_or_default();
    let name = cluster_name(&options, &published.view.framework);
    Ok(Json(json!({ "name": name, "health": health, "nodes": nodes })))
}

async fn search_all(
    handle: State<Handle>,
    method: Method,
    query: RawQuery,
    body: Bytes,
) -> Refused<Response> {
    search(handle, Path("_all".to_owned()), method, query, body).await
}

/// The cluster's own answer, with its own status.
async fn search(
    State(handle): State<Handle>,
    Path(index): Path<String>,
    method: Method,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Refused<Response> {
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "-_.,*:".contains(c));
    if index.contains(odd) {
        return Err(
            Problem::bad_request(format!("`{index}` names no indices")).hint("for example `logs-*,metrics`")
        );
    }
    let path = format!("/{index}/_search?{}", query.unwrap_or_default());
    Ok(client(&handle.published().view).forward(method, &path, body.to_vec(), SEARCH).await?)
}

async fn tasks(State(handle): State<Handle>) -> Json<Value> {
    let published = handle.published();
    let version = Options::read(&published.config).map(|o| o.jvm.version).unwrap_or_default();
    let task = |i: &cairn_framework::InstanceStatus| {
        let place = i.placement.clone()?;
        Some(json!({
            "id": i.task_id.as_ref()?, "name": i.name, "state": i.phase, "version": version,
            "hostname": place.hostname, "httpAddress": place.endpoint(HTTP), "transportAddress": place.endpoint(TRANSPORT),
        }))
    };
    Json(published.view.instances.values().filter_map(task).collect())
}

async fn count(State(handle): State<Handle>) -> Json<Value> {
    Json(json!({ "value": NODES.target(&handle.published().view).len() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    value: u32,
}

async fn set_count(State(handle): State<Handle>, Body(body): Body<Count>) -> Refused<Response> {
    Ok(accepted(&handle.edit(|view, options| NODES.resize(options, view, body.value)).await?))
}
