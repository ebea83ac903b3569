//! Secrets in a configuration: which they are, and how they stay out of everything but the service's private files.
//!
//! The configuration file of a scheduler, mode 0600, is the only place that holds them in the open. The file says where
//! they are ([`Config::secrets`]), and a service names options that always are. From there on they are known by their
//! values, because changes over REST move options about: what is stored has marks in their place, which the next start
//! fills in from the file; what REST answers has a mask; a task that would show one is not launched.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_task::{ConfigFile, FileMode, TaskSpec};
use serde_json::{Map, Value};

use crate::{Config, InstanceSpec, Problem, Wait};

/// What stands for a secret where people read.
pub(crate) const MASK: &str = "***";
/// Key of the object that stands for a secret in the store; its value is where the configuration file has it.
const MARK: &str = "$secret";
/// Shorter texts are found in many places where they are no secret.
const TELLING: usize = 8;

/// The secrets of a configuration file, by the JSON pointers of their places in its options. Never printed.
#[derive(Clone, Default, PartialEq)]
pub struct Secrets {
    values: BTreeMap<String, Value>,
    /// Texts worth looking for elsewhere, in every form that our own output may have.
    texts: Arc<BTreeSet<String>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl Secrets {
    /// The secrets of a configuration; `names` are top-level options that always are.
    pub(crate) fn of(config: &Config, names: &[&str]) -> Self {
        let named = names.iter().map(|name| format!("/{}", escape(name)));
        let places: BTreeSet<String> = config.secrets.iter().cloned().chain(named).collect();
        let value = |place: String| {
            let value = config.options.pointer(&place).filter(|value| !value.is_null() && **value != "")?;
            Some((place, value.clone()))
        };
        let values: BTreeMap<String, Value> = places.into_iter().filter_map(value).collect();
        let mut texts = BTreeSet::new();
        values.values().for_each(|value| collect(value, &mut texts));
        Self { values, texts: Arc::new(texts) }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Options as they are stored: with marks in place of secrets.
    pub(crate) fn conceal(&self, options: &Value) -> Value {
        self.replace(options, &|place| Value::Object(Map::from_iter([(MARK.to_owned(), place.into())])))
    }

    /// Options as they are shown.
    pub(crate) fn mask(&self, options: &Value) -> Value {
        self.replace(options, &|_| MASK.into())
    }

    fn replace(&self, value: &Value, stand_in: &dyn Fn(&str) -> Value) -> Value {
        if let Some((place, _)) = self.values.iter().find(|(_, secret)| *secret == value) {
            return stand_in(place);
        }
        match value {
            Value::Array(items) => items.iter().map(|item| self.replace(item, stand_in)).collect(),
            Value::Object(map) => {
                map.iter().map(|(key, item)| (key.clone(), self.replace(item, stand_in))).collect()
            }
            other => other.clone(),
        }
    }

    /// Whether this value is one of them.
    pub(crate) fn holds(&self, value: &Value) -> bool {
        self.values.values().any(|secret| secret == value)
    }

    /// A text for people without the secrets that some program has put into it.
    pub(crate) fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.texts
            .iter()
            .filter(|secret| text.contains(secret.as_str()))
            .fold(Cow::Borrowed(text), |text, secret| Cow::Owned(text.replace(secret.as_str(), MASK)))
    }

    /// Problems without secrets that they quote.
    pub(crate) fn scrub_problems(&self, problems: Vec<Problem>) -> Vec<Problem> {
        let scrub = |problem: Problem| Problem {
            message: self.scrub(&problem.message).into_owned(),
            help: problem.help.map(|help| self.scrub(&help).into_owned()),
            ..problem
        };
        problems.into_iter().map(scrub).collect()
    }

    /// A task of an instance that shows no secret: files that hold one are for their owner only.
    ///
    /// # Errors
    /// When one would stand where everybody on the agent's machine, or on the cluster, can read it.
    pub(crate) fn guard(&self, instance: &InstanceSpec, mut task: TaskSpec) -> Result<TaskSpec, Wait> {
        if self.texts.is_empty() {
            return Ok(task);
        }
        let open = TaskSpec { files: Vec::new(), ..task.clone() };
        // As JSON: commands, environment, probes and what may be added to them.
        let shown = serde_json::to_string(&(instance, &open)).unwrap_or_default();
        let names = || task.files.iter().map(|file: &ConfigFile| file.path.as_str());
        if self.are_in(&shown) || names().any(|name| self.are_in(name)) {
            let why = "a secret would stand on a command line, in the environment or in a probe, where others read it; \
                       write it into a file instead";
            return Err(Wait::For(why.into()));
        }
        for file in task.files.iter_mut().filter(|file| self.are_in(&file.content)) {
            file.mode = FileMode::Private;
        }
        Ok(task)
    }

    /// Whether a text shows one.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.texts.iter().any(|secret| text.contains(secret.as_str()))
    }
}

