//! The task of a group in its place: everything is filled in, but for what only the executor knows.

use std::collections::BTreeMap;

use cairn_task::{ConfigFile, FileMode, HealthSpec, Probe, ProbeKind, ReadySpec, TaskSpec};
use cairn_units::Duration;
use serde_json::Value;

use crate::fill::{Filler, Unfilled};
use crate::model::FileMode as Mode;
use crate::{Command, FileDef, Group, HealthDef, ProbeDef, ReadyDef, Text, engine};

/// Stands for `{{ sandbox }}` and `{{ task_id }}` until the rest is filled in: characters for private use.
const LATER: [(&str, char, &str); 2] =
    [("sandbox", '\u{f0001}', "{{ sandbox }}"), ("task_id", '\u{f0002}', "{{ task_id }}")];

/// The task of the group `name`, with the variables of the running service and of the task's place.
///
/// # Errors
/// Every text that cannot be filled in.
pub fn task(name: &str, group: &Group, mut variables: Value) -> Result<TaskSpec, Vec<Unfilled>> {
    for (key, mark, _) in LATER {
        variables[key] = mark.to_string().into();
    }
    let mut writer = Writer { filler: Filler::new(&variables), group: name };
    let task = writer.task(group);
    if writer.filler.unfilled.is_empty() { Ok(task) } else { Err(writer.filler.unfilled) }
}

struct Writer<'a> {
    filler: Filler<'a>,
    group: &'a str,
}

