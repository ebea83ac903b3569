//! The task of one node: its files, its command line, its probes.

use std::collections::BTreeMap;

use cairn_elasticsearch_admin::declared::flatten;
use cairn_elasticsearch_admin::{Role, initial_masters};
use cairn_framework::kit::{Entries, founding, java, probes, sh};
use cairn_framework::{InstanceSpec, Placement, View, Wait, files};
use cairn_task::{ConfigFile, ProbeKind, TaskSpec};
use serde_json::json;

use crate::nodes::{self, HTTP, TRANSPORT};
use crate::options::Options;

/// Free space below which a node gets no more shards, loses some, and takes no more writes.
const WATERMARK: &str = "cluster.routing.allocation.disk.watermark.";
/// As in the options that Elasticsearch comes with.
const LARGE_HEAP: [&str; 3] =
    ["-XX:+UseG1GC", "-XX:G1ReservePercent=25", "-XX:InitiatingHeapOccupancyPercent=30"];
/// The same collector: beyond loopback addresses Elasticsearch does not start with the serial one.
const SMALL_HEAP: [&str; 4] = [LARGE_HEAP[0], LARGE_HEAP[1], LARGE_HEAP[2], "-XX:TieredStopAtLevel=1"];
/// Time to hand shards over and close the indices.
const GRACE_MS: u64 = 60_000;

/// The task of a node; `options` are all, `own` as they hold for it.
///
/// # Errors
/// What it waits for.
pub(crate) fn task(
    instance: &InstanceSpec,
    options: &Options,
    own: &Options,
    view: &View,
) -> Result<TaskSpec, Wait> {
    let founders = founding::founders(&instance.name, view)?;
    let place = view.place(&instance.name)?;
    let seeds: String = seeds(options, view).iter().map(|s| format!("{s}\n")).collect();
    let (ready, health) = probes(ProbeKind::Http {
        // Answered by the node itself, with or without an elected master.
        url: format!("http://{{{{ address }}}}:{{{{ ports.{HTTP} }}}}/_cluster/health?local=true"),
        headers: BTreeMap::new(),
    });
    let mut files = files!(".": "log4j2.properties", "run.sh").to_vec();
    files.extend([
        ConfigFile::raw("node.yml", yml(&instance.name, own, place, &view.framework)),
        ConfigFile::filled("addresses.yml", include_str!("addresses.yml")),
        ConfigFile::raw(
            "jvm.options",
            java::Java { small: &SMALL_HEAP, ..own.jvm.java(&LARGE_HEAP, &[], &[]) }.file(),
        ),
        // Other nodes come and go and the cluster is founded once: neither may restart this node, hence `kept`. The sandbox
        // is new for every task, so what is written is what was known at its launch.
        ConfigFile::raw("founders", initial_masters(&founders, own.opensearch())).kept(),
        ConfigFile::raw("seeds", seeds).kept(),
    ]);
    Ok(TaskSpec {
        command: sh(&["run.sh", "start"]),
        prepare: vec![sh(&["run.sh", "prepare"])],
        files,
        requires: java::required("Elasticsearch and OpenSearch need Java 17 (7.17 also runs on 11)"),
        ready,
        health,
        grace_ms: GRACE_MS,
        run_as: Some(own.user),
        ..TaskSpec::default()
    })
}

/// Whom a node asks about the cluster: all that may be elected.
fn seeds(options: &Options, view: &View) -> Vec<String> {
    let masters = nodes::masters(options);
    masters.iter().filter_map(|name| view.placement(name)?.endpoint(TRANSPORT)).collect()
}

/// Name of the cluster.
pub(crate) fn cluster_name(options: &Options, framework: &str) -> String {
    options.cluster.clone().unwrap_or_else(|| framework.to_owned())
}

fn yml(name: &str, own: &Options, place: &Placement, framework: &str) -> String {
    let mut set = BTreeMap::new();
    flatten("", &own.config, &mut set);
    let mut usual = Vec::new();
    // Plain HTTP, as all services have it here; the core modules bring a security that would want certificates.
    if !own.opensearch() {
        usual.push(("xpack.security.enabled".to_owned(), json!(false)));
    }
    // Of the disk that is reserved, not of the file system, which others may share: there Elasticsearch's own shares of
    // the whole would stop it although its volume is empty.
    if !set.keys().any(|key| key.starts_with(WATERMARK)) {
        let free = |percent: u64| json!(format!("{}mb", own.disk.mib() * percent / 100));
        let marks = [("low", 15), ("high", 10), ("flood_stage", 5)];
        usual.extend(marks.map(|(mark, percent)| (format!("{WATERMARK}{mark}"), free(percent))));
    }
    let fixed = [("cluster.name", json!(cluster_name(own, framework))), ("node.name", json!(name))];
    let zone = place.attribute(own.zones.as_deref()).map(|zone| {
        let spread = ("cluster.routing.allocation.awareness.attributes", json!("zone"));
        [("node.attr.zone", json!(zone)), spread]
    });
    let roles = Role::written(&own.roles, own.opensearch()).map(|roles| ("node.roles", roles));
    // JSON is YAML.
    let entries = Entries::new(": ").with(usual).with(set).with(fixed);
    entries.with(zone.into_iter().flatten()).with(roles).to_string()
}

#[cfg(test)]
mod tests;
