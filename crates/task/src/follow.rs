//! Files of other tasks that a task wants to see.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Files of other tasks on the same agent, shown to a task as symbolic links in a directory of its own.
///
/// The executor keeps the directory in line with the agent's sandboxes: a link appears when a file does, and goes when
/// its sandbox goes. A link is called `FRAMEWORK~EXECUTOR~FILE`, with `~` for each `/` of the file's path; it always
/// means the same file of the same sandbox. Tasks that follow others are not followed themselves, so that a shipper of
/// logs never ships its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FollowSpec {
    /// Directory of the links, below the sandbox; may lead into a volume, for example `data/tasks`. No `..`, not absolute.
    pub directory: String,
    /// What is followed: all that any of these selects.
    pub select: Vec<Followed>,
    /// Time between two looks, milliseconds. 0 means the default, 2 s.
    pub interval_ms: u64,
}

/// Some files of some tasks. In patterns `*` stands for any run of characters, none included.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Followed {
    /// Patterns of labels that a framework must have, for example `service` = `kafka`. With none, all frameworks fit.
    pub labels: BTreeMap<String, String>,
    /// Pattern of the names of frameworks that have none of these labels: of programs that know nothing of them.
    /// Empty: they are left alone.
    pub otherwise: String,
    /// Pattern of executor ids, which with Cairn's own frameworks begin with the name of the instance.
    pub executor: String,
    /// Patterns of files below the sandbox, for example `stdout` or `logs/*.log`. `*` does not stand for `/`.
    pub files: Vec<String>,
}

impl Followed {
    /// Whether a framework is followed.
    pub fn admits(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        let fits = |(key, pattern): (&String, &String)| labels.get(key).is_some_and(|v| matches(pattern, v));
        self.labels.iter().all(fits)
            || (!self.otherwise.is_empty()
                && !self.labels.keys().any(|key| labels.contains_key(key))
                && matches(&self.otherwise, name))
    }
}

/// Whether all of `text` fits a pattern in which `*` stands for any run of characters.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run_of_characters() {
        for (pattern, text) in [("*", ""), ("a*", "a"), ("*.log", "x.log"), ("a*b*c", "a-b-b-c"), ("a", "a")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a*a", "a"), ("*.log", "x.log.1"), ("a*b*c", "a-c"), ("a", "ab")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn labels_tell_frameworks_apart_and_names_only_where_there_are_none() {
        let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let followed = Followed {
            labels: labels(&[("stack", "log"), ("service", "*")]),
            otherwise: "log-*".into(),
            ..Followed::default()
        };
        assert!(followed.admits("whatever", &labels(&[("stack", "log"), ("service", "kafka")])));
        assert!(!followed.admits("log-dev-kafka", &labels(&[("stack", "log-dev"), ("service", "kafka")])));
        assert!(followed.admits("log-rendler", &labels(&[("owner", "me")])));
        assert!(!followed.admits("other", &labels(&[])));
    }
}
