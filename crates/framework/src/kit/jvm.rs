//! The options that every service on a JVM has: its version, what an instance gets of its agent, and where it may run.
//!
//! A framework says what is usual for its service and takes the options into its own:
//!
//! ```
//! # use cairn_framework::kit::{Beside, Jvm, JvmService}; use cairn_units::Size; use serde::{Deserialize, Serialize};
//! # use schemars::JsonSchema; use cairn_framework::{Config, Problem};
//! #[derive(Debug, Clone, PartialEq)]
//! pub struct Node;
//!
//! impl JvmService for Node {
//!     const VERSION: &'static str = "5.0.5";
//!     const CPUS: f64 = 0.5;
//!     const HEAP: Size = Size::from_mib(256);
//!     const LEAST: (Size, Size) = (Size::from_mib(128), Size::from_mib(128));
//!     const BESIDE: Beside = Beside { percent: 25, least: 96, more: 0 };
//! }
//!
//! #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
//! #[serde(default, rename_all = "camelCase", deny_unknown_fields)]
//! struct Options {
//!     nodes: u32,
//!     #[serde(flatten)]
//!     jvm: Jvm<Node>,
//! }
//! assert_eq!(Options::default().jvm.memory().mib(), 352);
//! ```

use std::fmt::{Debug, Write as _};
use std::marker::PhantomData;

use cairn_units::{Constraint, Size};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::check;
use super::java::{Java, SMALL};
use crate::{Config, InstanceSpec, Problem};

/// What is usual for a service on a JVM.
pub trait JvmService: Debug + Clone + PartialEq + Send + Sync + 'static {
    /// Version, as the distributions have it; empty where it follows from other options.
    const VERSION: &'static str;
    /// What people should know about the version.
    const VERSION_NOTE: &'static str = "";
    /// CPUs of an instance.
    const CPUS: f64;
    /// Heap of an instance.
    const HEAP: Size;
    /// The smallest heap it starts with, and what the memory has to hold beside a heap.
    const LEAST: (Size, Size);
    /// What is reserved beside the heap where nothing is said.
    const BESIDE: Beside;
    /// Where only the memory is given the heap is half of it, at most so much. `None`: then too it is as usual.
    const HALF: Option<Size> = None;
    /// What people should know about the heap.
    const HEAP_NOTE: &'static str = "";
}

/// Memory beside a heap: a part of the heap, at least so much, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beside {
    /// Percent of the heap.
    pub percent: u64,
    /// This part is at least so many MiB.
    pub least: u64,
    /// MiB on top.
    pub more: u64,
}

impl Beside {
    /// The heap and what is beside it.
    pub const fn with(self, heap: Size) -> Size {
        let part = heap.mib() * self.percent / 100;
        let part = if part < self.least { self.least } else { part };
        Size::from_mib(heap.mib() + part + self.more)
    }

    fn text(self) -> String {
        let mut text = format!("the heap and {}% of it", self.percent);
        if self.least > 0 {
            let _ = write!(text, ", at least {}MiB", self.least);
        }
        if self.more > 0 {
            let _ = write!(text, ", and {}MiB", self.more);
        }
        text
    }
}

/// Options of a service on a JVM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", bound = "S: JvmService")]
#[schemars(bound = "S: JvmService", transform = describe::<S>)]
pub struct Jvm<S: JvmService> {
    /// Version of the service.
    pub version: String,
    /// CPUs of each instance.
    #[schemars(range(min = 0.01))]
    pub cpus: f64,
    /// Heap of each instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Size")]
    pub heap: Option<Size>,
    /// Memory to reserve for each instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<Size>,
    /// Where instances may run, for example `hostname:unique` or `rack:groupBy:3`.
    #[schemars(with = "Vec<Constraint>")]
    pub constraints: Vec<String>,
    /// Further options of the JVM, each an item: `["-XX:+UseZGC"]`.
    pub jvm_options: Vec<String>,
    /// Whose options they are.
    #[serde(skip)]
    pub service: PhantomData<S>,
}

