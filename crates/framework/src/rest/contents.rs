//! `/v1/topics`, `/v1/indices` and so on: what a service holds under names, for every framework that has
//! [`crate::Service::contents`]. What is declared here is an option; see [`crate::kit::contents`].

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use super::{Body, Refused, accepted};
use crate::kit::contents::{Contents, Declared};
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
        let routes = Router::new()
            .route(&all, get(list))
            .route(&format!("{all}/{{name}}"), get(show).put(declare).delete(forget))
            .with_state(Serving { contents: *contents, handle: handle.clone() });
        router.merge(routes)
    })
}

/// The same for `/openapi.json`: method, path, what it does.
pub(crate) fn resources(contents: &dyn Contents) -> Vec<(&'static str, String, String)> {
    let kind = contents.kind();
    let (all, one) = (format!("/v1/{}", kind.many), format!("/v1/{}/{{name}}", kind.many));
    vec![
        ("get", all, format!("All {}", kind.many)),
        ("get", one.clone(), format!("A {}, and what is declared of it", kind.one)),
        ("put", one.clone(), format!("Declare a {}: {}", kind.one, kind.body)),
        ("delete", one, format!("Declare it no more; the {} itself stays", kind.one)),
    ]
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

async fn forget(
    State(Serving { contents, handle }): State<Serving>,
    Path(name): Path<String>,
) -> Refused<Response> {
    Ok(accepted(&handle.change(|options| contents.kind().forget(options, &name)).await?))
}
