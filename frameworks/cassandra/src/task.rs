//! The task of one node: its files, its command line, its probes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cairn_framework::Placement;
use cairn_framework::kit::java::{self, SMALL_HEAP};
use cairn_framework::kit::{probes, sh};
use cairn_task::{ConfigFile, ProbeKind, TaskSpec};
use serde_json::{Value, json};

use crate::options::Options;
use crate::service::{CQL, JMX, NODES, STORAGE};

const MAIN: &str = "org.apache.cassandra.service.CassandraDaemon";
/// Announcing the end and draining take some seconds, with much in memory some more.
const GRACE_MS: u64 = 60_000;

/// What differs from launch to launch and must not restart a node that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) seeds: Vec<String>,
    /// Address of the dead node whose place in the ring it takes.
    pub(crate) replaces: Option<String>,
    /// There is no data yet that it would have to be given.
    pub(crate) empty: bool,
}

/// The task of `instance` at `place`, in the cluster of that name.
pub(crate) fn node(
    options: &Options,
    cluster: &str,
    instance: &str,
    place: &Placement,
    launch: &Launch,
) -> TaskSpec {
    let kept = |path: &str, content: String| ConfigFile { keep: true, ..ConfigFile::raw(path, content) };
    let old = options.jvm.version.starts_with("4.");
    let jdk = concat!(include_str!("files/jdk.options"), include_str!("files/jdk-4.options"));
    let (ready, health) =
        probes(ProbeKind::Tcp { target: format!("{{{{ address }}}}:{{{{ ports.{CQL} }}}}") });
    let mut task = jvm(options, place);
    task.prepare.push(sh(&["prepare.sh"]));
    task.files.extend([
        ConfigFile { path: "node.yaml".into(), content: yaml(options, cluster), ..ConfigFile::default() },
        // Nodes come and go while this one runs: that must not restart it, hence `keep`. The sandbox is new for every
        // task, so what is written is always what was known at its launch.
        kept("seeds.yaml", seeds(&launch.seeds)),
        kept("launch.options", joining(launch)),
        ConfigFile::raw("cassandra-rackdc.properties", rack(options, instance, place)),
        ConfigFile::raw("jdk.options", if old { jdk } else { include_str!("files/jdk.options") }),
        ConfigFile::raw("jmx", format!("{}:{}\n", jmx_host(place), port(place, JMX))),
        ConfigFile::raw("logback.xml", include_str!("files/logback.xml")),
        ConfigFile::raw("logback-tools.xml", include_str!("files/logback-tools.xml")),
        ConfigFile::raw("nodetool.sh", include_str!("files/nodetool.sh")),
        ConfigFile::raw("prepare.sh", include_str!("files/prepare.sh")),
        ConfigFile::raw("leave.sh", include_str!("files/leave.sh")),
    ]);
    let env = BTreeMap::from([("MALLOC_ARENA_MAX".to_owned(), "2".to_owned())]);
    TaskSpec { env, ready, health, grace_ms: GRACE_MS, ..task }
}

