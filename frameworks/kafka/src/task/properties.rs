//! server.properties.

use cairn_framework::kit::Entries;
use cairn_framework::kit::java::SMALL_HEAP;
use cairn_framework::{Config, Placement, View, Wait};

use super::CLIENT_PORT;
use crate::broker::Broker;
use crate::options::Options;
use crate::quorum::{self, CONTROLLER_PORT};

/// Heartbeats to ZooKeeper may fail for so long before the broker counts as gone.
const SESSION_TIMEOUT_MS: u64 = 6_000;
const SESSION_TIMEOUT: &str = "zookeeper.session.timeout.ms";
/// With a small heap the log cleaner's buffer is cut down from its 128 MiB.
const SMALL_CLEANER_BUFFER: u64 = 16 * 1024 * 1024;

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
    broker: &Broker,
    id: u32,
    place: &Placement,
    view: &View,
) -> Result<Entries, Wait> {
    let zookeeper = config.inputs.get("zookeeper").filter(|z| !z.trim().is_empty());
    let zookeeper = zookeeper.ok_or_else(|| Wait::For("no ZooKeeper is bound yet".into()))?;
    let listener = listener("PLAINTEXT", place, CLIENT_PORT)?;
    let usual = Entries::new("=").lines(include_str!("usual-zookeeper.properties"));
    let usual = usual.with([(SESSION_TIMEOUT, SESSION_TIMEOUT_MS)]);
    Ok(common(usual, options, broker, place).with([
        ("broker.id", id.to_string()),
        ("listeners", listener.clone()),
        ("advertised.listeners", listener),
        ("zookeeper.connect", chroot(zookeeper, &view.framework)),
    ]))
}

pub(super) fn kraft(
    options: &Options,
    broker: &Broker,
    id: u32,
    place: &Placement,
    view: &View,
) -> Result<Entries, Wait> {
    let voters = quorum::voters(options, view)?;
    let client = listener("PLAINTEXT", place, CLIENT_PORT)?;
    let (roles, listeners) = if options.controller_ids().contains(&id) {
        let controller = listener("CONTROLLER", place, CONTROLLER_PORT)?;
        ("broker,controller", format!("{client},{controller}"))
    } else {
        ("broker", client.clone())
    };
    let fixed =
        common(Entries::new("="), options, broker, place).lines(include_str!("fixed-kraft.properties"));
    Ok(fixed.with([
        ("process.roles", roles.to_owned()),
        ("node.id", id.to_string()),
        ("controller.quorum.voters", voters),
        ("listeners", listeners),
        ("advertised.listeners", client),
    ]))
}

fn listener(name: &str, place: &Placement, port: &str) -> Result<String, Wait> {
    let endpoint =
        place.endpoint(port).ok_or_else(|| Wait::Peers(format!("port {port} is not assigned yet")))?;
    Ok(format!("{name}://{endpoint}"))
}

/// What is usual, what the operator sets, and what is fixed in both modes. Replication follows the number of brokers, so that
/// a lone broker works and three are safe.
fn common(usual: Entries, options: &Options, broker: &Broker, place: &Placement) -> Entries {
    let replication = options.broker_ids().len().clamp(1, 3);
    let min_isr = if replication == 3 { 2 } else { 1 };
    let small =
        (broker.heap <= SMALL_HEAP).then_some(("log.cleaner.dedupe.buffer.size", SMALL_CLEANER_BUFFER));
    let rack = place.attributes.get("rack").map(|rack| ("broker.rack", escape(rack)));
    usual
        .with([
            ("default.replication.factor", replication),
            ("min.insync.replicas", min_isr),
            ("offsets.topic.replication.factor", replication),
            ("transaction.state.log.replication.factor", replication),
            ("transaction.state.log.min.isr", min_isr),
        ])
        // Kafka waits 3 s for more members before a new group may start.
        .with([("group.initial.rebalance.delay.ms", 0)])
        .with(small)
        .with(broker.options.iter().map(|(name, value)| (name, escape(&value.to_string()))))
        // Below the volume's root, where file systems keep things of their own.
        .with([("log.dirs", "data/kafka")])
        .with(rack)
}

/// Backslashes begin escapes in property files, and white space before a value is dropped.
fn escape(value: &str) -> String {
    let value = value.replace('\\', "\\\\");
    if value.starts_with(' ') { format!("\\{value}") } else { value }
}
