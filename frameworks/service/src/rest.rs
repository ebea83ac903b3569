//! Groups, as REST resources.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use cairn_framework::rest::{Problem, Resource, accepted};
use cairn_framework::{Command, Handle, Refused};
use serde_json::{Value, json};

use crate::spec::{Spec, split_name};

pub(crate) const RESOURCES: [Resource; 2] = [
    ("get", "/v1/groups", "Groups of tasks: how many, how many are ready"),
    ("post", "/v1/groups/{group}/{verb}", "restart, stop, start all tasks of a group"),
];

pub(crate) fn routes(handle: Handle) -> Router {
    Router::new()
        .route("/v1/groups", get(groups))
        .route("/v1/groups/{group}/{verb}", post(verb))
        .with_state(handle)
}

fn members(handle: &Handle, group: &str) -> Vec<cairn_framework::InstanceStatus> {
    let status = &handle.published().status;
    let of = |name: &str| split_name(name).is_some_and(|(of, _)| of == group);
    status.instances.iter().filter(|i| of(&i.name)).cloned().collect()
}

async fn groups(State(handle): State<Handle>) -> Refused<Json<Value>> {
    let spec = Spec::read(&handle.published().config).map_err(Problem::invalid)?;
    let one = |name: &String| {
        let members = members(&handle, name);
        let ready = members.iter().filter(|i| i.is_ready()).count();
        json!({
            "group": name, "count": members.len(), "ready": ready,
            "instances": members.iter().map(|i| &i.name).collect::<Vec<_>>(),
        })
    };
    Ok(Json(json!({ "groups": spec.service.groups.keys().map(one).collect::<Vec<_>>() })))
}

async fn verb(
    State(handle): State<Handle>,
    Path((group, verb)): Path<(String, String)>,
) -> Refused<Response> {
    let spec = Spec::read(&handle.published().config).map_err(Problem::invalid)?;
    if !spec.service.groups.contains_key(&group) {
        let known: Vec<&str> = spec.service.groups.keys().map(String::as_str).collect();
        return Err(Problem::not_found("unknown-group", format!("there is no group {group}"))
            .hint(format!("groups: {}", known.join(", "))));
    }
    let instances: Vec<String> = members(&handle, &group).into_iter().map(|i| i.name).collect();
    let command = match verb.as_str() {
        "restart" => Command::Restart(instances),
        "stop" => Command::Stop { instances, force: false },
        "start" => Command::Start(instances),
        _ => {
            return Err(Problem::not_found("unknown-verb", format!("there is no verb {verb}"))
                .hint("verbs: restart, stop, start"));
        }
    };
    Ok(accepted(&handle.command(command).await?))
}
