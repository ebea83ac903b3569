//! Values against a JSON Schema, with every violation told in our own words at its place.

use std::collections::BTreeSet;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::node::{Located, Node, describe};
use crate::source::Source;
use crate::{Constraint, Diagnostic, Duration, Size, Span, suggest};

/// A JSON Schema that is ready to check values.
#[derive(Clone, Debug)]
pub(crate) struct SchemaChecker {
    schema: Value,
    validator: Validator,
}

/// What is checked: a value and the places of its parts.
pub(crate) struct Subject<'a> {
    pub(crate) source: &'a Source,
    /// The value as it is written.
    pub(crate) node: &'a Node,
    /// The value with parameters filled in.
    pub(crate) value: &'a Value,
    /// The key that the value stands under.
    pub(crate) key_span: Span,
    /// What is not known yet or not at all.
    pub(crate) unknown: &'a Unknown,
    /// What a key is called here: `option` or `key`.
    pub(crate) noun: &'static str,
    /// Of what: `framework kafka`. Goes into messages.
    pub(crate) owner: String,
    /// Further keys that may be meant by a mistyped one.
    pub(crate) other_keys: Vec<&'a str>,
}

/// Parts of a value, as JSON pointers, that cannot be checked as they stand.
#[derive(Debug, Default)]
pub(crate) struct Unknown {
    /// Texts with references to outputs or secrets: only their type can be checked.
    pub(crate) deferred: BTreeSet<String>,
    /// Texts with mistakes of their own, which have been told.
    pub(crate) broken: BTreeSet<String>,
}

/// What a value violates, and where.
pub(crate) struct Violation {
    /// Path of the value.
    pub(crate) path: Vec<String>,
    pub(crate) diagnostic: Diagnostic,
}

impl SchemaChecker {
    /// Prepares a schema.
    ///
    /// # Errors
    /// Why it is not a JSON Schema, and the path of the place.
    pub(crate) fn new(schema: Value) -> Result<Self, (String, Vec<String>)> {
        let options = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .with_format("size", |text: &str| text.parse::<Size>().is_ok())
            .with_format("duration", |text: &str| text.parse::<Duration>().is_ok())
            .with_format("constraint", |text: &str| text.parse::<Constraint>().is_ok());
        match options.build(&schema) {
            Ok(validator) => Ok(Self { schema, validator }),
            Err(error) => Err((error.to_string(), segments(error.instance_path().as_str()))),
        }
    }

    /// Every violation.
    pub(crate) fn check(&self, subject: &Subject<'_>) -> Vec<Violation> {
        let errors = self.validator.iter_errors(subject.value);
        let violations = errors.flat_map(|error| {
            let path = segments(error.instance_path().as_str());
            let told = self.translate(&error, subject).into_iter();
            told.map(move |diagnostic| Violation { path: path.clone(), diagnostic })
        });
        violations.collect()
    }

    fn translate(&self, error: &ValidationError<'_>, subject: &Subject<'_>) -> Vec<Diagnostic> {
        use ValidationErrorKind as K;
        let pointer = error.instance_path().as_str();
        let path = segments(pointer);
        let place = Place { at: subject.node.locate(&path), path, subject, value: error.instance().as_ref() };
        let deferred = subject.unknown.deferred.contains(pointer) && !matches!(error.kind(), K::Type { .. });
        if deferred || subject.unknown.broken.contains(pointer) {
            return Vec::new();
        }
        let found = match error.kind() {
            K::AdditionalProperties { unexpected } | K::UnevaluatedProperties { unexpected } => {
                let known = self.known_keys(error);
                unexpected.iter().map(|key| place.unknown_key(key, &known)).collect()
            }
            K::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                let mistyped = place.is_mistyped(key, &self.known_keys(error));
                if mistyped { Vec::new() } else { vec![place.missing(key)] }
            }
            K::Type { kind } => {
                let format =
                    self.violated(error).and_then(|schema| schema.get("format")).and_then(Value::as_str);
                let told = format.filter(|_| !place.is_deferred()).and_then(|format| place.bad_unit(format));
                vec![told.unwrap_or_else(|| place.wrong_type(&type_names(kind)))]
            }
            K::Enum { options } => vec![place.not_among(options.as_array().map_or(&[][..], Vec::as_slice))],
            K::Constant { expected_value } => {
                vec![place.not_among(std::slice::from_ref(expected_value.as_ref()))]
            }
            K::AnyOf { context } | K::OneOfNotValid { context } => self.no_branch(context, &place),
            K::PropertyNames { error } => vec![place.bad_key(error)],
            kind => vec![place.limit(kind)],
        };
        let help = self.violated(error).and_then(|schema| schema.get("x-help")).and_then(Value::as_str);
        let helped = |d: Diagnostic| if d.help.is_none() { d.maybe_help(help.map(str::to_owned)) } else { d };
        found.into_iter().map(helped).collect()
    }

    /// The schema that holds the violated keyword. Its `x-help` says what to do, where that is not plain.
    fn violated(&self, error: &ValidationError<'_>) -> Option<&Value> {
        let path = error.schema_path().as_str();
        self.schema.pointer(path.rsplit_once('/').map_or("", |(parent, _)| parent))
    }

    /// Alternatives of which none fits: the one that was probably meant, or all that may stand there.
    fn no_branch(&self, context: &[Vec<ValidationError<'static>>], place: &Place<'_>) -> Vec<Diagnostic> {
        let constants: Option<Vec<Value>> = context.iter().map(|branch| constant(branch)).collect();
        if let Some(constants) = constants {
            return vec![place.not_among(&constants)];
        }
        let of_type =
            |branch: &&Vec<ValidationError<'static>>| !branch.iter().any(|e| is_type_of(e, &place.path));
        let meant: Vec<_> = context.iter().filter(of_type).collect();
        match meant.as_slice() {
            [] => {
                let mut names: Vec<String> = context.iter().flatten().flat_map(expected_types).collect();
                names.dedup();
                vec![place.wrong_type(&names)]
            }
            [branch, ..] => branch.iter().flat_map(|error| self.translate(error, place.subject)).collect(),
        }
    }

    /// The keys that the violated schema knows.
    fn known_keys(&self, error: &ValidationError<'_>) -> Vec<String> {
        let properties = self.violated(error).and_then(|schema| schema.get("properties"));
        properties.and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.clone()).collect()
    }
}

