//! References in texts: parameters are filled in, outputs and secrets are checked and kept.

use cairn_units::suggest;
use serde_json::{Map, Value};

use super::{Checker, Edge, SCOPES, params};
use crate::node::{Entry, Kind, Node};
use crate::schema_check::Unknown;
use crate::template::{Part, Reference, Target, Template, TemplateError, escape};
use crate::{Diagnostic, Span};

/// Most references of a text. Finding the place of each takes time in proportion to the text.
const MAX_REFERENCES: usize = 100;

/// Whose texts are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner<'a> {
    /// A service, by name.
    Service(&'a str),
    /// The stack's outputs.
    Outputs,
}

/// A value with its parameters filled in.
#[derive(Debug, Default)]
pub(super) struct Filled {
    /// As it is kept: texts are templates.
    pub(super) value: Value,
    /// As it is checked: texts without references have their escapes undone.
    pub(super) plain: Value,
    /// Which parts of it cannot be checked.
    pub(super) unknown: Unknown,
}

/// What is known of a text.
enum Text {
    /// All of it, as this value.
    Known(Value),
    /// It has references whose values come later.
    Later,
    /// It has mistakes.
    Broken,
}

impl Unknown {
    /// Takes over what is unknown of the value under a key.
    pub(super) fn nest(&mut self, key: &str, inner: &Self) {
        let key = key.replace('~', "~0").replace('/', "~1");
        self.deferred.extend(inner.deferred.iter().map(|pointer| format!("/{key}{pointer}")));
        self.broken.extend(inner.broken.iter().map(|pointer| format!("/{key}{pointer}")));
    }
}

impl<'a> Checker<'a> {
    pub(super) fn fill(&mut self, node: &'a Node, owner: Owner<'a>) -> Filled {
        match &node.kind {
            Kind::Text(text) => self.fill_scalar(text, node.span, owner),
            Kind::List(items) => {
                let (mut values, mut plains, mut unknown) = (Vec::new(), Vec::new(), Unknown::default());
                for (index, item) in items.iter().enumerate() {
                    let filled = self.fill(item, owner);
                    values.push(filled.value);
                    plains.push(filled.plain);
                    unknown.nest(&index.to_string(), &filled.unknown);
                }
                Filled { value: values.into(), plain: plains.into(), unknown }
            }
            Kind::Map(entries) => self.fill_entries(entries, owner),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => {
                Filled { value: node.to_json(), plain: node.to_json(), unknown: Unknown::default() }
            }
        }
    }

    pub(super) fn fill_entries(
        &mut self,
        entries: impl IntoIterator<Item = &'a Entry>,
        owner: Owner<'a>,
    ) -> Filled {
        let (mut values, mut plains, mut unknown) = (Map::new(), Map::new(), Unknown::default());
        for entry in entries {
            let filled = self.fill(&entry.value, owner);
            values.insert(entry.key.clone(), filled.value);
            plains.insert(entry.key.clone(), filled.plain);
            unknown.nest(&entry.key, &filled.unknown);
        }
        Filled { value: values.into(), plain: plains.into(), unknown }
    }

    fn fill_scalar(&mut self, text: &'a str, span: Span, owner: Owner<'a>) -> Filled {
        let (value, known) = self.fill_text(text, span, owner);
        let mut unknown = Unknown::default();
        let plain = match known {
            Text::Known(plain) => plain,
            Text::Later => {
                unknown.deferred.insert(String::new());
                value.clone()
            }
            Text::Broken => {
                unknown.broken.insert(String::new());
                value.clone()
            }
        };
        Filled { value, plain, unknown }
    }

