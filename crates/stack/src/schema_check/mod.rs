//! Values against a JSON Schema, with every violation told in our own words at its place.

mod place;

use std::collections::BTreeSet;

use cairn_units::{Constraint, Duration, Size};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use self::place::{Place, type_names};
use crate::node::Node;
use crate::source::Sources;
use crate::{Diagnostic, Span};

/// Format of options that must be `${secret.NAME}`.
const SECRET: &str = "secret";

/// A JSON Schema that is ready to check values.
#[derive(Clone, Debug)]
pub(crate) struct SchemaChecker {
    schema: Value,
    validator: Validator,
}

/// What is checked: a value and the places of its parts.
pub(crate) struct Subject<'a> {
    pub(crate) sources: &'a Sources,
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
            .with_format("constraint", |text: &str| text.parse::<Constraint>().is_ok())
            // What refers to a secret is not known yet, and is not checked: whatever is checked is no secret.
            .with_format(SECRET, |_: &str| false);
        match options.build(&schema) {
            Ok(validator) => Ok(Self { schema, validator }),
            Err(error) => Err((error.to_string(), segments(error.instance_path().as_str()))),
        }
    }

    /// Every violation.
    pub(crate) fn check(&self, subject: &Subject<'_>) -> Vec<Violation> {
        let errors: Vec<_> = self.validator.iter_errors(subject.value).collect();
        // What may stand there says of which type it is, too.
        let listed: BTreeSet<&str> = errors
            .iter()
            .filter(|error| matches!(error.kind(), ValidationErrorKind::Enum { .. }))
            .map(|error| error.instance_path().as_str())
            .filter(|pointer| !subject.unknown.deferred.contains(*pointer))
            .collect();
        let is_told = |error: &&ValidationError<'_>| {
            let by_type = matches!(error.kind(), ValidationErrorKind::Type { .. });
            by_type && listed.contains(error.instance_path().as_str())
        };
        let violations = errors.iter().filter(|error| !is_told(error)).flat_map(|error| {
            let path = segments(error.instance_path().as_str());
            let told = self.translate(error, subject).into_iter();
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
