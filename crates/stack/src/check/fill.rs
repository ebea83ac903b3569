//! References in texts: parameters are filled in, outputs and secrets are checked and kept.

use cairn_units::suggest;
use serde_json::{Map, Value};

use super::scope::{ScopeId, What};
use super::{Checker, SCOPES, ServiceId};
use crate::node::{Entry, Kind, Node};
use crate::schema_check::Unknown;
use crate::template::{Part, Reference, Target, Template, TemplateError, escape};
use crate::{Diagnostic, Span};

/// Most references of a text. Finding the place of each takes time in proportion to the text.
const MAX_REFERENCES: usize = 100;

/// Whose texts are filled, and in which scope they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) scope: ScopeId,
    pub(super) who: Who,
}

/// Whose texts are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// A service's.
    Service(ServiceId),
    /// A stack's outputs.
    Outputs,
    /// Values for the parameters of a nested stack.
    Params,
    /// Outputs of a service that exists already.
    Existing,
}

/// Who provides what a text refers to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Provider {
    Service(ServiceId),
    /// One that exists already: its path, and its interface if it says one.
    Existing(String, Option<String>),
}

/// An output that a text refers to, directly or through a nested stack.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Use {
    pub(super) provider: Provider,
    pub(super) output: String,
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
    /// What it refers to.
    pub(super) uses: Vec<Use>,
}

/// What is known of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Text {
    /// All of it, as this value.
    Known(Value),
    /// It has references whose values come later.
    Later,
    /// It has mistakes.
    Broken,
}

/// A text, or a part of one, with its parameters filled in.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// As it is kept: a template, or a value of another type.
    pub(super) keep: Value,
    pub(super) known: Text,
    pub(super) uses: Vec<Use>,
}

impl Piece {
    pub(super) fn known(value: Value) -> Self {
        let keep = value.as_str().map_or_else(|| value.clone(), |text| escape(text).into());
        Self { keep, known: Text::Known(value), uses: Vec::new() }
    }

    pub(super) fn later(reference: &Reference, uses: Vec<Use>) -> Self {
        Self { keep: reference.to_string().into(), known: Text::Later, uses }
    }

    pub(super) fn broken(text: &str) -> Self {
        Self { keep: escape(text).into(), known: Text::Broken, uses: Vec::new() }
    }

    pub(super) fn refers_to_secret(&self) -> bool {
        let template = self.keep.as_str().map(Template::parse);
        template.is_some_and(|t| t.is_ok_and(|t| t.references().any(|r| r.target() == Target::Secret)))
    }
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
    pub(super) fn fill(&mut self, node: &'a Node, owner: Owner) -> Filled {
        match &node.kind {
            Kind::Text(text) => self.fill_scalar(text, node.span, owner),
            Kind::List(items) => {
                let mut filled = Filled::default();
                let (mut values, mut plains) = (Vec::new(), Vec::new());
                for (index, item) in items.iter().enumerate() {
                    let inner = self.fill(item, owner);
                    values.push(inner.value);
                    plains.push(inner.plain);
                    filled.unknown.nest(&index.to_string(), &inner.unknown);
                    filled.uses.extend(inner.uses);
                }
                Filled { value: values.into(), plain: plains.into(), ..filled }
            }
            Kind::Map(entries) => self.fill_entries(entries, owner),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => {
                Filled { value: node.to_json(), plain: node.to_json(), ..Filled::default() }
            }
        }
    }

    pub(super) fn fill_entries(
        &mut self,
        entries: impl IntoIterator<Item = &'a Entry>,
        owner: Owner,
    ) -> Filled {
        let mut filled = Filled::default();
        let (mut values, mut plains) = (Map::new(), Map::new());
        for entry in entries {
            let inner = self.fill(&entry.value, owner);
            values.insert(entry.key.clone(), inner.value);
            plains.insert(entry.key.clone(), inner.plain);
            filled.unknown.nest(&entry.key, &inner.unknown);
            filled.uses.extend(inner.uses);
        }
        Filled { value: values.into(), plain: plains.into(), ..filled }
    }

    fn fill_scalar(&mut self, text: &'a str, span: Span, owner: Owner) -> Filled {
        let Piece { keep: value, known, uses } = self.fill_text(text, span, owner);
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
        Filled { value, plain, unknown, uses }
    }