/// Texts within a secret, as they are and as JSON has them.
fn collect(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.len() >= TELLING => {
            into.insert(text.clone());
            let quoted = value.to_string();
            let quoted = quoted.get(1..quoted.len() - 1).unwrap_or_default();
            into.insert(quoted.to_owned());
            // As templates keep its braces from being read as their own.
            into.insert(quoted.replace('{', "{{ '{' }}"));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(map) => map.values().for_each(|item| collect(item, into)),
        _ => {}
    }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Fills in the marks of a stored configuration from the configuration file of this start. A mark that the file does
/// not know any more means that the file is another one: then its options count as a whole.
pub(crate) fn reveal(stored: &mut Config, given: &Config, names: &[&str]) {
    let secrets = Secrets::of(given, names);
    match revealed(&stored.options, &secrets) {
        Some(options) => stored.options = options.into(),
        None => {
            tracing::warn!("what REST had changed is lost: the configuration file lacks secrets that it had");
            stored.options = given.options.clone();
        }
    }
}

fn revealed(value: &Value, secrets: &Secrets) -> Option<Value> {
    match value {
        Value::Object(map) => match map.get(MARK).and_then(Value::as_str).filter(|_| map.len() == 1) {
            Some(place) => secrets.values.get(place).cloned(),
            None => map.iter().map(|(key, item)| Some((key.clone(), revealed(item, secrets)?))).collect(),
        },
        Value::Array(items) => items.iter().map(|item| revealed(item, secrets)).collect(),
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config() -> Config {
        Config {
            options:
                json!({"users": [{"name": "a", "key": "correct horse"}], "password": "p\"ass word", "n": 3})
                    .into(),
            secrets: vec!["/users/0/key".into(), "/gone".into()],
            ..Config::default()
        }
    }

    fn secrets() -> Secrets {
        Secrets::of(&config(), &["password", "absent"])
    }

    #[test]
    fn what_is_stored_has_no_secret_and_comes_back_wherever_rest_has_moved_it() {
        let mut moved = config();
        std::sync::Arc::make_mut(&mut moved.options)["users"] =
            json!([{"name": "b"}, {"name": "a", "key": "correct horse"}]);
        let mut stored = Config { options: secrets().conceal(&moved.options).into(), ..moved.clone() };
        let text = serde_json::to_string(&stored).unwrap();
        assert!(!text.contains("horse") && !text.contains("ass word"), "{text}");
        reveal(&mut stored, &config(), &["password"]);
        assert_eq!(stored, moved);
    }

    #[test]
    fn a_file_without_the_secret_counts_as_a_whole() {
        let mut stored = Config { options: secrets().conceal(&config().options).into(), ..config() };
        let other = Config { options: json!({"n": 4}).into(), ..Config::default() };
        reveal(&mut stored, &other, &["password"]);
        assert_eq!(*stored.options, json!({"n": 4}));
    }

    #[test]
    fn nothing_that_is_shown_has_one() {
        let shown = secrets().mask(&config().options);
        assert_eq!(shown, json!({"users": [{"name": "a", "key": "***"}], "password": "***", "n": 3}));
        let secrets = secrets();
        assert_eq!(secrets.scrub("got `p\"ass word`, want 3"), "got `***`, want 3");
        assert_eq!(secrets.scrub(r#"{"x":"p\"ass word"}"#), r#"{"x":"***"}"#);
        assert_eq!(format!("{secrets:?}"), r#"{"/password", "/users/0/key"}"#);
    }

    fn guard(task: TaskSpec) -> Result<TaskSpec, Wait> {
        secrets().guard(&InstanceSpec::default(), task)
    }

    #[test]
    fn a_task_that_would_show_one_is_not_launched_and_files_with_one_are_private() {
        let file =
            |content: &str| ConfigFile { path: "f".into(), content: content.into(), ..ConfigFile::default() };
        let fine = TaskSpec { files: vec![file("key=correct horse"), file("n=3")], ..TaskSpec::default() };
        let modes = |task: TaskSpec| task.files.iter().map(|f| f.mode).collect::<Vec<_>>();
        assert_eq!(modes(guard(fine).unwrap()), [FileMode::Private, FileMode::Normal]);
        let argument =
            TaskSpec { command: vec!["x".into(), "--key=correct horse".into()], ..TaskSpec::default() };
        assert!(matches!(guard(argument), Err(Wait::For(_))));
        let env =
            TaskSpec { env: [("P".to_owned(), "p\"ass word".to_owned())].into(), ..TaskSpec::default() };
        assert!(matches!(guard(env), Err(Wait::For(_))));
    }
}
