//! Groups, as REST resources.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post, put};
use cairn_definition::Group;
use cairn_framework::rest::{Api, Body, Count, Problem, accepted, unknown_verb, verb_command};
use cairn_framework::{Handle, InstanceStatus, Refused, View};
use serde_json::{Value, json};

use crate::spec::{Spec, split_name};

pub(crate) fn api() -> Api {
    let size = "How many tasks a group has: {count}, where an option says so";
    Api::default()
        .at("/v1/groups", get(groups), &[("get", "Groups of tasks: how many, how many are ready")])
        .at("/v1/groups/{group}", put(resize), &[("put", size)])
        .at("/v1/groups/{group}/{verb}", post(verb), &[("post", "restart, stop, start all tasks of a group")])
}

fn members(handle: &Handle, group: &str) -> Vec<InstanceStatus> {
    let status = &handle.published().status;
    let of = |name: &str| split_name(name).is_some_and(|(of, _)| of == group);
    status.instances.iter().filter(|i| of(&i.name)).cloned().collect()
}

async fn groups(State(handle): State<Handle>) -> Refused<Json<Value>> {
    let spec = Spec::read(&handle.published().config).map_err(Problem::invalid)?;
    let one = |name: &String| {
        let members = members(&handle, name);
        let ready = members.iter().filter(|i| i.is_fine()).count();
        json!({
            "group": name, "count": members.len(), "ready": ready,
            "instances": members.iter().map(|i| &i.name).collect::<Vec<_>>(),
        })
    };
    Ok(Json(json!({ "groups": spec.service.groups.keys().map(one).collect::<Vec<_>>() })))
}

fn group_of<'a>(spec: &'a Spec, group: &str) -> Refused<&'a Group> {
    spec.service.groups.get(group).ok_or_else(|| {
        let known: Vec<&str> = spec.service.groups.keys().map(String::as_str).collect();
        Problem::not_found("unknown-group", format!("there is no group {group}"))
            .hint(format!("groups: {}", known.join(", ")))
    })
}

/// Changes the option that the group's count is, where it is nothing but an option.
async fn resize(
    State(handle): State<Handle>,
    Path(group): Path<String>,
    Body(size): Body<Count>,
) -> Refused<Response> {
    let spec = Spec::read(&handle.published().config).map_err(Problem::invalid)?;
    let count = &group_of(&spec, &group)?.count.0;
    let inner = count.strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
    let option = inner.and_then(|text| text.trim().strip_prefix("options.")).map(str::to_owned);
    let Some(option) = option.filter(|name| spec.option(name).is_some()) else {
        return Err(Problem::conflict(
            "fixed-count",
            format!("the framework spec fixes the count of {group}: {count}"),
        )
        .hint("write `count: \"{{ options.NAME }}\"` in the spec, and let stacks set the option"));
    };
    let change = |_: &View, options: &mut Value| {
        options[option.as_str()] = size.count.into();
        Ok(())
    };
    Ok(accepted(&handle.edit(change).await?))
}

async fn verb(
    State(handle): State<Handle>,
    Path((group, verb)): Path<(String, String)>,
) -> Refused<Response> {
    let spec = Spec::read(&handle.published().config).map_err(Problem::invalid)?;
    group_of(&spec, &group)?;
    let instances: Vec<String> = members(&handle, &group).into_iter().map(|i| i.name).collect();
    let command = verb_command(&verb, instances, false);
    let command = command.ok_or_else(|| unknown_verb(&verb, "restart, stop, start"))?;
    Ok(accepted(&handle.command(command).await?))
}
