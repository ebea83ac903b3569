//! A YAML value with the place of each part.

use serde_json::{Map, Number, Value};

use crate::Span;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// A scalar as a whole; of a list or map as much as fits on its first line. A value that is not written has the
    /// place of its key.
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

impl Node {
    /// The entries, if it is a map.
    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The entry of a key, if it is a map that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value without places.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(value) => Value::Number(value.clone()),
            Kind::Text(value) => Value::String(value.clone()),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// Follows a path of keys and indices as far as it goes: the places of the last key and of the last value.
    pub(crate) fn locate<S: AsRef<str>>(&self, path: &[S]) -> Located<'_> {
        let mut found = Located { key: None, node: self };
        for segment in path {
            let segment = segment.as_ref();
            match &found.node.kind {
                Kind::Map(entries) => match entries.iter().find(|entry| entry.key == segment) {
                    Some(entry) => found = Located { key: Some(entry), node: &entry.value },
                    None => break,
                },
                Kind::List(items) => match segment.parse().ok().and_then(|i: usize| items.get(i)) {
                    Some(node) => found = Located { key: found.key, node },
                    None => break,
                },
                _ => break,
            }
        }
        found
    }

    /// What stands there, in words.
    pub(crate) fn describe(&self) -> String {
        describe(&self.to_json())
    }
}

/// Where a path leads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located<'a> {
    /// The last key on the way, if there was one.
    pub(crate) key: Option<&'a Entry>,
    /// The value.
    pub(crate) node: &'a Node,
}

impl Located<'_> {
    /// The place of the key, or of the value if there is none.
    pub(crate) fn key_span(&self) -> Span {
        self.key.map_or(self.node.span, |entry| entry.key_span)
    }
}

/// A value in words: what a person would say stands there.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(text) if text.chars().count() > 40 || text.contains('\n') => "a text".to_owned(),
        Value::String(text) => format!("the text `{text}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    }
}
