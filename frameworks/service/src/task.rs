//! The task of an instance, once those that it waits for are there.

use cairn_definition::Group;
use cairn_framework::{View, Wait};
use cairn_task::TaskSpec;
use serde_json::Value;

use crate::spec::{Spec, placed, problems, split_name};

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
    Ok(cairn_definition::task(name, group, variables).map_err(|unfilled| problems(&unfilled))?)
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
    split_name(instance).is_some_and(|(of, _)| of == group)
}

/// What a group's texts say of others can be written down once all of those have their places.
fn wait_for_peers(spec: &Spec, group: &Group, view: &View) -> Result<(), Wait> {
    let needed = group.peers(&spec.service.groups);
    // A port that somebody else holds is given up while its task waits for another.
    let complete = |name: &str, group: &str| {
        let ports = spec.service.groups.get(group).map(|of| &of.ports);
        let place = view.placement(name);
        place.is_some_and(|p| ports.is_none_or(|all| all.names().all(|port| p.ports.contains_key(port))))
    };
    let missing = |name: &&String| {
        let group = needed.iter().find(|group| belongs(name, group));
        group.is_some_and(|group| !complete(name, group))
    };
    match view.target.iter().find(missing) {
        Some(name) => Err(Wait::Peers(format!("waits for the place of {name}"))),
        None => Ok(()),
    }
}
