//! Filling in texts one after the other, with everything that goes wrong told at the end.

use cairn_units::Size;
use serde_json::Value;

use crate::{Lines, Text, engine};

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

    /// Fills in what `work` asks for with one variable more. What goes wrong again, for another value, is told once.
    pub fn with<T>(&mut self, name: &str, value: Value, work: impl FnOnce(&mut Filler<'_>) -> T) -> T {
        let mut variables = self.variables.clone();
        variables[name] = value;
        let mut filler = Filler::new(&variables);
        let done = work(&mut filler);
        let told = filler.unfilled;
        for unfilled in told {
            if !self.unfilled.contains(&unfilled) {
                self.unfilled.push(unfilled);
            }
        }
        done
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

    /// A number of MiB, or a size; 0, and noted, where it is none.
    pub fn mib(&mut self, path: &str, text: &Text) -> u64 {
        let size = |text: &str| text.parse().ok().or_else(|| Some(text.parse::<Size>().ok()?.mib()));
        let read = |text: &str| size(text).filter(|mib| *mib > 0);
        self.value(path, text, "a size such as `64MiB`", read).unwrap_or_default()
    }

    /// Several texts, without those that are empty.
    pub fn lines(&mut self, path: &str, lines: &Lines) -> Vec<String> {
        let mut texts: Vec<String> = match lines {
            Lines::One(text) => self.text(path, text).split_whitespace().map(str::to_owned).collect(),
            Lines::Many(lines) => lines.iter().map(|line| self.text(path, line)).collect(),
        };
        texts.retain(|text| !text.is_empty());
        texts
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_variable_more_and_mistakes_once() {
        let variables = json!({ "options": { "base": 100 } });
        let mut filler = Filler::new(&variables);
        let ports: Vec<String> = (0..2)
            .map(|i| filler.with("index", i.into(), |f| f.text("port", "{{ options.base + index }}")))
            .collect();
        assert_eq!(ports, ["100", "101"]);
        for index in 0..3 {
            filler.with("index", index.into(), |f| f.text("port", "{{ options.bas }}"));
        }
        assert_eq!(filler.unfilled.len(), 1);
        assert_eq!(filler.text("port", "{{ index }}"), "", "it was known for as long as the work took");
    }
}
