//! The invariants of the design, held against what is done: every call, every process that starts, every deletion.

use std::path::PathBuf;

use cairn_mesos::v1::Resource;
use cairn_mesos::v1::offer::operation::Type;
use cairn_mesos::v1::scheduler::{Call, call};

use crate::container::Service;
use crate::ledger::Known;
use crate::standing::Standing;
use crate::world::World;

/// A label of a reservation.
pub(crate) fn label<'a>(resource: &'a Resource, key: &str) -> Option<&'a str> {
    let labels = resource.reservations.last()?.labels.as_ref()?;
    labels.labels.iter().find(|l| l.key == key)?.value.as_deref()
}

fn volume(resource: &Resource) -> Option<&str> {
    Some(resource.disk.as_ref()?.persistence.as_ref()?.id.as_str())
}

impl World {
    /// Nothing is done that the store does not hold as intent.
    pub(crate) fn check_call(&mut self, index: usize, call: &Call) {
        self.check_program(index, "calls the master");
        self.note_told(index, call);
        match call.r#type() {
            call::Type::Accept => {
                self.check_accept(index, call);
                self.check_freed(index, call);
            }
            call::Type::Kill => {
                let task = call.kill.as_ref().map(|k| k.task_id.value.clone()).unwrap_or_default();
                let claimed =
                    self.ledger.claimant(index, &task).map(|(name, killing)| (name.to_owned(), killing));
                if let Some((name, false)) = claimed {
                    self.violate("intent before effect", || {
                        format!("scheduler {index} kills {task} of {name} and has not stored that")
                    });
                }
                self.ledger.killed.insert(task);
            }
            call::Type::Acknowledge => {
                let Some(acknowledge) = &call.acknowledge else { return };
                let Some(task) = self.ledger.ends.get(&acknowledge.uuid).cloned() else { return };
                if self.ledger.claimant(index, &task).is_some() {
                    self.violate("an acknowledgement comes after what it reports is stored", || {
                        format!("scheduler {index} acknowledges the end of {task}, which its store has alive")
                    });
                }
            }
            call::Type::Teardown => {
                if !self.ledger.destroying(index) {
                    self.violate("only destroy tears down", || format!("scheduler {index} leaves"));
                }
                let id = self.schedulers[index].framework_id();
                self.ledger.torn.extend(id);
            }
            _ => {}
        }
    }

    fn check_accept(&mut self, index: usize, call: &Call) {
        let operations = call.accept.iter().flat_map(|a| &a.operations);
        for operation in operations {
            match operation.r#type() {
                Type::Launch => {
                    for task in operation.launch.iter().flat_map(|l| &l.task_infos) {
                        self.check_given(index, task);
                        self.check_nothing_secret_launched(index, task);
                        let id = &task.task_id.value;
                        let claimed = self.ledger.claimant(index, id);
                        if claimed != Some((task.name.as_str(), false)) {
                            self.violate("intent before effect", || {
                                format!("scheduler {index} launches {id} and has not stored that")
                            });
                        }
                    }
                }
                Type::Reserve => {
                    for resource in operation.reserve.iter().flat_map(|r| &r.resources) {
                        self.check_taken(index, resource);
                    }
                }
                Type::Create => {
                    for resource in operation.create.iter().flat_map(|c| &c.volumes) {
                        self.check_taken(index, resource);
                    }
                }
                Type::Destroy => {
                    for resource in operation.destroy.iter().flat_map(|d| &d.volumes) {
                        self.check_destroyed(index, resource);
                    }
                }
                _ => {}
            }
        }
    }

    /// What is reserved or created is for an instance that has its place there, by record.
    fn check_taken(&mut self, index: usize, resource: &Resource) {
        let name = label(resource, "instance").unwrap_or_default();
        let known = self.ledger.of(index, name);
        let has_place = known.is_some_and(|k| k.agent.is_some());
        let has_volume = volume(resource)
            .is_none_or(|id| known.is_some_and(|k| k.volumes.values().any(|known| known == id)));
        if !has_place || !has_volume {
            let text = format!(
                "scheduler {index} takes {} for `{name}`, which its store does not hold",
                resource.name
            );
            self.violate("intent before effect", || text);
        }
    }

    fn check_destroyed(&mut self, index: usize, resource: &Resource) {
        let role = self.schedulers[index].name.clone();
        let name = label(resource, "instance").unwrap_or_default().to_owned();
        if !self.ledger.may_delete(&role, &name) {
            let id = volume(resource).unwrap_or_default().to_owned();
            self.violate("no data is deleted or forgotten", || {
                format!("scheduler {index} destroys volume {id}, and no operator has asked for that")
            });
        }
        let holds = |known: &Known| {
            let id = volume(resource);
            !known.delete_data && known.volumes.values().any(|known| Some(known.as_str()) == id)
        };
        if !self.ledger.destroying(index) && self.ledger.of(index, &name).is_some_and(holds) {
            self.violate("intent before effect", || {
                format!("scheduler {index} destroys a volume that its store holds for {name}")
            });
        }
    }

    /// An agent deletes volumes.
    pub(crate) fn delete_volumes(&mut self, machine: usize, paths: &[PathBuf]) {
        for path in paths {
            self.note(|| format!("agent {machine} deletes {}", path.display()));
            self.machines[machine].volumes.remove(path);
            let part = |n: usize| {
                let mut parts = path.iter().rev().skip(n);
                parts.next().and_then(|p| p.to_str()).unwrap_or_default().to_owned()
            };
            let (id, role) = (part(0), part(1));
            let instance = id.split('.').next().unwrap_or_default().to_owned();
            if !self.ledger.may_delete(&role, &instance) {
                self.violate("no data is deleted or forgotten", || {
                    format!(
                        "machine {machine} deletes {}, and no operator has asked for that",
                        path.display()
                    )
                });
            }
        }
    }

    /// A service process starts.
    pub(crate) fn check_start(&mut self, machine: usize, task: &str, service: &Service) {
        // An operator has said that it counts for ended, whatever becomes of it there.
        if self.machines[machine].standing == Standing::Gone {
            return;
        }
        let mut others = Vec::new();
        let mut ports = Vec::new();
        let here = self.machines.iter().enumerate().filter(|(_, host)| host.standing != Standing::Gone);
        for (index, host) in here {
            for (id, other) in host.containers.values().flat_map(|c| &c.services) {
                if other.owner == service.owner && !self.ledger.declared_dead.contains(id) {
                    others.push(format!("{id} on machine {index}"));
                }
                if index == machine && other.ports.iter().any(|p| service.ports.contains(p)) {
                    ports.push(id.clone());
                }
            }
        }
        if !others.is_empty() {
            self.violate("one live task per instance", || {
                format!("{task} of {:?} starts on machine {machine}; there is {others:?}", service.owner)
            });
        }
        if !ports.is_empty() {
            self.violate("a port belongs to one task", || {
                format!("{task} starts on machine {machine} with ports of {ports:?}")
            });
        }
    }
}