/// What the type of the service adds to the descriptions.
fn describe<S: JvmService>(schema: &mut Schema) {
    let half = S::HALF.map(|most| format!("Without it: half of the memory, at most {most}."));
    let notes = [
        ("version", S::VERSION_NOTE.to_owned()),
        ("heap", half.unwrap_or_default()),
        ("heap", S::HEAP_NOTE.to_owned()),
        ("mem", format!("Without it: {}.", S::BESIDE.text())),
    ];
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, note) in notes.iter().filter(|(_, note)| !note.is_empty()) {
        let Some(description) = properties.get_mut(*name).and_then(|p| p.get_mut("description")) else {
            continue;
        };
        *description = format!("{} {note}", description.as_str().unwrap_or_default()).into();
    }
    if let Some(heap) = properties.get_mut("heap").filter(|_| S::HALF.is_none()) {
        heap["default"] = json!(S::HEAP);
    }
    if let Some(version) = properties.get_mut("version").and_then(Value::as_object_mut) {
        version.retain(|key, value| key != "default" || value != "");
    }
}

impl<S: JvmService> Default for Jvm<S> {
    fn default() -> Self {
        Self {
            version: S::VERSION.into(),
            cpus: S::CPUS,
            heap: None,
            mem: None,
            constraints: Vec::new(),
            jvm_options: Vec::new(),
            service: PhantomData,
        }
    }
}

impl<S: JvmService> Jvm<S> {
    /// Heap of an instance.
    pub fn heap(&self) -> Size {
        let half = |most: Size| self.mem.map(|mem| Size::from_mib(mem.mib() / 2).min(most));
        self.heap.or_else(|| S::HALF.and_then(half)).unwrap_or(S::HEAP)
    }

    /// Memory to reserve for an instance.
    pub fn memory(&self) -> Size {
        self.mem.unwrap_or(S::BESIDE.with(self.heap()))
    }

    /// With what follows from the rest.
    #[must_use]
    pub fn in_effect(&self) -> Self {
        Self { heap: Some(self.heap()), mem: Some(self.memory()), ..self.clone() }
    }

    /// Adds what is wrong with them.
    pub fn check(&self, problems: &mut Vec<Problem>) {
        let (heap, beside) = S::LEAST;
        check::cpus("cpus", self.cpus, problems);
        check::memory("", self.heap(), heap, self.memory(), beside, problems);
        check::constraints("constraints", &self.constraints, problems);
        check::jvm_options("jvmOptions", &self.jvm_options, problems);
    }

    /// An instance without a name: cpus, memory, constraints, and the unpacked archive of the version.
    ///
    /// # Errors
    /// There is no archive of this version.
    pub fn instance(&self, config: &Config) -> Result<InstanceSpec, Vec<Problem>> {
        let mut archive = config.archive(&self.version)?;
        archive.extract = true;
        Ok(InstanceSpec { artifacts: vec![archive], ..self.place() })
    }

    /// Its command line: flags for a large heap, flags for all, main class and arguments; see [`Java`].
    pub fn java<'a>(&'a self, large: &'a [&'a str], flags: &'a [&'a str], main: &'a [&'a str]) -> Java<'a> {
        Java { heap: self.heap(), small: &SMALL, large, flags, own: &self.jvm_options, first: None, main }
    }

    /// Where instances may run if they are spread evenly over the values of an attribute, unless a constraint says something
    /// else about it. One without a value could not be told apart from the others, so each has one then.
    pub fn spread_over(&self, attribute: Option<&str>) -> Vec<Constraint> {
        let mut constraints = check::read_constraints(&self.constraints);
        let free = attribute.filter(|attribute| constraints.iter().all(|c| c.attribute != *attribute));
        constraints.extend(free.and_then(|attribute| format!("{attribute}:groupBy").parse().ok()));
        constraints
    }

    /// An instance without a name and an archive, for those that differ.
    pub fn place(&self) -> InstanceSpec {
        InstanceSpec {
            cpus: self.cpus,
            // Amounts of memory are far below 2^52 MiB.
            mem: self.memory().mib() as f64,
            constraints: check::read_constraints(&self.constraints),
            ..InstanceSpec::default()
        }
    }
}

