//! What the controller keeps: every stack that was applied, and the services on their way out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use cairn_framework::Config;
use cairn_stack::{Bundle, Catalog, FrameworkSpec, Service, ValidatedStack};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::secrets::Sealed;

/// The controller's own options, kept by the SDK's store. They hold no secret in the open: those of stacks are sealed,
/// tokens are derived when needed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// The last revision that was given out. It never goes back, not even when a stack is destroyed and applied
    /// anew: a scheduler that finds its old state takes only a higher one.
    pub revision: u64,
    /// Stacks by name.
    pub stacks: BTreeMap<String, StoredStack>,
    /// Secrets by full name, `STACK/NAME` or `NAME`; nobody can read them without the key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Sealed>,
}

/// A stack as it was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredStack {
    /// Checked spec.
    pub spec: ValidatedStack,
    /// Text of the main file that it was read from.
    pub source: String,
    /// All files that it was read from, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Bundle>,
    /// Revision of the configuration of each service.
    #[serde(default)]
    pub revisions: BTreeMap<String, u64>,
    /// Services that were removed or replaced and still hold something.
    #[serde(default)]
    pub leaving: BTreeMap<String, Leaving>,
    /// Services on their way out whose scheduler has to run once more to take them down.
    #[serde(default)]
    pub again: BTreeSet<String>,
    /// Set once the stack is to go.
    #[serde(default)]
    pub destroying: Option<Destroying>,
    /// How the spec differs from `source`, for people.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// How a stack goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destroying {
    /// Volumes and state directories too.
    pub delete_data: bool,
}

/// A service on its way out, with what its scheduler needs to the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leaving {
    /// As it last was.
    pub service: Service,
    /// Its last revision.
    pub revision: u64,
    /// Its data goes with it.
    pub delete_data: bool,
    /// The spec of its framework, if the stack brought it along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework: Option<FrameworkSpec>,
}

impl Options {
    /// Reads the options of the controller's configuration.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn read(options: &Value) -> Result<Self, Unreadable> {
        if options.is_null() { Ok(Self::default()) } else { Ok(Self::deserialize(options)?) }
    }
}

