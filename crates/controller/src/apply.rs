//! What applying a stack changes. Pure: from the stored options and a checked stack to the options to store.

use std::collections::{BTreeMap, BTreeSet};

use cairn_framework::View;
use cairn_framework::rest::Problem;
use cairn_planted::planted;
use cairn_stack::{Bundle, Change, Report, StackDiff, ValidatedStack, diff, framework_name};
use serde::{Deserialize, Serialize};

use crate::child::Observed;
use crate::planted::Bug;
use crate::rest::Answer;
use crate::secrets::{self, SecretChange, Store};
use crate::settings::Settings;
use crate::state::{Destroying, Leaving, Options, StoredStack};
use crate::token::Secret;

/// A stack that is to be applied.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The stack.
    pub(crate) stack: ValidatedStack,
    /// The files it was read from.
    pub(crate) bundle: Bundle,
    /// How the spec differs from them.
    pub(crate) notes: Vec<String>,
    /// Data of services that leave goes too.
    pub(crate) delete_data: bool,
    /// Values of the secrets that it declares.
    pub(crate) secrets: BTreeMap<String, Secret>,
}

/// What an apply does, or would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApplyPlan {
    /// Name of the stack.
    pub stack: String,
    /// Something changes.
    pub changed: bool,
    /// Services whose configuration was changed over REST and goes back to the file.
    #[serde(default)]
    pub drifted: Vec<String>,
    /// Secrets that are set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretChange>,
    /// What changes.
    pub diff: StackDiff,
    /// The same for people.
    pub text: String,
    /// The stack as a tree, for people.
    pub tree: String,
    /// What is allowed but probably not meant.
    #[serde(default)]
    pub warnings: Option<Report>,
    /// Warnings for people.
    #[serde(default)]
    pub warnings_text: String,
}

/// Options to store, and what they mean.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) options: Options,
    pub(crate) plan: ApplyPlan,
}

/// Services of a stored stack that REST has changed.
pub(crate) fn drifted(stored: Option<&StoredStack>, view: &View) -> BTreeSet<String> {
    let Some(stored) = stored else { return BTreeSet::new() };
    let has_drifted =
        |(name, revision): &(&String, &u64)| Observed::of(view, &stored.instance(name)).drifted(**revision);
    stored.revisions.iter().filter(has_drifted).map(|(name, _)| name.clone()).collect()
}

/// What applying a stack comes to, drift and secrets included: the options to store, unless nothing changes.
///
/// # Errors
/// As [`apply`], or when a secret cannot be sealed.
pub(crate) fn want(
    settings: &Settings,
    current: &Options,
    view: &View,
    wanted: Wanted,
    now_ms: u64,
) -> Answer<(Option<Options>, ApplyPlan)> {
    let name = wanted.stack.name.clone();
    let drifted = drifted(current.stacks.get(&name), view);
    let fresh = settings.vault.fresh(&current.secrets, Some(&name), &wanted.secrets, now_ms)?;
    let applied = apply(current, wanted, &drifted, &fresh)?;
    let store = applied.options != *current;
    Ok((store.then_some(applied.options), applied.plan))
}

/// Applies a stack; `fresh` are its secrets that are new or have a new value, by full name.
///
/// # Errors
/// When the stack is on its way out, or when a service would take the name of another stack's.
pub(crate) fn apply(
    current: &Options,
    wanted: Wanted,
    drifted: &BTreeSet<String>,
    fresh: &Store,
) -> Answer<Applied> {
    let name = wanted.stack.name.clone();
    let old = current.stacks.get(&name);
    if old.is_some_and(|s| s.destroying.is_some()) {
        return Err(Problem::conflict("stack-is-going", format!("stack {name} is being destroyed"))
            .hint("wait until it is gone, then apply again")
            .into());
    }
    collisions(current, &wanted.stack)?;
    let diff = diff(old.map(|s| &s.spec), Some(&wanted.stack));
    let drifted: Vec<String> =
        drifted.iter().filter(|d| wanted.stack.services.contains_key(*d)).cloned().collect();
    let changed = !diff.is_empty() || !drifted.is_empty() || old.is_none() || !fresh.is_empty();
    let mut options = current.clone();
    if changed {
        options.revision += 1;
    }
    let mut stored = kept(wanted, old, &diff);
    options.secrets.extend(fresh.clone());
    let secrets = secret_changes(current, &options.secrets, fresh, &stored);
    let rotated = secrets.iter().flat_map(|secret| &secret.services);
    let touched: BTreeSet<&String> = drifted.iter().chain(rotated).collect();
    renumber(&mut stored, &diff, &touched, options.revision);
    let plan = ApplyPlan {
        stack: name.clone(),
        changed,
        text: text(&diff, &drifted, &secrets),
        secrets,
        tree: stored.spec.tree(),
        diff,
        drifted,
        warnings: None,
        warnings_text: String::new(),
    };
    options.stacks.insert(name, stored);
    Ok(Applied { options, plan })
}

