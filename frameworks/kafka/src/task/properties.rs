//! server.properties.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cairn_framework::kit::Settings;
use cairn_framework::kit::java::SMALL_HEAP;
use cairn_framework::{Config, Placement, View, Wait};

use super::CLIENT_PORT;
use crate::broker::Broker;
use crate::options::{Mode, Options};
use crate::quorum::CONTROLLER_PORT;

/// Heartbeats to ZooKeeper may fail for so long before the broker counts as gone.
const SESSION_TIMEOUT_MS: u64 = 6_000;
const SESSION_TIMEOUT: &str = "zookeeper.session.timeout.ms";
/// With a small heap the log cleaner's buffer is cut down from its 128 MiB.
const SMALL_CLEANER_BUFFER: u64 = 16 * 1024 * 1024;

/// What the framework writes itself, by whether an operator may replace it.
#[derive(Debug, Default)]
pub(super) struct Properties {
    fixed: Vec<(&'static str, String)>,
    defaults: BTreeMap<&'static str, String>,
}

/// The path below which a cluster keeps its metadata in ZooKeeper: `H:P,H:P/demo-kafka`. What the connect string brings
/// of a path comes before.
pub(crate) fn chroot(zookeeper: &str, framework: &str) -> String {
    format!("{}/{framework}", zookeeper.trim().trim_end_matches('/'))
}

/// How long the broker's session in ZooKeeper outlives the broker, in milliseconds.
pub(crate) fn session_timeout_ms(broker: &Broker) -> u64 {
    broker.options.get(SESSION_TIMEOUT).and_then(|v| v.to_string().parse().ok()).unwrap_or(SESSION_TIMEOUT_MS)
}

pub(super) fn zookeeper(
    config: &Config,
    options: &Options,
    id: u32,
    place: &Placement,
    view: &View,
) -> Result<Properties, Wait> {
    let zookeeper = config.inputs.get("zookeeper").filter(|z| !z.trim().is_empty());
    let zookeeper = zookeeper.ok_or_else(|| Wait::For("no ZooKeeper is bound yet".into()))?;
    let listener = listener("PLAINTEXT", place, CLIENT_PORT)?;
    let mut defaults = defaults(options, id);
    defaults.insert(SESSION_TIMEOUT, SESSION_TIMEOUT_MS.to_string());
    let mut fixed = vec![
        ("broker.id", id.to_string()),
        ("listeners", listener.clone()),
        ("advertised.listeners", listener),
        ("zookeeper.connect", chroot(zookeeper, &view.framework)),
    ];
    fixed.extend(common(place));
    Ok(Properties { fixed, defaults })
}

pub(super) fn kraft(options: &Options, id: u32, place: &Placement, voters: &str) -> Result<Properties, Wait> {
    let client = listener("PLAINTEXT", place, CLIENT_PORT)?;
    let controls = options.controller_ids().contains(&id);
    let listeners = if controls {
        format!("{client},{}", listener("CONTROLLER", place, CONTROLLER_PORT)?)
    } else {
        client.clone()
    };
    let mut fixed = vec![
        ("process.roles", if controls { "broker,controller" } else { "broker" }.to_owned()),
        ("node.id", id.to_string()),
        ("controller.quorum.voters", voters.to_owned()),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("listeners", listeners),
        ("advertised.listeners", client),
        ("listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_owned()),
        ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
    ];
    fixed.extend(common(place));
    Ok(Properties { fixed, defaults: defaults(options, id) })
}

fn listener(name: &str, place: &Placement, port: &str) -> Result<String, Wait> {
    let endpoint =
        place.endpoint(port).ok_or_else(|| Wait::Peers(format!("port {port} is not assigned yet")))?;
    Ok(format!("{name}://{endpoint}"))
}

fn common(place: &Placement) -> Vec<(&'static str, String)> {
    // Below the volume's root, where file systems keep things of their own.
    let mut common = vec![("log.dirs", "data/kafka".to_owned())];
    if let Some(rack) = place.attributes.get("rack") {
        common.push(("broker.rack", rack.clone()));
    }
    common
}

/// What an operator may replace. Replication follows the number of brokers, so that a lone broker works and three are
/// safe.
fn defaults(options: &Options, id: u32) -> BTreeMap<&'static str, String> {
    let replication = options.broker_ids().len().clamp(1, 3);
    let min_isr = if replication == 3 { 2 } else { 1 };
    let mut defaults = BTreeMap::from([
        ("default.replication.factor", replication.to_string()),
        ("min.insync.replicas", min_isr.to_string()),
        ("offsets.topic.replication.factor", replication.to_string()),
        ("transaction.state.log.replication.factor", replication.to_string()),
        ("transaction.state.log.min.isr", min_isr.to_string()),
        // Kafka waits 3 s for more members before a new group may start.
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
    ]);
    if options.mode == Mode::ZooKeeper {
        // A leadership that cannot move (one replica only) must not hold up a stop for long.
        defaults.insert("controlled.shutdown.max.retries", "3".to_owned());
        defaults.insert("controlled.shutdown.retry.backoff.ms", "500".to_owned());
    }
    if Broker::of(options, id).heap <= SMALL_HEAP {
        defaults.insert("log.cleaner.dedupe.buffer.size", SMALL_CLEANER_BUFFER.to_string());
    }
    defaults
}

/// The file: what is fixed, then the rest by name.
pub(super) fn text(properties: &Properties, own: &Settings) -> String {
    let mut rest: BTreeMap<&str, String> = properties.defaults.iter().map(|(k, v)| (*k, v.clone())).collect();
    rest.extend(own.iter().map(|(k, v)| (k.as_str(), v.to_string())));
    let mut text = String::new();
    let fixed = properties.fixed.iter().map(|(k, v)| (*k, v.as_str()));
    for (key, value) in fixed.chain(rest.iter().map(|(k, v)| (*k, v.as_str()))) {
        let _ = writeln!(text, "{key}={}", escape(value));
    }
    text
}

/// Backslashes begin escapes in property files, and white space before a value is dropped.
fn escape(value: &str) -> String {
    let value = value.replace('\\', "\\\\");
    if value.starts_with(' ') { format!("\\{value}") } else { value }
}