/// A JSON pointer taken apart.
pub(crate) fn segments(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect()
}

/// Where a violation is.
struct Place<'a> {
    at: Located<'a>,
    path: Vec<String>,
    subject: &'a Subject<'a>,
    value: &'a Value,
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

    fn is_deferred(&self) -> bool {
        self.value.as_str().is_some_and(|text| text.contains("${"))
    }

    fn at_value(&self, code: &str, message: String) -> Diagnostic {
        Diagnostic::error(code, message).label(self.at.node.span, self.found())
    }

    fn unknown_key(&self, key: &str, known: &[String]) -> Diagnostic {
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
    fn is_mistyped(&self, missing: &str, known: &[String]) -> bool {
        let written = self.value.as_object().into_iter().flatten().map(|(key, _)| key);
        let mut unknown = written.filter(|key| !known.contains(key));
        unknown.any(|key| suggest::nearest(key, known.iter().map(String::as_str)) == Some(missing))
    }

    fn missing(&self, key: &str) -> Diagnostic {
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

    fn wrong_type(&self, expected: &[String]) -> Diagnostic {
        let message = format!("{} {}", self.must_be(), words(expected));
        let wants = |name: &str| expected.iter().any(|e| e.contains(name));
        if self.is_deferred() {
            return Diagnostic::error("wrong-type", message)
                .label(self.at.node.span, "outputs and secrets are texts")
                .help("a parameter keeps its type: `${param.NAME}`");
        }
        let raw = self.subject.source.slice(self.at.node.span);
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

    fn not_among(&self, options: &[Value]) -> Diagnostic {
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

    fn bad_key(&self, error: &ValidationError<'_>) -> Diagnostic {
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

    fn limit(&self, kind: &ValidationErrorKind) -> Diagnostic {
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
        self.bad_unit(format).unwrap_or_else(|| {
            self.at_value("bad-format", format!("{} of the format `{format}`", self.must_be()))
        })
    }

    /// For one of the formats that this crate checks itself: what is wrong with the text, or with what is no text.
    fn bad_unit(&self, format: &str) -> Option<Diagnostic> {
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

/// The constant that an alternative consists of.
fn constant(branch: &[ValidationError<'static>]) -> Option<Value> {
    branch.iter().find_map(|error| match error.kind() {
        ValidationErrorKind::Constant { expected_value } => Some(expected_value.as_ref().clone()),
        _ => None,
    })
}

/// Whether the error says that the value at this very path is of another type.
fn is_type_of(error: &ValidationError<'_>, path: &[String]) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { .. })
        && segments(error.instance_path().as_str()) == path
}

fn expected_types(error: &ValidationError<'static>) -> Vec<String> {
    match error.kind() {
        ValidationErrorKind::Type { kind } => {
            type_names(kind).into_iter().filter(|name| name != "nothing").collect()
        }
        _ => Vec::new(),
    }
}

fn type_names(kind: &TypeKind) -> Vec<String> {
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
