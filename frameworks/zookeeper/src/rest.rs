//! REST resources of ensembles, beside the skeleton of every scheduler.

#![allow(clippy::result_large_err, reason = "problem documents are what the SDK takes, and rare")]

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use cairn_framework::rest::{Body, Problem};
use cairn_framework::{Accepted, Command, Handle, Phase, Refused, View};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fourletter::Mode;
use crate::names::{CLIENT, ServerId, id_of, name_of};
use crate::survey::Survey;

/// `/v1/servers` and `/v1/ensemble`.
pub(crate) fn routes(handle: Handle) -> Router {
    Router::new()
        .route("/v1/servers", get(list).put(resize))
        .route("/v1/servers/{ids}/{verb}", post(act))
        .route("/v1/ensemble", get(ensemble))
        .with_state(handle)
}

#[derive(Debug, Serialize)]
struct Server {
    id: ServerId,
    name: String,
    phase: Phase,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    hostname: Option<String>,
    /// `host:port` for clients.
    client: Option<String>,
    /// Its part in the ensemble, if it serves.
    mode: Option<Mode>,
    /// Last change it knows.
    zxid: Option<String>,
}

fn servers(view: &View, survey: &Survey) -> Vec<Server> {
    let server = |instance: &cairn_framework::InstanceStatus| {
        let id = id_of(&instance.name)?;
        let report = survey.report(id);
        let place = instance.placement.as_ref();
        Some(Server {
            id,
            name: instance.name.clone(),
            phase: instance.phase,
            message: instance.message.clone(),
            hostname: place.map(|p| p.hostname.clone()),
            client: place.and_then(|p| p.endpoint(CLIENT)),
            mode: report.map(|r| r.mode),
            zxid: report.map(|r| r.zxid.clone()),
        })
    };
    let mut servers: Vec<_> = view.instances.values().filter_map(server).collect();
    servers.sort_by_key(|s| s.id);
    servers
}

async fn list(State(handle): State<Handle>) -> Json<Value> {
    let view = &handle.published().view;
    Json(json!({ "servers": servers(view, &Survey::take(view).await) }))
}

async fn ensemble(State(handle): State<Handle>) -> Json<Value> {
    let view = &handle.published().view;
    let survey = Survey::take(view).await;
    let members = survey.members().cloned().unwrap_or_default();
    let leader = survey.leader();
    Json(json!({
        "serving": leader.is_some(),
        "leader": leader.map(|(id, _)| name_of(id)),
        "syncedFollowers": leader.map(|(_, r)| r.monitor.synced_followers),
        "pendingSyncs": leader.map(|(_, r)| r.monitor.pending_syncs),
        "version": format!("{:x}", members.version),
        "members": members.servers,
        "servers": servers(view, &survey),
    }))
}

type Answer = Refused<(StatusCode, Json<Value>)>;

fn accepted(accepted: &Accepted) -> (StatusCode, Json<Value>) {
    let body =
        json!({ "generation": accepted.generation, "changed": accepted.changed, "plan": "/v1/plans/deploy" });
    (StatusCode::ACCEPTED, Json(body))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    count: u32,
}

async fn resize(State(handle): State<Handle>, Body(body): Body<Count>) -> Answer {
    let set = |options: &mut Value| {
        if options.is_null() {
            *options = json!({});
        }
        options["nodes"] = body.count.into();
        Ok(())
    };
    Ok(accepted(&handle.change(set).await?))
}

#[derive(Debug, Deserialize)]
struct Force {
    #[serde(default)]
    force: bool,
}

async fn act(
    State(handle): State<Handle>,
    Path((ids, verb)): Path<(String, String)>,
    Query(Force { force }): Query<Force>,
) -> Answer {
    let known: Vec<_> = handle.published().view.target.iter().filter_map(|n| id_of(n)).collect();
    let instances = select(&ids, &known)?;
    let command = match verb.as_str() {
        "start" => Command::Start(instances),
        "stop" => Command::Stop { instances, force },
        "restart" => Command::Restart(instances),
        _ => {
            let problem = Problem::not_found("unknown-verb", format!("servers cannot `{verb}`"));
            return Err(problem.hint("start, stop or restart"));
        }
    };
    Ok(accepted(&handle.command(command).await?))
}

/// Names of the servers that `1`, `1,3`, `1..3` or `*` stand for.
fn select(ids: &str, known: &[ServerId]) -> Refused<Vec<String>> {
    let bad =
        || Problem::bad_request(format!("`{ids}` names no servers")).hint("write `1`, `1,3`, `1..3` or `*`");
    let mut chosen = Vec::new();
    for part in ids.split(',') {
        let number = |text: &str| text.trim().parse::<ServerId>().map_err(|_| bad());
        match part.split_once("..") {
            _ if part == "*" => chosen.extend_from_slice(known),
            Some((from, to)) => {
                let range = number(from)?..=number(to)?;
                chosen.extend(known.iter().filter(|id| range.contains(id)));
            }
            None => chosen.push(number(part)?),
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    if let Some(id) = chosen.iter().find(|id| !known.contains(id)) {
        let problem = Problem::not_found("unknown-server", format!("there is no server {id}"));
        return Err(problem.hint(format!(
            "servers are {}",
            known.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
        )));
    }
    if chosen.is_empty() { Err(bad()) } else { Ok(chosen.into_iter().map(name_of).collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_as_people_write_them() {
        let select = |ids: &str| select(ids, &[1, 2, 3]).map_err(|p| p.detail);
        let names = |ids: &[u32]| Ok(ids.iter().map(|id| name_of(*id)).collect::<Vec<_>>());
        assert_eq!(select("2"), names(&[2]));
        assert_eq!(select("3,1"), names(&[1, 3]));
        assert_eq!(select("2..9"), names(&[2, 3]));
        assert_eq!(select("*"), names(&[1, 2, 3]));
        assert_eq!(select("4"), Err("there is no server 4".into()));
        assert_eq!(select("x"), Err("`x` names no servers".into()));
        assert_eq!(select("7..9"), Err("`7..9` names no servers".into()));
    }
}
