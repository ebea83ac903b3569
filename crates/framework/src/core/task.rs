//! Calls and operations as Mesos wants them.

use std::collections::BTreeMap;

use cairn_mesos::v1::{self, offer::Operation, offer::operation, scheduler::Call, scheduler::call};
use cairn_planted::planted;
use cairn_task::TaskSpec;

use super::event::Setup;
use super::matching::{EXECUTOR_CPUS, EXECUTOR_MEM, Fit, Milli, Pool, Supply, milli};
use super::planted::Bug;
use crate::{Artifact, InstanceSpec};

/// Label of a reservation: which framework made it.
const LABEL_FRAMEWORK: &str = "framework";
/// Label of a reservation: for which instance.
const LABEL_INSTANCE: &str = "instance";
/// Prefix of task labels that hand the agent's attributes to the executor.
const LABEL_ATTRIBUTE: &str = "attribute.";

fn call(kind: call::Type) -> Call {
    Call { r#type: Some(kind as i32), ..Call::default() }
}

pub(crate) fn revive() -> Call {
    call(call::Type::Revive)
}

pub(crate) fn suppress() -> Call {
    call(call::Type::Suppress)
}

pub(crate) fn teardown() -> Call {
    call(call::Type::Teardown)
}

pub(crate) fn kill(task_id: &str, agent_id: &str) -> Call {
    Call {
        kill: Some(call::Kill { task_id: task(task_id), agent_id: agent(agent_id), ..Default::default() }),
        ..call(call::Type::Kill)
    }
}

pub(crate) fn reconcile(tasks: &[(String, String)]) -> Call {
    let tasks = tasks
        .iter()
        .map(|(id, on)| call::reconcile::Task { task_id: task(id), agent_id: agent(on) })
        .collect();
    Call { reconcile: Some(call::Reconcile { tasks }), ..call(call::Type::Reconcile) }
}

/// Only updates with a uuid want to be acknowledged.
pub(crate) fn acknowledge(status: &v1::TaskStatus) -> Option<Call> {
    let uuid = status.uuid.clone().filter(|u| !u.is_empty())?;
    let agent_id = status.agent_id.clone()?;
    Some(Call {
        acknowledge: Some(call::Acknowledge { agent_id, task_id: status.task_id.clone(), uuid }),
        ..call(call::Type::Acknowledge)
    })
}

pub(crate) fn decline(offer: &v1::Offer, refuse_seconds: f64) -> Call {
    let filters = Some(v1::Filters { refuse_seconds: Some(refuse_seconds) });
    Call {
        decline: Some(call::Decline { offer_ids: vec![offer.id.clone()], filters }),
        ..call(call::Type::Decline)
    }
}

pub(crate) fn accept(offer: &v1::Offer, operations: Vec<Operation>, refuse_seconds: f64) -> Call {
    let filters = Some(v1::Filters { refuse_seconds: Some(refuse_seconds) });
    Call {
        accept: Some(call::Accept { offer_ids: vec![offer.id.clone()], operations, filters }),
        ..call(call::Type::Accept)
    }
}

fn task(id: &str) -> v1::TaskId {
    v1::TaskId { value: id.to_owned() }
}

fn agent(id: &str) -> Option<v1::AgentId> {
    (!id.is_empty()).then(|| v1::AgentId { value: id.to_owned() })
}

pub(crate) fn launch(task_infos: Vec<v1::TaskInfo>) -> Operation {
    Operation { launch: Some(operation::Launch { task_infos }), ..operation_of(operation::Type::Launch) }
}

fn operation_of(kind: operation::Type) -> Operation {
    Operation { r#type: Some(kind as i32), ..Operation::default() }
}

// Sorting an offer.

/// Sorts an offer's resources by what may be used for whom. Resources reserved for other frameworks of the role, shared or
/// revocable ones are left alone.
pub(crate) fn supply(offer: &v1::Offer, framework: &str) -> Supply {
    let mut supply = Supply {
        agent_id: offer.agent_id.value.clone(),
        hostname: offer.hostname.clone(),
        address: address(offer),
        attributes: attributes(&offer.attributes),
        executors: offer.executor_ids.iter().map(|id| id.value.clone()).collect(),
        ..Supply::default()
    };
    for resource in &offer.resources {
        if resource.shared.is_some() || resource.revocable.is_some() {
            continue;
        }
        if resource.reservations.is_empty() && resource.disk.is_none() {
            add(&mut supply.free, resource);
        } else if let Some(instance) = owner(resource, framework) {
            add(supply.own.entry(instance).or_default(), resource);
        }
    }
    supply
}

fn address(offer: &v1::Offer) -> String {
    let url = offer.url.as_ref().map(|u| &u.address);
    url.and_then(|a| a.ip.clone()).unwrap_or_else(|| offer.hostname.clone())
}

/// Attributes as text.
pub(crate) fn attributes(attributes: &[v1::Attribute]) -> BTreeMap<String, String> {
    attributes
        .iter()
        .filter_map(|a| {
            let text = a.text.as_ref().map(|t| t.value.clone());
            let number = a.scalar.as_ref().map(|s| s.value.to_string());
            Some((a.name.clone(), text.or(number)?))
        })
        .collect()
}

/// The instance for which this framework has reserved a resource.
fn owner(resource: &v1::Resource, framework: &str) -> Option<String> {
    let labels = resource.reservations.last()?.labels.as_ref()?;
    let find = |key: &str| labels.labels.iter().find(|l| l.key == key)?.value.clone();
    (find(LABEL_FRAMEWORK)? == framework).then(|| find(LABEL_INSTANCE)).flatten()
}

fn add(pool: &mut Pool, resource: &v1::Resource) {
    let scalar = milli(resource.scalar.as_ref().map_or(0.0, |s| s.value));
    match resource.name.as_str() {
        "cpus" => pool.cpus += scalar,
        "mem" => pool.mem += scalar,
        "disk" => match resource.disk.as_ref().and_then(|d| d.persistence.as_ref()) {
            Some(persistence) => {
                pool.volumes.insert(persistence.id.clone(), scalar);
            }
            None => pool.disk += scalar,
        },
        "ports" => {
            for range in resource.ranges.iter().flat_map(|r| &r.range) {
                pool.ports
                    .extend((range.begin..=range.end.min(65_535)).filter_map(|p| u16::try_from(p).ok()));
            }
        }
        _ => {}
    }
}

// Making resources.

fn reservation(setup: &Setup, instance: &str) -> v1::resource::ReservationInfo {
    let label = |key: &str, value: &str| v1::Label { key: key.into(), value: Some(value.into()) };
    let labels = [label(LABEL_FRAMEWORK, &setup.framework), label(LABEL_INSTANCE, instance)];
    v1::resource::ReservationInfo {
        r#type: Some(v1::resource::reservation_info::Type::Dynamic as i32),
        role: Some(setup.framework.clone()),
        principal: Some(setup.master.principal().to_owned()),
        labels: Some(v1::Labels {
            labels: labels.into_iter().take(if planted(Bug::DropLabel) { 1 } else { 2 }).collect(),
        }),
    }
}

/// What resources of one instance have in common.
struct Mold {
    allocation: Option<v1::resource::AllocationInfo>,
    reservation: v1::resource::ReservationInfo,
    principal: String,
}

impl Mold {
    fn new(offer: &v1::Offer, setup: &Setup, instance: &str) -> Self {
        let allocation = offer.resources.iter().find_map(|r| r.allocation_info.clone());
        Self {
            allocation,
            reservation: reservation(setup, instance),
            principal: setup.master.principal().to_owned(),
        }
    }

    fn base(&self, name: &str, kind: v1::value::Type) -> v1::Resource {
        v1::Resource {
            name: name.into(),
            r#type: kind as i32,
            allocation_info: self.allocation.clone(),
            reservations: vec![self.reservation.clone()],
            ..v1::Resource::default()
        }
    }

    fn scalar(&self, name: &str, value: Milli) -> Option<v1::Resource> {
        (value > 0).then(|| v1::Resource {
            scalar: Some(v1::value::Scalar { value: value as f64 / 1000.0 }),
            ..self.base(name, v1::value::Type::Scalar)
        })
    }

    fn ports(&self, ports: impl IntoIterator<Item = u16>) -> Option<v1::Resource> {
        let range: Vec<v1::value::Range> =
            ports.into_iter().map(|p| v1::value::Range { begin: p.into(), end: p.into() }).collect();
        (!range.is_empty()).then(|| v1::Resource {
            ranges: Some(v1::value::Ranges { range }),
            ..self.base("ports", v1::value::Type::Ranges)
        })
    }

    fn volume(&self, path: &str, id: &str, size: Milli) -> Option<v1::Resource> {
        let persistence =
            v1::resource::disk_info::Persistence { id: id.into(), principal: Some(self.principal.clone()) };
        let volume = v1::Volume {
            container_path: path.into(),
            mode: v1::volume::Mode::Rw as i32,
            ..v1::Volume::default()
        };
        let disk = v1::resource::DiskInfo {
            persistence: Some(persistence),
            volume: Some(volume),
            ..v1::resource::DiskInfo::default()
        };
        self.scalar("disk", size).map(|resource| v1::Resource { disk: Some(Box::new(disk)), ..resource })
    }

    fn pool(&self, pool: &Pool) -> Vec<v1::Resource> {
        let scalars = [("cpus", pool.cpus), ("mem", pool.mem), ("disk", pool.disk)];
        scalars
            .into_iter()
            .filter_map(|(name, value)| self.scalar(name, value))
            .chain(self.ports(pool.ports.iter().copied()))
            .collect()
    }
}

/// RESERVE, UNRESERVE and CREATE for one instance, in the order in which they must happen.
pub(crate) fn prepare(offer: &v1::Offer, setup: &Setup, instance: &str, fit: &Fit) -> Vec<Operation> {
    let mold = Mold::new(offer, setup, instance);
    let mut operations = Vec::new();
    let surplus = mold.pool(&fit.unreserve);
    if !surplus.is_empty() {
        operations.push(unreserve(surplus));
    }
    let resources = mold.pool(&fit.reserve);
    if !resources.is_empty() {
        operations.push(Operation {
            reserve: Some(operation::Reserve { resources, ..Default::default() }),
            ..operation_of(operation::Type::Reserve)
        });
    }
    let volumes: Vec<_> =
        fit.create.iter().filter_map(|(path, id, size)| mold.volume(path, id, *size)).collect();
    if !volumes.is_empty() {
        operations.push(Operation {
            create: Some(operation::Create { volumes }),
            ..operation_of(operation::Type::Create)
        });
    }
    operations
}

fn unreserve(resources: Vec<v1::Resource>) -> Operation {
    Operation {
        unreserve: Some(operation::Unreserve { resources }),
        ..operation_of(operation::Type::Unreserve)
    }
}

/// DESTROY and UNRESERVE of all that an offer holds for an instance.
pub(crate) fn give_back(offer: &v1::Offer, instance: &str) -> Vec<Operation> {
    let mine: Vec<v1::Resource> = offer.resources.iter().filter(|r| labelled(r, instance)).cloned().collect();
    let is_volume = |r: &v1::Resource| r.disk.as_ref().is_some_and(|d| d.persistence.is_some());
    let volumes: Vec<_> = mine.iter().filter(|r| is_volume(r)).cloned().collect();
    let bare: Vec<_> =
        mine.into_iter().map(|r| if is_volume(&r) { v1::Resource { disk: None, ..r } } else { r }).collect();
    let mut operations = Vec::new();
    if !volumes.is_empty() {
        operations.push(Operation {
            destroy: Some(operation::Destroy { volumes }),
            ..operation_of(operation::Type::Destroy)
        });
    }
    if !bare.is_empty() {
        operations.push(unreserve(bare));
    }
    operations
}

fn labelled(resource: &v1::Resource, instance: &str) -> bool {
    let labels = resource.reservations.last().and_then(|r| r.labels.as_ref());
    labels.is_some_and(|l| {
        l.labels.iter().any(|l| l.key == LABEL_INSTANCE && l.value.as_deref() == Some(instance))
    })
}

// The task itself.

/// The task of an instance, with an executor of its own.
pub(crate) fn info(
    offer: &v1::Offer,
    setup: &Setup,
    spec: &InstanceSpec,
    fit: &Fit,
    id: &str,
    task_spec: &TaskSpec,
) -> v1::TaskInfo {
    let mold = Mold::new(offer, setup, &spec.name);
    v1::TaskInfo {
        name: spec.name.clone(),
        task_id: task(id),
        agent_id: offer.agent_id.clone(),
        resources: resources(&mold, offer, spec, fit),
        executor: Some(executor(&mold, setup, spec, id)),
        data: serde_json::to_vec(task_spec).ok(),
        labels: Some(labels(fit)),
        discovery: Some(discovery(setup, spec, fit)),
        ..v1::TaskInfo::default()
    }
}

fn resources(mold: &Mold, offer: &v1::Offer, spec: &InstanceSpec, fit: &Fit) -> Vec<v1::Resource> {
    let scalars = [("cpus", milli(spec.cpus)), ("mem", milli(spec.mem))];
    let mut out: Vec<v1::Resource> =
        scalars.into_iter().filter_map(|(name, value)| mold.scalar(name, value)).collect();
    out.extend(mold.ports(fit.placement.ports.values().copied()));
    for volume in &spec.volumes {
        let Some(id) = fit.placement.volumes.get(&volume.path) else { continue };
        let offered = offer.resources.iter().find(|r| persistence_id(r) == Some(id.as_str()));
        let created = fit.create.iter().find(|(_, new, _)| new == id);
        out.extend(match (offered, created) {
            // An existing volume is named exactly as it was offered.
            (Some(resource), _) => Some(resource.clone()),
            (None, Some((path, id, size))) => mold.volume(path, id, *size),
            (None, None) => None,
        });
    }
    out
}

fn persistence_id(resource: &v1::Resource) -> Option<&str> {
    Some(resource.disk.as_ref()?.persistence.as_ref()?.id.as_str())
}

fn executor(mold: &Mold, setup: &Setup, spec: &InstanceSpec, id: &str) -> v1::ExecutorInfo {
    let cairn = v1::command_info::Uri {
        value: setup.executor_uri.clone(),
        executable: Some(true),
        extract: Some(false),
        cache: Some(true),
        output_file: Some("cairn".into()),
    };
    let uris = std::iter::once(cairn).chain(spec.artifacts.iter().map(uri)).collect();
    let share = [("cpus", EXECUTOR_CPUS), ("mem", EXECUTOR_MEM)];
    v1::ExecutorInfo {
        r#type: Some(v1::executor_info::Type::Custom as i32),
        executor_id: v1::ExecutorId { value: id.to_owned() },
        name: Some(spec.name.clone()),
        command: Some(v1::CommandInfo {
            shell: Some(false),
            value: Some("./cairn".into()),
            arguments: vec!["cairn".into(), "executor".into()],
            uris,
            ..v1::CommandInfo::default()
        }),
        resources: share.into_iter().filter_map(|(name, value)| mold.scalar(name, value)).collect(),
        ..v1::ExecutorInfo::default()
    }
}

fn uri(artifact: &Artifact) -> v1::command_info::Uri {
    v1::command_info::Uri {
        value: pinned(artifact),
        executable: Some(false),
        extract: Some(artifact.extract),
        cache: Some(true),
        output_file: artifact.output.clone(),
    }
}

/// The checksum travels in the query, where the embedded agents look for it and other servers ignore it.
fn pinned(artifact: &Artifact) -> String {
    let Artifact { uri, sha256, .. } = artifact;
    if sha256.is_empty() || uri.contains("sha256=") {
        return uri.clone();
    }
    format!("{uri}{}sha256={sha256}", if uri.contains('?') { '&' } else { '?' })
}

fn labels(fit: &Fit) -> v1::Labels {
    let label = |(key, value): (&String, &String)| v1::Label {
        key: format!("{LABEL_ATTRIBUTE}{key}"),
        value: Some(value.clone()),
    };
    v1::Labels { labels: fit.placement.attributes.iter().map(label).collect() }
}

fn discovery(setup: &Setup, spec: &InstanceSpec, fit: &Fit) -> v1::DiscoveryInfo {
    let ports = fit
        .placement
        .ports
        .iter()
        .map(|(name, number)| v1::Port {
            number: u32::from(*number),
            name: Some(name.clone()),
            protocol: Some("tcp".into()),
            ..v1::Port::default()
        })
        .collect();
    v1::DiscoveryInfo {
        visibility: v1::discovery_info::Visibility::Cluster as i32,
        name: Some(format!("{}.{}", spec.name, setup.framework)),
        ports: Some(v1::Ports { ports }),
        ..v1::DiscoveryInfo::default()
    }
}
