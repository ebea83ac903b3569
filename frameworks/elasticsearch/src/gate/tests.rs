use std::collections::{BTreeMap, BTreeSet};

use cairn_elasticsearch_admin::Copy;
use cairn_framework::{Config, InstanceStatus, Phase, Placement};

use super::*;

/// Three nodes with a shard of two copies on the first two.
fn cluster() -> Survey {
    let member = |(at, name): (usize, &str)| Member {
        name: name.into(),
        id: format!("id-{name}"),
        elected: at == 0,
        master: true,
        data: true,
        version: vec![8, 19, 8],
    };
    let names = ["node-0", "node-1", "node-2"];
    Survey {
        members: names.into_iter().enumerate().map(member).collect(),
        copies: vec![copy("logs", true, "STARTED", "node-0"), copy("logs", false, "STARTED", "node-1")],
        voters: names.map(|n| format!("id-{n}")).into(),
        ..Survey::default()
    }
}

fn copy(index: &str, primary: bool, state: &str, node: &str) -> Copy {
    let node = (!node.is_empty()).then(|| node.to_owned());
    Copy { index: index.into(), shard: "0".into(), primary, state: state.into(), node }
}

/// `target` nodes are wanted of `known`.
fn view(target: usize, known: usize) -> View {
    let instance = |at: usize| InstanceStatus {
        name: format!("node-{at}"),
        phase: Phase::Ready,
        task_id: Some(format!("task-{at}")),
        placement: Some(Placement::default()),
        ..InstanceStatus::default()
    };
    let instances: BTreeMap<_, _> = (0..known).map(instance).map(|i| (i.name.clone(), i)).collect();
    View { target: (0..target).map(|at| format!("node-{at}")).collect(), instances, ..View::default() }
}

fn ask(moment: Moment, action: Action, at: usize, view: &View) -> Ask {
    Ask {
        moment,
        action,
        instance: format!("node-{at}"),
        config: Config::default(),
        view: view.clone().into(),
    }
}

fn decide(ask: &Ask, options: &Options, survey: &Survey) -> Decision<Act> {
    kit::decide(&Elasticsearch, ask, &Look { options, view: &ask.view, survey })
}

fn settled(view: &View, survey: &Survey) -> Decision<Act> {
    Elasticsearch.settled(&Look { options: &Options::default(), view, survey }).into()
}

fn before(action: Action, at: usize, view: &View, survey: &Survey) -> Decision<Act> {
    decide(&ask(Moment::Before, action, at, view), &Options::default(), survey)
}

fn after(action: Action, at: usize, view: &View, survey: &Survey) -> Decision<Act> {
    decide(&ask(Moment::After, action, at, view), &Options::default(), survey)
}

#[track_caller]
fn waits(decision: &Decision<Act>, for_what: &str) {
    match decision {
        Decision::Say(Verdict::Wait(reason)) => assert!(reason.contains(for_what), "{reason}"),
        other => panic!("{other:?}"),
    }
}

fn held(mut survey: Survey) -> Survey {
    survey.allocation = Some("primaries".into());
    survey
}

#[test]
fn a_restart_holds_replicas_first_and_lets_them_go_afterwards() {
    let (view, green) = (view(3, 3), cluster());
    assert_eq!(before(Action::Restart, 1, &view, &green), Decision::Do(Act::HoldReplicas));
    assert_eq!(before(Action::Restart, 1, &view, &held(cluster())), GO);
    assert_eq!(after(Action::Restart, 1, &view, &held(cluster())), Decision::Do(Act::ReleaseReplicas));
    assert_eq!(after(Action::Restart, 1, &view, &green), GO);
    assert_eq!(settled(&view, &held(cluster())), Decision::Do(Act::ReleaseReplicas));
}

#[test]
fn nobody_restarts_while_something_is_not_as_it_should_be() {
    let view = view(3, 3);
    let mut absent = cluster();
    absent.members.pop();
    waits(&before(Action::Restart, 1, &view, &absent), "all-nodes-present: node-2");
    let mut yellow = cluster();
    yellow.copies[1] = copy("logs", false, "INITIALIZING", "node-1");
    waits(
        &before(Action::Restart, 2, &view, &yellow),
        "cluster-health: yellow: 1 replicas are not there yet, of logs[0]",
    );
    let mut red = cluster();
    red.copies = vec![copy("logs", true, "UNASSIGNED", "")];
    waits(&before(Action::Restart, 1, &view, &red), "cluster-health: red: the primary of logs[0]");
    let mut moving = cluster();
    moving.copies[1].state = "RELOCATING".into();
    waits(&before(Action::Restart, 2, &view, &moving), "no-moves: 1 shards");
}

