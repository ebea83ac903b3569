//! The surface of the earlier framework (kafka-mesos), so that scripts written for it go on working: `/api/broker/…`,
//! `/api/topic/…`, `/api/partition/list`, by GET or POST, with parameters in the query or a form.
//!
//! What is different is told by [`cairn_framework::rest::form::Earlier`].

mod broker;
mod topic;

use axum::routing::get;
use cairn_framework::rest::Api;

pub(super) fn api(api: Api) -> Api {
    let brokers = "As the earlier framework had it: list add update start stop restart remove clone log";
    let topics = "As the earlier framework had it: list add update delete rebalance";
    let partitions = "As the earlier framework had it: list";
    api.at("/api/broker/{verb}", broker::EARLIER.verbs(), &[("post", brokers)])
        .at("/api/topic/{verb}", get(topic::handle).post(topic::handle), &[("post", topics)])
        .at("/api/partition/{verb}", get(topic::partitions).post(topic::partitions), &[("post", partitions)])
        .at("/health", get(async || "ok"), &[("get", "ok")])
}
