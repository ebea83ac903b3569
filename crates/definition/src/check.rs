//! Every mistake of a definition that can be found before anything runs.

use std::collections::{BTreeMap, BTreeSet};

use cairn_units::{Constraint, Duration, Schedule, Size, suggest};

use crate::engine::{self, is_template};
use crate::model::{Definition, FetchedOutput, Group, HealthDef, Lines, Output, ProbeDef, ReadyDef};
use crate::{Command, Job, Text};

/// Longest name of a task.
const MAX_INSTANCE: usize = 24;
/// Variables that are there in every text.
const ALWAYS: [&str; 2] = ["options", "inputs"];
/// Variables of the service as a whole, once it runs.
const RUNNING: [&str; 3] = ["framework", "master", "peers"];
/// Variables of a task in its place.
const PLACED: [&str; 9] =
    ["instance", "group", "index", "address", "hostname", "ports", "attributes", "sandbox", "task_id"];

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

/// When a text is filled in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before any task has a place.
    Plan,
    /// The same, for each task by itself.
    PlanOfTask,
    /// When a task is launched.
    Task,
    /// The same, where others can read it: command lines, environment, probes.
    Open,
    /// When all tasks have places.
    Outputs,
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
        let literal = |text: &Text, fits: fn(&str) -> bool| is_template(&text.0) || fits(&text.0);
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
        if let Some(user) = &group.run_as {
            if !literal(user, |text| text.parse::<u32>().is_ok()) {
                self.unfit(&at(&["run_as"]), user, "the number of a user").help =
                    Some("names of users differ between agents; `id -u NAME` prints the number".into());
            }
            self.text(&at(&["run_as"]), &user.0, Stage::Plan);
        }
        if let Some(ready) = &group.ready {
            self.ready(name, ready);
        }
        if let Some(health) = &group.health {
            self.health(name, health);
        }
        self.duration(&at(&["grace"]), group.grace.as_ref());
        self.after(name, group);
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

    fn unfit(&mut self, path: &[&str], text: &Text, what: &str) -> &mut Mistake {
        self.tell(path, "bad-value", format!("`{}` is not {what}", text.0), &format!("{what} is needed here"))
    }

    fn size(&mut self, path: &[&str], text: &Text) {
        let number = |text: &str| text.parse::<u64>().is_ok_and(|mib| mib > 0);
        if !is_template(&text.0)
            && !number(&text.0)
            && let Err(error) = text.0.parse::<Size>()
        {
            self.tell(path, "bad-size", error.to_string(), "").help =
                Some("for example `64MiB`, or a number of MiB".into());
        }
        self.text(path, &text.0, Stage::Plan);
    }

    fn duration(&mut self, path: &[&str], text: Option<&Text>) {
        let Some(text) = text else { return };
        if !is_template(&text.0)
            && let Err(error) = text.0.parse::<Duration>()
        {
            self.tell(path, "bad-duration", error.to_string(), "").help =
                Some("for example `500ms` or `10s`".into());
        }
        self.text(path, &text.0, Stage::Plan);
    }

    fn command(&mut self, path: &[&str], command: &Command) {
        match (command, command.words()) {
            (_, Err(error)) => {
                self.tell(path, "bad-command", error.to_string(), "");
            }
            (Command::Line(_), Ok(words)) => {
                words.iter().for_each(|word| self.text(path, word, Stage::Open));
            }
            (Command::Words(_), Ok(words)) => {
                for (index, word) in words.iter().enumerate() {
                    let index = index.to_string();
                    let path: Vec<&str> = path.iter().copied().chain([index.as_str()]).collect();
                    self.text(&path, word, Stage::Open);
                }
            }
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

    fn ports(&mut self, name: &str, group: &Group) {
        for port in group.ports.names() {
            let Some(wanted) = group.ports.wanted(port) else { continue };
            let path = ["groups", name, "ports", port];
            if !is_template(&wanted.0) && parse_port(&wanted.0).is_none() {
                self.unfit(&path, wanted, "a port or a range of ports").help =
                    Some("for example `8080` or `9000-9010`; leave it empty for any".into());
            }
            self.text(&path, &wanted.0, Stage::PlanOfTask);
        }
    }

    fn constraints(&mut self, name: &str, group: &Group) {
        let one;
        let lines: &[String] = match &group.constraints {
            Lines::One(text) => {
                one = [text.clone()];
                &one
            }
            Lines::Many(lines) => lines,
        };
        for (index, text) in lines.iter().enumerate() {
            let index = index.to_string();
            let long = ["groups", name, "constraints", &index];
            let path = if matches!(group.constraints, Lines::One(_)) { &long[..3] } else { &long };
            if !is_template(text)
                && let Err(error) = text.parse::<Constraint>()
            {
                let help = error.help.to_string();
                self.tell(path, "bad-constraint", error.to_string(), "").help = Some(help);
            }
            self.text(path, text, Stage::Plan);
        }
    }

    fn ready(&mut self, name: &str, ready: &ReadyDef) {
        self.probe(&["groups", name, "ready"], &ready.probe);
        self.duration(&["groups", name, "ready", "within"], ready.within.as_ref());
    }

    fn health(&mut self, name: &str, health: &HealthDef) {
        self.probe(&["groups", name, "health"], &health.probe);
    }

    fn probe(&mut self, path: &[&str], probe: &ProbeDef) {
        let ProbeDef { tcp, http, exchange, command, every, timeout } = probe;
        let ways = [tcp.is_some(), http.is_some(), exchange.is_some(), command.is_some()];
        if ways.iter().filter(|way| **way).count() != 1 {
            let message = "one of `tcp`, `http`, `exchange` and `command` says what is asked".to_owned();
            self.tell(path, "bad-probe", message, "exactly one of them");
        }
        let at = |key: &'static str| -> Vec<&str> { path.iter().copied().chain(key.split('.')).collect() };
        if let Some(text) = tcp {
            self.text(&at("tcp"), text, Stage::Open);
        }
        if let Some(text) = http {
            self.text(&at("http"), text, Stage::Open);
        }
        if let Some(exchange) = exchange {
            self.text(&at("exchange.to"), &exchange.to, Stage::Open);
        }
        if let Some(command) = command {
            self.command(&at("command"), command);
        }
        self.duration(&at("every"), every.as_ref());
        self.duration(&at("timeout"), timeout.as_ref());
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

    fn after(&mut self, name: &str, group: &Group) {
        for (index, other) in group.after.iter().enumerate() {
            if !self.definition.groups.contains_key(other) {
                let index = index.to_string();
                self.unknown_group(&["groups", name, "after", &index], other);
            }
        }
    }

    fn unknown_group(&mut self, path: &[&str], group: &str) -> &mut Mistake {
        let help = suggest::hint(group, "groups", self.definition.groups.keys().map(String::as_str));
        let mistake =
            self.tell(path, "unknown-group", format!("there is no group `{group}`"), "not under `groups`");
        mistake.help = help;
        mistake
    }

    /// What does not go together.
    fn kind(&mut self, name: &str, group: &Group) {
        let keys = [
            ("schedule", group.schedule.is_some()),
            ("overlap", group.overlap.is_some()),
            ("missed", group.missed.is_some()),
        ];
        let timing = keys.into_iter().find(|(_, set)| *set).map(|(key, _)| key);
        if let Some(schedule) = &group.schedule {
            let path = ["groups", name, "schedule"];
            if !is_template(&schedule.0)
                && let Err(error) = schedule.0.parse::<Schedule>()
            {
                let message = format!("`{}` is not a schedule: {}", schedule.0, error.reason);
                self.tell(&path, "bad-schedule", message, "").help = Some(error.help);
            }
            self.text(&path, &schedule.0, Stage::Plan);
        }
        let mut refuse = |key: &'static str, message: &str| {
            self.tell(&["groups", name, key], "bad-combination", message.to_owned(), "");
        };
        if group.retries.is_some() && group.job.is_none() && group.gang.is_none() {
            refuse("retries", "only jobs and gangs give up: a service is started anew for ever");
        }
        if group.job.is_some() && group.max_unavailable.is_some() {
            refuse("max_unavailable", "a job is not changed one task after the other");
        }
        if let Some(key) = timing.filter(|_| group.job != Some(Job::Timed)) {
            refuse(key, "only jobs with `job: timed` have times");
        }
        if group.job == Some(Job::Timed) && group.schedule.is_none() {
            refuse("job", "a timed job needs a `schedule`, for example `0 3 * * *`");
        }
        if group.job == Some(Job::Timed) && group.gang.is_some() {
            refuse("gang", "a gang starts when it can, not at a time");
        }
        if group.external && !is_template(&group.count.0) && group.count.0 != "1" {
            refuse("count", "a scheduler of its own is one task: two would take turns at being thrown out");
        }
        if group.external && (group.job.is_some() || group.gang.is_some()) {
            refuse("external", "a scheduler of its own is neither a job nor part of a gang");
        }
    }

    /// Groups that wait for each other: by `after`, because one needs the places of the other, or because both start
    /// together. Without an `after` among them nobody waits for long.
    fn cycles(&mut self) {
        let groups = &self.definition.groups;
        let waits: BTreeMap<&str, BTreeSet<String>> =
            groups.iter().map(|(name, group)| (name.as_str(), needed(name, group, groups))).collect();
        for (name, group) in groups {
            for (index, other) in group.after.iter().enumerate() {
                let mut seen: BTreeSet<&str> = BTreeSet::new();
                let mut next = vec![other.as_str()];
                while let Some(one) = next.pop() {
                    if seen.insert(one) {
                        next.extend(waits.get(one).into_iter().flatten().map(String::as_str));
                    }
                }
                if seen.contains(name.as_str()) {
                    let index = index.to_string();
                    let message = format!("`{name}` waits for `{other}`, which waits for `{name}`");
                    let help = "by `after`, by `peers` in a text, or because they are one gang".to_owned();
                    self.tell(&["groups", name, "after", &index], "cycle", message, "").help = Some(help);
                }
            }
        }
    }

    /// A text that is filled in at a stage.
    fn text(&mut self, path: &[&str], text: &str, stage: Stage) {
        let variables = match engine::variables(text) {
            Ok(variables) => variables,
            Err(error) => {
                self.tell(path, "bad-template", error.to_string(), "");
                return;
            }
        };
        for variable in &variables {
            self.variable(path, variable, stage);
        }
    }

    fn variable(&mut self, path: &[&str], variable: &str, stage: Stage) {
        let mut parts = variable.split('.');
        let (root, second) = (parts.next().unwrap_or_default(), parts.next());
        let there: Vec<&str> = match stage {
            Stage::Plan => ALWAYS.to_vec(),
            Stage::PlanOfTask => [&ALWAYS[..], &["index"]].concat(),
            Stage::Outputs => [&ALWAYS[..], &RUNNING].concat(),
            Stage::Task | Stage::Open => [&ALWAYS[..], &RUNNING, &PLACED].concat(),
        };
        if !there.contains(&root) {
            let later = RUNNING.contains(&root) || PLACED.contains(&root);
            let message = if later {
                format!("`{root}` is not known here yet")
            } else {
                format!("there is no variable `{root}`")
            };
            let help = match stage {
                _ if !later => suggest::hint(root, "variables", there),
                Stage::Outputs => Some("tasks and their places are under `peers`: `peers.GROUP[0].address`".into()),
                _ => Some("what a task takes is decided before it has a place: only `options` and `inputs` are known".into()),
            };
            let mistake = self.tell(path, "unknown-variable", message, "");
            mistake.part = root.to_owned();
            mistake.help = help;
            return;
        }
        let Some(second) = second else { return };
        self.member(path, root, second, stage);
    }

    fn member(&mut self, path: &[&str], root: &str, name: &str, stage: Stage) {
        let ports: Vec<&str> = self.group.map(|group| group.ports.names().collect()).unwrap_or_default();
        let groups = self.definition.groups.keys().map(String::as_str);
        let (known, what, code): (Vec<&str>, _, _) = match root {
            "options" => {
                (self.known.options.keys().map(String::as_str).collect(), "option", "unknown-option")
            }
            "inputs" => (self.known.needs.iter().map(String::as_str).collect(), "input", "unknown-input"),
            "ports" => (ports, "port", "unknown-port"),
            "peers" => (groups.collect(), "group", "unknown-group"),
            _ => return,
        };
        let part = format!("{root}.{name}");
        if !known.contains(&name) {
            let help = suggest::hint(name, &format!("{what}s"), known);
            let mistake = self.tell(path, code, format!("there is no {what} `{name}`"), "");
            (mistake.part, mistake.help) = (part, help);
            return;
        }
        let secret = root == "options" && self.known.options.get(name).is_some_and(|fact| fact.secret);
        if secret && stage == Stage::Open {
            let message = format!("the secret `{name}` would stand where others can read it");
            let mistake = self.tell(path, "exposed-secret", message, "a secret");
            mistake.part = part;
            mistake.help = Some(
                "hand it over in one of the `files`: those that hold a secret are for their owner only"
                    .into(),
            );
        } else if secret && stage == Stage::Outputs {
            let mistake = self.tell(
                path,
                "exposed-secret",
                format!("the secret `{name}` would be an output"),
                "a secret",
            );
            mistake.part = part;
            mistake.help = Some("outputs are for everybody who may read".into());
        }
    }
}

/// Groups without which a group does not start.
fn needed(name: &str, group: &Group, groups: &BTreeMap<String, Group>) -> BTreeSet<String> {
    let mut needed: BTreeSet<String> = group.after.iter().cloned().collect();
    needed.extend(group.peers(groups));
    if group.gang.is_some() {
        needed.extend(
            groups.iter().filter(|(_, other)| other.gang == group.gang).map(|(name, _)| name.clone()),
        );
    }
    needed.remove(name);
    needed
}

/// A port or a range; `None` for anything else.
pub fn parse_port(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (from > 0 && from <= to).then_some((from, to))
}