#[test]
fn whoever_is_not_in_the_cluster_may_restart_whatever_its_state() {
    let view = view(3, 3);
    let mut red = cluster();
    red.members.remove(1);
    red.copies = vec![copy("logs", true, "UNASSIGNED", "")];
    assert_eq!(before(Action::Restart, 1, &view, &red), GO);
    let masterless =
        |moment, action| Elasticsearch.unasked(&ask(moment, action, 1, &view), "no master".into());
    let waits = Verdict::Wait("no master".into());
    assert_eq!(masterless(Moment::Before, Action::Restart), Verdict::Go);
    assert_eq!(masterless(Moment::After, Action::Restart), waits);
    assert_eq!(masterless(Moment::Before, Action::Remove), waits);
    assert_eq!(masterless(Moment::After, Action::Remove), Verdict::Go);
}

#[test]
fn replicas_that_can_be_nowhere_block_nothing() {
    let mut lone = cluster();
    lone.members.truncate(1);
    lone.voters = ["id-node-0".to_owned()].into();
    lone.copies = vec![copy("logs", true, "STARTED", "node-0"), copy("logs", false, "UNASSIGNED", "")];
    assert_eq!(before(Action::Restart, 0, &view(1, 1), &held(lone.clone())), GO);
    assert_eq!(before(Action::Stop, 0, &view(1, 1), &lone), GO);
    assert_eq!(after(Action::Launch, 0, &view(1, 1), &lone), GO);
}

#[test]
fn replicas_that_wait_for_upgraded_nodes_do_not_stop_the_upgrade() {
    let view = view(3, 3);
    let mut half = held(cluster());
    half.members[1].version = vec![8, 20, 0];
    half.copies = vec![copy("logs", true, "STARTED", "node-1"), copy("logs", false, "UNASSIGNED", "")];
    assert_eq!(before(Action::Restart, 2, &view, &half), GO);
    // With a second new node the replica has a place, and is waited for.
    half.members[2].version = vec![8, 20, 0];
    waits(&before(Action::Restart, 0, &view, &half), "yellow");
}

#[test]
fn the_elected_master_goes_last() {
    let mut view = view(3, 3);
    let survey = held(cluster());
    assert_eq!(before(Action::Restart, 0, &view, &survey), GO, "it alone has to");
    view.instances.get_mut("node-2").unwrap().needs_restart = true;
    waits(
        &before(Action::Restart, 0, &view, &survey),
        "master-last: it is the elected master: node-2 goes first",
    );
    assert_eq!(before(Action::Restart, 2, &view, &survey), GO);
}

#[test]
fn votes_and_copies_are_counted_before_a_stop() {
    let view = view(3, 3);
    assert_eq!(before(Action::Stop, 2, &view, &cluster()), GO);
    let mut two = cluster();
    two.members.pop();
    waits(&before(Action::Stop, 1, &view, &two), "quorum: 1 of 3 votes would be left");
    let mut lone_copy = cluster();
    lone_copy.copies[1].state = "INITIALIZING".into();
    let off = Options { ignore: [Predicate::ClusterHealth].into(), ..Options::default() };
    let stop = ask(Moment::Before, Action::Stop, 0, &view);
    waits(
        &decide(&stop, &off, &lone_copy),
        "started-copy-elsewhere: it has the only started copy of logs[0]",
    );
}

#[test]
fn rules_can_be_switched_off_by_name() {
    let mut view = view(3, 3);
    view.instances.get_mut("node-2").unwrap().needs_restart = true;
    let off = Options { ignore: [Predicate::MasterLast].into(), ..Options::default() };
    assert_eq!(decide(&ask(Moment::Before, Action::Restart, 0, &view), &off, &held(cluster())), GO);
}

#[test]
fn a_node_that_leaves_is_drained_then_loses_its_vote_then_goes() {
    let view = view(2, 3);
    let mut survey = cluster();
    survey.copies[1].node = Some("node-2".into());
    let mine = BTreeSet::from(["node-2".to_owned()]);
    assert_eq!(before(Action::Remove, 2, &view, &survey), Decision::Do(Act::Exclude(mine.clone())));
    survey.excluded.clone_from(&mine);
    survey.copies[1].state = "RELOCATING".into();
    waits(&before(Action::Remove, 2, &view, &survey), "draining: 1 of its shards are left, 1 on their way");
    survey.copies[1].state = "STARTED".into();
    assert_eq!(
        before(Action::Remove, 2, &view, &survey),
        Decision::Do(Act::Explain(survey.copies[1].clone(), 1))
    );
    survey.copies[1].node = Some("node-1".into());
    assert_eq!(before(Action::Remove, 2, &view, &survey), Decision::Do(Act::TakeVote("node-2".into())));
    survey.excused.clone_from(&mine);
    waits(&before(Action::Remove, 2, &view, &survey), "its vote is still counted");
    survey.voters.remove("id-node-2");
    assert_eq!(before(Action::Remove, 2, &view, &survey), GO);

    waits(&after(Action::Remove, 2, &view, &survey), "still counts on it");
    survey.members.pop();
    let mut gone = view.clone();
    gone.instances.get_mut("node-2").unwrap().task_id = None;
    assert_eq!(after(Action::Remove, 2, &gone, &survey), Decision::Do(Act::Exclude(BTreeSet::new())));
    survey.excluded.clear();
    assert_eq!(after(Action::Remove, 2, &gone, &survey), Decision::Do(Act::GiveVotes));
    survey.excused.clear();
    assert_eq!(after(Action::Remove, 2, &gone, &survey), GO);
}

