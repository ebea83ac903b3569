//! The task of an instance: everything is filled in here, but for what only the executor knows.

use std::collections::BTreeMap;

use cairn_definition::{Command, Exchange, FileMode as Mode, Group, HealthDef, ReadyDef, Text, engine};
use cairn_framework::{Problem, View, Wait};
use cairn_task::{ConfigFile, FileMode, HealthSpec, Probe, ProbeKind, ReadySpec, TaskSpec};
use cairn_units::Duration;
use serde_json::Value;

use crate::spec::{Filler, Spec, placed};

/// Stands for `{{ sandbox }}` and `{{ task_id }}` until the rest is filled in: characters for private use.
const LATER: [(&str, char, &str); 2] =
    [("sandbox", '\u{f0001}', "{{ sandbox }}"), ("task_id", '\u{f0002}', "{{ task_id }}")];

/// The task of an instance of a group. `variables` are those of the running service.
///
/// # Errors
/// What it waits for.
pub(crate) fn task(
    spec: &Spec,
    name: &str,
    group: &Group,
    (instance, index): (&str, u32),
    mut variables: Value,
    view: &View,
) -> Result<TaskSpec, Wait> {
    wait_for_groups(group, view)?;
    let place = view.placement(instance).ok_or_else(|| Wait::Peers("waits for a place".into()))?;
    wait_for_peers(spec, group, view)?;
    for (key, value) in placed(place).as_object().into_iter().flatten() {
        variables[key.as_str()] = value.clone();
    }
    (variables["instance"], variables["group"], variables["index"]) =
        (instance.into(), name.into(), index.into());
    if group.external {
        variables["framework"] = scheduler_name(&view.framework, name).into();
    }
    for (key, mark, _) in LATER {
        variables[key] = mark.to_string().into();
    }
    let mut writer = Writer { filler: Filler::new(&variables), spec, group: name };
    let task = writer.task(group);
    match writer.filler.problems.as_slice() {
        [] => Ok(task),
        problems => Err(Wait::For(problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; "))),
    }
}

/// The name under which a scheduler of its own registers.
pub(crate) fn scheduler_name(framework: &str, group: &str) -> String {
    format!("{framework}-{group}")
}

/// Groups that come first: their services serve, their jobs are done.
fn wait_for_groups(group: &Group, view: &View) -> Result<(), Wait> {
    for other in &group.after {
        let members = view.target.iter().filter(|name| belongs(name, other));
        let behind = members.filter_map(|name| view.instances.get(name)).find(|i| !i.is_fine());
        if let Some(instance) = behind {
            let why =
                if instance.message.is_empty() { String::new() } else { format!(": {}", instance.message) };
            return Err(Wait::For(format!("waits for {}{why}", instance.name)));
        }
    }
    Ok(())
}

fn belongs(instance: &str, group: &str) -> bool {
    crate::spec::split_name(instance).is_some_and(|(of, _)| of == group)
}

/// What a group's texts say of others can be written down once all of those have their places.
fn wait_for_peers(spec: &Spec, group: &Group, view: &View) -> Result<(), Wait> {
    let needed = group.peers(&spec.service.groups);
    let missing =
        |name: &&String| needed.iter().any(|group| belongs(name, group)) && view.placement(name).is_none();
    match view.target.iter().find(missing) {
        Some(name) => Err(Wait::Peers(format!("waits for the place of {name}"))),
        None => Ok(()),
    }
}

struct Writer<'a> {
    filler: Filler<'a>,
    spec: &'a Spec,
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

    fn file(&mut self, path: &str, def: &cairn_definition::FileDef) -> ConfigFile {
        let whole = def.whole();
        let text = whole.text.unwrap_or_default();
        let filled = if whole.raw {
            text.clone()
        } else {
            self.filler.text(&self.at(&format!("files.{path}")), &text)
        };
        let marked = !whole.raw && LATER.iter().any(|(_, mark, _)| filled.contains(*mark));
        let secret = !whole.raw && self.mentions_secret(&text);
        let mode = whole.mode.unwrap_or(if secret { Mode::Private } else { Mode::Normal });
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

    fn mentions_secret(&self, text: &str) -> bool {
        let variables = engine::variables(text).unwrap_or_default();
        variables.iter().filter_map(|v| v.strip_prefix("options.")).any(|option| self.spec.is_secret(option))
    }

    fn ms(&mut self, key: &str, text: Option<&Text>, default: u64) -> u64 {
        let read = |text: &str| text.parse::<Duration>().ok().map(Duration::as_millis);
        let path = self.at(key);
        text.and_then(|text| self.filler.value(&path, text, "a duration such as `10s`", read))
            .unwrap_or(default)
    }

    fn ready(&mut self, ready: &ReadyDef) -> Option<ReadySpec> {
        let ReadyDef { tcp, http, exchange, command, every, timeout, within } = ready;
        let kind = self.probe("ready", (tcp.as_ref(), http.as_ref(), exchange.as_ref(), command.as_ref()))?;
        let probe = self.rhythm("ready", kind, (every.as_ref(), 500), timeout.as_ref());
        Some(ReadySpec { probe, deadline_ms: self.ms("ready.within", within.as_ref(), 0) })
    }

    fn health(&mut self, health: &HealthDef) -> Option<HealthSpec> {
        let HealthDef { tcp, http, exchange, command, every, timeout, failures, kill } = health;
        let kind =
            self.probe("health", (tcp.as_ref(), http.as_ref(), exchange.as_ref(), command.as_ref()))?;
        let probe = self.rhythm("health", kind, (every.as_ref(), 10_000), timeout.as_ref());
        Some(HealthSpec { probe, failures: failures.unwrap_or(3), kill: *kill })
    }

    fn rhythm(
        &mut self,
        key: &str,
        kind: ProbeKind,
        every: (Option<&Text>, u64),
        timeout: Option<&Text>,
    ) -> Probe {
        Probe {
            kind,
            interval_ms: self.ms(&format!("{key}.every"), every.0, every.1),
            timeout_ms: self.ms(&format!("{key}.timeout"), timeout, 5_000),
        }
    }

    fn probe(
        &mut self,
        key: &str,
        ways: (Option<&String>, Option<&String>, Option<&Exchange>, Option<&Command>),
    ) -> Option<ProbeKind> {
        Some(match ways {
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
