//! REST resources of ensembles, beside those that the SDK serves.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use cairn_framework::Handle;
use cairn_framework::rest::Api;
use cairn_zookeeper_admin::Ensemble;
use serde_json::{Value, json};

use crate::names::name_of;
use crate::survey;

pub(crate) fn api() -> Api {
    let about = "Leader, membership and its version, followers in step";
    Api::default().at("/v1/ensemble", get(ensemble), &[("get", about)])
}

/// The part of each server in the ensemble and the last change it knows, if it serves; by instance.
pub(crate) fn describe(ensemble: &Ensemble) -> BTreeMap<String, Value> {
    let fields = |id: &u32| {
        let report = ensemble.report(*id);
        json!({ "mode": report.map(|r| r.mode), "zxid": report.map(|r| &r.zxid) })
    };
    ensemble.servers.keys().map(|id| (name_of(*id), fields(id))).collect()
}

async fn ensemble(State(handle): State<Handle>) -> Json<Value> {
    let servers = survey::take(&handle.published().view).await;
    let members = servers.members().cloned().unwrap_or_default();
    let leader = servers.leader();
    Json(json!({
        "serving": leader.is_some(),
        "leader": leader.map(|(id, _)| name_of(id)),
        "syncedFollowers": leader.map(|(_, r)| r.monitor.synced_followers),
        "pendingSyncs": leader.map(|(_, r)| r.monitor.pending_syncs),
        "version": format!("{:x}", members.version),
        "members": members.servers,
    }))
}
