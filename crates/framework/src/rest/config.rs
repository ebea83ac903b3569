//! The effective configuration: read with its secrets masked, replaced with masked ones kept.

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Refused, accepted};
use crate::{Command, Handle};

/// What stands for a secret.
const MASK: &str = "***";

#[derive(Clone)]
struct Secrets {
    handle: Handle,
    names: &'static [&'static str],
}

/// `/v1/config`; `names` are the top-level options that nobody may see.
pub(crate) fn routes(handle: Handle, names: &'static [&'static str]) -> Router {
    Router::new().route("/v1/config", get(show).put(replace)).with_state(Secrets { handle, names })
}

fn mask(options: &mut Value, names: &[&str]) {
    for name in names {
        if let Some(value) = options.get_mut(*name).filter(|v| !v.is_null()) {
            *value = Value::from(MASK);
        }
    }
}

/// Puts back what a client has read as masked.
fn unmask(options: &mut Value, known: &Value, names: &[&str]) {
    for name in names {
        if let (Some(value), Some(secret)) = (options.get_mut(*name), known.get(*name))
            && *value == MASK
        {
            value.clone_from(secret);
        }
    }
}

async fn show(State(secrets): State<Secrets>) -> Json<Value> {
    let published = secrets.handle.published();
    let mut options = published.config.options.clone();
    mask(&mut options, secrets.names);
    Json(json!({
        "generation": published.status.plan.generation,
        "revision": published.config.revision,
        "drifted": published.status.drifted,
        "options": options,
        "inputs": published.config.inputs,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewConfig {
    options: Value,
    generation: Option<u64>,
}

async fn replace(State(secrets): State<Secrets>, Body(new): Body<NewConfig>) -> Refused<Response> {
    let mut config = secrets.handle.published().config.clone();
    let mut options = new.options;
    unmask(&mut options, &config.options, secrets.names);
    config.options = options;
    Ok(accepted(
        &secrets
            .handle
            .command(Command::Configure { config: Box::new(config), expected: new.generation })
            .await?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_come_back_unharmed() {
        let known = json!({ "nodes": 3, "password": "hunter2" });
        let mut shown = known.clone();
        mask(&mut shown, &["password", "other"]);
        assert_eq!(shown, json!({ "nodes": 3, "password": "***" }));
        unmask(&mut shown, &known, &["password"]);
        assert_eq!(shown, known);
    }
}
