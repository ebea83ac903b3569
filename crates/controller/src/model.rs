//! Stacks to instances: a scheduler for each service.

use cairn_framework::store::Place;
use cairn_framework::{InstanceSpec, Model, PortSpec, Problem, Strategy};
use cairn_stack::{Catalog, Service};

use crate::state::{Options, StoredStack};

/// Name of the port of a child's REST.
pub(crate) const API: &str = "api";

/// The schedulers that should run: of every stack in the order of dependency. Services on their way out are not
/// among them, so the SDK takes them down. They move between agents if every one of them reaches their `states`.
///
/// # Errors
/// A framework that the catalog does not know.
pub(crate) fn model(options: &Options, catalog: &Catalog, states: &Place) -> Result<Model, Vec<Problem>> {
    let roams = matches!(states, Place::ZooKeeper(_));
    let mut instances = Vec::new();
    let mut problems = Vec::new();
    for stack in options.stacks.values() {
        for service in running(stack) {
            match instance(stack, service, catalog) {
                Ok(spec) => instances.push(InstanceSpec { roams, ..spec }),
                Err(problem) => problems.push(problem),
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    // Each scheduler rolls its own service; what orders them is what their tasks wait for.
    Ok(Model { instances, deploy: Strategy::Parallel, independent: true, ..Model::default() })
}

/// Services whose scheduler should run: those that stay, in the order of dependency, and those that are started once
/// more because they ended before they had taken their service down.
fn running(stack: &StoredStack) -> impl Iterator<Item = &Service> {
    let stays = |service: &&Service| stack.going(&service.name).is_none();
    let again = stack.again.iter().filter_map(|name| Some(stack.service(name)?.0));
    stack.spec.order().into_iter().filter(stays).chain(again)
}

fn instance(stack: &StoredStack, service: &Service, catalog: &Catalog) -> Result<InstanceSpec, Problem> {
    let spec = stack.framework(&service.name, catalog).ok_or_else(|| {
        let option = format!("stacks.{}.{}", stack.spec.name, service.name);
        Problem::new(option, format!("there is no framework `{}`", service.framework))
            .help("start the controller with a catalog that has it, or destroy the stack with the version that had it")
    })?;
    Ok(InstanceSpec {
        name: stack.instance(&service.name),
        cpus: spec.scheduler.cpus,
        mem: spec.scheduler.mem as f64,
        ports: vec![PortSpec::any(API)],
        ..InstanceSpec::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Destroying;
    use crate::testing::{catalog, options};

    fn states(place: &str) -> Place {
        place.parse().unwrap()
    }

    fn names(options: &Options) -> Vec<String> {
        model(options, &catalog(), &states("/var/cairn"))
            .unwrap()
            .instances
            .into_iter()
            .map(|i| i.name)
            .collect()
    }

    #[test]
    fn a_scheduler_for_each_service_in_the_order_of_dependency() {
        assert_eq!(names(&options()), ["demo-zookeeper", "demo-kafka"]);
        assert!(names(&Options::default()).is_empty());
    }

    #[test]
    fn what_leaves_is_not_wanted() {
        let mut destroyed = options();
        destroyed.stacks.get_mut("demo").unwrap().destroying = Some(Destroying::default());
        assert!(names(&destroyed).is_empty());
    }

    #[test]
    fn resources_are_those_of_the_framework_spec() {
        let zookeeper =
            model(&options(), &catalog(), &states("/var/cairn")).unwrap().instances.swap_remove(0);
        assert_eq!((zookeeper.cpus, zookeeper.mem), (0.1, 64.0));
        assert_eq!(zookeeper.ports, [PortSpec::any("api")]);
        assert!(zookeeper.volumes.is_empty());
    }

    #[test]
    fn schedulers_move_to_where_their_state_can_be_reached() {
        let roams = |place| {
            let model = model(&options(), &catalog(), &states(place)).unwrap();
            model.instances.iter().all(|scheduler| scheduler.roams)
        };
        assert!(roams("zk://z1:2181/cairn"));
        assert!(!roams("/var/cairn"), "on another machine there would be none");
    }

    #[test]
    fn unknown_frameworks_are_told() {
        let problems = model(&options(), &Catalog::default(), &states("/var/cairn")).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert_eq!(problems[0].to_string(), "stacks.demo.zookeeper: there is no framework `zookeeper`");
    }
}
