//! The task of one broker: its files, its command line, its probes.

mod jvm;
mod properties;

use std::collections::BTreeMap;

use cairn_framework::{Config, Placement, View, Wait};
use cairn_task::{ConfigFile, HealthSpec, Probe, ProbeKind, ReadySpec, TaskSpec};

use crate::broker::Broker;
use crate::options::{Mode, Options};
use crate::quorum;

pub(crate) use properties::{chroot, session_timeout_ms};

/// Name of the port for clients.
pub(crate) const CLIENT_PORT: &str = "client";

const JAVA: &str = "Kafka needs Java 17 (3.9 also runs on 11): install a JRE, for example `apt-get install \
    openjdk-17-jre-headless`, and see that `java` is on the agent's PATH";

/// The task of broker `id` at `place`.
///
/// # Errors
/// What it waits for.
pub(crate) fn task(
    config: &Config,
    options: &Options,
    id: u32,
    place: &Placement,
    view: &View,
) -> Result<TaskSpec, Wait> {
    let broker = Broker::of(options, id);
    let properties = match options.mode {
        Mode::ZooKeeper => properties::zookeeper(config, options, id, place, view)?,
        Mode::KRaft => properties::kraft(options, id, place, &quorum::voters(options, view)?)?,
    };
    let mut prepare = vec!["/bin/sh".to_owned(), "prepare.sh".to_owned()];
    if options.mode == Mode::KRaft {
        prepare.push(quorum::cluster_id(&view.framework));
    }
    let mut files = vec![
        raw("server.properties", properties::text(&properties, &broker.options)),
        raw("prepare.sh", include_str!("../prepare.sh").to_owned()),
    ];
    let own = config.distribution.is_some();
    if own {
        files.push(raw("log4j.properties", include_str!("log4j.properties").to_owned()));
        files.push(raw("log4j2.yaml", include_str!("log4j2.yaml").to_owned()));
    }
    Ok(TaskSpec {
        command: jvm::command(&broker, own),
        prepare: vec![prepare],
        files,
        requires: BTreeMap::from([("java".to_owned(), JAVA.to_owned())]),
        ready: Some(ReadySpec { probe: tcp(50, 1_000), deadline_ms: 0 }),
        health: Some(HealthSpec { probe: tcp(5_000, 5_000), failures: 6, kill: false }),
        // Moving leaderships away and closing logs properly saves a long recovery. A controller that has lost its
        // quorum never ends by itself, so KRaft is not given as long.
        grace_ms: if options.mode == Mode::KRaft { 20_000 } else { 30_000 },
        ..TaskSpec::default()
    })
}

fn raw(path: &str, content: String) -> ConfigFile {
    ConfigFile { path: path.to_owned(), content, raw: true, ..ConfigFile::default() }
}

fn tcp(interval_ms: u64, timeout_ms: u64) -> Probe {
    let target = format!("{{{{ address }}}}:{{{{ ports.{CLIENT_PORT} }}}}");
    Probe { kind: ProbeKind::Tcp { target }, interval_ms, timeout_ms }
}

#[cfg(test)]
mod tests;