#[test]
fn several_that_leave_are_drained_together_and_vote_by_vote() {
    let view = view(1, 3);
    let mut survey = cluster();
    survey.copies.pop();
    let leaving = BTreeSet::from(["node-1".to_owned(), "node-2".to_owned()]);
    assert_eq!(before(Action::Remove, 2, &view, &survey), Decision::Do(Act::Exclude(leaving.clone())));
    survey.excluded = leaving;
    survey.excused = ["node-2".to_owned()].into();
    waits(&before(Action::Remove, 1, &view, &survey), "node-2 leaves first");
    // The elected master would be the last of them.
    survey.excused.clear();
    survey.members[0].elected = false;
    survey.members[1].elected = true;
    waits(&before(Action::Remove, 1, &view, &survey), "master-last");
}

#[test]
fn what_an_operator_excludes_stays_excluded() {
    let view = view(2, 3);
    let mut survey = cluster();
    survey.excluded = ["elsewhere".to_owned(), "node-0".to_owned()].into();
    let wanted = BTreeSet::from(["elsewhere".to_owned(), "node-2".to_owned()]);
    assert_eq!(before(Action::Remove, 2, &view, &survey), Decision::Do(Act::Exclude(wanted)));
    let mut only = BTreeSet::from(["elsewhere".to_owned()]);
    assert_eq!(settled(&view, &survey), Decision::Do(Act::Exclude(only.clone())));
    survey.excluded = std::mem::take(&mut only);
    assert_eq!(settled(&view, &survey), GO);
}

#[test]
fn no_shard_loses_a_copy_by_a_removal_unless_that_is_wanted() {
    let view = view(1, 2);
    let mut survey = cluster();
    survey.members.pop();
    waits(
        &before(Action::Remove, 1, &view, &survey),
        "replicas-fit: logs has 2 copies and 1 nodes with data would be left",
    );
    let off = Options { ignore: [Predicate::ReplicasFit].into(), ..Options::default() };
    survey.excluded = ["node-1".to_owned()].into();
    let remove = ask(Moment::Before, Action::Remove, 1, &view);
    assert_eq!(decide(&remove, &off, &survey), Decision::Do(Act::TakeVote("node-1".into())));
    // Not so what exists there only.
    survey.copies[0].state = "INITIALIZING".into();
    waits(&decide(&remove, &off, &survey), "draining: 1");
}

#[test]
fn the_last_that_can_be_elected_does_not_leave() {
    let view = view(1, 2);
    let mut survey = cluster();
    survey.members.pop();
    survey.members[0].master = false;
    waits(&before(Action::Remove, 1, &view, &survey), "no node would be left that may be elected");
}

#[test]
fn a_dead_node_leaves_unless_it_may_have_the_only_copies() {
    let view = view(2, 3);
    let mut survey = cluster();
    survey.members.pop();
    assert_eq!(before(Action::Remove, 2, &view, &survey), GO);
    survey.copies.push(copy("x", true, "UNASSIGNED", ""));
    waits(
        &before(Action::Remove, 2, &view, &survey),
        "red: the primary of x[0] is not there and it may hold the only copies",
    );
}

#[test]
fn who_comes_back_gets_shards_and_votes_again() {
    let view = view(3, 3);
    let mut survey = cluster();
    survey.excluded = ["node-2".to_owned()].into();
    survey.excused = ["node-2".to_owned()].into();
    assert_eq!(after(Action::Launch, 2, &view, &survey), Decision::Do(Act::Exclude(BTreeSet::new())));
    survey.excluded.clear();
    assert_eq!(after(Action::Launch, 2, &view, &survey), Decision::Do(Act::GiveVotes));
    survey.excused.clear();
    assert_eq!(after(Action::Launch, 2, &view, &survey), GO);
    survey.members.pop();
    waits(&after(Action::Launch, 2, &view, &survey), "not joined");
}
