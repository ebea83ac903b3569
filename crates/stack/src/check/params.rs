//! Parameters: `name: default`, or `name: { default, type, description }`.

use cairn_units::suggest;
use serde_json::Value;

use super::Checker;
use super::fill::{Owner, Piece, Text, Who};
use super::scope::ScopeId;
use crate::node::{Entry, Node, describe};
use crate::template::{Reference, Target, Template};
use crate::{Diagnostic, Params, Span};

const KEYS: [&str; 3] = ["default", "type", "description"];
const KINDS: [(&str, Kind); 4] = [
    ("string", Kind::String),
    ("integer", Kind::Integer),
    ("number", Kind::Number),
    ("boolean", Kind::Boolean),
];

/// A parameter of a stack.
pub(super) struct Param<'a> {
    pub(super) value: Given<'a>,
    pub(super) kind: Option<Kind>,
    pub(super) span: Span,
    pub(super) used: bool,
    pub(super) description: Option<&'a str>,
    /// Where the stack that uses this one gives it a value.
    pub(super) given_at: Option<Span>,
}

/// The value of a parameter: the one that is given, or the default.
pub(super) enum Given<'a> {
    Nothing,
    Value(Piece),
    /// The stack that uses this one gives it, in its own scope; it is worked out when it is asked for.
    Above(&'a Entry),
    /// It is being worked out.
    Busy,
}

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Integer,
    Number,
    Boolean,
}

impl Kind {
    pub(super) fn admits(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
        }
    }

    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(_) => Some(Self::String),
            Value::Bool(_) => Some(Self::Boolean),
            Value::Number(number) if number.is_f64() => Some(Self::Number),
            Value::Number(_) => Some(Self::Integer),
            _ => None,
        }
    }
}

/// A text as the value it would be in YAML.
fn scalar(text: &str, kind: Option<Kind>) -> Value {
    if kind == Some(Kind::String) { text.into() } else { param_value(text) }
}

/// The value of a parameter that is given as text, on a command line: a number, `true` or `false`, or else a text.
pub fn param_value(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ => text.into(),
    }
}

impl<'a> Checker<'a> {
    /// Reads the parameters that a scope declares.
    pub(super) fn read_params(&mut self, scope: ScopeId) {
        let given = self.given_params(scope);
        for entry in self.section(scope, "params") {
            if !is_name(&entry.key) {
                let message = format!("`{}` cannot be the name of a parameter", entry.key);
                self.error(
                    Diagnostic::error("bad-name", message)
                        .label(entry.key_span, "")
                        .help("letters, digits, `-` and `_`, starting with a letter"),
                );
            }
            let mut param = self.read_param(entry);
            if let Some(given) = given.iter().find(|given| given.key == entry.key) {
                param.value = Given::Above(given);
                param.given_at = Some(given.value.span);
            }
            self.scopes[scope].params.insert(&entry.key, param);
        }
    }

    /// Takes the values that are given on the command line.
    pub(super) fn take_from_outside(&mut self, given: &Params) {
        for (name, value) in given {
            let Some((name, mut param)) = self.scopes[0].params.remove_entry(name.as_str()) else {
                let help = suggest::hint(name, "parameters", self.scopes[0].params.keys().copied())
                    .unwrap_or_else(|| "the stack has no parameters".to_owned());
                let message = format!("a value is given for `{name}`, which is no parameter of the stack");
                self.error(Diagnostic::error("unknown-param", message).help(help));
                continue;
            };
            param.value = Given::Value(Piece::known(self.take_given(name, value, &param)));
            self.scopes[0].params.insert(name, param);
        }
    }

    /// The value given from outside, as the parameter wants it. A command line cannot tell the text `3` from the
    /// number, so a number given for a text is taken as it was written.
    fn take_given(&mut self, name: &str, value: &Value, param: &Param<'_>) -> Value {
        let value = match (param.kind, value) {
            (Some(Kind::String), Value::Number(_) | Value::Bool(_)) => value.to_string().into(),
            _ => value.clone(),
        };
        if let Some(kind) = param.kind.filter(|kind| !kind.admits(&value)) {
            let message =
                format!("the value given for `{name}` must be {}, and is {}", kind.words(), describe(&value));
            self.error(Diagnostic::error("wrong-type", message).label(param.span, "declared here"));
        }
        value
    }