/// What is different about single instances, among the service's own [`super::Nodes::overrides`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct JvmOverride {
    /// CPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Memory to reserve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<Size>,
    /// Heap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap: Option<Size>,
    /// Where it may run, in place of what holds for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<Constraint>>")]
    pub constraints: Option<Vec<String>>,
    /// Options of the JVM, in place of those for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jvm_options: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::from_value;

    #[derive(Debug, Clone, PartialEq)]
    struct Node;

    impl JvmService for Node {
        const VERSION: &'static str = "1.0";
        const CPUS: f64 = 0.5;
        const HEAP: Size = Size::from_mib(256);
        const LEAST: (Size, Size) = (Size::from_mib(64), Size::from_mib(96));
        const BESIDE: Beside = Beside { percent: 25, least: 96, more: 32 };
        const HEAP_NOTE: &'static str = "All data must fit.";
    }

    #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Options {
        nodes: u32,
        #[serde(flatten)]
        jvm: Jvm<Node>,
    }

    #[test]
    fn they_stand_among_the_services_own() {
        let read = |options: Value| from_value::<Options>(options).map_err(|e| e.to_string());
        let options =
            read(json!({ "nodes": 2, "cpus": 1, "heap": "1GiB", "jvmOptions": ["-Da=b"] })).unwrap();
        assert_eq!((options.nodes, options.jvm.cpus, options.jvm.memory().mib()), (2, 1.0, 1024 + 256 + 32));
        assert_eq!(options.jvm.version, "1.0");
        assert_eq!(Options::default().jvm.place().mem, 256.0 + 96.0 + 32.0);
        assert!(read(json!({ "haep": "1GiB" })).unwrap_err().contains("unknown field `haep`"));
        let written = serde_json::to_value(&options).unwrap();
        assert_eq!((&written["heap"], written.get("service")), (&json!("1024MiB"), None));
    }

    #[test]
    fn the_schema_tells_what_is_usual() {
        let schema = schemars::schema_for!(Options).to_value();
        let property = |name: &str| &schema["properties"][name];
        assert_eq!(property("heap")["default"], "256MiB");
        assert_eq!(property("heap")["description"], "Heap of each instance. All data must fit.");
        let told = property("mem")["description"].as_str().unwrap();
        assert!(told.ends_with("Without it: the heap and 25% of it, at least 96MiB, and 32MiB."), "{told}");
        assert_eq!(schema["additionalProperties"], false);
    }

    #[test]
    fn memory_and_heap_follow_each_other() {
        #[derive(Debug, Clone, PartialEq)]
        struct Broker;

        impl JvmService for Broker {
            const VERSION: &'static str = "";
            const CPUS: f64 = 0.5;
            const HEAP: Size = Size::from_mib(256);
            const LEAST: (Size, Size) = (Size::from_mib(96), Size::from_mib(128));
            const BESIDE: Beside = Beside { percent: 100, least: 256, more: 0 };
            const HALF: Option<Size> = Some(Size::from_mib(6 * 1024));
        }

        let mib = |mem: Option<u64>, heap: Option<u64>| {
            let (mem, heap) = (mem.map(Size::from_mib), heap.map(Size::from_mib));
            let jvm = Jvm::<Broker> { mem, heap, ..Jvm::default() }.in_effect();
            (jvm.mem.map(Size::mib).unwrap(), jvm.heap.map(Size::mib).unwrap())
        };
        assert_eq!(mib(None, None), (512, 256));
        assert_eq!(mib(Some(4096), None), (4096, 2048));
        assert_eq!(mib(Some(65536), None), (65536, 6144));
        assert_eq!(mib(None, Some(128)), (384, 128));
        assert_eq!(mib(None, Some(1024)), (2048, 1024));
        assert_eq!(mib(Some(1024), Some(300)), (1024, 300));
        let schema = schemars::schema_for!(Jvm<Broker>).to_value();
        assert_eq!(schema["properties"]["version"].get("default"), None);
        let told = schema["properties"]["heap"]["description"].as_str().unwrap();
        assert_eq!(told, "Heap of each instance. Without it: half of the memory, at most 6GiB.");
    }

    #[test]
    fn all_problems_are_told() {
        let jvm = Jvm::<Node> {
            cpus: 0.0,
            heap: Some(Size::from_mib(32)),
            mem: Some(Size::from_mib(64)),
            constraints: vec!["rack".into()],
            jvm_options: vec!["-Xmx1g".into()],
            ..Jvm::default()
        };
        let mut problems = Vec::new();
        jvm.check(&mut problems);
        let at: Vec<&str> = problems.iter().map(|p| p.option.as_str()).collect();
        assert_eq!(at, ["cpus", "heap", "mem", "constraints.0", "jvmOptions.0"]);
    }
}
