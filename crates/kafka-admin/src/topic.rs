//! A topic as it should be, and what of one is to be otherwise, as people write it.

use std::collections::BTreeMap;
use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use crate::{ClientError, Cluster};

/// Most partitions of a topic.
const MOST_PARTITIONS: u32 = 100_000;

/// A topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Topic {
    /// Number of partitions. It can be raised later, never lowered.
    #[schemars(range(min = 1, max = 100_000))]
    pub partitions: u32,
    /// Brokers that hold a copy of each partition.
    #[schemars(range(min = 1, max = 1000))]
    pub replication: u32,
    /// Settings of the topic, for example `retention.ms: 86400000`. Those that are not named are left as they are.
    #[serde(deserialize_with = "settings")]
    #[schemars(extend("additionalProperties" = { "type": ["string", "number", "boolean"] }))]
    pub config: BTreeMap<String, String>,
}

impl Default for Topic {
    fn default() -> Self {
        Self { partitions: 1, replication: 1, config: BTreeMap::new() }
    }
}

/// What of a topic is to be otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicPatch {
    /// Number of partitions.
    pub partitions: Option<u32>,
    /// Copies of each.
    pub replication: Option<u32>,
    /// Settings; no value: back to the default.
    #[serde(deserialize_with = "changes")]
    pub config: BTreeMap<String, Option<String>>,
}

/// What is wrong with a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// With what of it: `config.retention.ms`.
    pub at: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub help: Option<&'static str>,
}

impl Mistake {
    pub(crate) fn new(at: impl Into<String>, what: String, help: Option<&'static str>) -> Self {
        Self { at: at.into(), what, help }
    }
}

impl Topic {
    /// Everything that is wrong with a topic of a cluster of so many brokers, whatever Kafka says.
    pub(crate) fn mistakes(&self, brokers: u32) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let mut mistake = |at: &str, what, help| mistakes.push(Mistake::new(at, what, help));
        if self.partitions == 0 || self.partitions > MOST_PARTITIONS {
            mistake("partitions", format!("must be from 1 to {MOST_PARTITIONS}"), None);
        }
        if self.replication == 0 {
            mistake("replication", "must be at least 1".into(), None);
        }
        if self.replication > brokers {
            let what = format!("{} is more than there are brokers ({brokers})", self.replication);
            let help = "every replica is on another broker; raise `brokers` or lower `replication`";
            mistake("replication", what, Some(help));
        }
        for (key, _) in self.config.iter().filter(|(_, value)| value.contains(['\n', '\r'])) {
            mistake(&format!("config.{key}"), "the value must be on one line".into(), None);
        }
        mistakes
    }
}

impl TopicPatch {
    /// Whether a topic of this cluster can become so. `declared`: it is brought in line later, also where brokers are still to
    /// come.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(&self, name: &str, cluster: &Cluster, declared: bool) -> Result<(), ClientError> {
        let has = cluster.topics.get(name).map_or(0, |topic| topic.partitions.len());
        if self.partitions.is_some_and(|n| (n as usize) < has) {
            return Err(ClientError::Shrinks { topic: name.to_owned(), has });
        }
        match self.replication {
            Some(0) => Err(ClientError::Odd("`replication` is at least 1".into())),
            Some(wanted) if wanted as usize > cluster.brokers.len() && !declared => {
                Err(ClientError::Crowded { wanted, brokers: cluster.brokers.len() })
            }
            _ => Ok(()),
        }
    }

    /// Those settings that go back to their defaults.
    pub(crate) fn reset(&self) -> BTreeMap<String, Option<String>> {
        self.config.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| (key.clone(), None)).collect()
    }

    /// The topic as it should be, from how it is.
    pub(crate) fn applied(&self, name: &str, cluster: &Cluster) -> Topic {
        let there = cluster.topics.get(name).cloned().unwrap_or_default();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let set = self.config.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        Topic {
            partitions: self.partitions.unwrap_or(count(there.partitions.len())),
            replication: self.replication.unwrap_or(count(there.replication())),
            config: set.collect(),
        }
    }
}

