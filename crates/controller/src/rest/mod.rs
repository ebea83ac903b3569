//! REST under `/v1`: stacks, their services, events, frameworks, archives.

mod artifacts;
mod auth;
mod doctor;
mod events;
mod frameworks;
mod logs;
mod proxy;
mod refusal;
mod secrets;
mod services;
mod stacks;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::extract::FromRef;
use axum::routing::{any, get, post, put};
use axum::{Router, middleware};
use cairn_framework::{Handle, Published};

pub(crate) use cairn_framework::rest::{Api, Resource};
pub(crate) use events::STREAMS;
pub(crate) use refusal::{Answer, Refusal};
pub use stacks::BUNDLE;

use crate::service::Shared;
use crate::state::Options;

/// What `/openapi.json` says about them.
pub const RESOURCES: &[Resource] = &[
    ("get", "/v1/stacks", "All stacks, a line each"),
    (
        "post",
        "/v1/stacks",
        "Apply the stack spec in the body, or a bundle of files; ?dry_run=true&delete_data=true&param.NAME=VALUE",
    ),
    ("get", "/v1/stacks/{stack}", "The tree: stack, services, instances, with what each waits for"),
    ("put", "/v1/stacks/{stack}", "Apply the stack spec in the body, which has this name"),
    ("delete", "/v1/stacks/{stack}", "Take the stack down; ?delete_data=true deletes its data too"),
    ("get", "/v1/stacks/{stack}/spec", "The file as it was applied, and the stack as it is now"),
    ("get", "/v1/stacks/{stack}/outputs", "Outputs of the stack"),
    ("get", "/v1/stacks/{stack}/endpoints", "Addresses of its services and their instances"),
    (
        "get",
        "/v1/stacks/{stack}/logs",
        "Part of a task's log: ?task=SERVICE[/INSTANCE]&file=&offset=&length=",
    ),
    ("get", "/v1/stacks/{stack}/services/{service}", "One service"),
    ("post", "/v1/stacks/{stack}/services/{service}/scale", "Change the number of instances: {count}"),
    (
        "get",
        "/v1/stacks/{stack}/services/{service}/proxy/{path}",
        "REST of the service's scheduler, any method",
    ),
    ("get", "/v1/secrets", "Names of secrets, and who uses them; never their values"),
    ("put", "/v1/secrets/{name}", "Set the secret to the text in the body; ?stack=NAME for one stack alone"),
    ("delete", "/v1/secrets/{name}", "Forget the secret; refused while a stack uses it"),
    ("get", "/v1/events", "Server-sent events: every change of state; Last-Event-ID goes on from there"),
    ("get", "/v1/doctor", "What is wrong with state, cluster and services, and what mends it"),
    ("get", "/v1/frameworks", "All frameworks"),
    ("get", "/v1/frameworks/{name}", "One framework spec"),
    ("get", "/v1/artifacts/{file}", "A distribution archive; needs no token"),
];

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) shared: Arc<Shared>,
    pub(crate) handle: Handle,
}

impl FromRef<App> for Arc<Shared> {
    fn from_ref(app: &App) -> Self {
        app.shared.clone()
    }
}

/// All resources. Archives are for agents, which have no token; everything else needs it, reading included.
pub(crate) fn routes(shared: Arc<Shared>, handle: Handle) -> Router {
    let app = App { shared, handle };
    let guarded = Router::new()
        .route("/v1/stacks", get(stacks::list).post(stacks::apply))
        .route("/v1/stacks/{stack}", put(stacks::apply_named).get(stacks::show).delete(stacks::destroy))
        .route("/v1/stacks/{stack}/spec", get(stacks::spec))
        .route("/v1/stacks/{stack}/outputs", get(stacks::outputs))
        .route("/v1/stacks/{stack}/endpoints", get(stacks::endpoints))
        .route("/v1/stacks/{stack}/logs", get(logs::read))
        .route("/v1/stacks/{stack}/services/{service}", get(services::show))
        .route("/v1/stacks/{stack}/services/{service}/scale", post(services::scale))
        .route("/v1/stacks/{stack}/services/{service}/proxy/{*path}", any(proxy::forward))
        .route("/v1/secrets", get(secrets::list))
        .route("/v1/secrets/{name}", put(secrets::set).delete(secrets::remove))
        .route("/v1/events", get(events::stream))
        .route("/v1/doctor", get(doctor::show))
        .route("/v1/frameworks", get(frameworks::list))
        .route("/v1/frameworks/{name}", get(frameworks::show))
        .layer(middleware::from_fn_with_state(app.clone(), auth::require_token));
    let open = Router::new().route("/v1/artifacts/{file}", get(artifacts::serve));
    guarded.merge(open).with_state(app)
}

impl App {
    /// The newest state with the stacks in it.
    ///
    /// # Errors
    /// When the stored stacks cannot be read.
    pub(crate) fn now(&self) -> Answer<(Arc<Published>, Options)> {
        let published = self.handle.published();
        let options = crate::service::read(&published)?;
        Ok((published, options))
    }
}
