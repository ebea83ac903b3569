//! The task of one server: its files, its command line, its probes.

use cairn_framework::Placement;
use cairn_framework::kit::java::{self, SIMPLE_LOGGER};
use cairn_framework::kit::{Entries, probes, sh};
use cairn_task::{ConfigFile, ProbeKind, TaskSpec};
use cairn_zookeeper_admin::{Members, ServerId, super_digest};

use crate::options::Options;
use crate::secret;

const MAIN: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
const SERVING: &str = "Mode: leader|Mode: follower|Mode: observer|Mode: standalone";

/// The task of server `id` at `place`; `members` is whom it starts with if its volume knows nothing newer.
pub(crate) fn server(options: &Options, id: ServerId, place: &Placement, members: &Members) -> TaskSpec {
    let target = "{{ address }}:{{ ports.client }}".to_owned();
    let (ready, health) =
        probes(ProbeKind::TcpExchange { target, send: "srvr".into(), expect: SERVING.into() });
    let java = options.jvm.java(&[], &SIMPLE_LOGGER, &[MAIN, "./data/conf/zoo.cfg"]);
    let mut task = java::task("ZooKeeper", "Java 11 or later", &java);
    task.prepare.push(sh(&["prepare.sh", &id.to_string()]));
    task.files.extend([
        ConfigFile::raw("zoo.cfg", zoo_cfg(options, place)).private(),
        // Other members come and go while this server runs: that must not restart it. The sandbox is new for every task, so
        // what is written is always what was known at its launch.
        ConfigFile::raw("members", members.file()).kept(),
        ConfigFile::raw("data/myid", format!("{id}\n")),
        ConfigFile::raw("prepare.sh", include_str!("prepare.sh")),
    ]);
    TaskSpec { ready, health, grace_ms: 10_000, ..task }
}

/// zoo.cfg without `dynamicConfigFile`, which the prepare step adds. No client port here: ZooKeeper wants it in the
/// membership when that may change.
fn zoo_cfg(options: &Options, place: &Placement) -> String {
    // Becomes the system property zookeeper.DigestAuthenticationProvider.superDigest; in a private file it does not show in
    // the process list.
    let digest = super_digest(&secret::password(options, place));
    Entries::new("=")
        .lines(include_str!("usual.cfg"))
        .with(&options.config)
        .lines(include_str!("fixed.cfg"))
        .with([("DigestAuthenticationProvider.superDigest", digest)])
        .to_string()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use cairn_units::Size;

    use super::*;
    use crate::names::server_line;
    use cairn_framework::kit::{Jvm, Scalar};
    use cairn_zookeeper_admin::Role;

    fn place(id: u8) -> Placement {
        let ports = [("client", 31000), ("quorum", 31001), ("election", 31002)];
        Placement {
            address: format!("127.0.0.{id}"),
            ports: ports.map(|(n, p)| (n.to_owned(), p)).into(),
            volumes: [("data".to_owned(), format!("volume-{id}"))].into(),
            ..Placement::default()
        }
    }

    fn task(options: &Options, known: u8) -> TaskSpec {
        let line = |id: u8| (ServerId::from(id), server_line(&place(id), Role::Participant).unwrap());
        let members = Members { version: 0, servers: (1..=known).map(line).collect() };
        server(options, 2, &place(2), &members)
    }

    #[test]
    fn rendered_task() {
        let task = task(&Options::default(), 3);
        let mut text = format!("$ {}\n", task.command.join(" "));
        for file in task.files.iter().filter(|f| !f.path.ends_with(".sh")) {
            let _ = write!(
                text,
                "--- {} ({:?}{})\n{}",
                file.path,
                file.mode,
                if file.keep { ", keep" } else { "" },
                file.content
            );
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn options_replace_defaults_and_big_heaps_get_all_of_the_jvm() {
        let options = Options {
            jvm: Jvm {
                heap: Some(Size::from_mib(4096)),
                jvm_options: vec!["-XX:+UseZGC".into()],
                ..Jvm::default()
            },
            config: [("tickTime".to_owned(), Scalar::Number(2000))].into(),
            super_password: Some("long enough".into()),
            ..Options::default()
        };
        let task = task(&options, 3);
        let zoo_cfg = &task.files.iter().find(|f| f.path == "zoo.cfg").unwrap().content;
        assert!(zoo_cfg.contains("\ntickTime=2000\n"));
        assert!(!zoo_cfg.contains("long enough"), "only its digest is written down");
        assert_eq!(task.command[..2], ["java", "-Xmx4096m"]);
        assert!(!task.command.iter().any(|a| a.contains("SerialGC") || a.contains("Tiered")));
        assert!(task.command.contains(&"-XX:+UseZGC".to_owned()));
    }

    #[test]
    fn members_that_come_and_go_do_not_restart_a_server() {
        let without_kept = |mut task: TaskSpec| {
            task.files.retain(|f| !f.keep);
            task
        };
        let (three, five) = (task(&Options::default(), 3), task(&Options::default(), 5));
        assert_ne!(three, five);
        assert_eq!(without_kept(three), without_kept(five));
    }
}
