//! Whether what a framework says about itself makes sense. The texts are those that Apache Mesos gives.

use std::collections::BTreeSet;
use std::num::FpCategory;

use cairn_mesos::v1::framework_info::capability::Type as Capability;
use cairn_mesos::v1::{FrameworkInfo, OfferFilters};

use super::framework::has_capability;
use super::task_check::check_id;

pub(crate) fn check(info: &FrameworkInfo) -> Result<(), String> {
    check_all_roles(info)?;
    match info.id.as_ref().map(|id| id.value.as_str()) {
        None | Some("") => {}
        Some(id) => check_id(id)?,
    }
    info.offer_filters.values().try_for_each(check_filters)?;
    check_failover_timeout(info.failover_timeout())
}

/// As seconds it must be what 64 bits of nanoseconds can say.
fn check_failover_timeout(seconds: f64) -> Result<(), String> {
    let most = i64::MAX as f64;
    if (seconds * 1e9).abs() <= most {
        return Ok(());
    }
    Err(format!("The framework failover_timeout ({seconds}) is invalid"))
}

fn check_filters(filters: &OfferFilters) -> Result<(), String> {
    let least = filters.min_allocatable_resources.iter().flat_map(|least| &least.quantities);
    least.into_iter().try_for_each(|quantities| {
        if quantities.quantities.is_empty() {
            return Err("Resource quantities must contain at least one quantity".to_owned());
        }
        quantities.quantities.iter().try_for_each(|(name, quantity)| {
            check_amount(quantity.value)
                .map_err(|problem| format!("Invalid resource quantity for '{name}': {problem}"))
        })
    })
}

fn check_amount(amount: f64) -> Result<(), &'static str> {
    match amount.classify() {
        FpCategory::Infinite => Err("Infinite values not supported"),
        FpCategory::Nan => Err("NaN not supported"),
        FpCategory::Subnormal => Err("Subnormal values not supported"),
        FpCategory::Normal if amount < 0.0 => Err("Negative values not supported"),
        FpCategory::Zero | FpCategory::Normal => Ok(()),
    }
}

fn check_all_roles(info: &FrameworkInfo) -> Result<(), String> {
    if has_capability(info, Capability::MultiRole) {
        if info.role.is_some() {
            return Err(
                "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable".to_owned()
            );
        }
        return check_roles(&info.roles);
    }
    if !info.roles.is_empty() {
        return Err(
            "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable".to_owned()
        );
    }
    match &info.role {
        Some(role) => {
            check_role(role).map_err(|problem| format!("'FrameworkInfo.role' is not a valid role: {problem}"))
        }
        None => Ok(()),
    }
}

fn check_roles(roles: &[String]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<&str> = roles.iter().filter(|role| !seen.insert(*role)).map(String::as_str).collect();
    if !twice.is_empty() {
        let list: Vec<&str> = twice.into_iter().collect();
        return Err(format!("'FrameworkInfo.roles' contains duplicate items: {{ {} }}", list.join(", ")));
    }
    for role in roles {
        check_role(role)
            .map_err(|problem| format!("'FrameworkInfo.roles' contains invalid role: {problem}"))?;
    }
    Ok(())
}

/// Whether a name can be a role.
pub(crate) fn check_role(role: &str) -> Result<(), String> {
    if role.is_empty() {
        return Err("Role names cannot be the empty string".to_owned());
    }
    if role == "*" {
        return Ok(());
    }
    if role.starts_with('/') {
        return Err(format!("Role '{role}' cannot start with a slash"));
    }
    if role.ends_with('/') {
        return Err(format!("Role '{role}' cannot end with a slash"));
    }
    role.split('/').try_for_each(|component| check_component(role, component))
}

fn check_component(role: &str, component: &str) -> Result<(), String> {
    match component {
        "" => Err(format!("Role '{role}' cannot contain two adjacent slashes")),
        "." | ".." | "*" => Err(format!("Role '{role}' cannot include '{component}' as a component")),
        _ if component.starts_with('-') => {
            Err(format!("Role component '{component}' is invalid because it starts with a dash"))
        }
        _ if component.contains(|c: char| c.is_whitespace() || c == '\u{8}' || c == '\u{7f}') => Err(
            format!("Role component '{component}' is invalid because it contains backspace or whitespace"),
        ),
        _ => Ok(()),
    }
}
/// A framework can be asleep only in roles in which it is.
///
/// # Errors
/// Where it is not, in the words of Mesos.
pub(crate) fn check_suppressed(suppressed: &[String], roles: &[String]) -> Result<(), String> {
    let others: BTreeSet<&str> =
        suppressed.iter().filter(|role| !roles.contains(role)).map(String::as_str).collect();
    if others.is_empty() {
        return Ok(());
    }
    let others: Vec<&str> = others.into_iter().collect();
    Err(format!("Suppressed roles {{ {} }} are not contained in the set of roles", others.join(", ")))
}
