//! The task of one node: its files, its command line, its probes.

use std::collections::BTreeMap;

use cairn_cassandra_admin::tokens;
use cairn_framework::kit::java::{self, SMALL_HEAP};
use cairn_framework::kit::{Entries, IN_USE, founding, listens, sh};
use cairn_framework::{Placement, View, Wait, files};
use cairn_task::{ConfigFile, TaskSpec};
use serde_json::json;

use crate::gate;
use crate::options::Options;
use crate::service::{CQL, JMX, NODES, STORAGE};

const MAIN: &str = "org.apache.cassandra.service.CassandraDaemon";
/// Announcing the end and draining take some seconds, with much in memory some more.
const GRACE_MS: u64 = 60_000;

/// The task of a node.
///
/// # Errors
/// What it waits for.
pub(crate) fn node(options: &Options, instance: &str, view: &View) -> Result<TaskSpec, Wait> {
    let seeds = founding::seeds_for(instance, view, STORAGE)?;
    let place = view.place(instance)?;
    // As GossipingPropertyFileSnitch reads them.
    let (dc, rack) = site(options, instance, place);
    let cluster = options.cluster_name.as_ref().unwrap_or(&view.framework);
    let jdk = match options.jvm.version.starts_with("4.") {
        true => concat!(include_str!("files/jdk.options"), include_str!("files/jdk-4.options")),
        false => include_str!("files/jdk.options"),
    };
    let node = include_str!("files/node.options");
    let (ready, health) = listens(CQL);
    let mut task = jvm(options);
    task.prepare.push(sh(&["prepare.sh"]));
    task.files
        .extend(files!("files": "logback.xml", "logback-tools.xml", "nodetool.sh", "prepare.sh", "leave.sh"));
    task.files.extend([
        ConfigFile::filled("node.yaml", yaml(options, cluster)),
        ConfigFile::filled("node.options", node.replace("{{ loopback }}", place.loopback())),
        // Nodes come and go while this one runs: that must not restart it, hence `kept`. The sandbox is new for every
        // task, so what is written is always what was known at its launch.
        ConfigFile::raw("seeds", seeds.join(",") + "\n").kept(),
        ConfigFile::raw("launch.options", joining(options, instance, view)).kept(),
        ConfigFile::raw("cassandra-rackdc.properties", format!("dc={dc}\nrack={rack}\n")),
        ConfigFile::raw("jdk.options", jdk),
        ConfigFile::filled("jmx", format!("{}:{{{{ ports.{JMX} }}}}\n", place.loopback())),
    ]);
    let env = BTreeMap::from([("MALLOC_ARENA_MAX".to_owned(), "2".to_owned())]);
    Ok(TaskSpec { env, ready, health, grace_ms: GRACE_MS, ..task })
}

fn jvm(options: &Options) -> TaskSpec {
    let heap = options.jvm.heap().mib();
    let (begin, direct) =
        (format!("-Xms{heap}m"), format!("-XX:MaxDirectMemorySize={}m", (heap / 2).max(64)));
    let flags = [&*begin, &*direct, "@jdk.options", "@node.options", "@launch.options"];
    // As in the options that Cassandra comes with.
    let large = ["-XX:+UseG1GC", "-XX:+ParallelRefProcEnabled", "-XX:MaxGCPauseMillis=300"];
    let java = options.jvm.java(&large, &flags, &[MAIN]).first("cassandra.jar");
    java::task("Cassandra", "Java 17", &java)
}

/// cassandra.yaml without the seeds; what is JSON is YAML too.
fn yaml(options: &Options, cluster: &str) -> String {
    let small = if options.jvm.heap() <= SMALL_HEAP { include_str!("files/small.yaml") } else { "" };
    let commit_log = json!(format!("{}MiB", (options.disk.mib() / 4).min(8192)));
    Entries::new(": ")
        .lines(include_str!("files/usual.yaml"))
        .lines(small)
        .with([("commitlog_total_space", commit_log)])
        .with(&options.config)
        .lines(include_str!("files/fixed.yaml"))
        .with([("cluster_name", json!(cluster)), ("num_tokens", json!(options.num_tokens))])
        .to_string()
}

/// What a node of a cluster without data does not wait for: rows to be streamed, and gossip that has nothing new to say for
/// eight seconds. The gate asks all nodes whether they see each other, before the next one is launched.
const EMPTY: &str = "-Dcassandra.auto_bootstrap=false\n-Dcassandra.skip_wait_for_gossip_to_settle=0\n";

