//! Values that are no free texts: sizes, times, commands, ports, constraints.

use cairn_units::{Constraint, Duration, Size};

use super::text::Stage;
use super::{Checker, Mistake};
use crate::engine::is_template;
use crate::model::{Group, Lines, ProbeDef};
use crate::{Command, Text};

impl Checker<'_> {
    pub(super) fn unfit(&mut self, path: &[&str], text: &Text, what: &str) -> &mut Mistake {
        self.tell(path, "bad-value", format!("`{}` is not {what}", text.0), &format!("{what} is needed here"))
    }

    pub(super) fn run_as(&mut self, name: &str, group: &Group) {
        let Some(user) = &group.run_as else { return };
        let path = ["groups", name, "run_as"];
        if !literal(user, |text| text.parse::<u32>().is_ok()) {
            self.unfit(&path, user, "the number of a user").help =
                Some("names of users differ between agents; `id -u NAME` prints the number".into());
        }
        self.text(&path, &user.0, Stage::Plan);
    }

    pub(super) fn size(&mut self, path: &[&str], text: &Text) {
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

    pub(super) fn duration(&mut self, path: &[&str], text: Option<&Text>) {
        let Some(text) = text else { return };
        if !is_template(&text.0)
            && let Err(error) = text.0.parse::<Duration>()
        {
            self.tell(path, "bad-duration", error.to_string(), "").help =
                Some("for example `500ms` or `10s`".into());
        }
        self.text(path, &text.0, Stage::Plan);
    }

    pub(super) fn command(&mut self, path: &[&str], command: &Command) {
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

    pub(super) fn ports(&mut self, name: &str, group: &Group) {
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

    pub(super) fn constraints(&mut self, name: &str, group: &Group) {
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

    pub(super) fn probe(&mut self, path: &[&str], probe: &ProbeDef) {
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
}

/// The text is filled in later, or it fits as it is.
pub(super) fn literal(text: &Text, fits: fn(&str) -> bool) -> bool {
    is_template(&text.0) || fits(&text.0)
}

/// A port or a range; `None` for anything else.
pub fn parse_port(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (from > 0 && from <= to).then_some((from, to))
}