/// Settings as people write them, texts, numbers or truth values, as Kafka takes them: as text.
fn settings<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let none = |key: &str| de::Error::custom(format!("{key}: a setting has a value"));
    let written = changes(from)?.into_iter();
    written.map(|(key, value)| Ok((key.clone(), value.ok_or_else(|| none(&key))?))).collect()
}

/// The same where they may be null.
fn changes<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Option<String>>, D::Error> {
    let text = |value: &dyn Display| Some(value.to_string());
    let read = |(key, value): (String, Value)| match value {
        Value::Null => Ok((key, None)),
        Value::String(value) => Ok((key, Some(value))),
        Value::Bool(value) => Ok((key, text(&value))),
        Value::Number(value) => Ok((key, text(&value))),
        _ => Err(de::Error::custom(format!("{key}: a setting is a text, a number, true or false"))),
    };
    BTreeMap::<String, Value>::deserialize(from)?.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;
    use crate::tests::cluster;

    #[test]
    fn settings_are_texts_for_kafka() {
        let topic: Topic =
            from_value(json!({ "config": { "a": 1, "b": true, "c": "x", "d": 0.5 } })).unwrap();
        let texts: Vec<_> = topic.config.values().map(String::as_str).collect();
        assert_eq!(texts, ["1", "true", "x", "0.5"]);
        let odd = |config: Value| from_value::<Topic>(json!({ "config": config })).unwrap_err().to_string();
        assert_eq!(odd(json!({ "a": [1] })), "a: a setting is a text, a number, true or false");
        assert_eq!(odd(json!({ "a": null })), "a: a setting has a value");
        let patch: TopicPatch = from_value(json!({ "config": { "a": null, "b": 1 } })).unwrap();
        assert_eq!(patch.reset(), [("a".to_owned(), None)].into());
    }

    #[test]
    fn mistakes_say_where() {
        let config = [("x".to_owned(), "a\nb".to_owned())].into();
        let mistakes = Topic { partitions: 0, replication: 3, config }.mistakes(2);
        let at: Vec<_> = mistakes.iter().map(|m| m.at.as_str()).collect();
        assert_eq!(at, ["partitions", "replication", "config.x"]);
        assert_eq!(mistakes[1].what, "3 is more than there are brokers (2)");
        assert!(Topic::default().mistakes(1).is_empty());
    }

    #[test]
    fn a_patch_leaves_what_it_does_not_name() {
        let there = cluster(&[0, 1], &["a: 0,1/0,1", "a: 1,0/1,0"]);
        let config = [("x".to_owned(), Some("1".to_owned())), ("y".to_owned(), None)].into();
        let patch = TopicPatch { config, ..TopicPatch::default() };
        let wanted = patch.applied("a", &there);
        assert_eq!((wanted.partitions, wanted.replication), (2, 2));
        assert_eq!(wanted.config, [("x".to_owned(), "1".to_owned())].into());
        let patch = TopicPatch { partitions: Some(4), replication: Some(1), ..patch };
        assert_eq!((patch.applied("a", &there).partitions, patch.applied("a", &there).replication), (4, 1));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let there = cluster(&[0, 1], &["a: 0,1/0,1", "a: 1,0/1,0"]);
        let told = |partitions, replication, declared| {
            let patch = TopicPatch { partitions, replication, ..TopicPatch::default() };
            patch.check("a", &there, declared).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(told(Some(1), None, true), "topic a has 2 partitions, and Kafka cannot take any away");
        assert_eq!(told(None, Some(0), true), "`replication` is at least 1");
        assert_eq!(told(None, Some(3), false), "replication 3 needs as many brokers, and 2 serve");
        assert_eq!(
            (told(None, Some(3), true), told(Some(2), Some(2), false)),
            (String::new(), String::new())
        );
    }
}
