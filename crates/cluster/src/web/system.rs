//! `/system/stats.json`: the machine that the server is on.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

pub(crate) async fn stats() -> Response {
    Json(Value::Object(shown())).into_response()
}

/// Load, processors and memory. What the system does not tell is left out.
fn shown() -> Map<String, Value> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut shown = load(&read("/proc/loadavg"));
    if let Ok(cpus) = std::thread::available_parallelism() {
        shown.insert("cpus_total".to_owned(), json!(cpus.get()));
    }
    shown.extend(memory(&read("/proc/meminfo")));
    shown
}

/// The same as metrics.
pub(crate) fn metrics() -> Vec<(String, f64)> {
    let shown = shown().into_iter();
    let named = |(name, value): (String, Value)| {
        Some((format!("system/{}", name.trim_start_matches("avg_")), value.as_f64()?))
    };
    shown.filter_map(named).collect()
}

/// From `/proc/loadavg`.
fn load(text: &str) -> Map<String, Value> {
    let names = ["avg_load_1min", "avg_load_5min", "avg_load_15min"];
    let values = text.split_whitespace().map_while(|word| word.parse::<f64>().ok());
    names.into_iter().zip(values).map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

/// From `/proc/meminfo`, which counts in KiB.
fn memory(text: &str) -> Map<String, Value> {
    let amount = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    let all = [("mem_total_bytes", amount("MemTotal")), ("mem_free_bytes", amount("MemFree"))];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        let shown = load("0.25 1.50 2.00 3/100 4242\n");
        assert_eq!(
            Value::Object(shown),
            json!({"avg_load_1min": 0.25, "avg_load_5min": 1.5, "avg_load_15min": 2.0})
        );
        let shown = memory("MemTotal:       2048 kB\nMemFree:          1 kB\nMemAvailable:   5 kB\n");
        assert_eq!(Value::Object(shown), json!({"mem_total_bytes": 2_097_152, "mem_free_bytes": 1024}));
        assert!(load("").is_empty() && memory("").is_empty());
    }
}
