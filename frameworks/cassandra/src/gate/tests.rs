//! Decisions about a ring that is described, not asked.

use std::collections::BTreeMap;

use cairn_cassandra_admin::{Keyspace, Member, Node, Report};
use cairn_framework::{Action, Ask, Config, InstanceStatus, Moment, Phase, Placement, Verdict, kit};
use serde_json::json;

use super::*;

const HEALTHY: &str = "node-0 node-1 node-2";

/// A ring that serves; tests then hurt it.
struct Scene {
    view: View,
    survey: Survey,
    options: Options,
}

fn at(instance: &str) -> String {
    format!("10.0.0.{}:7000", instance.trim_start_matches("node-"))
}

impl Scene {
    fn new(nodes: &str) -> Self {
        let mut scene = Self::founding(nodes);
        scene.view.facts.insert(IN_USE.into(), true.into());
        scene
    }

    fn founding(nodes: &str) -> Self {
        let names: Vec<&str> = nodes.split(' ').collect();
        let options = Options { racks: vec!["r1".into(), "r2".into()], ..Options::default() };
        let mut scene = Self { view: View::default(), survey: Survey::default(), options };
        let members: BTreeMap<String, Member> = names.iter().map(|n| (at(n), member())).collect();
        for name in names {
            scene.add(name);
            let schema = "one".to_owned();
            let report = Report {
                bootstrapped: true,
                version: "5.0.5".into(),
                schema,
                members: members.clone(),
                ..Report::default()
            };
            scene.survey.nodes.insert(name.to_owned(), Node { endpoint: at(name), report: Ok(report) });
        }
        scene
    }

    /// An instance that runs and has served.
    fn add(&mut self, name: &str) -> &mut InstanceStatus {
        let placement = Placement {
            address: at(name).trim_end_matches(":7000").into(),
            ports: [(STORAGE.to_owned(), 7000)].into(),
            ..Placement::default()
        };
        let status = InstanceStatus {
            name: name.into(),
            phase: Phase::Ready,
            placement: Some(placement),
            task_id: Some("t".into()),
            deployed: true,
            ..InstanceStatus::default()
        };
        self.view.target.push(name.into());
        self.view.instances.insert(name.into(), status);
        self.instance(name)
    }

    /// One that is to be launched for the first time.
    fn newcomer(&mut self, name: &str) {
        *self.add(name) = InstanceStatus { name: name.into(), ..InstanceStatus::default() };
    }

    fn instance(&mut self, name: &str) -> &mut InstanceStatus {
        self.view.instances.get_mut(name).expect("it was added")
    }

    fn leaves(mut self, name: &str) -> Self {
        self.view.target.retain(|n| n != name);
        self
    }

    fn dies(mut self, name: &str) -> Self {
        self.survey.nodes.get_mut(name).expect("it is there").report = Err("connection refused".into());
        self
    }

    fn reports(&mut self) -> impl Iterator<Item = &mut Report> {
        self.survey.nodes.values_mut().filter_map(|n| n.report.as_mut().ok())
    }

    /// All see `endpoint` like this.
    fn seen(mut self, endpoint: &str, state: State) -> Self {
        self.reports().for_each(|r| {
            r.members.insert(endpoint.into(), Member { state, ..member() });
        });
        self
    }

    fn keyspace(mut self, name: &str, copies: usize) -> Self {
        let copies = BTreeMap::from([("dc1".to_owned(), copies)]);
        let there = Keyspace { name: name.into(), copies, durable: true };
        self.reports().for_each(|r| r.keyspaces.push(there.clone()));
        self
    }

    fn ask(&self, moment: Moment, action: Action, instance: &str) -> Decision<Act> {
        let ask = Ask {
            moment,
            action,
            instance: instance.into(),
            config: Config::default(),
            view: self.view.clone().into(),
        };
        kit::decide(&Cassandra, &ask, &self.look())
    }

    fn look(&self) -> Look<'_> {
        Look { options: &self.options, view: &self.view, survey: &self.survey }
    }

    #[track_caller]
    fn waits(&self, moment: Moment, action: Action, instance: &str, why: &str) {
        let told = self.ask(moment, action, instance);
        assert!(matches!(&told, Decision::Say(Verdict::Wait(reason)) if reason.contains(why)), "{told:?}");
    }
}

fn member() -> Member {
    Member { host_id: "h".into(), datacenter: "dc1".into(), load: 1024.0, ..Member::default() }
}

#[test]
fn a_founder_asks_nobody() {
    let mut scene = Scene::new("node-0");
    scene.instance("node-0").deployed = false;
    scene.survey = Survey::default();
    assert_eq!(scene.ask(Moment::Before, Action::Launch, "node-0"), GO);
}

