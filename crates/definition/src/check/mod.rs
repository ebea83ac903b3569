//! Every mistake of a definition that can be found before anything runs.

mod text;
mod together;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use cairn_units::suggest;

use self::text::Stage;
use self::value::literal;
pub use self::value::parse_port;
use crate::engine::is_template;
use crate::model::{Definition, FetchedOutput, Group, HealthDef, Output, ReadyDef};

/// Longest name of a task.
const MAX_INSTANCE: usize = 24;

/// What the rest of the framework spec says.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Options by name.
    pub options: BTreeMap<String, OptionFact>,
    /// Names of the inputs.
    pub needs: BTreeSet<String>,
    /// Versions of distributions.
    pub distributions: BTreeSet<String>,
}

/// What matters about an option.
#[derive(Clone, Copy, Debug, Default)]
pub struct OptionFact {
    /// It holds a secret.
    pub secret: bool,
}

/// A mistake and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Keys and indices that lead to the text, below `service`.
    pub path: Vec<String>,
    /// Kind of mistake, stable.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The part of the text that is wrong; empty for all of it.
    pub part: String,
    /// What is to be said at the place.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
}

/// All mistakes of a definition, in its order.
pub fn check(definition: &Definition, known: &Known) -> Vec<Mistake> {
    let mut checker = Checker { definition, known, group: None, mistakes: Vec::new() };
    for (name, group) in &definition.groups {
        checker.group = Some(group);
        checker.group(name, group);
    }
    checker.group = None;
    for (name, output) in &definition.outputs {
        let path = ["outputs", name];
        match output {
            Output::Template(text) => checker.text(&path, text, Stage::Outputs),
            Output::Fetched(fetched) => checker.fetched(name, fetched),
        }
    }
    checker.cycles();
    checker.mistakes
}

struct Checker<'a> {
    definition: &'a Definition,
    known: &'a Known,
    group: Option<&'a Group>,
    mistakes: Vec<Mistake>,
}