/// Stored stacks that this version does not understand.
#[derive(Debug, thiserror::Error)]
#[error("the stored stacks cannot be read: {0}")]
pub struct Unreadable(#[from] serde_json::Error);

impl StoredStack {
    /// Name of the instance, and of the framework, of a service.
    pub fn instance(&self, service: &str) -> String {
        self.spec.framework_name(service)
    }

    /// The files that it was read from.
    pub fn files(&self) -> Bundle {
        self.bundle.clone().unwrap_or_else(|| Bundle::single("stack.yaml", self.source.clone()))
    }

    /// The framework of a service: one that the stack brought along, or one of the catalog.
    pub fn framework<'a>(&'a self, service: &str, catalog: &'a Catalog) -> Option<&'a FrameworkSpec> {
        match self.leaving.get(service) {
            Some(leaving) => leaving.framework.as_ref().or_else(|| catalog.get(&leaving.service.framework)),
            None => self.spec.framework(&self.spec.services.get(service)?.framework, catalog),
        }
    }

    /// Names of all services, those that leave included.
    pub fn all_services(&self) -> impl Iterator<Item = &Service> {
        let staying = self.spec.services.values().filter(|s| !self.leaving.contains_key(&s.name));
        staying.chain(self.leaving.values().map(|l| &l.service))
    }

    /// Whether a service is to go, and whether its data is.
    pub fn going(&self, service: &str) -> Option<Destroying> {
        match (self.destroying, self.leaving.get(service)) {
            (Some(whole), Some(one)) => {
                Some(Destroying { delete_data: whole.delete_data || one.delete_data })
            }
            (Some(whole), None) => Some(whole),
            (None, Some(one)) => Some(Destroying { delete_data: one.delete_data }),
            (None, None) => None,
        }
    }

    /// Services that must be gone before `service` may go. A dependent that stays does not hold up the replacement
    /// of what it needs.
    pub fn go_before(&self, service: &str) -> Vec<&str> {
        let waits_for_me = |s: &&Service| s.needs.contains(service) && self.going(&s.name).is_some();
        self.all_services().filter(waits_for_me).map(|s| s.name.as_str()).collect()
    }

    /// The service with the revision it should have.
    pub fn service(&self, name: &str) -> Option<(&Service, u64)> {
        match self.leaving.get(name) {
            Some(leaving) => Some((&leaving.service, leaving.revision)),
            None => {
                let service = self.spec.services.get(name)?;
                Some((service, self.revisions.get(name).copied().unwrap_or_default()))
            }
        }
    }
}

/// The stacks with what is looked up in them by the names of instances.
#[derive(Debug, Default)]
pub(crate) struct Stacks {
    pub(crate) options: Options,
    /// Stack and service by the name of the service's scheduler.
    instances: BTreeMap<String, (String, String)>,
    /// The same names of those that need the service, and of those that it needs.
    neighbours: BTreeMap<String, BTreeSet<String>>,
}

impl Stacks {
    pub(crate) fn new(options: Options) -> Self {
        let (mut instances, mut neighbours) = (BTreeMap::new(), BTreeMap::<String, BTreeSet<String>>::new());
        for stack in options.stacks.values() {
            for service in stack.all_services() {
                let instance = stack.instance(&service.name);
                for need in &service.needs {
                    let need = stack.instance(need);
                    neighbours.entry(need.clone()).or_default().insert(instance.clone());
                    neighbours.entry(instance.clone()).or_default().insert(need);
                }
                instances.insert(instance, (stack.spec.name.clone(), service.name.clone()));
            }
        }
        Self { options, instances, neighbours }
    }

    /// The stack that an instance belongs to and the name of its service.
    pub(crate) fn locate(&self, instance: &str) -> Option<(&StoredStack, &str)> {
        let (stack, service) = self.instances.get(instance)?;
        Some((self.options.stacks.get(stack)?, service))
    }

    /// An instance with all that it rests on and all that rest on it.
    pub(crate) fn around(&self, instance: &str) -> BTreeSet<String> {
        let mut around = self.neighbours.get(instance).cloned().unwrap_or_default();
        around.insert(instance.to_owned());
        around
    }
}

/// What a configuration holds, decoded once for as long as it stays the same: it may be large, and is asked for often.
#[derive(Debug, Default)]
pub(crate) struct Decoded(Mutex<Option<(Arc<Value>, Arc<Stacks>)>>);

impl Decoded {
    /// The stacks of a configuration.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn of(&self, config: &Config) -> Result<Arc<Stacks>, Unreadable> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((options, stacks)) if Arc::ptr_eq(options, &config.options) => Ok(Arc::clone(stacks)),
            _ => {
                let stacks = Arc::new(Stacks::new(Options::read(&config.options)?));
                *last = Some((Arc::clone(&config.options), Arc::clone(&stacks)));
                Ok(stacks)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{options, stored};

    #[test]
    fn an_instance_is_found_though_names_hold_dashes() {
        let mut all = options();
        all.stacks.insert("logs-eu".into(), stored("logs-eu"));
        all.stacks.insert("logs".into(), stored("logs"));
        let stacks = Stacks::new(all);
        let (stack, service) = stacks.locate("logs-eu-kafka").unwrap();
        assert_eq!((stack.spec.name.as_str(), service), ("logs-eu", "kafka"));
        assert!(stacks.locate("logs-eu").is_none());
        assert!(Stacks::default().locate("logs-eu-kafka").is_none());
    }

    #[test]
    fn a_service_of_a_nested_stack_is_found_by_its_name_on_the_cluster() {
        let mut all = options();
        let services = &mut all.stacks.get_mut("demo").unwrap().spec.services;
        for path in ["log/kafka", "observability/zookeeper"] {
            let service = Service { name: path.into(), ..services["kafka"].clone() };
            services.insert(path.into(), service);
        }
        let stacks = Stacks::new(all);
        assert_eq!(stacks.locate("demo-log-kafka").unwrap().1, "log/kafka");
        let short = stacks.options.stacks["demo"].instance("observability/zookeeper");
        assert!(short.len() <= 24 && short.contains("-zookeeper-"), "{short}");
        assert_eq!(stacks.locate(&short).unwrap().1, "observability/zookeeper");
    }

    #[test]
    fn around_an_instance_is_what_needs_it_and_what_it_needs() {
        let stacks = Stacks::new(options());
        let both = BTreeSet::from(["demo-kafka".to_owned(), "demo-zookeeper".to_owned()]);
        assert_eq!((stacks.around("demo-kafka"), stacks.around("demo-zookeeper")), (both.clone(), both));
        assert_eq!(stacks.around("unknown"), BTreeSet::from(["unknown".to_owned()]));
    }

    #[test]
    fn another_configuration_is_decoded_anew() {
        let (decoded, first) = (Decoded::default(), crate::testing::config());
        let stacks = decoded.of(&first).unwrap();
        assert!(Arc::ptr_eq(&stacks, &decoded.of(&first.clone()).unwrap()));
        let mut second = first.clone();
        Arc::make_mut(&mut second.options)["revision"] = 2.into();
        assert_eq!(decoded.of(&second).unwrap().options.revision, 2);
        assert_eq!(decoded.of(&first).unwrap().options.revision, 1);
        let bad = Config { options: Arc::new(3.into()), ..Config::default() };
        assert!(decoded.of(&bad).is_err());
    }

    #[test]
    fn what_rests_on_a_service_goes_first() {
        let mut stack = stored("demo");
        assert!(stack.go_before("zookeeper").is_empty(), "nothing goes");
        stack.destroying = Some(Destroying::default());
        assert_eq!(stack.go_before("zookeeper"), ["kafka"]);
        assert!(stack.go_before("kafka").is_empty());
    }
}
