//! Things inside a service that an option declares, by name: topics, keyspaces, indices.

use axum::extract::{Path, State};
use axum::routing::{MethodRouter, put};
use serde_json::{Value, json};

use super::{Body, Problem, Refused, accepted};
use crate::Handle;

/// `PUT` declares one, `DELETE` declares it no more; `what` is the option that holds them all. Whether anything happens to
/// what is there already is the service's matter.
pub fn declaration(what: &'static str) -> MethodRouter<Handle> {
    let declare = move |State(handle): State<Handle>, Path(name): Path<String>, Body(body): Body<Value>| async move {
        let done = handle.edit(|_, options| {
            if !options[what].is_object() {
                options[what] = json!({});
            }
            options[what][&name] = body;
            Ok(())
        });
        Refused::Ok(accepted(&done.await?))
    };
    let forget = move |State(handle): State<Handle>, Path(name): Path<String>| async move {
        let done = handle.edit(|_, options| {
            let gone = options.get_mut(what).and_then(Value::as_object_mut).and_then(|all| all.remove(&name));
            let unknown =
                || Problem::not_found("not-declared", format!("{name} is not among the declared {what}"));
            gone.map(drop).ok_or_else(unknown)
        });
        Refused::Ok(accepted(&done.await?))
    };
    put(declare).delete(forget)
}
