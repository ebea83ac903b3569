//! The cluster that the instances of a service form, as a whole: what [`Clustered::RESOURCE`](crate::kit::Clustered::RESOURCE)
//! says.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use super::{Problem, Refused};
use crate::{Handle, Service};

#[derive(Clone)]
struct Serving {
    service: Arc<dyn Service>,
    handle: Handle,
}

pub(crate) fn routes(service: &Arc<dyn Service>, handle: &Handle) -> Router {
    let serving = Serving { service: Arc::clone(service), handle: handle.clone() };
    match service.cluster().and_then(|cluster| cluster.resource()) {
        Some((path, _)) => Router::new().route(path, get(show)).with_state(serving),
        None => Router::new(),
    }
}

async fn show(State(serving): State<Serving>) -> Refused<Json<Value>> {
    let published = serving.handle.published();
    match serving.service.cluster() {
        Some(cluster) => {
            let shown = cluster.shown(&published.config, &published.view).await;
            shown.map(Json).map_err(Problem::unavailable)
        }
        None => Ok(Json(Value::Null)),
    }
}
