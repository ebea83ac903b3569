//! What masters and agents have in common in their metrics.

use cairn_mesos::v1::Metric;

/// A count as a metric shows it: exact up to 2^53, which no count comes near.
pub(crate) fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

/// Names and values as messages carry them.
pub(crate) fn listed(values: impl IntoIterator<Item = (String, f64)>) -> Vec<Metric> {
    values.into_iter().map(|(name, value)| Metric { name, value: Some(value) }).collect()
}
