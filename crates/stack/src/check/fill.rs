//! References in texts: parameters are filled in, outputs and secrets are checked and kept.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Checker, Edge, SCOPES, params};
use crate::node::{Kind, Node};
use crate::template::{Part, Reference, Target, Template, TemplateError, escape};
use crate::{Diagnostic, Span, suggest};

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
    /// JSON pointers of the texts that still hold references.
    pub(super) deferred: BTreeSet<String>,
}

impl<'a> Checker<'a> {
    pub(super) fn fill(&mut self, node: &'a Node, owner: Owner<'a>) -> Filled {
        let mut deferred = BTreeSet::new();
        let (value, plain) = self.fill_at(node, owner, "", &mut deferred);
        Filled { value, plain, deferred }
    }

    fn fill_at(
        &mut self,
        node: &'a Node,
        owner: Owner<'a>,
        pointer: &str,
        deferred: &mut BTreeSet<String>,
    ) -> (Value, Value) {
        match &node.kind {
            Kind::Text(text) => {
                let (value, plain) = self.fill_text(text, node.span, owner);
                if plain.is_none() {
                    deferred.insert(pointer.to_owned());
                }
                (value.clone(), plain.unwrap_or(value))
            }
            Kind::List(items) => {
                let items = items.iter().enumerate();
                let pairs =
                    items.map(|(i, item)| self.fill_at(item, owner, &format!("{pointer}/{i}"), deferred));
                let (values, plains): (Vec<_>, Vec<_>) = pairs.unzip();
                (Value::Array(values), Value::Array(plains))
            }
            Kind::Map(entries) => {
                let (mut values, mut plains) = (serde_json::Map::new(), serde_json::Map::new());
                for entry in entries {
                    let key = entry.key.replace('~', "~0").replace('/', "~1");
                    let (value, plain) =
                        self.fill_at(&entry.value, owner, &format!("{pointer}/{key}"), deferred);
                    values.insert(entry.key.clone(), value);
                    plains.insert(entry.key.clone(), plain);
                }
                (values.into(), plains.into())
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => (node.to_json(), node.to_json()),
        }
    }

    /// The text as it is kept, and as it is checked; the latter is `None` if its value comes later.
    fn fill_text(&mut self, text: &'a str, span: Span, owner: Owner<'a>) -> (Value, Option<Value>) {
        if !text.contains("${") {
            return (text.into(), Some(text.into()));
        }
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(errors) => {
                for error in errors {
                    self.bad_reference(&error, text, span);
                }
                return (escape(text).into(), None);
            }
        };
        if let Some(reference) = template.only_reference()
            && reference.target() == Target::Param
        {
            let value = self.param(reference, self.inner_span(text, 0..text.len(), span));
            let kept = value
                .as_ref()
                .map(|value| value.as_str().map_or_else(|| value.clone(), |t| escape(t).into()));
            return (kept.unwrap_or_else(|| escape(text).into()), value);
        }
        self.fill_parts(&template, text, span, owner)
    }

    fn fill_parts(
        &mut self,
        template: &Template,
        text: &str,
        span: Span,
        owner: Owner<'a>,
    ) -> (Value, Option<Value>) {
        let (mut kept, mut plain) = (String::new(), Some(String::new()));
        for part in &template.parts {
            let (keep, known) = match part {
                Part::Text(text) => (escape(text), Some(text.clone())),
                Part::Reference(reference, range) => {
                    let span = self.inner_span(text, range.clone(), span);
                    let known = self.reference(reference, span, owner);
                    (known.as_deref().map_or_else(|| reference.to_string(), escape), known)
                }
            };
            kept.push_str(&keep);
            plain = plain.zip(known).map(|(plain, known)| plain + &known);
        }
        (kept.into(), plain.map(Value::String))
    }

    /// Checks a reference; its text if that is known already.
    fn reference(&mut self, reference: &Reference, span: Span, owner: Owner<'a>) -> Option<String> {
        match reference.target() {
            Target::Param => self
                .param(reference, span)
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            Target::Secret if owner == Owner::Outputs => {
                self.error(
                    Diagnostic::error("secret-in-output", "an output cannot hold a secret")
                        .label(span, "would be shown to everybody")
                        .help("outputs are printed and stored; let the reader take the secret itself"),
                );
                None
            }
            Target::Secret => None,
            Target::Output => {
                self.output(reference, span, owner);
                None
            }
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

    fn output(&mut self, reference: &Reference, span: Span, owner: Owner<'a>) {
        let Reference { scope, name, .. } = reference;
        let Some((to, (_, framework))) = self.services.get_key_value(scope.as_str()).map(|(k, v)| (*k, *v))
        else {
            return self.unknown_scope(reference, span);
        };
        if let Owner::Service(from) = owner {
            if from == to {
                let message = format!("`{from}` refers to itself");
                let label = "known only after it has started";
                self.error(Diagnostic::error("self-reference", message).label(span, label));
                return;
            }
            self.edges.push(Edge { from, to, span });
        }
        let Some(spec) = framework.map(|framework| &framework.spec) else { return };
        let outputs: Vec<&str> = spec.outputs().collect();
        if !outputs.contains(&name.as_str()) {
            let message = format!("`{to}` (framework {}) has no output `{name}`", spec.framework);
            let help =
                suggest::hint(name, "outputs", outputs).unwrap_or_else(|| "it has no outputs".to_owned());
            self.error(Diagnostic::error("unknown-output", message).label(span, "unknown output").help(help));
        }
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