impl Writer<'_> {
    fn task(&mut self, group: &Group) -> TaskSpec {
        let env = |(name, text): (&String, &Text)| (name.clone(), self.text(&format!("env.{name}"), &text.0));
        TaskSpec {
            env: group.env.iter().map(env).collect(),
            command: self.words("command", &group.command),
            prepare: group.prepare.iter().map(|command| self.words("prepare", command)).collect(),
            files: group.files.iter().map(|(path, def)| self.file(path, def)).collect(),
            requires: group.requires.clone(),
            ready: group.ready.as_ref().and_then(|ready| self.ready(ready)),
            health: group.health.as_ref().and_then(|health| self.health(health)),
            grace_ms: self.ms("grace", group.grace.as_ref(), 0),
            run_as: group.run_as.as_ref().and_then(|user| {
                self.filler.value(&self.at("run_as"), user, "the number of a user", |text| text.parse().ok())
            }),
            ..TaskSpec::default()
        }
    }

    fn at(&self, key: &str) -> String {
        format!("service.groups.{}.{key}", self.group)
    }

    /// A text as the executor fills in the rest: its braces are kept from it, our marks become its variables.
    fn text(&mut self, key: &str, template: &str) -> String {
        let filled = self.filler.text(&self.at(key), template);
        let escaped = filled.replace('{', "{{ '{' }}");
        LATER.iter().fold(escaped, |text, (_, mark, variable)| text.replace(*mark, variable))
    }

    fn words(&mut self, key: &str, command: &Command) -> Vec<String> {
        let words = command.words().unwrap_or_default();
        let filled = words.iter().map(|word| (engine::is_template(word), self.text(key, word)));
        filled.filter(|(template, word)| !(*template && word.is_empty())).map(|(_, word)| word).collect()
    }

    fn file(&mut self, path: &str, def: &FileDef) -> ConfigFile {
        let whole = def.whole();
        let text = whole.text.unwrap_or_default();
        let filled = if whole.raw {
            text.clone()
        } else {
            self.filler.text(&self.at(&format!("files.{path}")), &text)
        };
        let marked = !whole.raw && LATER.iter().any(|(_, mark, _)| filled.contains(*mark));
        let mode = whole.mode.unwrap_or(Mode::Normal);
        ConfigFile {
            path: path.to_owned(),
            content: if marked { self.text(&format!("files.{path}"), &text) } else { filled },
            raw: !marked,
            mode: match mode {
                Mode::Normal => FileMode::Normal,
                Mode::Private => FileMode::Private,
                Mode::Executable => FileMode::Executable,
            },
            keep: whole.keep,
        }
    }

    fn ms(&mut self, key: &str, text: Option<&Text>, default: u64) -> u64 {
        let read = |text: &str| text.parse::<Duration>().ok().map(Duration::as_millis);
        let path = self.at(key);
        text.and_then(|text| self.filler.value(&path, text, "a duration such as `10s`", read))
            .unwrap_or(default)
    }

    fn ready(&mut self, ready: &ReadyDef) -> Option<ReadySpec> {
        let probe = self.probe("ready", &ready.probe, 500)?;
        Some(ReadySpec { probe, deadline_ms: self.ms("ready.within", ready.within.as_ref(), 0) })
    }

    fn health(&mut self, health: &HealthDef) -> Option<HealthSpec> {
        let probe = self.probe("health", &health.probe, 10_000)?;
        Some(HealthSpec { probe, failures: health.failures.unwrap_or(3), kill: health.kill })
    }

    /// `every_ms`: the pause where none is given.
    fn probe(&mut self, key: &str, probe: &ProbeDef, every_ms: u64) -> Option<Probe> {
        Some(Probe {
            kind: self.kind(key, probe)?,
            interval_ms: self.ms(&format!("{key}.every"), probe.every.as_ref(), every_ms),
            timeout_ms: self.ms(&format!("{key}.timeout"), probe.timeout.as_ref(), 5_000),
        })
    }

    fn kind(&mut self, key: &str, probe: &ProbeDef) -> Option<ProbeKind> {
        Some(match (&probe.tcp, &probe.http, &probe.exchange, &probe.command) {
            (Some(target), ..) => ProbeKind::Tcp { target: self.text(&format!("{key}.tcp"), target) },
            (_, Some(url), ..) => {
                ProbeKind::Http { url: self.text(&format!("{key}.http"), url), headers: BTreeMap::new() }
            }
            (_, _, Some(exchange), _) => ProbeKind::TcpExchange {
                target: self.text(&format!("{key}.exchange.to"), &exchange.to),
                send: exchange.send.clone(),
                expect: exchange.expect.clone(),
            },
            (.., Some(command)) => {
                ProbeKind::Command { argv: self.words(&format!("{key}.command"), command) }
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use cairn_task::Place;
    use serde_json::json;

    use super::*;

    fn group(value: Value) -> Group {
        serde_json::from_value(value).unwrap()
    }

    fn variables() -> Value {
        json!({ "options": { "title": "a {{ b }} c", "empty": "" }, "address": "127.0.0.2", "ports": { "http": 31000 } })
    }

    #[test]
    fn what_the_executor_renders_is_what_was_meant() {
        let group = group(json!({
            "command": "serve --title {{ options.title }} {{ options.empty }} --in {{ sandbox }}/www:{{ ports.http }}",
            "env": { "JSON": "{\"id\": \"{{ task_id }}\"}" },
            "files": {
                "plain.txt": "{{ options.title }}\n",
                "where.json": "{ \"dir\": \"{{ sandbox }}\", \"title\": \"{{ options.title }}\" }",
                "raw.txt": { "text": "{{ left alone }}", "raw": true },
            },
        }));
        let place = Place { sandbox: "/sandbox".into(), task_id: "t1".into(), ..Place::default() };
        let task = task("web", &group, variables()).unwrap().render(&place).unwrap();
        assert_eq!(task.command, ["serve", "--title", "a {{ b }} c", "--in", "/sandbox/www:31000"]);
        assert_eq!(task.env["JSON"], "{\"id\": \"t1\"}");
        let contents: Vec<&str> = task.files.iter().map(|file| file.content.as_str()).collect();
        let json = "{ \"dir\": \"/sandbox\", \"title\": \"a {{ b }} c\" }";
        assert_eq!(contents, ["a {{ b }} c\n", "{{ left alone }}", json]);
    }

    #[test]
    fn every_text_that_cannot_be_filled_in_is_told() {
        let group = group(json!({
            "command": "serve {{ options.nothing }}", "env": { "A": "{{ options.title | mib }}" }, "grace": "{{ options.empty }}",
        }));
        let unfilled = task("web", &group, variables()).unwrap_err();
        let told: Vec<String> = unfilled.iter().map(|u| format!("{}: {}", u.path, u.message)).collect();
        assert_eq!(told.len(), 3, "{told:#?}");
        assert!(
            told[0].starts_with("service.groups.web.env.A: invalid operation: `a {{ b }} c`"),
            "{told:#?}"
        );
        assert_eq!(told[1], "service.groups.web.command: undefined value");
        assert_eq!(told[2], "service.groups.web.grace: `` is not a duration such as `10s`");
    }
}
