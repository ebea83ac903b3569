//! The surface of the earlier framework (kafka-mesos), so that scripts written for it go on working: `/api/broker/…`,
//! `/api/topic/…`, `/api/partition/list`, by GET or POST, with parameters in the query or a form.
//!
//! What is different: a changed broker is restarted by a rolling, gated plan rather than at its next `start`; parameters
//! that have no meaning here are listed under `ignored` in the answer.

mod broker;
mod topic;

use axum::Router;
use axum::routing::get;
use cairn_framework::Handle;

pub(super) fn routes() -> Router<Handle> {
    Router::new()
        .route("/api/broker/{verb}", get(broker::handle).post(broker::handle))
        .route("/api/topic/{verb}", get(topic::handle).post(topic::handle))
        .route("/api/partition/{verb}", get(topic::partitions).post(topic::partitions))
        .route("/health", get(|| async { "ok" }))
}