/// The stack as it is kept, in the place of an older one.
fn kept(wanted: Wanted, old: Option<&StoredStack>, diff: &StackDiff) -> StoredStack {
    let mut stored = StoredStack {
        spec: wanted.stack,
        source: wanted.bundle.source(),
        bundle: Some(wanted.bundle).filter(Bundle::has_several),
        revisions: old.map(|s| s.revisions.clone()).unwrap_or_default(),
        leaving: old.map(|s| s.leaving.clone()).unwrap_or_default(),
        again: old.map(|s| s.again.clone()).unwrap_or_default(),
        destroying: None,
        notes: wanted.notes,
    };
    if let Some(old) = old.filter(|_| !planted(Bug::ForgetLeaving)) {
        leave(&mut stored, old, diff, wanted.delete_data);
    }
    stored
}

/// `<stack>-<service>` must be unique over all stacks: `a-b` + `c` and `a` + `b-c` are the same framework.
fn collisions(current: &Options, stack: &ValidatedStack) -> Answer<()> {
    let others = current.stacks.values().filter(|s| s.spec.name != stack.name);
    for other in others {
        for service in other.all_services() {
            let taken = other.instance(&service.name);
            if let Some(mine) = stack.services.keys().find(|s| stack.framework_name(s) == taken) {
                let detail = format!(
                    "service {mine} of stack {} would be named {taken}, and so is service {} of stack {}",
                    stack.name, service.name, other.spec.name
                );
                return Err(Problem::conflict("name-taken", detail)
                    .hint("rename the stack or the service")
                    .into());
            }
        }
    }
    Ok(())
}

/// Notes what goes, so that its scheduler stays known until it has taken its service down.
fn leave(stored: &mut StoredStack, old: &StoredStack, diff: &StackDiff, delete_data: bool) {
    for change in &diff.services {
        if !matches!(change.change, Change::Removed | Change::Replaced(_)) {
            continue;
        }
        let revision = old.revisions.get(&change.service).copied().unwrap_or_default();
        if let Some(service) = old.spec.services.get(&change.service) {
            let framework = old.spec.frameworks.get(&service.framework).cloned();
            let leaving = Leaving { service: service.clone(), revision, delete_data, framework };
            stored.leaving.entry(change.service.clone()).or_insert(leaving);
        }
        stored.revisions.remove(&change.service);
    }
}

/// What the fresh secrets of a stack bring about.
fn secret_changes(current: &Options, known: &Store, fresh: &Store, stack: &StoredStack) -> Vec<SecretChange> {
    let change = |full: &String| {
        let users = secrets::users_in(known, stack, full).into_iter().map(|service| service.name.clone());
        SecretChange {
            name: full.rsplit('/').next().unwrap_or(full).to_owned(),
            new: !current.secrets.contains_key(full),
            services: users.filter(|name| !stack.leaving.contains_key(name)).collect(),
        }
    };
    fresh.keys().map(change).collect()
}

fn renumber(stored: &mut StoredStack, diff: &StackDiff, again: &BTreeSet<&String>, revision: u64) {
    for change in &diff.services {
        let touched = match change.change {
            Change::Added(_) | Change::Changed(_) | Change::Replaced(_) => true,
            Change::Unchanged => again.contains(&change.service),
            Change::Removed => false,
        };
        if touched {
            stored.revisions.insert(change.service.clone(), revision);
        }
    }
}

fn text(diff: &StackDiff, drifted: &[String], secrets: &[SecretChange]) -> String {
    let back = drifted
        .iter()
        .map(|service| format!("~  service {service} was changed over REST and goes back to the file\n"));
    let set = secrets.iter().map(|secret| {
        let (sign, what) = if secret.new { ("+", "is set") } else { ("~", "has a new value") };
        let services = secret.services.join(", ");
        let who = if services.is_empty() { String::new() } else { format!(", for {services}") };
        format!("{sign}  secret {} {what}{who}\n", secret.name)
    });
    let back: String = back.chain(set).collect();
    if back.is_empty() {
        return diff.render();
    }
    if diff.is_empty() { back } else { format!("{back}\n{}", diff.render()) }
}