#[test]
fn one_joins_at_a_time_and_only_a_ring_at_rest() {
    let grown = || {
        let mut scene = Scene::new(HEALTHY);
        scene.newcomer("node-3");
        scene
    };
    let launch = (Moment::Before, Action::Launch);
    assert_eq!(grown().ask(launch.0, launch.1, "node-3"), GO);
    grown().dies("node-1").waits(launch.0, launch.1, "node-3", "node-1 does not serve: connection refused");
    grown().seen("10.0.0.9:7000", State::Leaving).waits(launch.0, launch.1, "node-3", "is leaving");
    grown().seen(&at("node-2"), State::Shutdown).waits(launch.0, launch.1, "node-3", "as shut down");
    let mut torn = grown();
    torn.reports().next().expect("a report").schema = "other".into();
    torn.waits(launch.0, launch.1, "node-3", "do not agree on the schema");
    let mut both = grown();
    both.newcomer("node-4");
    both.instance("node-3").task_id = Some("t".into());
    both.waits(launch.0, launch.1, "node-4", "node-3 joins first");
    let mut upgrade = grown();
    upgrade.reports().for_each(|r| r.version = "4.1.10".into());
    upgrade.waits(launch.0, launch.1, "node-3", "upgrades come first");
}

#[test]
fn nodes_that_found_a_cluster_need_no_data_unless_somebody_has_put_some_there() {
    let founding = || {
        let mut scene = Scene::founding("node-0 node-1").keyspace("system_auth", 1);
        scene.newcomer("node-2");
        scene
    };
    let before = |scene: Scene| scene.ask(Moment::Before, Action::Launch, "node-2");
    assert_eq!(before(founding()), GO);
    assert_eq!(before(founding().keyspace("early", 1)), Decision::Do(Act::InUse));
    let mut noted = founding().keyspace("early", 1);
    noted.view.facts.insert(IN_USE.into(), true.into());
    assert_eq!(before(noted), GO, "it bootstraps");

    let after = |scene: &Scene, node| scene.ask(Moment::After, Action::Launch, node);
    let meanwhile = Scene::founding(HEALTHY).keyspace("early", 1);
    let Decision::Run(errand) = after(&meanwhile, "node-2") else { panic!("it lacks its share") };
    assert_eq!(
        (errand.on.as_str(), &errand.action.argv[1..]),
        ("node-2", &["nodetool.sh".to_owned(), "rebuild".into()][..])
    );
    assert_eq!(after(&Scene::founding(HEALTHY), "node-2"), GO);
    let complete = Scene::founding(HEALTHY);
    assert_eq!(Cassandra.settled(&complete.look()), Ok(Decision::Do(Act::InUse)));
    assert_eq!(after(&Scene::new(HEALTHY).keyspace("shop", 3), "node-2"), GO, "it has bootstrapped");
}

#[test]
fn founders_join_together_and_do_not_take_each_other_for_somebody_who_is_gone() {
    let before = |scene: &Scene| scene.ask(Moment::Before, Action::Launch, "node-2");
    let mut scene = Scene::founding("node-0 node-1");
    scene.instance("node-1").deployed = false;
    scene.newcomer("node-2");
    assert_eq!(before(&scene), GO);
    scene.instance("node-1").task_id = None;
    assert_eq!(before(&scene), GO, "it comes back to its own place");
    scene.newcomer("node-3");
    scene.waits(Moment::Before, Action::Launch, "node-3", "node-1 joins first");
    scene.view.facts.insert(IN_USE.into(), true.into());
    scene.waits(Moment::Before, Action::Launch, "node-2", "node-1 joins first");
}

#[test]
fn a_replaced_node_takes_over_the_dead_ones_place() {
    let mut scene = Scene::new(HEALTHY).dies("node-1");
    // Replaced: no place, no task, its data is gone; the others still have its former self in the ring.
    let former = scene.instance("node-1").placement.take();
    *scene.instance("node-1") = InstanceStatus { replaces: former, ..InstanceStatus::default() };
    scene.survey.nodes.remove("node-1");
    let meanwhile = format!("it takes over the place of {}", at("node-1"));
    let takes = Decision::note(format!("{REPLACES}node-1"), at("node-1"), meanwhile);
    assert_eq!(scene.ask(Moment::Before, Action::Launch, "node-1"), takes);
    scene.view.observed.insert(format!("{REPLACES}node-1"), json!(at("node-1")).into());
    assert_eq!(scene.ask(Moment::Before, Action::Launch, "node-1"), GO, "its task knows");
    let second = scene.dies("node-2");
    second.waits(Moment::Before, Action::Launch, "node-1", "node-2 does not serve");
}

