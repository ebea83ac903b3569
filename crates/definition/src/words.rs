//! Command lines: split into words first and filled in afterwards, so that no value is ever taken for several words or
//! for anything a shell would understand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A command: words in a list, or a text that is split at white space outside quotes and template tags. Each word is a
/// template of its own; one that becomes empty is left out. There is no shell: write `[sh, -ec, "…"]` for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Command {
    /// Split.
    Line(#[schemars(regex(pattern = r"\S"))] String),
    /// As they stand.
    Words(#[schemars(length(min = 1))] Vec<String>),
}

/// The words of a command, still templates.
pub type Words = Vec<String>;

/// A command line that cannot be split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WordsError {
    /// A quote is not closed.
    Quote(char),
    /// A template tag is not closed.
    Tag(&'static str),
}

impl std::fmt::Display for WordsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Quote(quote) => write!(f, "the quote {quote} is not closed"),
            Self::Tag(tag) => write!(f, "`{tag}` is not closed"),
        }
    }
}

impl Command {
    /// Its words.
    ///
    /// # Errors
    /// A quote or a tag that is not closed.
    pub fn words(&self) -> Result<Words, WordsError> {
        match self {
            Self::Line(line) => split(line),
            Self::Words(words) => Ok(words.clone()),
        }
    }
}

const TAGS: [(&str, &str); 3] = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];

fn split(line: &str) -> Result<Words, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if let Some((open, close)) = TAGS.iter().find(|(open, _)| rest.starts_with(open)) {
            let end = rest.find(close).ok_or(WordsError::Tag(open))? + close.len();
            word.get_or_insert_default().push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match quote {
            Some(q) if q == c => quote = None,
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                // `""` is a word too.
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    match quote {
        Some(open) => Err(WordsError::Quote(open)),
        None => {
            words.extend(word);
            Ok(words)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        split(line).unwrap()
    }

    #[test]
    fn white_space_splits_but_not_in_quotes_and_tags() {
        assert_eq!(words(" java  -cp 'a b' {{ ports.http }} "), ["java", "-cp", "a b", "{{ ports.http }}"]);
        assert_eq!(
            words("a --x={{ options.a | join(' ') }}:9 \"\""),
            ["a", "--x={{ options.a | join(' ') }}:9", ""]
        );
        assert_eq!(words("  "), [""; 0]);
    }

    #[test]
    fn what_is_not_closed_is_told() {
        assert_eq!(split("echo 'a b"), Err(WordsError::Quote('\'')));
        assert_eq!(split("echo {{ a"), Err(WordsError::Tag("{{")));
    }
}
