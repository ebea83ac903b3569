//! Settings of topics.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::StrBytes;

use super::topics::text;
use super::{Client, ClientError, error};

/// The setting that says how many copies must be in sync for a write to be accepted.
const MIN_ISR: &str = "min.insync.replicas";

/// Kind of resource: a topic.
const TOPIC: i8 = 2;
/// Source of a value: set for this very topic.
const OF_TOPIC: i8 = 1;
const SET: i8 = 0;
const DELETE: i8 = 1;
/// Topics asked about in one request.
const BATCH: usize = 500;

/// A setting in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its value; none if Kafka keeps it to itself.
    pub value: Option<String>,
    /// It was set for this very topic, rather than being a default.
    pub own: bool,
}

/// Settings in effect by topic and name.
pub type Configs = BTreeMap<String, BTreeMap<String, ConfigEntry>>;

/// Whether a change of a setting shows. What Kafka keeps to itself shows nothing but that it was set.
fn takes(config: &BTreeMap<String, ConfigEntry>, key: &str, value: Option<&str>) -> bool {
    let entry = config.get(key);
    match value {
        Some(value) => entry.is_some_and(|e| e.own && e.value.as_deref().is_none_or(|v| same(v, value))),
        None => entry.is_none_or(|e| !e.own),
    }
}

/// Whether two texts are one value: Kafka writes what it has read in its own way, `TRUE` as `true`, `0.50` as `0.5`.
fn same(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<String>().to_lowercase();
    let number = |text: &str| text.trim().parse::<f64>().ok();
    plain(one) == plain(other)
        || matches!((number(one), number(other)), (Some(a), Some(b)) if a.total_cmp(&b).is_eq())
}

impl Client {
    /// Settings in effect of these topics; `keys`: only these.
    ///
    /// # Errors
    /// The broker does not answer, or refuses for one of them.
    pub async fn topic_configs(
        &mut self,
        topics: &BTreeSet<String>,
        keys: Option<&[&str]>,
    ) -> Result<Configs, ClientError> {
        let keys: Option<Vec<StrBytes>> = keys.map(|k| k.iter().map(|key| text(key)).collect());
        let all: Vec<&String> = topics.iter().collect();
        let mut configs = Configs::new();
        for batch in all.chunks(BATCH) {
            let resource = |topic: &&String| {
                DescribeConfigsResource::default()
                    .with_resource_type(TOPIC)
                    .with_resource_name(text(topic))
                    .with_configuration_keys(keys.clone())
            };
            let request =
                DescribeConfigsRequest::default().with_resources(batch.iter().map(resource).collect());
            for result in self.any.call(&request).await?.results {
                let name = result.resource_name.to_string();
                error::check(|| format!("topic {name}"), result.error_code, result.error_message.as_deref())?;
                let entries = result.configs.iter().map(|c| {
                    let value = c.value.as_ref().map(ToString::to_string);
                    (c.name.to_string(), ConfigEntry { value, own: c.config_source == OF_TOPIC })
                });
                configs.insert(name, entries.collect());
            }
        }
        Ok(configs)
    }

    /// `min.insync.replicas` in effect, by topic.
    ///
    /// # Errors
    /// As [`Self::topic_configs`].
    pub async fn min_isr(
        &mut self,
        topics: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, usize>, ClientError> {
        let configs = self.topic_configs(topics, Some(&[MIN_ISR])).await?;
        let min = |entries: BTreeMap<String, ConfigEntry>| entries.get(MIN_ISR)?.value.as_ref()?.parse().ok();
        Ok(configs.into_iter().filter_map(|(topic, entries)| Some((topic, min(entries)?))).collect())
    }

    /// Sets settings of a topic; no value: back to the default. Others are left as they are.
    ///
    /// # Errors
    /// The controller does not answer, or refuses.
    pub async fn alter_topic(
        &mut self,
        topic: &str,
        changes: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ClientError> {
        let configs = changes.iter().map(|(key, value)| {
            AlterableConfig::default()
                .with_name(text(key))
                .with_config_operation(if value.is_some() { SET } else { DELETE })
                .with_value(value.as_deref().map(text))
        });
        let resource = AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text(topic))
            .with_configs(configs.collect());
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.controller().await?.call(&request).await?;
        for result in &answer.responses {
            error::check(|| format!("topic {topic}"), result.error_code, result.error_message.as_deref())?;
        }
        self.everywhere(topic, |seen| {
            changes.iter().all(|(key, value)| takes(&seen.config, key, value.as_deref()))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_however_kafka_writes_the_value() {
        let entry = |own, value: &str| ConfigEntry { value: Some(value.into()), own };
        let config: BTreeMap<String, ConfigEntry> = [
            ("cleanup.policy".to_owned(), entry(true, "compact,delete")),
            ("min.cleanable.dirty.ratio".to_owned(), entry(true, "0.5")),
            ("retention.ms".to_owned(), entry(false, "604800000")),
        ]
        .into();
        assert!(takes(&config, "cleanup.policy", Some("compact, DELETE")));
        assert!(takes(&config, "min.cleanable.dirty.ratio", Some("0.50")));
        assert!(!takes(&config, "min.cleanable.dirty.ratio", Some("0.51")));
        assert!(!takes(&config, "retention.ms", Some("604800000")), "a default is not set");
        assert!(takes(&config, "retention.ms", None));
        assert!(!takes(&config, "cleanup.policy", None));
    }
}