#[test]
fn a_node_has_arrived_when_all_say_so() {
    let after = (Moment::After, Action::Launch);
    assert_eq!(Scene::new(HEALTHY).ask(after.0, after.1, "node-2"), GO);
    Scene::new(HEALTHY).seen(&at("node-2"), State::Joining).waits(after.0, after.1, "node-2", "as joining");
    let mut alone = Scene::new(HEALTHY);
    let mine = alone.survey.nodes.get_mut("node-2").and_then(|n| n.report.as_mut().ok()).expect("it serves");
    mine.members.remove(&at("node-0"));
    alone.waits(after.0, after.1, "node-2", "it does not know node-0 yet");
    let mut half = Scene::new(HEALTHY);
    half.survey.nodes.get_mut("node-2").expect("it is there").report = Ok(Report::default());
    half.waits(after.0, after.1, "node-2", "not all its data");
}

#[test]
fn who_replaces_has_arrived_when_nobody_knows_the_former_any_more() {
    let former = "10.0.0.9:7000";
    let arrives = |state: State| {
        let mut scene = Scene::new(HEALTHY).seen(former, state);
        scene.view.observed.insert(format!("{REPLACES}node-2"), json!(former).into());
        scene
    };
    let last = (Moment::After, Action::Launch, "node-2");
    arrives(State::Shutdown).waits(last.0, last.1, last.2, "still has 10.0.0.9:7000 in its ring");
    assert_eq!(arrives(State::Left).ask(last.0, last.1, last.2), GO);
    let mut same = Scene::new(HEALTHY);
    same.view.observed.insert(format!("{REPLACES}node-2"), json!(at("node-2")).into());
    assert_eq!(same.ask(last.0, last.1, last.2), GO, "it has come back where it was");
}

#[test]
fn restarts_go_one_at_a_time_and_rack_by_rack() {
    let restart = (Moment::Before, Action::Restart);
    let scene = Scene::new(HEALTHY);
    assert_eq!(scene.ask(restart.0, restart.1, "node-1"), GO);
    Scene::new(HEALTHY).dies("node-0").waits(restart.0, restart.1, "node-1", "node-0 does not serve");
    let dead = Scene::new(HEALTHY).dies("node-0").dies("node-1");
    assert_eq!(dead.ask(restart.0, restart.1, "node-1"), GO, "it can only get better");
    let mut pending = Scene::new(HEALTHY);
    // Racks: node-0 r1, node-1 r2, node-2 r1.
    pending.instance("node-1").needs_restart = true;
    pending.instance("node-2").needs_restart = true;
    pending.waits(restart.0, restart.1, "node-1", "rack r1 first: node-2");
    assert_eq!(pending.ask(restart.0, restart.1, "node-2"), GO);
    let mut down = Scene::new(HEALTHY);
    down.options.jvm.version = "4.1.10".into();
    assert!(matches!(down.ask(restart.0, restart.1, "node-0"), Decision::Say(Verdict::Refuse(_))));
}

#[test]
fn who_leaves_hands_over_first() {
    let remove = (Moment::Before, Action::Remove);
    let leaves = |scene: Scene| scene.leaves("node-2").ask(remove.0, remove.1, "node-2");
    let decommission = leaves(Scene::new(HEALTHY).keyspace("shop", 2));
    let Decision::Run(errand) = &decommission else { panic!("{decommission:?}") };
    assert_eq!((errand.on.as_str(), errand.action.argv[1].as_str()), ("node-2", "leave.sh"));
    let kept = leaves(Scene::new(HEALTHY).keyspace("shop", 3));
    assert!(
        matches!(kept, Decision::Say(Verdict::Refuse(reason)) if reason.contains("keyspace shop has 3 copies"))
    );
    let system = leaves(Scene::new(HEALTHY).keyspace("system_auth", 3));
    assert!(matches!(system, Decision::Do(Act::Change(due)) if due.statements[0].contains("'dc1': 2")));
    let under_way = Scene::new(HEALTHY).seen(&at("node-2"), State::Leaving).dies("node-1");
    assert_eq!(leaves(under_way), decommission, "what has begun goes on");
    let two = Scene::new(HEALTHY).leaves("node-2").leaves("node-1");
    two.waits(remove.0, remove.1, "node-1", "node-2 leaves first");
    let mut full = Scene::new(HEALTHY).leaves("node-2");
    full.reports().flat_map(|r| r.members.values_mut()).for_each(|m| m.load = 3.5 * 1024.0 * 1_048_576.0);
    full.waits(remove.0, remove.1, "node-2", "raise `disk` first");
}

#[test]
fn it_is_gone_when_nobody_knows_it() {
    let removed = (Moment::After, Action::Remove);
    let left = Scene::new(HEALTHY).leaves("node-2").dies("node-2").seen(&at("node-2"), State::Left);
    assert_eq!(left.ask(removed.0, removed.1, "node-2"), GO);
    let died = Scene::new(HEALTHY).leaves("node-2").dies("node-2");
    let Decision::Run(errand) = died.ask(removed.0, removed.1, "node-2") else {
        panic!("it is still a member")
    };
    assert_eq!(errand.on, "node-0");
    assert_eq!(errand.action.argv[1..], ["nodetool.sh", "removenode", "h"]);
}
