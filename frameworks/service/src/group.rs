//! A group as instances.

use std::collections::BTreeMap;

use cairn_definition::check::parse_port;
use cairn_definition::{ArtifactDef, Filler, Group, Job, Lines};
use cairn_framework::{
    Artifact, Config, Constraint, GoalState, InstanceSpec, PortSpec, Rolling, Timing, VolumeSpec,
};
use cairn_units::Schedule;

use crate::spec::{instance_name, split_name};

/// Most tasks of a group.
const MAX_COUNT: u32 = 10_000;

/// One task on every agent.
pub(crate) const EVERYWHERE: &str = "*";

/// The instances of a group, or its one instance for every agent; what is wrong goes to the filler.
pub(crate) fn instances(
    name: &str,
    group: &Group,
    config: &Config,
    filler: &mut Filler<'_>,
) -> (Vec<InstanceSpec>, Option<InstanceSpec>) {
    let at = |key: &str| format!("service.groups.{name}.{key}");
    let number = |text: &str| match text {
        EVERYWHERE => Some(None),
        text => text.parse::<u32>().ok().filter(|count| *count <= MAX_COUNT).map(Some),
    };
    let count = filler.value(&at("count"), &group.count, "a number of tasks, or `*`", number).flatten();
    let share = |text: &str| text.parse::<f64>().ok().filter(|cpus| *cpus > 0.0 && cpus.is_finite());
    let cpus = filler.value(&at("cpus"), &group.cpus, "a number of CPUs", share).unwrap_or_default();
    let mem = filler.mib(&at("mem"), &group.mem);
    let one = InstanceSpec {
        cpus,
        mem: mem as f64,
        volumes: volumes(name, group, filler),
        constraints: constraints(&at("constraints"), &group.constraints, filler),
        artifacts: artifacts(&at("artifacts"), group, config, filler),
        goal: match group.job {
            None => GoalState::Running,
            Some(Job::Change) => GoalState::Finish,
            Some(Job::Once | Job::Timed) => GoalState::Once,
        },
        retries: group.retries(),
        timing: timing(&at("schedule"), group, filler),
        gang: group.gang.clone(),
        rolling: Rolling { group: name.to_owned(), at_once: group.max_unavailable.unwrap_or(1) },
        ..InstanceSpec::default()
    };
    let Some(count) = count else {
        // All the same, as far as ports go: each agent has its own.
        let ports = ports(name, group, 0, filler);
        let each = InstanceSpec { name: name.to_owned(), ports, one_per_agent: true, ..one };
        return (Vec::new(), Some(each));
    };
    let instance = |index| InstanceSpec {
        name: instance_name(name, index),
        ports: ports(name, group, index, filler),
        ..one.clone()
    };
    ((0..count).map(instance).collect(), None)
}

/// A job after timed jobs runs after each of their successes.
pub(crate) fn follow(groups: &BTreeMap<String, Group>, instances: &mut [InstanceSpec]) {
    let group_of = |instance: &InstanceSpec| groups.get_key_value(split_name(&instance.name)?.0);
    let timed: Vec<(&String, String)> = instances
        .iter()
        .filter_map(|i| Some((group_of(i).filter(|(_, def)| def.job == Some(Job::Timed))?.0, i.name.clone())))
        .collect();
    for instance in instances {
        let Some((_, def)) = group_of(instance) else { continue };
        if matches!(def.job, Some(Job::Once | Job::Change)) {
            let parents = timed.iter().filter(|(group, _)| def.after.contains(group));
            instance.follows = parents.map(|(_, name)| name.clone()).collect();
        }
    }
}

fn timing(path: &str, group: &Group, filler: &mut Filler<'_>) -> Option<Timing> {
    let text = group.schedule.as_ref()?;
    let schedule =
        filler.value(path, text, "a schedule such as `0 3 * * *`", |text| text.parse::<Schedule>().ok())?;
    let (overlap, missed) = (group.overlap.unwrap_or_default(), group.missed.unwrap_or_default());
    Some(Timing { schedule, overlap, missed })
}

/// Numbers of ports may depend on the index of the task: services that listen on all addresses of a machine must not
/// meet there.
fn ports(name: &str, group: &Group, index: u32, filler: &mut Filler<'_>) -> Vec<PortSpec> {
    filler.with("index", index.into(), |filler| {
        let one = |port: &str| {
            let path = format!("service.groups.{name}.ports.{port}");
            let within = group.ports.wanted(port).and_then(|wanted| {
                filler.value(&path, wanted, "a port or a range", |text| match text {
                    "" | "none" | "0" => Some(None),
                    text => parse_port(text).map(Some),
                })
            });
            PortSpec { name: port.to_owned(), within: within.flatten(), ..PortSpec::default() }
        };
        group.ports.names().map(one).collect()
    })
}

fn volumes(name: &str, group: &Group, filler: &mut Filler<'_>) -> Vec<VolumeSpec> {
    let one = |(path, size): (&String, _)| VolumeSpec {
        path: path.clone(),
        size: filler.mib(&format!("service.groups.{name}.volumes.{path}"), size),
    };
    group.volumes.iter().map(one).collect()
}

fn constraints(path: &str, lines: &Lines, filler: &mut Filler<'_>) -> Vec<Constraint> {
    let mut constraints = Vec::new();
    for text in filler.lines(path, lines) {
        match text.parse::<Constraint>() {
            Ok(constraint) => constraints.push(constraint),
            Err(error) => filler.tell(path, format!("{error}; {}", error.help)),
        }
    }
    constraints
}

fn artifacts(path: &str, group: &Group, config: &Config, filler: &mut Filler<'_>) -> Vec<Artifact> {
    let one = |(index, def): (usize, &ArtifactDef)| {
        let path = format!("{path}.{index}");
        let artifact = if let Some(version) = &def.distribution {
            let version = filler.text(&path, &version.0);
            let found = config.archive(&version);
            found.unwrap_or_else(|problems| {
                problems.iter().for_each(|problem| filler.tell(&path, problem.message.clone()));
                Artifact::default()
            })
        } else {
            let uri = def.uri.as_deref().unwrap_or_default();
            Artifact { uri: filler.text(&path, uri), extract: def.extract, ..Artifact::default() }
        };
        let sha256 = def.sha256.as_ref().map(|text| filler.text(&path, text).to_ascii_lowercase());
        Artifact {
            sha256: sha256.unwrap_or(artifact.sha256),
            extract: artifact.extract || def.distribution.is_some(),
            output: def.output.clone(),
            uri: artifact.uri,
        }
    };
    group.artifacts.iter().enumerate().map(one).collect()
}
