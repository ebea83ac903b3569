//! How many nodes there are, as `{value}`: the way of earlier frameworks to be scaled.

use axum::Json;
use axum::extract::State;
use axum::routing::{MethodRouter, get};
use serde::{Deserialize, Serialize};

use crate::Handle;
use crate::kit::Nodes;
use crate::rest::{Body, Refused, accepted};

/// A number of nodes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    value: u32,
}

/// `GET` tells how many of these nodes there are to be, `PUT` sets it.
pub fn counted(nodes: Nodes) -> MethodRouter<Handle> {
    let told = async move |State(handle): State<Handle>| {
        let target = nodes.target(&handle.published().view).len();
        Json(Count { value: u32::try_from(target).unwrap_or(u32::MAX) })
    };
    let set = async move |State(handle): State<Handle>, Body(body): Body<Count>| {
        let done = handle.edit(|view, options| nodes.resize(options, view, body.value)).await?;
        Refused::Ok(accepted(&done))
    };
    get(told).put(set)
}
