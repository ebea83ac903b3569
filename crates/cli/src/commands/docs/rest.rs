//! The parts of `docs/rest.md`.

use cairn_framework::rest::{Resource, SKELETON};

use super::page::{code, table};

/// By the name of the part.
pub(super) fn parts() -> [(&'static str, String); 2] {
    [("controller", listed(cairn_controller::RESOURCES)), ("scheduler", listed(SKELETON))]
}

fn listed(all: &[Resource]) -> String {
    resources(all.iter().copied())
}

/// A table of resources.
pub(super) fn resources<'a>(all: impl Iterator<Item = (&'a str, &'a str, &'a str)>) -> String {
    let row = |(method, path, what): (&str, &str, &str)| {
        vec![code(&format!("{} {path}", method.to_uppercase())), what.to_owned()]
    };
    table(&["resource", "what it does"], all.map(row).collect())
}
