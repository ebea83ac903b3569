//! What a framework spec says. The controller knows a service by this data only.

use std::collections::BTreeMap;

use cairn_definition::Definition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How a framework's scheduler is launched, what it takes and what it gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrameworkSpec {
    /// Name of the framework: what a stack writes under `framework:`.
    #[schemars(regex(pattern = r"^[a-z]([a-z0-9-]*[a-z0-9])?$"), length(max = 24))]
    pub framework: String,
    /// What it is, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The scheduler's process. Where there is a `service` section it may be left out: `cairn scheduler service`.
    #[serde(default)]
    pub scheduler: SchedulerSpec,
    /// The option that `cairn scale` changes; absent if the framework cannot be scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<String>,
    /// Inputs, by the name a stack binds them under.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub needs: BTreeMap<String, Need>,
    /// Interfaces it offers to others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub offers: BTreeMap<String, Offer>,
    /// Archives it brings along, by version of the service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub distributions: BTreeMap<String, Archive>,
    /// JSON Schema of what a stack may set: an object with `properties`. Besides those of JSON Schema, the formats
    /// `size`, `duration`, `constraint` and `secret` (`${secret.NAME}` and nothing else) are checked.
    #[serde(default)]
    pub options: Map<String, Value>,
    /// Checks across options.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// The service itself, for the scheduler that runs what is described here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Definition>,
}

/// The scheduler's process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchedulerSpec {
    /// The command line.
    pub command: Command,
    /// CPUs to reserve for it.
    #[serde(default = "default_cpus")]
    #[schemars(range(min = 0.001))]
    pub cpus: f64,
    /// Memory to reserve for it, in MiB.
    #[serde(default = "default_mem")]
    #[schemars(range(min = 1))]
    pub mem: u64,
    /// Environment variables to set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

impl Default for SchedulerSpec {
    /// The scheduler of services that are described in their spec.
    fn default() -> Self {
        Self {
            command: Command::Line("cairn scheduler service".to_owned()),
            cpus: default_cpus(),
            mem: default_mem(),
            env: BTreeMap::new(),
        }
    }
}

fn default_cpus() -> f64 {
    0.1
}

fn default_mem() -> u64 {
    64
}

/// A command line: words in a list, or a text that is split at white space. There is no shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Command {
    /// Split at white space.
    Line(#[schemars(regex(pattern = r"\S"))] String),
    /// As they stand.
    Words(#[schemars(length(min = 1))] Vec<String>),
}

impl Command {
    /// The words; the first is the program.
    pub fn argv(&self) -> Vec<String> {
        match self {
            Self::Line(line) => line.split_whitespace().map(str::to_owned).collect(),
            Self::Words(words) => words.clone(),
        }
    }
}

/// Options and the values they must have. An option that a stack does not set counts with its default.
pub type Condition = BTreeMap<String, Value>;

/// An input: something that another service, or somebody outside the stack, provides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// The interface that the provider must offer.
    pub interface: String,
    /// The output of the interface that is usually bound; hints suggest it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Whether the framework also runs without it.
    #[serde(default)]
    pub optional: bool,
    /// It is an input only if all of these options have these values.
    #[serde(default, skip_serializing_if = "Condition::is_empty")]
    pub when: Condition,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// An interface that a framework offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Names of the outputs, read from the scheduler's REST once it is ready.
    #[schemars(length(min = 1))]
    pub outputs: Vec<String>,
}

/// An archive that comes with a framework.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// File name in the distribution store.
    #[schemars(length(min = 1))]
    pub archive: String,
    /// SHA-256 of it, if it is known when the spec is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"))]
    pub sha256: Option<String>,
}

/// A check across options. It does not apply where one of its sides is not set and has no default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Path of the options it concerns; `*` is any key or list item: `topics.*.replication`.
    pub at: String,
    /// The value must not be greater than this: a number, or the path of an option.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Bound>,
    /// The value must not be less than this: a number, or the path of an option.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Bound>,
    /// It applies only if all of these options have these values.
    #[serde(default, skip_serializing_if = "Condition::is_empty")]
    pub when: Condition,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// One side of a [`Rule`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Bound {
    /// A fixed number.
    Number(f64),
    /// The value of an option.
    Option(String),
}

impl FrameworkSpec {
    /// The schema of one option.
    pub fn option(&self, name: &str) -> Option<&Value> {
        self.options.get("properties")?.get(name)
    }

    /// The default of one option.
    pub fn default_of(&self, name: &str) -> Option<&Value> {
        self.option(name)?.get("default")
    }

    /// Names of all options, in the order of the schema.
    pub fn option_names(&self) -> impl Iterator<Item = &str> {
        self.options
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
    }

    /// Names of all outputs, over all interfaces.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.offers.values().flat_map(|offer| &offer.outputs).map(String::as_str)
    }

    /// Whether all of `condition` holds for these options.
    pub fn holds(&self, condition: &Condition, options: &Value) -> bool {
        condition
            .iter()
            .all(|(name, wanted)| options.get(name).or_else(|| self.default_of(name)) == Some(wanted))
    }
}
