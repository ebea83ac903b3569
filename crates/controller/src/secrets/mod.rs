//! Secrets that stacks name as `${secret.NAME}`: kept sealed among the controller's options, opened only where the
//! configuration of a scheduler is rendered.
//!
//! A secret belongs to one stack, or to all. Its full name is `STACK/NAME` or `NAME`; a stack's own comes first.

mod sealed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cairn_framework::rest::Problem;
use cairn_stack::{Secrets, Service, secret_names};
use serde::{Deserialize, Serialize};

pub(crate) use sealed::Key;
pub use sealed::Sealed;

use crate::state::{Options, StoredStack};
use crate::token::Secret;

/// Longest value of a secret, bytes.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// What opens secrets, and where it was read from.
#[derive(Debug)]
pub(crate) struct Vault {
    pub(crate) key: Key,
    /// For messages.
    pub(crate) path: PathBuf,
}

/// Stored secrets by full name.
pub(crate) type Store = BTreeMap<String, Sealed>;

/// A secret that an apply sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretChange {
    /// Its name within the stack.
    pub name: String,
    /// It was not there before.
    pub new: bool,
    /// Services that take up its new value, each by its own rolling plan.
    pub services: Vec<String>,
}

/// A secret as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretView {
    /// Its name.
    pub name: String,
    /// The stack that it belongs to; absent if any stack may use it.
    pub stack: Option<String>,
    /// When it was set, milliseconds since the epoch.
    pub set_ms: u64,
    /// Who uses it: `STACK/SERVICE`.
    pub used_by: Vec<String>,
    /// Why it cannot be used, if so.
    pub error: Option<String>,
}

/// `STACK/NAME`, or `NAME`.
pub(crate) fn full_name(stack: Option<&str>, name: &str) -> String {
    stack.map_or_else(|| name.to_owned(), |stack| format!("{stack}/{name}"))
}

impl Vault {
    /// The values of the secrets that `names` mean in a stack; what is not there is left out.
    ///
    /// # Errors
    /// The first that cannot be opened, with what to do.
    pub(crate) fn values(
        &self,
        options: &Options,
        stack: &str,
        names: BTreeSet<String>,
    ) -> Result<Secrets, String> {
        let mut values = Secrets::new();
        for name in names {
            let candidates = [full_name(Some(stack), &name), name.clone()];
            let found = candidates.into_iter().find_map(|full| {
                let stored = options.secrets.get(&full)?;
                Some((full, stored))
            });
            if let Some((full, sealed)) = found {
                let value = self.key.open(&full, sealed).map_err(|_| self.other_key(&full))?;
                values.insert(name, value);
            }
        }
        Ok(values)
    }

    /// What does not hold this value yet, sealed; the rest is left out, so that the same file changes nothing.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(crate) fn fresh(
        &self,
        stored: &Store,
        stack: Option<&str>,
        values: &BTreeMap<String, Secret>,
        now_ms: u64,
    ) -> Result<Store, Problem> {
        let mut fresh = Store::new();
        for (name, value) in values {
            let full = full_name(stack, name);
            let known = stored.get(&full).and_then(|sealed| self.key.open(&full, sealed).ok());
            if known.as_deref() == Some(value.reveal()) {
                continue;
            }
            let sealed = self.key.seal(&full, value.reveal(), now_ms);
            let sealed = sealed.ok_or_else(|| Problem::unavailable("the system gives no random numbers"))?;
            fresh.insert(full, sealed);
        }
        Ok(fresh)
    }

    /// All secrets, for people.
    pub(crate) fn views(&self, options: &Options) -> Vec<SecretView> {
        let view = |(full, sealed): (&String, &Sealed)| {
            let (stack, name) = split(full);
            SecretView {
                name: name.to_owned(),
                stack: stack.map(str::to_owned),
                set_ms: sealed.set_ms,
                used_by: users(options, full),
                error: self.key.open(full, sealed).err().map(|_| self.other_key(full)),
            }
        };
        options.secrets.iter().map(view).collect()
    }

    fn other_key(&self, full: &str) -> String {
        let (stack, name) = split(full);
        let of = stack.map(|stack| format!(" --stack {stack}")).unwrap_or_default();
        format!(
            "the secret `{name}` was sealed with another key than that in {}: put the right key file there and start the \
             controller again, or set it anew with `cairn secret set {name}{of}`",
            self.path.display()
        )
    }
}