impl Checker<'_> {
    fn tell(&mut self, path: &[&str], code: &'static str, message: String, label: &str) -> &mut Mistake {
        self.mistakes.push(Mistake {
            path: path.iter().map(|&key| key.to_owned()).collect(),
            code,
            message,
            part: String::new(),
            label: label.to_owned(),
            help: None,
        });
        let last = self.mistakes.len() - 1;
        &mut self.mistakes[last]
    }

    fn group(&mut self, name: &str, group: &Group) {
        let at = ["groups", name];
        let at =
            |rest: &[&'static str]| -> Vec<&str> { at.iter().copied().chain(rest.iter().copied()).collect() };
        self.name(&at(&[]), name);
        if !literal(&group.count, |text| text == "*" || text.parse::<u32>().is_ok()) {
            self.unfit(&at(&["count"]), &group.count, "a whole number, or `*`");
        }
        if !literal(&group.cpus, |text| text.parse::<f64>().is_ok_and(|cpus| cpus > 0.0)) {
            self.unfit(&at(&["cpus"]), &group.cpus, "a number above 0");
        }
        self.text(&at(&["count"]), &group.count.0, Stage::Plan);
        self.text(&at(&["cpus"]), &group.cpus.0, Stage::Plan);
        self.size(&at(&["mem"]), &group.mem);
        self.command(&at(&["command"]), &group.command);
        for (index, command) in group.prepare.iter().enumerate() {
            self.command(&["groups", name, "prepare", &index.to_string()], command);
        }
        self.artifacts(name, group);
        self.files(name, group);
        for (variable, text) in &group.env {
            self.text(&["groups", name, "env", variable], &text.0, Stage::Open);
        }
        self.ports(name, group);
        for (path, size) in &group.volumes {
            self.size(&["groups", name, "volumes", path], size);
        }
        self.constraints(name, group);
        self.run_as(name, group);
        if let Some(ready) = &group.ready {
            self.ready(name, ready);
        }
        if let Some(health) = &group.health {
            self.health(name, health);
        }
        self.duration(&at(&["grace"]), group.grace.as_ref());
        self.after(name, group);
        self.schedule(name, group);
        self.kind(name, group);
    }

    /// Names become parts of the names of tasks, with a dash and a number.
    fn name(&mut self, path: &[&str], name: &str) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts || !name.chars().all(plain) || name.ends_with('-') || name.len() + 3 > MAX_INSTANCE {
            self.tell(path, "bad-name", format!("`{name}` is not a name of a group"), "").help =
                Some("a letter, then letters, digits and dashes, in lower case, at most 21 of them".into());
        }
    }

    fn artifacts(&mut self, name: &str, group: &Group) {
        for (index, artifact) in group.artifacts.iter().enumerate() {
            let index = index.to_string();
            let path = ["groups", name, "artifacts", &index];
            let at = |key: &'static str| [path[0], path[1], path[2], path[3], key];
            match (&artifact.uri, &artifact.distribution) {
                (Some(uri), None) => self.text(&at("uri"), uri, Stage::Plan),
                (None, Some(version)) => {
                    self.text(&at("distribution"), &version.0, Stage::Plan);
                    if !is_template(&version.0) && !self.known.distributions.contains(&version.0) {
                        let known = self.known.distributions.iter().map(String::as_str);
                        let help = suggest::hint(&version.0, "versions", known);
                        let message = format!("there is no distribution `{}`", version.0);
                        self.tell(
                            &at("distribution"),
                            "unknown-distribution",
                            message,
                            "not under `distributions`",
                        )
                        .help = help;
                    }
                }
                _ => {
                    let message = "an artifact is either a `uri` or a `distribution`".to_owned();
                    self.tell(&path, "bad-artifact", message, "exactly one of them");
                }
            }
            if let Some(sha256) = &artifact.sha256 {
                self.text(&at("sha256"), sha256, Stage::Plan);
            }
        }
    }

    fn files(&mut self, name: &str, group: &Group) {
        for (file, def) in &group.files {
            let path = ["groups", name, "files", file];
            if file.starts_with('/') || file.split('/').any(|part| part == "..") {
                let message = format!("`{file}` would lie outside the sandbox");
                self.tell(&path, "bad-path", message, "a relative path without `..`");
            }
            let whole = def.whole();
            match (&whole.text, &whole.from) {
                (Some(_), None) | (None, Some(_)) => {}
                _ => {
                    let message = format!("the file `{file}` has either a `text` or a `from`");
                    self.tell(&path, "bad-file", message, "exactly one of them");
                }
            }
            if let Some(text) = whole.text.filter(|_| !whole.raw) {
                let long = ["groups", name, "files", file, "text"];
                let short = matches!(def, crate::FileDef::Text(_));
                self.text(if short { &long[..4] } else { &long }, &text, Stage::Task);
            }
        }
    }

    fn ready(&mut self, name: &str, ready: &ReadyDef) {
        self.probe(&["groups", name, "ready"], &ready.probe);
        self.duration(&["groups", name, "ready", "within"], ready.within.as_ref());
    }

    fn health(&mut self, name: &str, health: &HealthDef) {
        self.probe(&["groups", name, "health"], &health.probe);
    }

    fn fetched(&mut self, name: &str, from: &FetchedOutput) {
        let at = |key: &'static str| ["outputs", name, key];
        let one = match (&from.url, &from.file, &from.group) {
            (Some(url), None, None) => {
                self.text(&at("url"), url, Stage::Outputs);
                true
            }
            (None, Some(file), Some(group)) => {
                self.text(&at("file"), file, Stage::Outputs);
                if !self.definition.groups.contains_key(group) {
                    self.unknown_group(&at("group"), group);
                }
                true
            }
            _ => false,
        };
        if !one {
            let message = "an output is read from a `url`, or from a `file` of a `group`".to_owned();
            self.tell(&["outputs", name], "bad-output", message, "one of them");
        }
        if let Some(pointer) = from.pointer.as_ref().filter(|p| !p.is_empty() && !p.starts_with('/')) {
            let message = format!("`{pointer}` is not a JSON Pointer");
            self.tell(&at("pointer"), "bad-pointer", message, "").help = Some(format!("write `/{pointer}`"));
        }
    }
}
