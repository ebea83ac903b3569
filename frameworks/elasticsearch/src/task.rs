//! The task of one node: its files, its command line, its probes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cairn_framework::kit::{founding, java, probes, sh};
use cairn_framework::{InstanceSpec, Placement, View, Wait};
use cairn_task::{ConfigFile, ProbeKind, TaskSpec};
use serde_json::{Value, json};

use crate::nodes::{self, HTTP, TRANSPORT};
use crate::options::{Options, flatten};

/// Free space below which a node gets no more shards, loses some, and takes no more writes.
const WATERMARK: &str = "cluster.routing.allocation.disk.watermark.";
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
    let place = view.placement(&instance.name).ok_or_else(|| Wait::Peers("a place of its own".into()))?;
    let seeds: String = seeds(options, view).iter().map(|s| format!("{s}\n")).collect();
    // Other nodes come and go and the cluster is founded once: neither may restart this node, hence `keep`. The sandbox is
    // new for every task, so what is written is what was known at its launch.
    let kept = |path: &str, content: String| ConfigFile { keep: true, ..ConfigFile::raw(path, content) };
    let (ready, health) = probes(ProbeKind::Http {
        // Answered by the node itself, with or without an elected master.
        url: format!("http://{{{{ address }}}}:{{{{ ports.{HTTP} }}}}/_cluster/health?local=true"),
        headers: BTreeMap::new(),
    });
    Ok(TaskSpec {
        command: sh(&["run.sh", "start"]),
        prepare: vec![sh(&["run.sh", "prepare"])],
        files: vec![
            ConfigFile::raw("node.yml", yml(&instance.name, own, place, &view.framework)),
            kept("founders", initial(own, &founders)),
            kept("seeds", seeds),
            ConfigFile::raw("jvm.options", jvm(own)),
            ConfigFile::raw("log4j2.properties", include_str!("log4j2.properties")),
            ConfigFile::raw("run.sh", include_str!("run.sh")),
        ],
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

/// The line that makes founders of the nodes that have no cluster yet.
fn initial(own: &Options, founders: &[String]) -> String {
    let key = if own.opensearch() {
        "cluster.initial_cluster_manager_nodes"
    } else {
        "cluster.initial_master_nodes"
    };
    if founders.is_empty() { String::new() } else { format!("{key}: {}\n", json!(founders)) }
}

/// Name of the cluster.
pub(crate) fn cluster_name(options: &Options, framework: &str) -> String {
    options.cluster.clone().unwrap_or_else(|| framework.to_owned())
}

fn yml(name: &str, own: &Options, place: &Placement, framework: &str) -> String {
    let mut entries: BTreeMap<String, Value> = BTreeMap::new();
    flatten("", &own.config, &mut entries);
    let mut set = |key: &str, value: Value| drop(entries.insert(key.to_owned(), value));
    set("cluster.name", cluster_name(own, framework).into());
    set("node.name", name.into());
    set("network.host", place.address.clone().into());
    set("http.port", place.ports.get(HTTP).copied().into());
    set("transport.port", place.ports.get(TRANSPORT).copied().into());
    set("discovery.seed_providers", "file".into());
    if let Some(roles) = nodes::role_names(own) {
        set("node.roles", roles);
    }
    if let Some(zone) = own.zones.as_ref().and_then(|z| place.attributes.get(z)) {
        set("node.attr.zone", zone.clone().into());
        set("cluster.routing.allocation.awareness.attributes", "zone".into());
    }
    // Plain HTTP, as all services have it here; the core modules bring a security that would want certificates.
    if !own.opensearch() {
        entries.entry("xpack.security.enabled".to_owned()).or_insert(false.into());
    }
    // Of the disk that is reserved, not of the file system, which others may share: there Elasticsearch's own shares of
    // the whole would stop it although its volume is empty.
    if !entries.keys().any(|key| key.starts_with(WATERMARK)) {
        for (mark, percent) in [("low", 15), ("high", 10), ("flood_stage", 5)] {
            let free = own.disk.mib() * percent / 100;
            entries.insert(format!("{WATERMARK}{mark}"), format!("{free}mb").into());
        }
    }
    // JSON is YAML.
    entries.iter().fold(String::new(), |mut text, (key, value)| {
        let _ = writeln!(text, "{key}: {value}");
        text
    })
}

fn jvm(own: &Options) -> String {
    let heap = own.jvm.heap.mib();
    let mut flags = vec![format!("-Xms{heap}m"), format!("-Xmx{heap}m")];
    let chosen = own.jvm.jvm_options.iter().any(|o| o.starts_with("-XX:+Use") && o.ends_with("GC"));
    let scaled: &[&str] = match own.jvm.heap <= java::SMALL_HEAP {
        true => &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-AlwaysPreTouch"],
        false => &["-XX:+UseG1GC", "-XX:G1ReservePercent=25", "-XX:InitiatingHeapOccupancyPercent=30"],
    };
    flags.extend(scaled.iter().filter(|_| !chosen).map(|f| (*f).to_owned()));
    flags.push("-XX:-UsePerfData".into());
    flags.extend(own.jvm.jvm_options.iter().cloned());
    flags.join("\n") + "\n"
}

#[cfg(test)]
mod tests;
