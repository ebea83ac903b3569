//! The effective configuration: read with its secrets masked, replaced with masked ones kept.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Problem, Refused, accepted};
use crate::secrets::MASK;
use crate::{Command, Handle, Published, Secrets};

#[derive(Clone)]
struct Keeper {
    handle: Handle,
    names: &'static [&'static str],
}

/// `/v1/config`; `names` are the top-level options that nobody may see.
pub(crate) fn routes(handle: Handle, names: &'static [&'static str]) -> Router {
    Router::new().route("/v1/config", get(show).put(replace)).with_state(Keeper { handle, names })
}

fn masked(options: &Value, secrets: &Secrets, names: &[&str]) -> Value {
    let mut shown = secrets.mask(options);
    for name in names {
        if let Some(value) = shown.get_mut(*name).filter(|v| !v.is_null()) {
            *value = MASK.into();
        }
    }
    shown
}

/// The options that a client has sent, with what it has read as masked put back.
///
/// # Errors
/// When a secret would be changed: it would be kept in the open, and the next start would not know it.
fn unmasked(sent: Value, known: &Value, secrets: &Secrets, names: &[&str]) -> Refused<Value> {
    let mut options = sent;
    for name in names {
        let (new, old) = (options.get_mut(*name), known.get(*name));
        match (new, old) {
            (Some(new), Some(old)) if *new == MASK || new == old => new.clone_from(old),
            (None | Some(Value::Null), _) => {}
            (Some(_), _) => return Err(secret_changed(name)),
        }
    }
    put_back(&mut options, Some(known), secrets, "")?;
    Ok(options)
}

fn put_back(new: &mut Value, known: Option<&Value>, secrets: &Secrets, at: &str) -> Refused<()> {
    let secret = known.filter(|known| secrets.holds(known));
    match (&mut *new, secret) {
        (Value::Null, Some(_)) => Ok(()),
        (new, Some(secret)) if *new == MASK || *new == *secret => {
            new.clone_from(secret);
            Ok(())
        }
        (_, Some(_)) => Err(secret_changed(at)),
        (new, None) if *new == MASK => {
            let detail = format!("{at} is masked, and no secret is there");
            Err(Problem::conflict("masked-value", detail)
                .hint("write its value, or leave it where it was read"))
        }
        (Value::Array(items), None) => items.iter_mut().enumerate().try_for_each(|(index, item)| {
            put_back(item, known.and_then(|k| k.get(index)), secrets, &format!("{at}.{index}"))
        }),
        (Value::Object(map), None) => map.iter_mut().try_for_each(|(key, item)| {
            let place = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            put_back(item, known.and_then(|k| k.get(key)), secrets, &place)
        }),
        _ => Ok(()),
    }
}

fn secret_changed(option: &str) -> Problem {
    Problem::conflict("secret-option", format!("{option} is a secret, which is not changed here"))
        .hint("set it with `cairn secret set`, and name it in the stack: `${secret.NAME}`")
}

async fn show(State(keeper): State<Keeper>) -> Json<Value> {
    let published: Arc<Published> = keeper.handle.published();
    Json(json!({
        "generation": published.status.plan.generation,
        "revision": published.config.revision,
        "drifted": published.status.drifted,
        "options": masked(&published.config.options, &published.secrets, keeper.names),
        "inputs": published.config.inputs,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewConfig {
    options: Value,
    generation: Option<u64>,
}

async fn replace(State(keeper): State<Keeper>, Body(new): Body<NewConfig>) -> Refused<Response> {
    let published = keeper.handle.published();
    let mut config = published.config.clone();
    config.options = unmasked(new.options, &config.options, &published.secrets, keeper.names)?.into();
    let command = Command::Configure { config: Box::new(config), expected: new.generation };
    Ok(accepted(&keeper.handle.command(command).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn known() -> (Value, Secrets) {
        let options =
            json!({"nodes": 3, "password": "hunter2", "users": [{"name": "a", "key": "other secret"}]});
        let config = Config {
            options: options.clone().into(),
            secrets: vec!["/users/0/key".into()],
            ..Config::default()
        };
        (options, Secrets::of(&config, &["password"]))
    }

    fn send(options: Value) -> Result<Value, String> {
        let (known, secrets) = known();
        unmasked(options, &known, &secrets, &["password", "other"]).map_err(|problem| problem.detail)
    }

    #[test]
    fn secrets_are_masked_and_come_back_unharmed() {
        let (known, secrets) = known();
        let shown = masked(&known, &secrets, &["password", "other"]);
        assert_eq!(shown, json!({"nodes": 3, "password": "***", "users": [{"name": "a", "key": "***"}]}));
        assert_eq!(send(shown).unwrap(), known);
        assert_eq!(send(known.clone()).unwrap(), known);
        assert_eq!(send(json!({"nodes": 5})).unwrap(), json!({"nodes": 5}), "it may be taken out");
    }

    #[test]
    fn secrets_are_not_changed_here() {
        assert_eq!(
            send(json!({"password": "mine"})).unwrap_err(),
            "password is a secret, which is not changed here"
        );
        assert_eq!(
            send(json!({"other": "mine"})).unwrap_err(),
            "other is a secret, which is not changed here"
        );
        let changed = json!({"users": [{"key": "mine"}]});
        assert_eq!(send(changed).unwrap_err(), "users.0.key is a secret, which is not changed here");
        let moved = json!({"users": [{"key": "***"}, {"key": "***"}]});
        assert_eq!(send(moved).unwrap_err(), "users.1.key is masked, and no secret is there");
    }
}
