//! server.properties: what is usual, and how a broker is told who it is and where the cluster keeps its metadata.

use std::collections::BTreeMap;

use crate::{Mode, Wanted};

/// The setting that says for how long heartbeats to ZooKeeper may fail before the broker counts as gone, and what is usual for it,
/// milliseconds.
const SESSION_TIMEOUT: (&str, u64) = ("zookeeper.session.timeout.ms", 6_000);
/// A session ends with a tick of ZooKeeper after its timeout, milliseconds. ZooKeeper's own ticks may be as long as two
/// seconds; what is left of one passes while the broker's JVM starts, which takes a second at least before it registers.
const SESSION_MARGIN_MS: u64 = 500;
/// With a small heap the log cleaner's buffer is cut down from its 128 MiB.
const SMALL_CLEANER_BUFFER: u64 = 16 * 1024 * 1024;

/// Entries by name.
type Entries = BTreeMap<String, String>;

/// A broker among the others.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Its id.
    pub id: u32,
    /// Where it listens for its clients: `address:port`.
    pub client: &'a str,
    /// Where it listens as a controller, if it is one.
    pub controller: Option<&'a str>,
}

/// Where a cluster keeps its metadata.
#[derive(Debug, Clone)]
pub enum Metadata {
    /// In ZooKeeper, by this connect string with a path of the cluster's own.
    ZooKeeper(String),
    /// In those of its brokers that vote, by id with where they listen as controllers.
    KRaft(BTreeMap<u32, String>),
}

impl Wanted<'_> {
    /// What is usual. Replication follows the number of brokers, so that a lone broker works and three are safe. `small`: brokers
    /// have little memory.
    pub fn usual(&self, small: bool) -> Entries {
        let replication = self.ids.len().clamp(1, 3).to_string();
        let min_isr = if replication == "3" { "2" } else { "1" }.to_owned();
        let mut usual = entries([
            ("default.replication.factor", replication.clone()),
            ("min.insync.replicas", min_isr.clone()),
            ("offsets.topic.replication.factor", replication.clone()),
            ("transaction.state.log.replication.factor", replication),
            ("transaction.state.log.min.isr", min_isr),
            // Kafka waits 3 s for more members before a new group may start.
            ("group.initial.rebalance.delay.ms", "0".to_owned()),
        ]);
        if small {
            let buffer = SMALL_CLEANER_BUFFER.to_string();
            usual.extend(entries([("log.cleaner.dedupe.buffer.size", buffer)]));
        }
        if self.mode == Mode::ZooKeeper {
            let (name, timeout) = SESSION_TIMEOUT;
            usual.extend(entries([(name, timeout.to_string())]));
            usual.extend(file(include_str!("usual-zookeeper.properties")));
        }
        usual
    }
}

impl Identity<'_> {
    /// What cannot be otherwise for this broker.
    pub fn fixed(&self, metadata: &Metadata) -> Entries {
        let client = format!("PLAINTEXT://{}", self.client);
        let controller = self.controller.map(|endpoint| format!("CONTROLLER://{endpoint}"));
        let roles = if controller.is_some() { "broker,controller" } else { "broker" };
        let listeners = [client.clone()].into_iter().chain(controller).collect::<Vec<_>>().join(",");
        let mut fixed = entries([("listeners", listeners), ("advertised.listeners", client)]);
        match metadata {
            Metadata::ZooKeeper(connect) => fixed.extend(entries([
                ("broker.id", self.id.to_string()),
                ("zookeeper.connect", connect.clone()),
            ])),
            Metadata::KRaft(voters) => {
                let voters = voters.iter().map(|(id, endpoint)| format!("{id}@{endpoint}"));
                fixed.extend(file(include_str!("fixed-kraft.properties")));
                fixed.extend(entries([
                    ("process.roles", roles.to_owned()),
                    ("node.id", self.id.to_string()),
                    ("controller.quorum.voters", voters.collect::<Vec<_>>().join(",")),
                ]));
            }
        }
        fixed
    }
}

/// For how long a broker's id is taken after its end, milliseconds: in ZooKeeper until its session expires. `set`: what its own
/// settings say of the session's timeout.
pub fn id_taken_ms(mode: Mode, set: impl Fn(&str) -> Option<String>) -> u64 {
    let (name, usual) = SESSION_TIMEOUT;
    match mode {
        Mode::ZooKeeper => set(name).and_then(|set| set.parse().ok()).unwrap_or(usual) + SESSION_MARGIN_MS,
        Mode::KRaft => 0,
    }
}

fn entries<const N: usize>(entries: [(&str, String); N]) -> Entries {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn file(lines: &str) -> impl Iterator<Item = (String, String)> {
    let lines = lines.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wanted::tests::WANTED;

    #[test]
    fn three_brokers_are_safe_and_one_works() {
        let usual = |ids: &[u32]| {
            let wanted = Wanted { ids: ids.iter().copied().collect(), ..WANTED };
            let usual = wanted.usual(false);
            ["default.replication.factor", "min.insync.replicas"].map(|name| usual[name].clone())
        };
        assert_eq!([usual(&[0]), usual(&[0, 1]), usual(&[0, 1, 2, 3])], [["1", "1"], ["2", "1"], ["3", "2"]]);
        let small = WANTED.usual(true);
        assert_eq!(small["log.cleaner.dedupe.buffer.size"], "16777216");
        let on_zookeeper = Wanted { mode: Mode::ZooKeeper, ..WANTED }.usual(false);
        assert_eq!(on_zookeeper["zookeeper.session.timeout.ms"], "6000");
        assert_eq!(on_zookeeper["controlled.shutdown.max.retries"], "3");
    }

    #[test]
    fn a_broker_is_told_who_it_is() {
        let plain = Identity { id: 3, client: "h:1", controller: None };
        let fixed = plain.fixed(&Metadata::ZooKeeper("z:2/c".into()));
        let told = |name: &str, fixed: &Entries| fixed[name].clone();
        assert_eq!(
            (told("broker.id", &fixed), told("zookeeper.connect", &fixed)),
            ("3".into(), "z:2/c".into())
        );
        let voter = Identity { controller: Some("h:4"), ..plain };
        let fixed = voter.fixed(&Metadata::KRaft([(3, "h:4".to_owned()), (5, "i:4".to_owned())].into()));
        assert_eq!(told("listeners", &fixed), "PLAINTEXT://h:1,CONTROLLER://h:4");
        assert_eq!(told("controller.quorum.voters", &fixed), "3@h:4,5@i:4");
        assert_eq!(
            (told("process.roles", &fixed), told("node.id", &fixed)),
            ("broker,controller".into(), "3".into())
        );
        assert!(!fixed.contains_key("broker.id") && fixed.contains_key("inter.broker.listener.name"));
    }

    #[test]
    fn an_id_is_taken_until_the_session_expires() {
        let taken = |mode, set: Option<&str>| id_taken_ms(mode, |_| set.map(str::to_owned));
        assert_eq!((taken(Mode::ZooKeeper, None), taken(Mode::ZooKeeper, Some("9000"))), (6_500, 9_500));
        assert_eq!(taken(Mode::KRaft, None), 0);
    }
}