    /// A reference to a parameter of a scope.
    pub(super) fn param(&mut self, reference: &Reference, span: Span, scope: ScopeId) -> Piece {
        let name = reference.name.as_str();
        let Some((name, param)) = self.scopes[scope].params.get_key_value(name) else {
            let help = suggest::hint(name, "parameters", self.scopes[scope].params.keys().copied())
                .unwrap_or_else(|| format!("declare it:\n  params:\n    {name}: DEFAULT"));
            let message = format!("there is no parameter `{name}`");
            self.error(Diagnostic::error("unknown-param", message).label(span, "not declared").help(help));
            return Piece::broken(&reference.to_string());
        };
        let (name, kind) = (*name, param.kind);
        if let Some(piece) = self.param_piece(scope, name, span) {
            return piece;
        }
        match reference.default.as_deref() {
            Some(text) => Piece::known(scalar(text, kind)),
            None => {
                self.missing_param(scope, name, span);
                Piece::broken(&reference.to_string())
            }
        }
    }

    fn missing_param(&mut self, scope: ScopeId, name: &str, span: Span) {
        let Some(param) = self.scopes[scope].params.get(name) else { return };
        let about = param.description.map(|text| format!(" ({text})")).unwrap_or_default();
        let mut diagnostic =
            Diagnostic::error("missing-param", format!("the parameter `{name}`{about} has no value"))
                .label(span, "needed here")
                .label(param.span, "declared without a default");
        let help = match self.scopes[scope].used_by {
            Some((_, entry)) => {
                diagnostic = diagnostic.label(entry.key_span, "used here without a value for it");
                format!("write `params: {{ {name}: VALUE }}` where the stack is used, or write a default")
            }
            None => format!("give it with `--param {name}=VALUE`, or write a default"),
        };
        self.error(diagnostic.help(help));
    }

    /// The value of a parameter; `None` if it has none. `span` is where it is asked for.
    pub(super) fn param_piece(&mut self, scope: ScopeId, name: &'a str, span: Span) -> Option<Piece> {
        let param = self.scopes[scope].params.get_mut(name)?;
        param.used = true;
        let label = |checker: &Self| format!("parameter {}{name}", checker.scopes[scope].prefix);
        let piece = match std::mem::replace(&mut param.value, Given::Busy) {
            Given::Nothing => {
                param.value = Given::Nothing;
                return None;
            }
            Given::Value(piece) => piece,
            Given::Busy => {
                let name = label(self);
                self.circle(&name, span);
                return Some(Piece::broken(&name));
            }
            Given::Above(entry) => {
                self.asking.push((label(self), span));
                let piece = self.value_from_above(scope, name, entry);
                self.asking.pop();
                piece
            }
        };
        if let Some(param) = self.scopes[scope].params.get_mut(name) {
            param.value = Given::Value(piece.clone());
        }
        Some(piece)
    }

    /// What the stack that uses this one gives for a parameter, filled in in its scope.
    fn value_from_above(&mut self, scope: ScopeId, name: &str, entry: &'a Entry) -> Piece {
        let Some((above, _)) = self.scopes[scope].used_by else { return Piece::broken(name) };
        let piece = self.fill(&entry.value, Owner { scope: above, who: Who::Params }).into_piece();
        let Some(param) = self.scopes[scope].params.get(name) else { return piece };
        let (kind, declared) = (param.kind, param.span);
        let (wants, is) = match &piece.known {
            Text::Known(value @ (Value::Null | Value::Array(_) | Value::Object(_))) => {
                (kind.map_or("a text, a number, or true or false", Kind::words), describe(value))
            }
            Text::Known(value) => match kind.filter(|kind| !kind.admits(value)) {
                Some(kind) => (kind.words(), describe(value)),
                None => return piece,
            },
            Text::Later => match kind.filter(|kind| *kind != Kind::String) {
                Some(kind) => (kind.words(), "a text: outputs and secrets are texts".to_owned()),
                None => return piece,
            },
            Text::Broken => return piece,
        };
        let message = format!("the parameter `{name}` of {} must be {wants}", self.file_of(scope));
        self.error(
            Diagnostic::error("wrong-type", message)
                .label(entry.value.span, format!("this is {is}"))
                .label(declared, "declared here"),
        );
        Piece::broken(name)
    }