    /// The text as it is kept, and what is known of it.
    pub(super) fn fill_text(&mut self, text: &'a str, span: Span, owner: Owner) -> Piece {
        if !text.contains("${") {
            return Piece { keep: text.into(), known: Text::Known(text.into()), uses: Vec::new() };
        }
        if text.matches("${").count() > MAX_REFERENCES {
            let message = format!("a text has more than {MAX_REFERENCES} references");
            self.error(Diagnostic::error("too-many-references", message).label(span, ""));
            return Piece::broken(text);
        }
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(errors) => {
                for error in errors {
                    self.bad_reference(&error, text, span, owner.scope);
                }
                return Piece::broken(text);
            }
        };
        self.note_given(&template, span, owner.scope);
        if let Some(reference) = template.only_reference()
            && reference.target() == Target::Param
        {
            let span = self.inner_span(text, 0..text.len(), span);
            let piece = self.checked_reference(reference, span, owner);
            return if piece.known == Text::Broken {
                Piece { uses: piece.uses, ..Piece::broken(text) }
            } else {
                piece
            };
        }
        self.fill_parts(&template, text, span, owner)
    }

    fn fill_parts(&mut self, template: &Template, text: &str, span: Span, owner: Owner) -> Piece {
        let mut kept = String::new();
        let mut known = Text::Known(String::new().into());
        let mut uses = Vec::new();
        for part in &template.parts {
            let (keep, part) = match part {
                Part::Text(text) => (escape(text), Text::Known(text.as_str().into())),
                Part::Reference(reference, range) => {
                    let span = self.inner_span(text, range.clone(), span);
                    let piece = self.checked_reference(reference, span, owner);
                    uses.extend(piece.uses);
                    let keep = match &piece.known {
                        Text::Known(value) => escape(&spoken(value)),
                        Text::Later => spoken(&piece.keep),
                        Text::Broken => reference.to_string(),
                    };
                    (keep, piece.known)
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
        Piece { keep: kept.into(), known, uses }
    }

    /// Checks a reference, and notes the needs of a service that has it.
    fn checked_reference(&mut self, reference: &Reference, span: Span, owner: Owner) -> Piece {
        let piece = match reference.target() {
            Target::Param => self.param(reference, span, owner.scope),
            Target::Secret if self.use_secret(reference, span) => Piece::later(reference, Vec::new()),
            Target::Secret => Piece::broken(&reference.to_string()),
            Target::Output => self.output(reference, span, owner),
        };
        if owner.who == Who::Outputs && piece.refers_to_secret() {
            self.error(
                Diagnostic::error("secret-in-output", "an output cannot hold a secret")
                    .label(span, "would be shown to everybody")
                    .help("outputs are printed and stored; let the reader take the secret itself"),
            );
            return Piece::broken(&reference.to_string());
        }
        if let Who::Service(from) = owner.who {
            for used in &piece.uses {
                if let Provider::Service(to) = used.provider {
                    self.needs(from, to, span);
                }
            }
        }
        piece
    }

    /// Checks a reference to an output.
    fn output(&mut self, reference: &Reference, span: Span, owner: Owner) -> Piece {
        let Some(item) = self.scopes[owner.scope].items.get(reference.scope.as_str()).copied() else {
            self.unknown_scope(reference, span, owner.scope);
            return Piece::broken(&reference.to_string());
        };
        if owner.who == Who::Existing {
            let message = "a service that exists already cannot hang on one of this stack";
            self.error(
                Diagnostic::error("existing-refers", message)
                    .label(span, "known only once that one serves")
                    .help(
                        "its outputs are plain texts; `${param.NAME}` and `${secret.NAME}` may stand in them",
                    ),
            );
            return Piece::broken(&reference.to_string());
        }
        match item.what {
            What::Service(to) => self.service_output(reference, span, to),
            What::Existing => self.existing_output(reference, span, owner.scope, item.entry),
            What::Stack(Some(inner)) => self.stack_output(reference, span, inner, item.entry),
            What::Stack(None) => Piece::broken(&reference.to_string()),
        }
    }

    fn service_output(&mut self, reference: &Reference, span: Span, to: ServiceId) -> Piece {
        let found = &self.services[to];
        let name = reference.name.as_str();
        let uses = vec![Use { provider: Provider::Service(to), output: name.to_owned() }];
        let kept = Reference { scope: found.path.clone(), ..reference.clone() };
        let Some(spec) = found.framework.map(|framework| &framework.spec) else {
            return Piece::later(&kept, uses);
        };
        let outputs: Vec<&str> = spec.outputs().collect();
        if outputs.contains(&name) {
            return Piece::later(&kept, uses);
        }
        let message = format!("`{}` (framework {}) has no output `{name}`", reference.scope, spec.framework);
        let help = suggest::hint(name, "outputs", outputs).unwrap_or_else(|| "it has no outputs".to_owned());
        self.error(Diagnostic::error("unknown-output", message).label(span, "unknown output").help(help));
        Piece { uses, ..Piece::broken(&reference.to_string()) }
    }

    fn unknown_scope(&mut self, reference: &Reference, span: Span, scope: ScopeId) {
        let written = reference.scope.as_str();
        let names = self.names(scope);
        let inside = written.split_once('/').and_then(|(first, _)| {
            let item = self.scopes[scope].items.get(first)?;
            matches!(item.what, What::Stack(Some(_))).then_some(first)
        });
        let help = if self.scopes[scope].params.contains_key(written) {
            Some(format!("for the parameter write `${{param.{written}}}`"))
        } else if let Some(stack) = inside {
            Some(format!("`{stack}` is a stack of its own: it gives its outputs, `${{{stack}.OUTPUT}}`"))
        } else {
            suggest::nearest(written, names.iter().copied().chain(SCOPES))
                .map(|name| format!("did you mean `${{{name}.{}}}`?", reference.name))
                .or_else(|| Some(format!("services: {}", suggest::list(&names))))
        };
        let message = format!("there is no service `{written}`");
        self.error(
            Diagnostic::error("unknown-service", message).label(span, "unknown service").maybe_help(help),
        );
    }

    fn bad_reference(&mut self, error: &TemplateError, text: &str, span: Span, scope: ScopeId) {
        let span = self.inner_span(text, error.range.clone(), span);
        let inside = text.get(error.range.clone()).unwrap_or_default().trim_matches(['$', '{', '}']);
        let item = self.scopes[scope].items.get(inside).map(|item| item.what);
        let output = match item {
            Some(What::Service(id)) => {
                self.services[id].framework.and_then(|framework| framework.spec.outputs().next())
            }
            Some(What::Stack(Some(inner))) => self.scopes[inner].outputs.keys().next().copied(),
            Some(What::Stack(None) | What::Existing) | None => None,
        };
        let help = if self.scopes[scope].params.contains_key(inside) {
            format!("for the parameter write `${{param.{inside}}}`")
        } else if let Some(output) = output {
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
        let raw = self.files.sources.slice(span);
        match raw.match_indices(part).nth(before) {
            Some((at, _)) if !part.is_empty() => self.files.sources.within(span, at, at + part.len()),
            _ => span,
        }
    }
}

/// A value within a text.
pub(super) fn spoken(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
