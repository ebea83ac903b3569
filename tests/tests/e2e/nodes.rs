//! What operators do to nodes through the REST of their scheduler, which is at `proxy`.

use std::time::Duration;

use cairn_tests::{Cairn, until};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(180);

fn node(cairn: &Cairn, proxy: &str, id: u32) -> Value {
    cairn.http().get(&format!("{proxy}/v1/instances/node-{id}"))
}

/// The volume that holds a node's data.
pub(crate) fn volume(cairn: &Cairn, proxy: &str, id: u32) -> Value {
    node(cairn, proxy, id)["placement"]["volumes"]["data"].clone()
}

/// Stops a node whatever that means for the others, and asks for another one in its place, without its data.
#[track_caller]
pub(crate) fn stop_and_replace(cairn: &Cairn, proxy: &str, id: u32) {
    let http = cairn.http();
    let (status, told) = http.send("POST", &format!("{proxy}/v1/nodes/{id}/stop?force=true"), None);
    assert_eq!(status, 202, "{told:#}");
    until("it has stopped", SOON, || (node(cairn, proxy, id)["phase"] == json!("stopped")).then_some(()));
    let (status, told) = http.send("POST", &format!("{proxy}/v1/nodes/{id}/replace"), None);
    assert_eq!(status, 202, "{told:#}");
}
