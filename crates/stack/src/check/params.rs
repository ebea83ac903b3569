//! Parameters: `name: default`, or `name: { default, type, description }`.

use cairn_units::suggest;
use serde_json::Value;

use super::Checker;
use crate::node::{Entry, Node, describe};
use crate::{Diagnostic, Params, Span};

const KEYS: [&str; 3] = ["default", "type", "description"];
const KINDS: [(&str, Kind); 4] = [
    ("string", Kind::String),
    ("integer", Kind::Integer),
    ("number", Kind::Number),
    ("boolean", Kind::Boolean),
];

/// A parameter of the stack.
pub(super) struct Param<'a> {
    /// The value in effect: the one given from outside, or the default.
    pub(super) value: Option<Value>,
    pub(super) kind: Option<Kind>,
    pub(super) span: Span,
    pub(super) used: bool,
    pub(super) description: Option<&'a str>,
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
pub(super) fn scalar(text: &str, kind: Option<Kind>) -> Value {
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
    pub(super) fn read_params(&mut self, given: &Params) {
        for entry in self.section("params") {
            if !is_name(&entry.key) {
                let message = format!("`{}` cannot be the name of a parameter", entry.key);
                self.error(
                    Diagnostic::error("bad-name", message)
                        .label(entry.key_span, "")
                        .help("letters, digits, `-` and `_`, starting with a letter"),
                );
            }
            let mut param = self.read_param(entry);
            if let Some(value) = given.get(&entry.key) {
                param.value = Some(self.take_given(&entry.key, value, &param));
            }
            self.params.insert(&entry.key, param);
        }
        for name in given.keys().filter(|name| !self.params.contains_key(name.as_str())).collect::<Vec<_>>() {
            let help = suggest::hint(name, "parameters", self.params.keys().copied())
                .unwrap_or_else(|| "the stack has no parameters".to_owned());
            let message = format!("a value is given for `{name}`, which is no parameter of the stack");
            self.error(Diagnostic::error("unknown-param", message).help(help));
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

    fn read_param(&mut self, entry: &'a Entry) -> Param<'a> {
        let mut param =
            Param { value: None, kind: None, span: entry.key_span, used: false, description: None };
        let Some(parts) = entry.value.entries() else {
            param.value = self.default_value(&entry.value);
            param.kind = param.value.as_ref().and_then(Kind::of);
            return param;
        };
        for part in parts {
            match part.key.as_str() {
                "default" => param.value = self.default_value(&part.value),
                "type" => param.kind = self.kind(part),
                "description" => param.description = part.value.text(),
                other => self.error(
                    Diagnostic::error("unknown-key", format!("a parameter has no key `{other}`"))
                        .label(part.key_span, "unknown key")
                        .maybe_help(suggest::hint(other, "keys", KEYS)),
                ),
            }
        }
        if let (Some(kind), Some(value), Some(part)) =
            (param.kind, &param.value, entry.value.entry("default"))
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
        param.kind = param.kind.or_else(|| param.value.as_ref().and_then(Kind::of));
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

    /// Values in effect, for the checked stack.
    pub(super) fn param_values(&self) -> Params {
        let set = self.params.iter().filter_map(|(name, param)| Some((name, param.value.clone()?)));
        set.map(|(name, value)| ((*name).to_owned(), value)).collect()
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}