/// Marks a stack for its end. Told twice, data goes if it was told once.
///
/// # Errors
/// When there is no such stack.
pub(crate) fn destroy(current: &Options, name: &str, delete_data: bool) -> Answer<Options> {
    let mut options = current.clone();
    let stack = options.stacks.get_mut(name).ok_or_else(|| no_stack(current, name))?;
    let before = stack.destroying.unwrap_or_default();
    stack.destroying = Some(Destroying { delete_data: before.delete_data || delete_data });
    Ok(options)
}

/// Drops stacks and services of which nothing is left, and has those started once more whose scheduler ended before
/// it had taken its service down. `None`: nothing changes.
pub(crate) fn tidy(current: &Options, view: &View) -> Option<Options> {
    let mut options = current.clone();
    let there = |instance: String| view.instances.contains_key(&instance);
    for stack in options.stacks.values_mut() {
        let name = stack.spec.name.clone();
        stack.leaving.retain(|service, _| there(framework_name(&name, service)));
        stack.again = again(stack, view);
    }
    let gone: Vec<String> = options
        .stacks
        .values()
        .filter(|stack| stack.destroying.is_some())
        .filter(|stack| !stack.all_services().any(|s| there(stack.instance(&s.name))))
        .map(|stack| stack.spec.name.clone())
        .collect();
    for stack in gone {
        options.stacks.remove(&stack);
        options.secrets.retain(|full, _| full.split_once('/').is_none_or(|(of, _)| of != stack));
    }
    (options != *current).then_some(options)
}

fn again(stack: &StoredStack, view: &View) -> BTreeSet<String> {
    let needed = |service: &&cairn_stack::Service| {
        let id = stack.instance(&service.name);
        let Some(instance) = view.instances.get(&id).filter(|_| stack.going(&service.name).is_some()) else {
            return false;
        };
        let ended = instance.task_id.is_none() && instance.placement.is_some();
        // Until it serves, so that it is not taken away again while it comes up.
        let coming = stack.again.contains(&service.name) && !instance.is_ready();
        (ended || coming) && !Observed::of(view, &id).destroyed()
    };
    stack.all_services().filter(needed).map(|s| s.name.clone()).collect()
}