fn jvm(options: &Options, place: &Placement) -> TaskSpec {
    let (heap, jmx) = (options.jvm.heap.mib(), port(place, JMX));
    let flags = [
        format!("-Xms{heap}m"),
        "-Xss512k".to_owned(),
        format!("-XX:MaxDirectMemorySize={}m", (heap / 2).max(64)),
        "@jdk.options".to_owned(),
        "@launch.options".to_owned(),
        "-Dcassandra-foreground=yes".to_owned(),
        "-Dcassandra.config=file://{{ sandbox }}/cassandra.yaml".to_owned(),
        "-Dcassandra.storagedir={{ sandbox }}/data".to_owned(),
        "-Dcassandra.logdir={{ sandbox }}/logs".to_owned(),
        "-Dcassandra-rackdc.properties=file://{{ sandbox }}/cassandra-rackdc.properties".to_owned(),
        "-Dlogback.configurationFile=logback.xml".to_owned(),
        // The JVM's own JMX server can be bound to an address; Cassandra's always takes the same one of the host, where
        // several agents would meet.
        format!("-Dcom.sun.management.jmxremote.host={}", jmx_host(place)),
        format!("-Djava.rmi.server.hostname={}", jmx_host(place)),
        format!("-Dcom.sun.management.jmxremote.port={jmx}"),
        format!("-Dcom.sun.management.jmxremote.rmi.port={jmx}"),
        "-Dcom.sun.management.jmxremote.authenticate=false".to_owned(),
        "-Dcom.sun.management.jmxremote.ssl=false".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    // As in the options that Cassandra comes with.
    let large = ["-XX:+UseG1GC", "-XX:+ParallelRefProcEnabled", "-XX:MaxGCPauseMillis=300"];
    java::task("Cassandra", "Java 17", &options.jvm.java(&large, &flags, &[MAIN]))
}

/// Where JMX listens: it can do anything to a node and asks nobody for a password, so it never leaves the host.
fn jmx_host(place: &Placement) -> &str {
    let loopback = place.address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if loopback { &place.address } else { "127.0.0.1" }
}

fn port(place: &Placement, name: &str) -> u16 {
    place.ports.get(name).copied().unwrap_or_default()
}

/// cassandra.yaml without the seeds, an entry a line; what is JSON is YAML too.
fn yaml(options: &Options, cluster: &str) -> String {
    let commit_log = (options.disk.mib() / 4).min(8192);
    let mut entries: BTreeMap<&str, Value> = BTreeMap::from([
        ("commitlog_sync", json!("periodic")),
        ("commitlog_sync_period", json!("10s")),
        ("commitlog_total_space", json!(format!("{commit_log}MiB"))),
    ]);
    if options.jvm.heap <= SMALL_HEAP {
        entries.extend([
            ("commitlog_segment_size", json!("8MiB")),
            ("concurrent_reads", json!(8)),
            ("concurrent_writes", json!(8)),
            ("concurrent_counter_writes", json!(8)),
            ("file_cache_size", json!("16MiB")),
            ("networking_cache_size", json!("8MiB")),
        ]);
    }
    entries.extend(options.config.iter().map(|(key, value)| (key.as_str(), value.clone())));
    entries.extend([
        ("cluster_name", json!(cluster)),
        ("num_tokens", json!(options.num_tokens)),
        ("partitioner", json!("org.apache.cassandra.dht.Murmur3Partitioner")),
        ("endpoint_snitch", json!("GossipingPropertyFileSnitch")),
        ("listen_address", json!("{{ address }}")),
        ("rpc_address", json!("{{ address }}")),
    ]);
    let mut text: String = entries.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
    for (key, name) in [("storage_port", STORAGE), ("native_transport_port", CQL)] {
        text += &format!("{key}: {{{{ ports.{name} }}}}\n");
    }
    text
}

fn seeds(seeds: &[String]) -> String {
    let parameters = json!([{ "seeds": seeds.join(",") }]);
    let provider = json!([{ "class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": parameters }]);
    format!("seed_provider: {provider}\n")
}

/// What a node of a cluster without data does not wait for: rows to be streamed, and gossip that has nothing new to say for
/// eight seconds. The gate asks all nodes whether they see each other, before the next one is launched.
const EMPTY: &str = "-Dcassandra.auto_bootstrap=false\n-Dcassandra.skip_wait_for_gossip_to_settle=0\n";

/// How it joins the ring; a node that is a member already ignores it. Who takes a place always bootstraps: Cassandra
/// refuses to replace a node without that.
fn joining(launch: &Launch) -> String {
    match &launch.replaces {
        Some(address) => format!("-Dcassandra.replace_address_first_boot={address}\n"),
        None if launch.empty => EMPTY.to_owned(),
        None => String::new(),
    }
}

/// Data centre and rack, as GossipingPropertyFileSnitch reads them.
fn rack(options: &Options, instance: &str, place: &Placement) -> String {
    format!("dc={}\nrack={}\n", datacenter(options, place), rack_of(options, instance, place))
}

/// Data centre of a node.
pub(crate) fn datacenter<'a>(options: &'a Options, place: &'a Placement) -> &'a str {
    let attribute = options.datacenter_attribute.as_ref().and_then(|name| place.attributes.get(name));
    attribute.unwrap_or(&options.datacenter)
}

/// Rack of a node.
pub(crate) fn rack_of<'a>(options: &'a Options, instance: &str, place: &'a Placement) -> &'a str {
    let id = NODES.id(instance).unwrap_or_default() as usize;
    let declared = options.racks.get(id % options.racks.len().max(1));
    declared.or_else(|| place.attributes.get(&options.rack_attribute)).map_or("rack1", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_framework::kit::Jvm;

    fn place(address: &str) -> Placement {
        let ports = [(CQL, 31000), (STORAGE, 31001), (JMX, 31002)];
        Placement {
            address: address.into(),
            ports: ports.map(|(n, p)| (n.to_owned(), p)).into(),
            attributes: [("rack".to_owned(), "b7".to_owned())].into(),
            ..Placement::default()
        }
    }

    fn task(options: &Options, launch: &Launch) -> TaskSpec {
        node(options, "demo-cassandra", "node-1", &place("127.0.0.2"), launch)
    }

    #[test]
    fn rendered_task() {
        let launch = Launch { seeds: vec!["127.0.0.1:31001".into()], ..Launch::default() };
        let task = task(&Options::default(), &launch);
        let mut text = format!("$ {}\n", task.command.join(" "));
        let fixed =
            |path: &str| path.ends_with(".sh") || path.starts_with("logback") || path == "jdk.options";
        for file in task.files.iter().filter(|f| !fixed(&f.path)) {
            text += &format!("--- {}{}\n{}", file.path, if file.keep { " (keep)" } else { "" }, file.content);
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn nodes_that_come_and_go_do_not_restart_a_node() {
        let without_kept = |mut task: TaskSpec| {
            task.files.retain(|f| !f.keep);
            task
        };
        let options = Options::default();
        let later = Launch { seeds: vec!["a".into(), "b".into()], replaces: Some("c".into()), empty: true };
        let (first, later) = (task(&options, &Launch::default()), task(&options, &later));
        assert_ne!(first, later);
        assert!(later.files.iter().any(|f| f.content == "-Dcassandra.replace_address_first_boot=c\n"));
        assert_eq!(without_kept(first), without_kept(later));
    }

    #[test]
    fn who_joins_an_empty_cluster_waits_for_no_data() {
        let flags = |launch: &Launch| {
            let task = task(&Options::default(), launch);
            task.files.into_iter().find(|f| f.path == "launch.options").expect("it is there").content
        };
        assert_eq!(flags(&Launch::default()), "");
        assert_eq!(flags(&Launch { empty: true, ..Launch::default() }), EMPTY);
    }

    #[test]
    fn config_and_racks_are_the_operators_and_old_versions_get_their_flags() {
        let options = Options {
            jvm: Jvm { version: "4.1.10".into(), ..Jvm::default() },
            racks: vec!["a".into(), "b".into()],
            config: [("commitlog_sync".to_owned(), json!("batch"))].into(),
            ..Options::default()
        };
        let task = task(&options, &Launch::default());
        let file = |path: &str| &task.files.iter().find(|f| f.path == path).expect(path).content;
        assert!(file("node.yaml").contains("commitlog_sync: \"batch\"\n"));
        assert_eq!(file("cassandra-rackdc.properties"), "dc=dc1\nrack=b\n");
        assert!(file("jdk.options").contains("jamm"));
    }

    #[test]
    fn jmx_never_leaves_the_host() {
        assert_eq!(jmx_host(&place("127.0.0.2")), "127.0.0.2");
        assert_eq!(jmx_host(&place("10.0.0.2")), "127.0.0.1");
    }
}