fn split(full: &str) -> (Option<&str>, &str) {
    full.split_once('/').map_or((None, full), |(stack, name)| (Some(stack), name))
}

/// Checks a value.
///
/// # Errors
/// What is wrong with it; never what it is.
pub(crate) fn check_value(name: &str, value: &str) -> Result<(), Problem> {
    let wrong = match value.len() {
        0 => "has no value".to_owned(),
        n if n > MAX_BYTES => format!("has {n} bytes; {MAX_BYTES} are taken"),
        _ if value.contains('\0') => "holds a zero byte".to_owned(),
        _ => return Ok(()),
    };
    Err(Problem::bad_request(format!("the secret `{name}` {wrong}"))
        .hint("a secret is a text, such as a password"))
}

/// Names that a stack knows: its own, and those of all.
pub(crate) fn known<'a>(stored: &'a Store, stack: &'a str) -> impl Iterator<Item = &'a str> {
    stored.keys().filter_map(move |full| match split(full) {
        (None, name) => Some(name),
        (Some(of), name) => (of == stack).then_some(name),
    })
}

/// Services of a stack that use the stored secret `full`.
pub(crate) fn users_in<'a>(stored: &Store, stack: &'a StoredStack, full: &str) -> Vec<&'a Service> {
    let (scope, name) = split(full);
    let own = full_name(Some(&stack.spec.name), name);
    // A stack's own secret stands before that of all.
    let meant = match scope {
        Some(_) => own == full,
        None => !stored.contains_key(&own),
    };
    stack.all_services().filter(|service| meant && secret_names(&service.options).contains(name)).collect()
}

fn users(options: &Options, full: &str) -> Vec<String> {
    let stacks = options.stacks.values();
    stacks
        .flat_map(|stack| {
            let users = users_in(&options.secrets, stack, full).into_iter();
            users.map(move |service| format!("{}/{}", stack.spec.name, service.name))
        })
        .collect()
}

/// Stores a secret of one stack or of all, and gives what uses it a new revision. `None` if it is the same.
pub(crate) fn set(current: &Options, fresh: Store) -> Option<(Options, Vec<String>)> {
    if fresh.is_empty() {
        return None;
    }
    let mut options = current.clone();
    let names: Vec<String> = fresh.keys().cloned().collect();
    options.secrets.extend(fresh);
    options.revision += 1;
    let (secrets, revision) = (&options.secrets, options.revision);
    let mut changed = Vec::new();
    for stack in options.stacks.values_mut() {
        let users: BTreeSet<String> = names
            .iter()
            .flat_map(|full| users_in(secrets, stack, full))
            .map(|service| service.name.clone())
            .filter(|service| stack.revisions.contains_key(service))
            .collect();
        changed.extend(users.iter().map(|service| format!("{}/{service}", stack.spec.name)));
        stack.revisions.extend(users.into_iter().map(|service| (service, revision)));
    }
    Some((options, changed))
}