/// 404 for a stack, with those there are.
pub(crate) fn no_stack(options: &Options, name: &str) -> Problem {
    let known: Vec<&str> = options.stacks.keys().map(String::as_str).collect();
    let hint = if known.is_empty() {
        "no stack has been applied yet".to_owned()
    } else {
        format!("there are: {}", known.join(", "))
    };
    Problem::not_found("unknown-stack", format!("there is no stack `{name}`")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{STACK, checked, complete, observe, options, view};

    fn wanted(text: &str) -> Wanted {
        Wanted {
            stack: checked(text),
            bundle: Bundle::single("stack.yaml", text),
            notes: Vec::new(),
            delete_data: false,
            secrets: BTreeMap::new(),
        }
    }

    fn problem<T>(answer: Answer<T>) -> Problem {
        match answer {
            Err(crate::rest::Refusal::Problem(problem)) => *problem,
            Err(crate::rest::Refusal::Report(report)) => panic!("{report}"),
            Ok(_) => panic!("it is not refused"),
        }
    }

    fn again(current: &Options, text: &str) -> Applied {
        apply(current, wanted(text), &BTreeSet::new(), &Store::new()).unwrap()
    }

    fn revisions(applied: &Applied) -> Vec<(&str, u64)> {
        applied.options.stacks["demo"].revisions.iter().map(|(k, v)| (k.as_str(), *v)).collect()
    }

    #[test]
    fn the_first_apply_adds_everything_and_the_second_changes_nothing() {
        let first = again(&Options::default(), STACK);
        assert!(first.plan.changed);
        assert_eq!(revisions(&first), [("kafka", 1), ("zookeeper", 1)]);
        assert!(first.plan.text.contains("Plan: 2 to add, 0 to change, 0 to remove."), "{}", first.plan.text);
        let second = again(&first.options, STACK);
        assert!(!second.plan.changed);
        assert_eq!(second.options, first.options);
    }

    #[test]
    fn only_what_changes_gets_a_new_revision() {
        let applied = again(&options(), &STACK.replace("brokers: 3", "brokers: 5"));
        assert_eq!(revisions(&applied), [("kafka", 2), ("zookeeper", 1)]);
    }

    #[test]
    fn a_comment_is_kept_and_changes_nothing() {
        let text = format!("# mine\n{STACK}");
        let applied = again(&options(), &text);
        assert!(!applied.plan.changed);
        assert_eq!(applied.options.stacks["demo"].source, text);
    }

    #[test]
    fn drift_goes_back_to_the_file() {
        let mut view = view();
        let mut changed = complete("demo-kafka", 1, &[]);
        changed.drifted = true;
        observe(&mut view, changed);
        let current = options();
        let drifted = drifted(current.stacks.get("demo"), &view);
        let applied = apply(&current, wanted(STACK), &drifted, &Store::new()).unwrap();
        assert!(applied.plan.changed);
        assert_eq!(applied.plan.drifted, ["kafka"]);
        assert_eq!(revisions(&applied), [("kafka", 2), ("zookeeper", 1)]);
        assert!(applied.plan.text.starts_with("~  service kafka was changed over REST"));
    }

    #[test]
    fn a_removed_service_is_remembered_until_it_is_gone() {
        let without = "stack: demo\nservices:\n  zookeeper:\n    framework: zookeeper\n    nodes: 3\n";
        let applied = again(&options(), without);
        let stack = &applied.options.stacks["demo"];
        assert!(!stack.leaving["kafka"].delete_data);
        assert_eq!(stack.leaving["kafka"].revision, 1);
        assert_eq!(revisions(&applied), [("zookeeper", 1)]);

        let mut view = view();
        view.instances.entry("demo-kafka".into()).or_default();
        assert_eq!(tidy(&applied.options, &view), None);
        view.instances.clear();
        assert!(tidy(&applied.options, &view).unwrap().stacks["demo"].leaving.is_empty());
    }

    #[test]
    fn a_service_that_comes_back_waits_until_the_old_one_is_gone() {
        let without = "stack: demo\nservices:\n  zookeeper:\n    framework: zookeeper\n    nodes: 3\n";
        let back = again(&again(&options(), without).options, STACK);
        assert_eq!(revisions(&back), [("kafka", 3), ("zookeeper", 1)]);
        assert!(back.options.stacks["demo"].leaving.contains_key("kafka"));
    }

    #[test]
    fn a_destroyed_stack_is_dropped_when_nothing_is_left_and_revisions_go_on() {
        let going = destroy(&options(), "demo", false).unwrap();
        let refused = problem(apply(&going, wanted(STACK), &BTreeSet::new(), &Store::new()));
        assert_eq!(refused.kind, "stack-is-going");
        let mut view = view();
        view.instances.entry("demo-zookeeper".into()).or_default();
        assert_eq!(tidy(&going, &view), None);
        view.instances.clear();
        let gone = tidy(&going, &view).unwrap();
        assert!(gone.stacks.is_empty());
        assert_eq!(revisions(&again(&gone, STACK)), [("kafka", 2), ("zookeeper", 2)]);
    }

    #[test]
    fn a_scheduler_that_ends_too_early_is_started_once_more() {
        let going = destroy(&options(), "demo", false).unwrap();
        let mut view = view();
        let kafka = view.instances.entry("demo-kafka".into()).or_default();
        kafka.placement = Some(cairn_framework::Placement::default());
        let again = tidy(&going, &view).unwrap();
        assert_eq!(again.stacks["demo"].again, BTreeSet::from(["kafka".to_owned()]));
        let kafka = view.instances.get_mut("demo-kafka").unwrap();
        kafka.task_id = Some("t".into());
        assert_eq!(tidy(&again, &view), None, "it comes up");
        view.instances.get_mut("demo-kafka").unwrap().phase = cairn_framework::Phase::Ready;
        assert_eq!(tidy(&again, &view).unwrap(), going);
        let mut down = crate::testing::status("demo-kafka", 1);
        down.destroyed = true;
        observe(&mut view, down);
        view.instances.get_mut("demo-kafka").unwrap().task_id = None;
        assert_eq!(tidy(&going, &view), None, "its work is done");
    }

    #[test]
    fn data_goes_once_it_has_been_said() {
        let with = destroy(&options(), "demo", true).unwrap();
        let again = destroy(&with, "demo", false).unwrap();
        assert_eq!(again.stacks["demo"].destroying, Some(Destroying { delete_data: true }));
        let unknown = problem(destroy(&options(), "dmeo", false));
        assert_eq!(unknown.hint.as_deref(), Some("there are: demo"));
    }

    #[test]
    fn two_stacks_cannot_make_one_name() {
        let mut current = options();
        current.stacks.insert("a-b".into(), crate::testing::stored("a-b"));
        let clash = "stack: a\nservices:\n  b-zookeeper:\n    framework: zookeeper\n";
        let refused = problem(apply(&current, wanted(clash), &BTreeSet::new(), &Store::new()));
        assert!(refused.detail.contains("would be named a-b-zookeeper"), "{}", refused.detail);
    }
}
