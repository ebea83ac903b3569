//! What there is to see while a stack changes: a line for each service and instance.

use std::collections::BTreeMap;

use cairn_controller::view::{InstanceView, ServiceView, StackView};
use cairn_framework::Phase;

use super::words::{self, Word};

/// How a service or an instance is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// `kafka` or `kafka/broker-0`.
    pub(crate) name: String,
    /// It belongs to the service above.
    pub(crate) is_instance: bool,
    /// Its state.
    pub(crate) state: Word,
    /// Why it is so.
    pub(crate) message: String,
}

impl Line {
    /// `kafka/broker-0: starting: fetches kafka-3.9.1.tar`
    pub(crate) fn text(&self) -> String {
        if self.message.is_empty() {
            format!("{}: {}", self.name, self.state.text)
        } else {
            format!("{}: {}: {}", self.name, self.state.text, words::one_line(&self.message))
        }
    }
}

/// A line for each service, followed by its instances.
pub(crate) fn lines(stack: &StackView) -> Vec<Line> {
    stack.services.iter().flat_map(|s| std::iter::once(of_service(s)).chain(of_instances(s))).collect()
}

fn of_service(service: &ServiceView) -> Line {
    Line {
        name: service.name.clone(),
        is_instance: false,
        state: words::service(service.state),
        message: service.message.clone(),
    }
}

fn of_instances(service: &ServiceView) -> impl Iterator<Item = Line> {
    let line = |instance: &InstanceView| Line {
        name: format!("{}/{}", service.name, instance.name),
        is_instance: true,
        state: words::phase(instance.phase),
        message: instance_message(instance),
    };
    service.instances.iter().map(line)
}

/// Once it serves, where it does.
fn instance_message(instance: &InstanceView) -> String {
    match (&instance.message, &instance.address) {
        (message, Some(address)) if message.is_empty() && instance.phase == Phase::Ready => address.clone(),
        (message, _) => message.clone(),
    }
}

/// What has been told already, so that only changes are told.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<String, String>);

impl Told {
    /// The lines that have changed since the last time, and those that are gone.
    pub(crate) fn changes(&mut self, lines: &[Line]) -> Vec<String> {
        let mut next = BTreeMap::new();
        let mut changed = Vec::new();
        for line in lines {
            let text = line.text();
            if self.0.get(&line.name) != Some(&text) {
                changed.push(text.clone());
            }
            next.insert(line.name.clone(), text);
        }
        changed.extend(
            self.0.keys().filter(|name| !next.contains_key(*name)).map(|name| format!("{name}: gone")),
        );
        self.0 = next;
        changed
    }
}

/// What everything waits for that is not done, for when patience ends.
pub(crate) fn waiting(stack: &StackView) -> Vec<String> {
    let held_up = |service: &&ServiceView| !service.complete;
    stack
        .services
        .iter()
        .filter(held_up)
        .flat_map(|service| {
            let instances = of_instances(service).filter(|line| line.state != words::phase(Phase::Ready));
            std::iter::once(of_service(service)).chain(instances)
        })
        .map(|line| line.text())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{half_way, ready};
    use super::*;

    #[test]
    fn only_changes_are_told() {
        let mut told = Told::default();
        insta::assert_snapshot!(told.changes(&lines(&half_way())).join("\n"));
        assert!(told.changes(&lines(&half_way())).is_empty());
        let mut next = ready();
        next.services[1].instances.clear();
        insta::assert_snapshot!(told.changes(&lines(&next)).join("\n"));
    }

    #[test]
    fn who_waits_and_what_for() {
        insta::assert_snapshot!(waiting(&half_way()).join("\n"));
        assert!(waiting(&ready()).is_empty());
    }

    #[test]
    fn what_a_program_has_printed_stays_in_one_line() {
        let mut stack = half_way();
        stack.services[0].instances[1].message =
            "exited with status 1:\nno such file\n\nnext try in 4 s".into();
        let told = "zookeeper/server-1: back-off: exited with status 1: no such file; next try in 4 s";
        assert_eq!(waiting(&stack)[1], told);
    }
}
