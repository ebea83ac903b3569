//! REST resources of clusters, beside the skeleton of every scheduler and `/v1/nodes`.

#![allow(clippy::result_large_err, reason = "problem documents are what the SDK takes, and rare")]

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use cairn_framework::rest::{Api, Body, Passing, Problem, accepted, declaration, passed};
use cairn_framework::{Handle, Refused};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::nodes::{HTTP, NODES, TRANSPORT, client};
use crate::options::Options;
use crate::task::cluster_name;

/// How long a search may take.
const SEARCH: Duration = Duration::from_secs(30);

pub(crate) fn api() -> Api {
    const INDICES: &str = "/_cat/indices?format=json&expand_wildcards=all&bytes=b";
    let index = "Declare an index: {settings?, mappings?, aliases?}";
    let no_index = "Declare it no more; the index itself stays";
    let template = "Declare a template, as for PUT /_index_template";
    let no_template = "Declare it no more; the template itself stays";
    let found = "Search, as for POST /INDEX/_search; by GET with ?q=";
    let size = "Set the number of nodes: {value}";
    Api::default()
        .at("/v1/cluster", get(cluster), &[("get", "Health and members, as the cluster sees them")])
        .at("/v1/indices", passed(HTTP, INDICES), &[("get", "All indices")])
        .at("/v1/indices/{name}", declaration("indices"), &[("put", index), ("delete", no_index)])
        .at("/v1/templates", passed(HTTP, "/_index_template"), &[("get", "All index templates")])
        .at("/v1/templates/{name}", declaration("templates"), &[("put", template), ("delete", no_template)])
        .at("/v1/search", get(search_all).post(search_all), &[])
        .at("/v1/search/{index}", get(search).post(search), &[("post", found)])
        .at("/v1/tasks", get(tasks), &[("get", "Nodes, as elasticsearch-mesos showed them")])
        .at("/v1/cluster/elasticsearchNodes", get(count).put(set_count), &[("put", size)])
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
    let options = published.config.read::<Options>().unwrap_or_default();
    let name = cluster_name(&options, &published.view.framework);
    Ok(Json(json!({ "name": name, "health": health, "nodes": nodes })))
}

async fn search_all(State(handle): State<Handle>, passing: Passing) -> Refused<Response> {
    passing.to(&handle, HTTP, "/_all/_search", SEARCH).await
}

/// The cluster's own answer, with its own status.
async fn search(
    State(handle): State<Handle>,
    Path(index): Path<String>,
    passing: Passing,
) -> Refused<Response> {
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "-_.,*:".contains(c));
    if index.contains(odd) {
        let problem = Problem::bad_request(format!("`{index}` names no indices"));
        return Err(problem.hint("for example `logs-*,metrics`"));
    }
    passing.to(&handle, HTTP, &format!("/{index}/_search"), SEARCH).await
}

async fn tasks(State(handle): State<Handle>) -> Json<Value> {
    let published = handle.published();
    let version = published.config.read::<Options>().map(|o| o.jvm.version).unwrap_or_default();
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