    fn read_param(&mut self, entry: &'a Entry) -> Param<'a> {
        let mut value = None;
        let mut param = Param {
            value: Given::Nothing,
            kind: None,
            span: entry.key_span,
            used: false,
            description: None,
            given_at: None,
        };
        let Some(parts) = entry.value.entries() else {
            value = self.default_value(&entry.value);
            param.kind = value.as_ref().and_then(Kind::of);
            param.value = value.map_or(Given::Nothing, |value| Given::Value(Piece::known(value)));
            return param;
        };
        for part in parts {
            match part.key.as_str() {
                "default" => value = self.default_value(&part.value),
                "type" => param.kind = self.kind(part),
                "description" => param.description = part.value.text(),
                other => self.error(
                    Diagnostic::error("unknown-key", format!("a parameter has no key `{other}`"))
                        .label(part.key_span, "unknown key")
                        .maybe_help(suggest::hint(other, "keys", KEYS)),
                ),
            }
        }
        if let (Some(kind), Some(value), Some(part)) = (param.kind, &value, entry.value.entry("default"))
            && !kind.admits(value)
        {
            let message = format!("the default of `{}` must be {}", entry.key, kind.words());
            let label = format!("this is {}", describe(value));
            let mut diagnostic = Diagnostic::error("wrong-type", message).label(part.value.span, label);
            if let Some(declared) = entry.value.entry("type") {
                diagnostic = diagnostic.label(declared.value.span, "by this");
            }
            self.error(diagnostic);
        }
        param.kind = param.kind.or_else(|| value.as_ref().and_then(Kind::of));
        param.value = value.map_or(Given::Nothing, |value| Given::Value(Piece::known(value)));
        param
    }

    /// A default is plain; `None` if nothing is written.
    fn default_value(&mut self, node: &Node) -> Option<Value> {
        let value = node.to_json();
        match &value {
            Value::Null => None,
            Value::Array(_) | Value::Object(_) => {
                let label = format!("this is {}", describe(&value));
                let message = "a parameter is a text, a number, or true or false";
                self.error(Diagnostic::error("wrong-type", message).label(node.span, label));
                None
            }
            Value::String(text) if text.replace("$${", "").contains("${") => {
                self.error(
                    Diagnostic::error("bad-reference", "a parameter's default cannot refer to anything")
                        .label(node.span, "taken as it stands")
                        .help("refer from the services; `$${` writes `${`"),
                );
                None
            }
            Value::String(text) => Some(text.replace("$${", "${").into()),
            _ => Some(value),
        }
    }

    fn kind(&mut self, entry: &Entry) -> Option<Kind> {
        let written = entry.value.text().unwrap_or_default();
        let found = KINDS.iter().find(|(name, _)| *name == written).map(|(_, kind)| *kind);
        if found.is_none() {
            let message = "the type of a parameter is `string`, `integer`, `number` or `boolean`";
            let label = format!("this is {}", entry.value.describe());
            let meant = match written {
                "int" => Some("integer"),
                "bool" => Some("boolean"),
                "text" | "str" => Some("string"),
                "float" => Some("number"),
                _ => suggest::nearest(written, KINDS.map(|(name, _)| name)),
            };
            let help = meant.map(|meant| format!("did you mean `{meant}`?"));
            self.error(
                Diagnostic::error("not-allowed", message).label(entry.value.span, label).maybe_help(help),
            );
        }
        found
    }

    /// Notes where the values of a text come from, if another file gives them.
    pub(super) fn note_given(&mut self, template: &Template, span: Span, scope: ScopeId) {
        for reference in template.references().filter(|reference| reference.target() == Target::Param) {
            let param = self.scopes[scope].params.get(reference.name.as_str());
            if let Some(at) = param.and_then(|param| param.given_at) {
                self.given.entry(span).or_default().insert((reference.name.clone(), at));
            }
        }
    }

    /// A parameter that nothing uses is allowed, and worth a word where there is nothing worse to tell.
    pub(super) fn check_use_of_params(&mut self, scope: ScopeId) {
        if self.diagnostics.iter().any(Diagnostic::is_error) {
            return;
        }
        let params = self.scopes[scope].params.iter();
        let unused: Vec<_> =
            params.filter(|(_, param)| !param.used).map(|(name, param)| (*name, param.span)).collect();
        for (name, span) in unused {
            self.error(
                Diagnostic::warning("unused-param", format!("the parameter `{name}` is not used"))
                    .label(span, "")
                    .help(format!("use it as `${{param.{name}}}`, or remove it")),
            );
        }
    }

    /// Values in effect, for the checked stack.
    pub(super) fn param_values(&self) -> Params {
        let set = self.scopes[0].params.iter().filter_map(|(name, param)| match &param.value {
            Given::Value(Piece { known: Text::Known(value), .. }) => {
                Some(((*name).to_owned(), value.clone()))
            }
            Given::Value(_) | Given::Nothing | Given::Above(_) | Given::Busy => None,
        });
        set.collect()
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}
