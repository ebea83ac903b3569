//! What is wrong, and what mends it.

use axum::Json;
use axum::extract::State;
use cairn_framework::Cluster;

use super::{Answer, App};
use crate::doctor::{Evidence, Finding, examine};

/// `GET /v1/doctor`
pub(crate) async fn show(State(app): State<App>) -> Answer<Json<Vec<Finding>>> {
    let (published, options) = app.now()?;
    let cluster = Cluster::look(&published.view.master).await.map_err(|error| error.to_string());
    let evidence = Evidence {
        options: &options,
        status: &published.status,
        view: &published.view,
        cluster: cluster.as_ref().map_err(String::as_str),
    };
    Ok(Json(examine(&evidence)))
}