    /// The text as it is kept, and what is known of it.
    fn fill_text(&mut self, text: &'a str, span: Span, owner: Owner<'a>) -> (Value, Text) {
        if !text.contains("${") {
            return (text.into(), Text::Known(text.into()));
        }
        if text.matches("${").count() > MAX_REFERENCES {
            let message = format!("a text has more than {MAX_REFERENCES} references");
            self.error(Diagnostic::error("too-many-references", message).label(span, ""));
            return (escape(text).into(), Text::Broken);
        }
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(errors) => {
                for error in errors {
                    self.bad_reference(&error, text, span);
                }
                return (escape(text).into(), Text::Broken);
            }
        };
        if let Some(reference) = template.only_reference()
            && reference.target() == Target::Param
        {
            return match self.param(reference, self.inner_span(text, 0..text.len(), span)) {
                Some(value) => {
                    (value.as_str().map_or_else(|| value.clone(), |t| escape(t).into()), Text::Known(value))
                }
                None => (escape(text).into(), Text::Broken),
            };
        }
        self.fill_parts(&template, text, span, owner)
    }

    fn fill_parts(&mut self, template: &Template, text: &str, span: Span, owner: Owner<'a>) -> (Value, Text) {
        let mut kept = String::new();
        let mut known = Text::Known(String::new().into());
        for part in &template.parts {
            let (keep, part) = match part {
                Part::Text(text) => (escape(text), Text::Known(text.as_str().into())),
                Part::Reference(reference, range) => {
                    let part = self.reference(reference, self.inner_span(text, range.clone(), span), owner);
                    let keep = match &part {
                        Text::Known(value) => escape(&spoken(value)),
                        Text::Later | Text::Broken => reference.to_string(),
                    };
                    (keep, part)
                }
            };
            kept.push_str(&keep);
            known = match (known, part) {
                (Text::Known(before), Text::Known(value)) => {
                    Text::Known((spoken(&before) + &spoken(&value)).into())
                }
                (Text::Broken, _) | (_, Text::Broken) => Text::Broken,
                _ => Text::Later,
            };
        }
        (kept.into(), known)
    }

    /// Checks a reference.
    fn reference(&mut self, reference: &Reference, span: Span, owner: Owner<'a>) -> Text {
        match reference.target() {
            Target::Param => self.param(reference, span).map_or(Text::Broken, Text::Known),
            Target::Secret if owner == Owner::Outputs => {
                self.error(
                    Diagnostic::error("secret-in-output", "an output cannot hold a secret")
                        .label(span, "would be shown to everybody")
                        .help("outputs are printed and stored; let the reader take the secret itself"),
                );
                Text::Broken
            }
            Target::Secret if self.use_secret(reference, span) => Text::Later,
            Target::Secret => Text::Broken,
            Target::Output if self.output(reference, span, owner) => Text::Later,
            Target::Output => Text::Broken,
        }
    }

    fn param(&mut self, reference: &Reference, span: Span) -> Option<Value> {
        let name = reference.name.as_str();
        let Some(param) = self.params.get_mut(name) else {
            let help = suggest::hint(name, "parameters", self.params.keys().copied())
                .unwrap_or_else(|| format!("declare it:\n  params:\n    {name}: DEFAULT"));
            let message = format!("there is no parameter `{name}`");
            self.error(Diagnostic::error("unknown-param", message).label(span, "not declared").help(help));
            return None;
        };
        param.used = true;
        let default = reference.default.as_deref().map(|text| params::scalar(text, param.kind));
        let value = param.value.clone().or(default);
        if value.is_none() {
            let about = param.description.map(|text| format!(" ({text})")).unwrap_or_default();
            let diagnostic =
                Diagnostic::error("missing-param", format!("the parameter `{name}`{about} has no value"))
                    .label(span, "needed here")
                    .label(param.span, "declared without a default")
                    .help(format!("give it with `--param {name}=VALUE`, or write a default"));
            self.error(diagnostic);
        }
        value
    }

    /// Checks a reference to an output; whether there is such an output.
    fn output(&mut self, reference: &Reference, span: Span, owner: Owner<'a>) -> bool {
        let Reference { scope, name, .. } = reference;
        let Some((to, (_, framework))) = self.services.get_key_value(scope.as_str()).map(|(k, v)| (*k, *v))
        else {
            self.unknown_scope(reference, span);
            return false;
        };
        if let Owner::Service(from) = owner {
            if from == to {
                let message = format!("`{from}` refers to itself");
                let label = "known only after it has started";
                self.error(Diagnostic::error("self-reference", message).label(span, label));
                return false;
            }
            self.edges.push(Edge { from, to, span });
        }
        let Some(spec) = framework.map(|framework| &framework.spec) else { return true };
        let outputs: Vec<&str> = spec.outputs().collect();
        let known = outputs.contains(&name.as_str());
        if !known {
            let message = format!("`{to}` (framework {}) has no output `{name}`", spec.framework);
            let help =
                suggest::hint(name, "outputs", outputs).unwrap_or_else(|| "it has no outputs".to_owned());
            self.error(Diagnostic::error("unknown-output", message).label(span, "unknown output").help(help));
        }
        known
    }

    fn unknown_scope(&mut self, reference: &Reference, span: Span) {
        let scope = reference.scope.as_str();
        let names = self.services.keys().copied().chain(SCOPES);
        let help = if self.params.contains_key(scope) {
            Some(format!("for the parameter write `${{param.{scope}}}`"))
        } else {
            suggest::nearest(scope, names)
                .map(|name| format!("did you mean `${{{name}.{}}}`?", reference.name))
                .or_else(|| {
                    let names: Vec<&str> = self.services.keys().copied().collect();
                    Some(format!("services: {}", suggest::list(&names)))
                })
        };
        let message = format!("there is no service `{scope}`");
        self.error(
            Diagnostic::error("unknown-service", message).label(span, "unknown service").maybe_help(help),
        );
    }

    fn bad_reference(&mut self, error: &TemplateError, text: &str, span: Span) {
        let span = self.inner_span(text, error.range.clone(), span);
        let inside = text.get(error.range.clone()).unwrap_or_default().trim_matches(['$', '{', '}']);
        let help = if self.params.contains_key(inside) {
            format!("for the parameter write `${{param.{inside}}}`")
        } else if let Some((_, Some(framework))) = self.services.get(inside)
            && let Some(output) = framework.spec.outputs().next()
        {
            format!("write `${{{inside}.{output}}}`")
        } else {
            "write `${SERVICE.OUTPUT}`, `${param.NAME}` or `${secret.NAME}`; `$${` writes `${`".to_owned()
        };
        self.error(Diagnostic::error("bad-reference", error.message.clone()).label(span, "").help(help));
    }

    /// The place of a part of a text. Where the file writes it otherwise (escapes), the whole text.
    fn inner_span(&self, text: &str, range: std::ops::Range<usize>, span: Span) -> Span {
        let part = text.get(range.clone()).unwrap_or_default();
        let before = text.get(..range.start).unwrap_or_default().matches(part).count();
        let raw = self.source.slice(span);
        match raw.match_indices(part).nth(before) {
            Some((at, _)) if !part.is_empty() => {
                self.source.span(span.start + at, span.start + at + part.len())
            }
            _ => span,
        }
    }
}

/// A value within a text.
fn spoken(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