/// How it joins the ring; a node that is a member already ignores it. Who takes a place always bootstraps: Cassandra
/// refuses to replace a node without that.
fn joining(options: &Options, instance: &str, view: &View) -> String {
    if let Some(address) = gate::replaces(instance, view) {
        return format!("-Dcassandra.replace_address_first_boot={address}\n");
    }
    let empty = if view.facts.contains_key(IN_USE) { "" } else { EMPTY };
    let at = |name: &str| Some(site(options, name, view.placement(name)?));
    let others = view.others_deployed(instance).into_iter().filter_map(|name| at(name));
    format!("{empty}{}", at(instance).map_or("", |mine| tokens::choice(mine, others)))
}

/// Data centre and rack of a node.
pub(crate) fn site<'a>(options: &'a Options, instance: &str, place: &'a Placement) -> tokens::Site<'a> {
    let dc = place.attribute(options.datacenter_attribute.as_deref()).unwrap_or(&options.datacenter);
    let id = NODES.id(instance).unwrap_or_default() as usize;
    let declared = options.racks.get(id % options.racks.len().max(1));
    (dc, declared.or_else(|| place.attributes.get(&options.rack_attribute)).map_or("rack1", String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_framework::InstanceStatus;
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

    /// `node-1`, beside `seeds` that have served, in a cluster that is in use.
    fn view(seeds: &[&str]) -> View {
        let instance = |(name, address): (String, &str), deployed| {
            let placement = Some(place(address));
            (name.clone(), InstanceStatus { name, placement, deployed, ..InstanceStatus::default() })
        };
        let others = seeds.iter().enumerate().map(|(at, address)| (format!("seed-{at}"), *address));
        let mut instances: BTreeMap<_, _> = others.map(|other| instance(other, true)).collect();
        let target = instances.keys().cloned().chain(["node-1".to_owned()]).collect();
        instances.extend([instance(("node-1".into(), "127.0.0.2"), false)]);
        let facts = [(IN_USE.to_owned(), true.into())].into();
        View { framework: "demo-cassandra".into(), target, instances, facts, ..View::default() }
    }

    fn task(options: &Options, view: &View) -> TaskSpec {
        node(options, "node-1", view).expect("all is there")
    }

    #[test]
    fn rendered_task() {
        let task = task(&Options::default(), &view(&["127.0.0.1"]));
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
        let mut later = view(&["127.0.0.1", "127.0.0.3"]);
        later.observed.insert("replaces/node-1".into(), json!("c").into());
        let (first, later) = (task(&options, &view(&["127.0.0.1"])), task(&options, &later));
        assert_ne!(first, later);
        assert!(later.files.iter().any(|f| f.content == "-Dcassandra.replace_address_first_boot=c\n"));
        assert_eq!(without_kept(first), without_kept(later));
    }

    #[test]
    fn who_joins_an_empty_cluster_waits_for_no_data() {
        let flags = |view: &View| {
            let task = task(&Options::default(), view);
            task.files.into_iter().find(|f| f.path == "launch.options").expect("it is there").content
        };
        let in_use = view(&["127.0.0.1"]);
        assert_eq!(flags(&in_use), "");
        assert_eq!(flags(&View { facts: BTreeMap::new(), ..in_use }), EMPTY);
    }

    #[test]
    fn who_joins_three_others_chooses_its_ranges() {
        let file = |seeds: &[&str]| {
            let task = task(&Options::default(), &view(seeds));
            task.files.into_iter().find(|f| f.path == "launch.options").expect("it is there").content
        };
        assert_eq!(file(&["127.0.0.1", "127.0.0.3"]), "");
        let three = file(&["127.0.0.1", "127.0.0.3", "127.0.0.4"]);
        assert!(three.ends_with("allocate_tokens_for_local_replication_factor=3\n"), "{three}");
    }

    #[test]
    fn config_and_racks_are_the_operators_and_old_versions_get_their_flags() {
        let options = Options {
            jvm: Jvm { version: "4.1.10".into(), ..Jvm::default() },
            racks: vec!["a".into(), "b".into()],
            config: [("commitlog_sync".to_owned(), json!("batch"))].into(),
            ..Options::default()
        };
        let task = task(&options, &view(&["127.0.0.1"]));
        let file = |path: &str| &task.files.iter().find(|f| f.path == path).expect(path).content;
        assert!(file("node.yaml").contains("commitlog_sync: \"batch\"\n"));
        assert_eq!(file("cassandra-rackdc.properties"), "dc=dc1\nrack=b\n");
        assert!(file("jdk.options").contains("jamm"));
    }

    #[test]
    fn jmx_never_leaves_the_host() {
        let mut outside = view(&["10.0.0.1"]);
        outside.instances.get_mut("node-1").expect("it is there").placement = Some(place("10.0.0.2"));
        let task = task(&Options::default(), &outside);
        let file = task.files.iter().find(|f| f.path == "node.options").expect("it is there");
        assert!(file.content.contains("-Dcom.sun.management.jmxremote.host=127.0.0.1\n"));
    }
}
