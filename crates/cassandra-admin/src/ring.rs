//! How a ring stands, judged from what all of its nodes say: whether it is at rest, who belongs to it, whether it has room.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::keyspaces::{Due, Keyspace};
use crate::survey::{Member, Report, State, Survey, owns};

/// A member of the ring, as `nodetool status` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// What its nodes say.
    #[serde(flatten)]
    pub member: Member,
    /// `address:port` for the other nodes.
    pub endpoint: String,
    /// Name of the node that was asked there, if any was.
    pub instance: Option<String>,
    /// `up` if it has answered, else `down`.
    pub status: &'static str,
    /// Part of the ring that it owns first, in percent.
    pub owns: Option<f64>,
}

impl Survey {
    /// Everybody of `others` serves, sees all of them as members and agrees on the schema, and nobody's ranges are on their
    /// way; the member at `except` may be moving.
    ///
    /// # Errors
    /// What is not so.
    pub fn at_rest(&self, others: &[&String], except: Option<&str>) -> Result<(), String> {
        for name in others {
            let node = self.nodes.get(*name).ok_or_else(|| format!("{name} has no place"))?;
            match &node.report {
                Ok(report) if report.bootstrapped => {}
                Ok(_) => return Err(format!("{name} has not all its data yet")),
                Err(why) => return Err(format!("{name} does not serve: {why}")),
            }
        }
        for (by, report) in self.reports() {
            for name in others {
                self.sees(report, name).map_err(|how| match how {
                    Some(state) => format!("{by} sees {name} as {}", state.word()),
                    None => format!("{by} does not know {name} yet"),
                })?;
            }
            let moving = |(endpoint, member): &(&String, &Member)| {
                member.state.moves() && except != Some(endpoint.as_str())
            };
            if let Some((endpoint, member)) = report.members.iter().find(moving) {
                let state = member.state.word();
                return Err(format!("{endpoint} is {state}, and only one may change the ring"));
            }
        }
        self.one_schema()
    }

    /// A node serves, everybody who serves sees it as a member, and it sees them.
    ///
    /// # Errors
    /// What is not so.
    pub fn has_joined(&self, name: &str) -> Result<(), String> {
        let node = self.nodes.get(name).ok_or("it has no place")?;
        let mine = node.report.as_ref().map_err(Clone::clone)?;
        if !mine.bootstrapped {
            return Err("it has not all its data yet".into());
        }
        for (by, report) in self.reports() {
            self.sees(report, name).map_err(|how| match how {
                Some(state) => format!("{by} sees it as {}", state.word()),
                None => format!("{by} does not know it yet"),
            })?;
        }
        for (other, _) in self.reports() {
            self.sees(mine, other).map_err(|how| match how {
                Some(state) => format!("it sees {other} as {}", state.word()),
                None => format!("it does not know {other} yet"),
            })?;
        }
        Ok(())
    }

    /// A report has this node as a member that owns its ranges; otherwise as what.
    fn sees(&self, report: &Report, name: &str) -> Result<(), Option<State>> {
        let member = self.nodes.get(name).and_then(|node| report.members.get(&node.endpoint));
        match member.map(|member| member.state) {
            Some(State::Normal) => Ok(()),
            other => Err(other),
        }
    }

    /// All of the same major version agree on the schema. Others never do, and do not fetch it from each other either
    /// (Cassandra's `MigrationCoordinator`): their own tables differ.
    ///
    /// # Errors
    /// Two who do not.
    pub fn one_schema(&self) -> Result<(), String> {
        let mut first = BTreeMap::new();
        for (name, report) in self.reports() {
            let (known, schema) = *first.entry(major(&report.version)).or_insert((name, &report.schema));
            if *schema != report.schema {
                return Err(format!("{known} and {name} do not agree on the schema yet"));
            }
        }
        Ok(())
    }

    /// Everybody runs this version, by its first number: streams between such versions break.
    ///
    /// # Errors
    /// Who does not.
    pub fn one_version(&self, version: &str) -> Result<(), String> {
        let other = self.reports().find(|(_, report)| major(&report.version) != major(version));
        other.map_or(Ok(()), |(name, r)| Err(format!("{name} still runs {}: upgrades come first", r.version)))
    }

    /// Who still has a member at this address that has not left, although no node of the survey is there.
    pub fn remembers(&self, endpoint: &str) -> Option<&String> {
        if self.nodes.values().any(|node| node.endpoint == endpoint) {
            return None;
        }
        let known = |report: &Report| report.members.get(endpoint).is_some_and(|m| m.state != State::Left);
        self.reports().find(|(_, report)| known(report)).map(|(by, _)| by)
    }

    /// A keyspace that is not Cassandra's own.
    pub fn made(&self) -> Option<&str> {
        let mut keyspaces = self.reports().flat_map(|(_, report)| &report.keyspaces);
        keyspaces.find(|keyspace| !keyspace.is_system()).map(|keyspace| keyspace.name.as_str())
    }

    /// Why the ring cannot do with fewer nodes: a keyspace that somebody has made would have more copies than there would be
    /// nodes if the member at `leaving` left.
    pub fn too_many_copies_without(&self, leaving: &str) -> Option<String> {
        let sizes = self.sizes(Some(leaving));
        self.keyspaces().iter().filter(|k| !k.is_system()).find_map(|k| k.too_many_for(&sizes))
    }

