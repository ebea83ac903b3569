//! Filling in texts one after the other, with everything that goes wrong told at the end.

use serde_json::Value;

use crate::{Text, engine};

/// A text that could not be filled in, or whose value does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfilled {
    /// Where it stands: `service.groups.web.count`.
    pub path: String,
    /// Why.
    pub message: String,
}

/// Fills in texts.
#[derive(Debug)]
pub struct Filler<'a> {
    variables: &'a Value,
    /// What went wrong so far.
    pub unfilled: Vec<Unfilled>,
}

impl<'a> Filler<'a> {
    /// With these variables.
    pub fn new(variables: &'a Value) -> Self {
        Self { variables, unfilled: Vec::new() }
    }

    /// Notes that something does not fit.
    pub fn tell(&mut self, path: &str, message: impl Into<String>) {
        self.unfilled.push(Unfilled { path: path.to_owned(), message: message.into() });
    }

    /// The text; empty, and noted, where it cannot be had.
    pub fn text(&mut self, path: &str, template: &str) -> String {
        engine::render(template, self.variables).unwrap_or_else(|error| {
            self.tell(path, error.to_string());
            String::new()
        })
    }

    /// The value that a text stands for, if it is of the right kind; `what` is that in words.
    pub fn value<T>(
        &mut self,
        path: &str,
        text: &Text,
        what: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let before = self.unfilled.len();
        let filled = self.text(path, &text.0);
        let value = read(filled.trim());
        if value.is_none() && self.unfilled.len() == before {
            self.tell(path, format!("`{filled}` is not {what}"));
        }
        value
    }
}
