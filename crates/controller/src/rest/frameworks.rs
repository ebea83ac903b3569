//! The frameworks that stacks may name.

use axum::Json;
use axum::extract::{Path, State};
use cairn_framework::rest::Problem;
use cairn_stack::FrameworkSpec;
use serde::Serialize;

use super::{Answer, App};

/// A framework in one line.
#[derive(Debug, Serialize)]
pub(crate) struct Framework {
    framework: String,
    description: String,
    needs: Vec<String>,
    offers: Vec<String>,
    versions: Vec<String>,
}

/// `GET /v1/frameworks`
pub(crate) async fn list(State(app): State<App>) -> Json<Vec<Framework>> {
    let line = |spec: &FrameworkSpec| Framework {
        framework: spec.framework.clone(),
        description: spec.description.clone(),
        needs: spec.needs.values().map(|n| n.interface.clone()).collect(),
        offers: spec.offers.keys().cloned().collect(),
        versions: spec.distributions.keys().cloned().collect(),
    };
    Json(app.shared.settings.catalog.iter().map(line).collect())
}

/// `GET /v1/frameworks/{name}`
pub(crate) async fn show(State(app): State<App>, Path(name): Path<String>) -> Answer<Json<FrameworkSpec>> {
    let catalog = &app.shared.settings.catalog;
    let found = catalog.get(&name).cloned().map(Json);
    found.ok_or_else(|| {
        let known: Vec<&str> = catalog.iter().map(|f| f.framework.as_str()).collect();
        Problem::not_found("unknown-framework", format!("there is no framework `{name}`"))
            .hint(format!("there are: {}", known.join(", ")))
            .into()
    })
}
