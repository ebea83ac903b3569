//! Files beside a framework spec: `from: NAME` stands for the text of one. They are read by who reads the spec, and
//! become a part of it, so that whoever gets a spec gets all of it.

use std::collections::BTreeMap;

use cairn_definition::{Definition, FileDef, WholeFile};
use cairn_units::suggest;
use serde_json::Value;

use crate::Diagnostic;
use crate::node::Node;
use crate::source::Sources;
use crate::yaml;

/// The files that a spec names, each with its text or with why there is none.
pub type Beside = BTreeMap<String, Result<String, String>>;

/// The files that a spec names with `from`. A spec with mistakes may name none; loading it tells them.
pub fn named_files(name: &str, bytes: &[u8]) -> Vec<String> {
    let mut sources = Sources::default();
    let Ok(source) = sources.add(name, bytes) else { return Vec::new() };
    yaml::parse(source, &mut Vec::new()).map(|node| named_in(&node.to_json())).unwrap_or_default()
}

/// The files that a spec names with `from`.
pub(crate) fn named_in(spec: &Value) -> Vec<String> {
    let groups = spec.pointer("/service/groups").and_then(Value::as_object).into_iter().flatten();
    let files = groups.filter_map(|(_, group)| group.get("files")?.as_object()).flatten();
    files.filter_map(|(_, file)| file.get("from")?.as_str()).map(str::to_owned).collect()
}

/// Puts the texts in place of the names. What cannot be read is told at its place.
pub(crate) fn fill_in(definition: &mut Definition, node: &Node, beside: &Beside) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for (group_name, group) in &mut definition.groups {
        for (path, file) in &mut group.files {
            let FileDef::Whole(WholeFile { text: text @ None, from: from @ Some(_), .. }) = file else {
                continue;
            };
            let name = from.take().unwrap_or_default();
            match beside.get(&name) {
                Some(Ok(found)) => *text = Some(found.clone()),
                other => {
                    *text = Some(String::new());
                    let why = other.and_then(|read| read.as_ref().err());
                    let place = ["service", "groups", group_name, "files", path, "from"];
                    let message = format!("cannot read `{name}`");
                    let why = why.map_or("there are no files beside this spec", String::as_str);
                    let readable =
                        beside.iter().filter(|(_, read)| read.is_ok()).map(|(name, _)| name.as_str());
                    diagnostics.push(
                        Diagnostic::error("no-file", message)
                            .label(node.locate(&place).node.span, why)
                            .maybe_help(suggest::hint(&name, "files", readable)),
                    );
                }
            }
        }
    }
    diagnostics
}
