//! What is said of a violation, in our own words.

use cairn_units::{Constraint, Duration, Size, suggest};
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

use super::{SECRET, Subject};
use crate::Diagnostic;
use crate::node::{Located, describe};
use crate::source::PLAIN_SECRET;

/// Where a violation is.
pub(super) struct Place<'a> {
    pub(super) at: Located<'a>,
    pub(super) path: Vec<String>,
    pub(super) subject: &'a Subject<'a>,
    pub(super) value: &'a Value,
}

impl Place<'_> {
    /// The path as it is said: `topics.logs.partitions`, `constraints[0]`.
    fn name(&self) -> String {
        let mut name = String::new();
        let mut value = Some(self.subject.value);
        for segment in &self.path {
            if value.is_some_and(Value::is_array) {
                name.push_str(&format!("[{segment}]"));
            } else {
                let dot = if name.is_empty() { "" } else { "." };
                name.push_str(&format!("{dot}{segment}"));
            }
            value = value.and_then(|value| match value {
                Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
                other => other.get(segment),
            });
        }
        name
    }

    /// `` `brokers` must be ``, or `this must be` at the root.
    fn must_be(&self) -> String {
        if self.path.is_empty() { "this must be".to_owned() } else { format!("`{}` must be", self.name()) }
    }

    /// What stands there; a reference that was filled in shows what it stands for.
    fn found(&self) -> String {
        let written = self.at.node.text().is_some_and(|text| text.contains("${"));
        match written && !self.is_deferred() {
            true => format!("this stands for {}", describe(self.value)),
            false => format!("this is {}", describe(self.value)),
        }
    }

    pub(super) fn is_deferred(&self) -> bool {
        self.value.as_str().is_some_and(|text| text.contains("${"))
    }

    fn at_value(&self, code: &str, message: String) -> Diagnostic {
        Diagnostic::error(code, message).label(self.at.node.span, self.found())
    }

    pub(super) fn unknown_key(&self, key: &str, known: &[String]) -> Diagnostic {
        let noun = self.subject.noun;
        let owner = match self.path.as_slice() {
            [] => self.subject.owner.clone(),
            _ => format!("`{}`", self.name()),
        };
        let span = self.at.node.entry(key).map_or(self.at.node.span, |entry| entry.key_span);
        let others = self.subject.other_keys.iter().copied().filter(|_| self.path.is_empty());
        let candidates = known.iter().map(String::as_str);
        Diagnostic::error(&format!("unknown-{noun}"), format!("{owner} has no {noun} `{key}`"))
            .label(span, format!("unknown {noun}"))
            .maybe_help(suggest::hint_with(key, &format!("{noun}s"), candidates, others))
    }

    /// Whether a key that is missing stands there with a typing error, which is told by itself.
    pub(super) fn is_mistyped(&self, missing: &str, known: &[String]) -> bool {
        let written = self.value.as_object().into_iter().flatten().map(|(key, _)| key);
        let mut unknown = written.filter(|key| !known.contains(key));
        unknown.any(|key| suggest::nearest(key, known.iter().map(String::as_str)) == Some(missing))
    }

    pub(super) fn missing(&self, key: &str) -> Diagnostic {
        let noun = self.subject.noun;
        let owner = match self.path.as_slice() {
            [] => self.subject.owner.clone(),
            _ => format!("`{}`", self.name()),
        };
        Diagnostic::error(&format!("missing-{noun}"), format!("{owner} needs the {noun} `{key}`")).label(
            self.at.key.map_or(self.subject.key_span, |entry| entry.key_span),
            format!("`{key}` is not set"),
        )
    }

    pub(super) fn wrong_type(&self, expected: &[String]) -> Diagnostic {
        let message = format!("{} {}", self.must_be(), words(expected));
        let wants = |name: &str| expected.iter().any(|e| e.contains(name));
        if self.is_deferred() {
            return Diagnostic::error("wrong-type", message)
                .label(self.at.node.span, "outputs and secrets are texts")
                .help("a parameter keeps its type: `${param.NAME}`");
        }
        let raw = self.subject.sources.slice(self.at.node.span);
        let help = match self.value {
            Value::String(text) if wants("number") && text.parse::<f64>().is_ok() => {
                Some(format!("remove the quotes: `{text}`"))
            }
            Value::String(text) if wants("true or false") => as_bool(text).map(|b| format!("write `{b}`")),
            Value::Number(_) | Value::Bool(_) if wants("text") && !raw.contains("${") => {
                Some(format!("put it in quotes: `\"{raw}\"`"))
            }
            Value::Array(_) | Value::Object(_) => None,
            value if wants("list") && !value.is_null() => Some(format!("write `[{raw}]`")),
            _ => None,
        };
        self.at_value("wrong-type", message).maybe_help(help)
    }

    pub(super) fn not_among(&self, options: &[Value]) -> Diagnostic {
        let shown: Vec<String> = options.iter().map(plain).collect();
        let names: Vec<&str> = shown.iter().map(String::as_str).collect();
        let message = match names.as_slice() {
            [only] => format!("{} `{only}`", self.must_be()),
            _ => format!("{} one of {}", self.must_be(), names.join(", ")),
        };
        let written = self.value.as_str().unwrap_or_default();
        let meant = suggest::nearest(written, names.iter().copied()).filter(|_| !written.is_empty());
        let quoted = options.iter().find(|option| plain(option) == plain(self.value)).map(|option| {
            if option.is_string() {
                format!("put it in quotes: `{option}`")
            } else {
                format!("remove the quotes: `{option}`")
            }
        });
        self.at_value("not-allowed", message)
            .maybe_help(meant.map(|meant| format!("did you mean `{meant}`?")))
            .maybe_help(quoted)
    }

    pub(super) fn bad_key(&self, error: &ValidationError<'_>) -> Diagnostic {
        let key = error.instance().as_str().unwrap_or_default().to_owned();
        let span = self.at.node.entry(&key).map_or(self.at.node.span, |entry| entry.key_span);
        let message = format!("`{key}` cannot be a key of `{}`", self.name());
        let rule = match error.kind() {
            ValidationErrorKind::Pattern { pattern } => format!("it must match `{pattern}`"),
            ValidationErrorKind::MaxLength { limit } => format!("it may have {limit} characters"),
            _ => error.to_string(),
        };
        Diagnostic::error("bad-key", message).label(span, rule)
    }

    pub(super) fn limit(&self, kind: &ValidationErrorKind) -> Diagnostic {
        use ValidationErrorKind as K;
        let be = self.must_be();
        let have = be.replace("must be", "must have");
        let (code, message) = match kind {
            K::Minimum { limit } => ("out-of-range", format!("{be} at least {limit}")),
            K::Maximum { limit } => ("out-of-range", format!("{be} at most {limit}")),
            K::ExclusiveMinimum { limit } => ("out-of-range", format!("{be} more than {limit}")),
            K::ExclusiveMaximum { limit } => ("out-of-range", format!("{be} less than {limit}")),
            K::MultipleOf { multiple_of } => ("out-of-range", format!("{be} a multiple of {multiple_of}")),
            K::MinLength { limit: 1 } => ("out-of-range", format!("{} not be empty", be.replace(" be", ""))),
            K::MinLength { limit } => ("out-of-range", format!("{have} at least {limit} characters")),
            K::MaxLength { limit } => ("out-of-range", format!("{have} at most {limit} characters")),
            K::MinItems { limit } => ("out-of-range", format!("{have} at least {}", count(*limit, "item"))),
            K::MaxItems { limit } => ("out-of-range", format!("{have} at most {}", count(*limit, "item"))),
            K::MinProperties { limit } => {
                ("out-of-range", format!("{have} at least {}", count(*limit, "key")))
            }
            K::MaxProperties { limit } => {
                ("out-of-range", format!("{have} at most {}", count(*limit, "key")))
            }
            K::UniqueItems => ("out-of-range", format!("{have} no item twice")),
            K::Pattern { pattern } => ("bad-format", format!("{be} a text that matches `{pattern}`")),
            K::Format { format } => return self.bad_format(format),
            K::FalseSchema => ("not-allowed", format!("`{}` cannot be set here", self.name())),
            _ => ("not-allowed", format!("`{}` does not fit its schema ({})", self.name(), kind.keyword())),
        };
        self.at_value(code, message)
    }

    fn bad_format(&self, format: &str) -> Diagnostic {
        if format == SECRET {
            // Its label does not repeat it.
            return Diagnostic::error(PLAIN_SECRET, format!("{} a reference to a secret", self.must_be()))
                .label(self.at.node.span, "a text would be stored and shown in plans")
                .help("write `${secret.NAME}`, and set it with `cairn secret set NAME`");
        }
        self.bad_unit(format).unwrap_or_else(|| {
            self.at_value("bad-format", format!("{} of the format `{format}`", self.must_be()))
        })
    }

    /// For one of the formats that this crate checks itself: what is wrong with the text, or with what is no text.
    pub(super) fn bad_unit(&self, format: &str) -> Option<Diagnostic> {
        let text = plain(self.value);
        let (code, what, (reason, help)) = match format {
            "size" => ("bad-size", "a size", text.parse::<Size>().err().map(|e| (e.reason, e.help))?),
            "duration" => {
                ("bad-duration", "a duration", text.parse::<Duration>().err().map(|e| (e.reason, e.help))?)
            }
            "constraint" => (
                "bad-constraint",
                "a constraint",
                text.parse::<Constraint>().err().map(|e| (e.reason, e.help))?,
            ),
            _ => return None,
        };
        let label = if self.value.is_string() { reason } else { self.found() };
        let message = format!("{} {what}", self.must_be());
        Some(Diagnostic::error(code, message).label(self.at.node.span, label).help(help))
    }
}

fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn as_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" | "true" => Some(true),
        "no" | "off" | "n" | "false" => Some(false),
        _ => None,
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn type_names(kind: &TypeKind) -> Vec<String> {
    let types: Vec<_> = match kind {
        TypeKind::Single(kind) => vec![*kind],
        TypeKind::Multiple(kinds) => kinds.iter().collect(),
    };
    let name = |kind: &str| match kind {
        "array" => "a list",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "null" => "nothing",
        "number" => "a number",
        "object" => "a map",
        _ => "a text",
    };
    types.into_iter().map(|kind| name(kind.as_str()).to_owned()).collect()
}

/// `a text, a number or a list`; "nothing" is not worth saying beside others.
fn words(names: &[String]) -> String {
    let names: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| names.len() == 1 || *name != "nothing").collect();
    match names.as_slice() {
        [] => "something else".to_owned(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}
