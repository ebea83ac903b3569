//! Texts with references: `${service.output}`, `${param.name:-default}`, `${secret.name}`; `$${` writes `${`.

use std::fmt;
use std::ops::Range;

/// One reference in a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// What stands before the dot: a service by its path, `param` or `secret`.
    pub scope: String,
    /// What stands after the dot.
    pub name: String,
    /// What stands after `:-`, used where there is no value.
    pub default: Option<String>,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.default {
            Some(default) => write!(f, "${{{}.{}:-{default}}}", self.scope, self.name),
            None => write!(f, "${{{}.{}}}", self.scope, self.name),
        }
    }
}

/// What a reference points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A parameter of the stack.
    Param,
    /// A secret, known to the controller only.
    Secret,
    /// An output of a service.
    Output,
}

impl Reference {
    /// What it points at.
    pub fn target(&self) -> Target {
        match self.scope.as_str() {
            "param" => Target::Param,
            "secret" => Target::Secret,
            _ => Target::Output,
        }
    }
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands, escapes undone.
    Text(String),
    /// To be filled in; the range is the bytes of `${…}` in the text.
    Reference(Reference, Range<usize>),
}

/// A text in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The pieces in order.
    pub parts: Vec<Part>,
}

/// A `${` that starts no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong with it.
    pub message: String,
    /// The bytes it concerns.
    pub range: Range<usize>,
}

impl Template {
    /// Takes a text apart.
    ///
    /// # Errors
    /// Every `${` that is not closed, or whose inside is not `scope.name` with an optional `:-default`.
    pub fn parse(text: &str) -> Result<Self, Vec<TemplateError>> {
        let mut parts = Vec::new();
        let mut errors = Vec::new();
        let mut plain = String::new();
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            if rest.starts_with("$${") {
                plain.push_str("${");
                at += 3;
            } else if rest.starts_with("${") {
                let Some(end) = rest.find('}') else {
                    errors.push(TemplateError {
                        message: "this reference is not closed".to_owned(),
                        range: at..text.len(),
                    });
                    break;
                };
                let range = at..at + end + 1;
                match parse_reference(&rest[2..end]) {
                    Some(reference) => {
                        if !plain.is_empty() {
                            parts.push(Part::Text(std::mem::take(&mut plain)));
                        }
                        parts.push(Part::Reference(reference, range));
                    }
                    None => errors.push(TemplateError {
                        message: format!("`{}` is not a reference", &rest[..=end]),
                        range,
                    }),
                }
                at += end + 1;
            } else {
                let next =
                    rest.char_indices().skip(1).find(|(_, c)| *c == '$').map_or(rest.len(), |(i, _)| i);
                plain.push_str(&rest[..next]);
                at += next;
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        if errors.is_empty() { Ok(Self { parts }) } else { Err(errors) }
    }

    /// The references in it.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Reference(reference, _) => Some(reference),
            Part::Text(_) => None,
        })
    }

    /// The reference, if the text is exactly one and nothing else.
    pub fn only_reference(&self) -> Option<&Reference> {
        match self.parts.as_slice() {
            [Part::Reference(reference, _)] => Some(reference),
            _ => None,
        }
    }
}

/// Writes a plain text so that [`Template::parse`] reads the same text from it.
pub fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

fn parse_reference(inside: &str) -> Option<Reference> {
    let (path, default) = match inside.split_once(":-") {
        Some((path, default)) => (path, Some(default.to_owned())),
        None => (inside, None),
    };
    let (scope, name) = path.split_once('.')?;
    let word = |s: &str| {
        !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    (scope.split('/').all(word) && word(name)).then(|| Reference {
        scope: scope.to_owned(),
        name: name.to_owned(),
        default,
    })
}
