//! REST under `/v1`: stacks, their services, events, frameworks, archives.

mod artifacts;
mod auth;
mod events;
mod frameworks;
mod logs;
mod proxy;
mod refusal;
mod services;
mod stacks;

use std::sync::Arc;

use axum::extract::FromRef;
use axum::routing::{any, get, post, put};
use axum::{Router, middleware};
use cairn_framework::{Handle, Published};

pub(crate) use refusal::{Answer, Refusal};

use crate::service::Shared;
use crate::state::Options;

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
        .route("/v1/events", get(events::stream))
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
