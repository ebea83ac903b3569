//! Where services are to be had: outputs by name, and the addresses of instances.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cairn_controller::view::{ServiceView, StackView};
use serde::Serialize;

use super::names::is_below;

/// Outputs by name.
pub(crate) type Outputs = BTreeMap<String, String>;

/// Addresses of a stack.
#[derive(Debug, Serialize)]
pub(crate) struct StackEndpoints {
    /// The stack's own outputs.
    outputs: Outputs,
    /// Its services by name.
    services: BTreeMap<String, ServiceEndpoints>,
}

/// Addresses of a service.
#[derive(Debug, Serialize)]
struct ServiceEndpoints {
    outputs: Outputs,
    /// URL of its scheduler's REST.
    scheduler: Option<String>,
    /// Addresses by instance and port.
    instances: BTreeMap<String, Outputs>,
}

impl From<&StackView> for StackEndpoints {
    fn from(stack: &StackView) -> Self {
        let service = |s: &ServiceView| ServiceEndpoints {
            outputs: s.outputs.clone(),
            scheduler: s.scheduler.url.clone(),
            instances: s.instances.iter().map(|i| (i.name.clone(), i.endpoints.clone())).collect(),
        };
        Self {
            outputs: stack.outputs.clone(),
            services: stack.services.iter().map(|s| (s.name.clone(), service(s))).collect(),
        }
    }
}

/// Leaves only what is within a nested stack.
pub(crate) fn keep_below(stack: &mut StackView, group: &str) {
    stack.services.retain(|service| is_below(&service.name, group));
    stack.outputs.retain(|path, _| is_below(path, group));
}

/// A stack's outputs and those of its services, a line for each.
pub(crate) fn of_stack(stack: &StackView) -> String {
    let own = stack.outputs.iter().map(|(path, value)| {
        // Those of nested stacks have a path.
        let name = match path.rsplit_once('/') {
            Some((group, name)) => format!("{}/{group}.{name}", stack.name),
            None => format!("{}.{path}", stack.name),
        };
        (name, value.as_str())
    });
    let services = stack.services.iter().flat_map(|service| {
        service
            .outputs
            .iter()
            .map(|(name, value)| (format!("{}/{}.{name}", stack.name, service.name), value.as_str()))
    });
    lines(&own.chain(services).collect::<Vec<_>>())
}

/// A service's outputs and the addresses of its instances.
pub(crate) fn of_service(service: &ServiceView) -> String {
    let outputs = service.outputs.iter().map(|(name, value)| (name.clone(), value.as_str()));
    let instances = service.instances.iter().flat_map(|instance| {
        instance
            .endpoints
            .iter()
            .map(|(port, address)| (format!("{}.{port}", instance.name), address.as_str()))
    });
    let scheduler = service.scheduler.url.iter().map(|url| ("scheduler".to_owned(), url.as_str()));
    lines(&outputs.chain(instances).chain(scheduler).collect::<Vec<_>>())
}

fn lines(pairs: &[(String, &str)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    pairs.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name:width$}  {value}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::ready;
    use super::*;

    #[test]
    fn a_line_for_each_address() {
        let mut stack = ready();
        stack.outputs.insert("bootstrap".into(), "127.0.0.1:31000".into());
        insta::assert_snapshot!(of_stack(&stack));
        insta::assert_snapshot!(of_service(&stack.services[0]));
    }

    #[test]
    fn addresses_of_nested_stacks_have_their_path() {
        let mut stack = super::super::tree::tests::nested();
        stack.outputs.insert("bus/bootstrap".into(), "127.0.0.1:31000".into());
        assert_eq!(
            of_stack(&stack),
            "demo/bus.bootstrap  127.0.0.1:31000\ndemo/store.http     10.0.0.9:9200\n"
        );
        keep_below(&mut stack, "bus");
        assert_eq!(of_stack(&stack), "demo/bus.bootstrap  127.0.0.1:31000\n");
    }
}
