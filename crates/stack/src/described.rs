//! The `service:` section of a framework spec: its mistakes with their places.

use cairn_definition::{Definition, Known, Mistake, OptionFact, check};
use cairn_units::suggest;
use serde_json::Value;

use crate::node::Node;
use crate::source::Sources;
use crate::{Diagnostic, FrameworkSpec};

/// Everything that is wrong with the section, as far as its schema has not told already.
pub(crate) fn check(
    sources: &Sources,
    node: &Node,
    spec: &FrameworkSpec,
    definition: &Definition,
) -> Vec<Diagnostic> {
    let mistakes = check::check(definition, &known(spec));
    let told = mistakes.into_iter().map(|mistake| diagnostic(sources, node, mistake));
    told.chain(unset_outputs(node, spec, definition)).collect()
}

fn known(spec: &FrameworkSpec) -> Known {
    let fact = |name: &str| OptionFact { secret: spec.option(name).is_some_and(is_secret) };
    Known {
        options: spec.option_names().map(|name| (name.to_owned(), fact(name))).collect(),
        needs: spec.needs.keys().cloned().collect(),
        distributions: spec.distributions.keys().cloned().collect(),
    }
}

fn is_secret(schema: &Value) -> bool {
    schema.get("format").and_then(Value::as_str) == Some("secret")
}

fn diagnostic(sources: &Sources, node: &Node, mistake: Mistake) -> Diagnostic {
    let Mistake { path, code, message, part, label, help } = mistake;
    let path: Vec<String> = std::iter::once("service".to_owned()).chain(path).collect();
    let whole = node.locate(&path).node.span;
    let at =
        Some(part.as_str()).filter(|part| !part.is_empty()).and_then(|part| sources.slice(whole).find(part));
    let span = at.map_or(whole, |at| sources.within(whole, at, at + part.len()));
    Diagnostic::error(code, message).label(span, label).maybe_help(help)
}

/// What is offered must be among the outputs.
fn unset_outputs(node: &Node, spec: &FrameworkSpec, definition: &Definition) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for (interface, offer) in &spec.offers {
        for (index, output) in offer.outputs.iter().enumerate() {
            if !definition.outputs.contains_key(output) {
                let path = ["offers", interface, "outputs", &index.to_string()];
                let names = definition.outputs.keys().map(String::as_str);
                let diagnostic =
                    Diagnostic::error("unknown-output", format!("the service has no output `{output}`"))
                        .label(node.locate(&path).node.span, "not under `service.outputs`")
                        .maybe_help(suggest::hint(output, "outputs", names));
                diagnostics.push(diagnostic);
            }
        }
    }
    diagnostics
}