/// Takes a secret out.
///
/// # Errors
/// When it is not there, or when a stack uses it.
pub(crate) fn remove(current: &Options, full: &str) -> Result<Options, Problem> {
    if !current.secrets.contains_key(full) {
        let known: Vec<&str> = current.secrets.keys().map(String::as_str).collect();
        let hint = if known.is_empty() {
            "none is set".to_owned()
        } else {
            format!("there are: {}", known.join(", "))
        };
        return Err(Problem::not_found("unknown-secret", format!("there is no secret `{full}`")).hint(hint));
    }
    let users = users(current, full);
    if !users.is_empty() {
        let detail = format!("the secret `{full}` is used by {}", users.join(", "));
        return Err(
            Problem::conflict("secret-in-use", detail).hint("take it out of the stack first, and apply that")
        );
    }
    let mut options = current.clone();
    options.secrets.remove(full);
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{options, vault, with_secret};

    fn fresh(options: &Options, stack: Option<&str>, value: &str) -> Store {
        let values = BTreeMap::from([("note".to_owned(), Secret::new(value))]);
        vault().fresh(&options.secrets, stack, &values, 7).unwrap()
    }

    fn set_to(options: &Options, stack: Option<&str>, value: &str) -> Option<(Options, Vec<String>)> {
        set(options, fresh(options, stack, value))
    }

    #[test]
    fn a_new_value_changes_exactly_the_services_that_use_it() {
        let start = with_secret();
        let (first, changed) = set_to(&start, None, "hunter2").unwrap();
        assert_eq!(changed, ["demo/kafka"]);
        assert_eq!(first.stacks["demo"].revisions["kafka"], first.revision);
        assert_eq!(first.stacks["demo"].revisions["zookeeper"], 1);
        assert_eq!(set_to(&first, None, "hunter2"), None, "the same value changes nothing");
        let (own, changed) = set_to(&first, Some("demo"), "hunter3").unwrap();
        assert_eq!(changed, ["demo/kafka"], "the stack's own comes first");
        let (_, changed) = set_to(&own, None, "hunter4").unwrap();
        assert!(changed.is_empty(), "nobody uses it any more: {changed:?}");
        let (_, changed) = set_to(&own, Some("other"), "hunter5").unwrap();
        assert!(changed.is_empty());
    }

    #[test]
    fn a_stack_sees_its_own_before_that_of_all() {
        let start = with_secret();
        let (all, _) = set_to(&start, None, "for all").unwrap();
        let (both, _) = set_to(&all, Some("demo"), "its own").unwrap();
        let value = |options: &Options, stack: &str| {
            vault().values(options, stack, BTreeSet::from(["note".to_owned()])).unwrap()["note"].clone()
        };
        assert_eq!((value(&all, "demo").as_str(), value(&both, "demo").as_str()), ("for all", "its own"));
        assert_eq!(value(&both, "other"), "for all");
        assert_eq!(known(&both.secrets, "demo").collect::<Vec<_>>(), ["note", "note"]);
    }

    #[test]
    fn what_is_used_stays() {
        let (set, _) = set_to(&with_secret(), None, "hunter2").unwrap();
        let refused = remove(&set, "note").unwrap_err();
        assert_eq!(refused.detail, "the secret `note` is used by demo/kafka");
        assert_eq!(remove(&set, "nope").unwrap_err().hint.as_deref(), Some("there are: note"));
        let (unused, _) = set_to(&options(), None, "hunter2").unwrap();
        assert!(remove(&unused, "note").unwrap().secrets.is_empty());
    }

    #[test]
    fn another_key_is_named_with_what_to_do() {
        let (set, _) = set_to(&with_secret(), None, "hunter2").unwrap();
        let other = Vault { key: Key::derived("other").unwrap(), path: "/keys/secrets.key".into() };
        let why = other.values(&set, "demo", BTreeSet::from(["note".to_owned()])).unwrap_err();
        assert!(why.contains("another key than that in /keys/secrets.key"), "{why}");
        assert!(other.views(&set)[0].error.is_some());
        assert_eq!(vault().views(&set)[0].used_by, ["demo/kafka"]);
        assert!(!serde_json::to_string(&vault().views(&set)).unwrap().contains("hunter2"));
    }

    #[test]
    fn values_have_bounds() {
        assert!(check_value("x", "fine").is_ok());
        for bad in ["", "a\0b", &"x".repeat(MAX_BYTES + 1)] {
            assert!(check_value("x", bad).is_err());
        }
    }
}
