//! `/v1/topics`, `/v1/indices` and so on: what a service holds under names, for every framework that has
//! [`crate::Service::contents`]. What is declared here is an option; see [`crate::kit::contents`].

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Body, Problem, Refused, accepted, parsed};
use crate::kit::contents::{self, Contents, Declared, Spreads};
use crate::{Handle, Service};

#[derive(Clone)]
struct Serving {
    contents: &'static dyn Contents,
    handle: Handle,
}

/// The routes of all kinds of things that a service holds.
pub(crate) fn routes(service: &dyn Service, handle: &Handle) -> Router {
    let all = service.contents();
    let declared =
        async move |State(handle): State<Handle>| Json(Declared::of(all, &handle.published().config));
    let declared = Router::new().route("/v1/declared", get(declared)).with_state(handle.clone());
    all.iter().fold(declared, |router, contents| {
        let all = format!("/v1/{}", contents.kind().many);
        let (mut many, mut one) = (get(list), get(show).put(declare).delete(delete));
        if contents.direct().is_some() {
            (many, one) = (many.post(make), one.patch(change));
        }
        let mut routes = Router::new().route(&all, many).route(&format!("{all}/{{name}}"), one);
        if contents.direct().is_some_and(|direct| direct.spreads().is_some()) {
            routes = routes.route(&format!("{all}/{{name}}/rebalance"), post(rebalance));
        }
        let routes = routes.with_state(Serving { contents: *contents, handle: handle.clone() });
        router.merge(routes)
    })
}

/// The same for `/openapi.json`: method, path, what it does.
pub(crate) fn resources(contents: &dyn Contents) -> Vec<(&'static str, String, String)> {
    let kind = contents.kind();
    let (all, one) = (format!("/v1/{}", kind.many), format!("/v1/{}/{{name}}", kind.many));
    let mut resources = vec![
        ("get", all.clone(), format!("All {}", kind.many)),
        ("get", one.clone(), format!("One {}, and what is declared of it", kind.one)),
        ("put", one.clone(), format!("Declare one {}: {}", kind.one, kind.body)),
    ];
    let forget = format!("Declare it no more; the {} itself stays", kind.one);
    if contents.direct().is_none() {
        resources.push(("delete", one.clone(), forget));
    } else {
        let gone = format!("Delete one that is not declared, with all that is in it; ?keep=true: {forget}");
        resources.extend([
            ("post", all, format!("Make one that nobody keeps: {{name}} and {}", kind.body)),
            ("patch", one.clone(), "Change it, or its declaration; null resets".to_owned()),
            ("delete", one.clone(), gone),
        ]);
    }
    if let Some(Spreads { over, .. }) = contents.direct().and_then(|direct| direct.spreads()) {
        let spread = format!("Spread it evenly: {{{}?, replication?}}", over.many);
        resources.push(("post", format!("{one}/rebalance"), spread));
    }
    resources
}

async fn list(State(Serving { contents, handle }): State<Serving>) -> Refused<Json<Value>> {
    contents.list(&handle.published()).await.map(Json)
}

async fn show(
    State(Serving { contents, handle }): State<Serving>,
    Path(name): Path<String>,
) -> Refused<Json<Value>> {
    let shown = contents.show(&handle.published(), contents.kind().named(&name)?).await?;
    if shown.is_null() { Err(contents.kind().unknown(&name)) } else { Ok(Json(shown)) }
}

async fn declare(
    State(Serving { contents, handle }): State<Serving>,
    Path(name): Path<String>,
    Body(body): Body<Value>,
) -> Refused<Response> {
    let kind = contents.kind();
    let name = kind.named(&name)?;
    let done = handle.change(|options| {
        kind.declare(options, name, body);
        Ok(())
    });
    Ok(accepted(&done.await?))
}

/// Makes one that nobody keeps.
async fn make(
    State(Serving { contents, handle }): State<Serving>,
    Body(mut body): Body<Map<String, Value>>,
) -> Refused<Response> {
    let name = body.remove("name").unwrap_or_default();
    let name = name.as_str().ok_or_else(|| Problem::bad_request("`name` is missing"))?;
    let name = contents.kind().named(name)?;
    let direct = contents.direct().ok_or_else(|| contents.kind().unknown(name))?;
    let made = direct.make(&handle.published(), name, body.into()).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Changes its declaration, or, where it has none, itself.
async fn change(
    State(Serving { contents, handle }): State<Serving>,
    Path(name): Path<String>,
    Body(patch): Body<Value>,
) -> Refused<Response> {
    let (kind, published) = (contents.kind(), handle.published());
    let unknown = || kind.unknown(&name);
    if contents.show(&published, kind.named(&name)?).await?.is_null() {
        return Err(unknown());
    }
    let declared = kind.declares(&published, &name);
    let direct = contents.direct().ok_or_else(unknown)?;
    let goes_on = direct.change(&published, &name, &patch, declared).await?;
    if declared {
        let done = handle.change(|options| {
            kind.amend(options, &name, &patch);
            Ok(())
        });
        return Ok(accepted(&done.await?));
    }
    let shown = contents.show(&published, &name).await?;
    let code = if goes_on { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((code, Json(shown)).into_response())
}

/// Spreads one over nodes: those that the field of their name says, all without it; with so many copies as `replication` says.
async fn rebalance(
    State(Serving { contents, handle }): State<Serving>,
    Path(name): Path<String>,
    Body(mut body): Body<Map<String, Value>>,
) -> Refused<Response> {
    let (kind, published) = (contents.kind(), handle.published());
    let unknown = || kind.unknown(&name);
    let direct = contents.direct().ok_or_else(unknown)?;
    let Spreads { over, watch } = direct.spreads().ok_or_else(unknown)?;
    let on: Option<String> = parsed(body.remove(over.many).unwrap_or_default())?;
    let replication: Option<u32> = parsed(body.remove("replication").unwrap_or_default())?;
    if let Some(field) = body.keys().next() {
        let what = format!("unknown field `{field}`, expected `{}` or `replication`", over.many);
        return Err(Problem::bad_request(format!("the body is not what this resource takes: {what}"))
            .hint("send a JSON object; /openapi.json lists the fields"));
    }
    if contents.show(&published, kind.named(&name)?).await?.is_null() {
        return Err(unknown());
    }
    let moves = direct.spread(&published, &[name].into(), on.as_deref(), replication).await?;
    let code = if moves.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((code, Json(json!({ "moves": moves, "watch": watch }))).into_response())
}

#[derive(Deserialize)]
struct Keep {
    #[serde(default)]
    keep: bool,
}

/// Declares it no more; deletes it where that is asked for, which needs that it is not declared.
async fn delete(
    State(Serving { contents, handle }): State<Serving>,
    Path(name): Path<String>,
    Query(Keep { keep }): Query<Keep>,
) -> Refused<Response> {
    match contents.direct().filter(|_| !keep) {
        Some(direct) => {
            contents::delete(contents, direct, &handle.published(), &name).await?;
            Ok(Json(json!({ "deleted": name })).into_response())
        }
        None => Ok(accepted(&handle.change(|options| contents.kind().forget(options, &name)).await?)),
    }
}
