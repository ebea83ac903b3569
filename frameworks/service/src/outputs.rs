//! What dependents get: templates, and values that are read from a URL or from a file in a sandbox.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_definition::{FetchedOutput, Output, engine};
use cairn_framework::{Sandbox, View, http};
use serde_json::{Map, Value};

use crate::spec::{Spec, split_name};

/// Name of the fact that holds what was read. No instance has a name without a number.
pub(crate) const FACT: &str = "outputs";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest output, bytes.
const LIMIT: usize = 64 * 1024;

/// All outputs as far as they are known.
pub(crate) fn known(spec: &Spec, variables: &Value, view: &View) -> BTreeMap<String, String> {
    let one = |(name, output): (&String, &Output)| match output {
        Output::Template(template) => match engine::render(template, variables) {
            Ok(text) => Some((name.clone(), text.trim().to_owned())),
            Err(error) => {
                tracing::warn!(output = name, %error, "an output cannot be written");
                None
            }
        },
        Output::Fetched(_) => Some((name.clone(), view.observed.get(FACT)?.get(name)?.as_str()?.to_owned())),
    };
    spec.service.outputs.iter().filter_map(one).collect()
}

/// Reads all outputs that have to be read; none if there are none.
///
/// # Errors
/// The first that cannot be had, and why.
pub(crate) async fn fetch(spec: &Spec, variables: &Value, view: &View) -> Result<Option<Value>, String> {
    let mut read = Map::new();
    for (name, output) in &spec.service.outputs {
        let Output::Fetched(from) = output else { continue };
        let text = one(from, variables, view).await.and_then(|text| from.pick(&text));
        read.insert(name.clone(), text.map_err(|why| format!("output {name}: {why}"))?.into());
    }
    Ok((!read.is_empty()).then_some(Value::Object(read)))
}

async fn one(from: &FetchedOutput, variables: &Value, view: &View) -> Result<String, String> {
    let fill = |text: &String| engine::render(text, variables).map_err(|error| error.to_string());
    if let Some(url) = &from.url {
        return http::text(fill(url)?.trim(), PATIENCE, LIMIT).await;
    }
    let (file, group) = (from.file.as_ref().map(fill).transpose()?, from.group.as_deref());
    let first = view.target.iter().find(|name| split_name(name).is_some_and(|(of, _)| Some(of) == group));
    match (file, first.and_then(|name| Sandbox::of(view, name))) {
        (Some(file), Some(sandbox)) => {
            sandbox.read(&view.master, file.trim(), LIMIT).await.map_err(|error| error.to_string())
        }
        _ => Err("its task does not run".into()),
    }
}