    /// After what Cassandra's own keyspaces can do without the member at `leaving`.
    pub fn shrink_without(&self, leaving: &str) -> Due {
        Due::shrink(&self.sizes(Some(leaving)), self.keyspaces())
    }

    /// The keyspaces, as a node that serves has them.
    pub fn keyspaces(&self) -> &[Keyspace] {
        self.reports().next().map_or(&[], |(_, report)| &report.keyspaces)
    }

    /// The same by name, with what there is to say of them.
    pub fn keyspaces_by_name(&self) -> BTreeMap<String, Value> {
        self.keyspaces().iter().map(|keyspace| (keyspace.name.clone(), json!(keyspace))).collect()
    }

    /// The others can hold what the member at `leaving` has, where each has a disk of so many MiB.
    ///
    /// # Errors
    /// What they have room for, and what it holds.
    pub fn has_room_without(&self, leaving: &str, disk_mib: u64) -> Result<(), String> {
        let ring = self.ring();
        let load = ring.get(leaving).map_or(0.0, |m| m.load);
        // Disks have far fewer than 2^52 MiB.
        let disk = disk_mib as f64 * 1_048_576.0;
        let others = ring.iter().filter(|(endpoint, _)| *endpoint != leaving);
        let free: f64 = others.map(|(_, member)| (disk - member.load).max(0.0)).sum();
        if load <= free {
            return Ok(());
        }
        Err(format!("the others have room for {free:.0} bytes, and it holds {load:.0}"))
    }

    /// All members, as `nodetool status` shows them.
    pub fn status(&self) -> Vec<Listed> {
        let ring = self.ring();
        let owned = owns(&ring);
        let listed = ring.iter().map(|(endpoint, member)| {
            let node = self.nodes.iter().find(|(_, node)| node.endpoint == *endpoint);
            let up = node.is_some_and(|(_, node)| node.report.is_ok());
            Listed {
                member: member.clone(),
                endpoint: endpoint.clone(),
                instance: node.map(|(name, _)| name.clone()),
                status: if up { "up" } else { "down" },
                owns: owned.get(endpoint.as_str()).map(|percent| (percent * 10.0).round() / 10.0),
            }
        });
        listed.collect()
    }
}

/// `5` of `5.0.5`: data of a later one cannot be read by an earlier one.
pub fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|part| part.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::Node;

    fn at(name: &str) -> String {
        format!("{name}:7000")
    }

    fn ring(names: [&str; 3]) -> Survey {
        let members = names.map(|n| (at(n), Member { datacenter: "dc1".into(), ..Member::default() }));
        let report = Report { bootstrapped: true, members: members.into(), ..Report::default() };
        let node = |n: &str| (n.to_owned(), Node { endpoint: at(n), report: Ok(report.clone()) });
        Survey { nodes: names.map(node).into() }
    }

    fn report<'a>(survey: &'a mut Survey, name: &str) -> &'a mut Report {
        survey.nodes.get_mut(name).and_then(|node| node.report.as_mut().ok()).expect("it serves")
    }

    #[test]
    fn a_ring_at_rest_is_whole_in_everybodys_eyes() {
        let (a, b) = ("a".to_owned(), "b".to_owned());
        let others = [&a, &b];
        assert_eq!(ring(["a", "b", "c"]).at_rest(&others, None), Ok(()));
        assert!(ring(["a", "c", "d"]).at_rest(&others, None).unwrap_err().contains("b has no place"));
        let mut moving = ring(["a", "b", "c"]);
        for name in ["a", "b", "c"] {
            report(&mut moving, name).members.get_mut(&at("c")).unwrap().state = State::Leaving;
        }
        let told = moving.at_rest(&others, None).unwrap_err();
        assert_eq!(told, "c:7000 is leaving, and only one may change the ring");
        assert_eq!(moving.at_rest(&others, Some("c:7000")), Ok(()));
        let mut torn = ring(["a", "b", "c"]);
        report(&mut torn, "b").schema = "other".into();
        assert_eq!(torn.at_rest(&others, None).unwrap_err(), "a and b do not agree on the schema yet");
        report(&mut torn, "b").version = "5.0.5".into();
        assert_eq!(torn.at_rest(&others, None), Ok(()), "nobody agrees in the middle of an upgrade");
    }

    #[test]
    fn who_has_joined_sees_and_is_seen() {
        assert_eq!(ring(["a", "b", "c"]).has_joined("c"), Ok(()));
        let mut blind = ring(["a", "b", "c"]);
        report(&mut blind, "c").members.remove(&at("b"));
        assert_eq!(blind.has_joined("c").unwrap_err(), "it does not know b yet");
        assert_eq!(blind.has_joined("b").unwrap_err(), "c does not know it yet");
    }

    #[test]
    fn a_ring_lists_its_members_and_remembers_those_that_are_gone() {
        let mut survey = ring(["a", "b", "c"]);
        survey.nodes.get_mut("c").unwrap().report = Err("refused".into());
        let status: BTreeMap<_, _> =
            survey.status().into_iter().map(|l| (l.instance.unwrap(), l.status)).collect();
        assert_eq!(status, [("a".into(), "up"), ("b".into(), "up"), ("c".into(), "down")].into());
        assert_eq!(survey.remembers("c:7000"), None, "it is asked there");
        survey.nodes.remove("c");
        assert_eq!(survey.remembers("c:7000"), Some(&"a".to_owned()));
        assert_eq!(survey.remembers("d:7000"), None);
    }
}
