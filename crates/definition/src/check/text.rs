//! Texts: which variables they may name, and when.

use cairn_units::suggest;

use super::Checker;
use crate::engine;

/// Variables that are there in every text.
const ALWAYS: [&str; 2] = ["options", "inputs"];
/// Variables of the service as a whole, once it runs.
const RUNNING: [&str; 3] = ["framework", "master", "peers"];
/// Variables of a task in its place.
const PLACED: [&str; 9] =
    ["instance", "group", "index", "address", "hostname", "ports", "attributes", "sandbox", "task_id"];

/// When a text is filled in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
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

impl Stage {
    /// What may be named.
    fn variables(self) -> Vec<&'static str> {
        match self {
            Self::Plan => ALWAYS.to_vec(),
            Self::PlanOfTask => [&ALWAYS[..], &["index"]].concat(),
            Self::Outputs => [&ALWAYS[..], &RUNNING].concat(),
            Self::Task | Self::Open => [&ALWAYS[..], &RUNNING, &PLACED].concat(),
        }
    }

    /// What to do instead of naming what is known at another stage only.
    fn too_early(self) -> &'static str {
        match self {
            Self::Outputs => "tasks and their places are under `peers`: `peers.GROUP[0].address`",
            Self::PlanOfTask => {
                "a port is decided before its task has a place: only `options`, `inputs` and `index` are known"
            }
            Self::Plan | Self::Task | Self::Open => {
                "what a task takes is decided before it has a place: only `options` and `inputs` are known"
            }
        }
    }
}

impl Checker<'_> {
    /// A text that is filled in at a stage.
    pub(super) fn text(&mut self, path: &[&str], text: &str, stage: Stage) {
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
        let there = stage.variables();
        if !there.contains(&root) {
            self.unknown_variable(path, root, stage);
        } else if let Some(second) = second {
            self.member(path, root, second, stage);
        }
    }

    fn unknown_variable(&mut self, path: &[&str], root: &str, stage: Stage) {
        let later = RUNNING.contains(&root) || PLACED.contains(&root);
        let message = if later {
            format!("`{root}` is not known here yet")
        } else {
            format!("there is no variable `{root}`")
        };
        let help = if later {
            Some(stage.too_early().to_owned())
        } else {
            suggest::hint(root, "variables", stage.variables())
        };
        let mistake = self.tell(path, "unknown-variable", message, "");
        mistake.part = root.to_owned();
        mistake.help = help;
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
        if root == "options" && self.known.options.get(name).is_some_and(|fact| fact.secret) {
            self.secret(path, name, part, stage);
        }
    }

    /// A secret stands in a text: nobody may read it there who may not know it.
    fn secret(&mut self, path: &[&str], name: &str, part: String, stage: Stage) {
        let (message, help) = match stage {
            Stage::Open => (
                format!("the secret `{name}` would stand where others can read it"),
                "hand it over in one of the `files`: those that hold a secret are for their owner only",
            ),
            Stage::Outputs => {
                (format!("the secret `{name}` would be an output"), "outputs are for everybody who may read")
            }
            Stage::Plan | Stage::PlanOfTask | Stage::Task => return,
        };
        let mistake = self.tell(path, "exposed-secret", message, "a secret");
        (mistake.part, mistake.help) = (part, Some(help.to_owned()));
    }
}
