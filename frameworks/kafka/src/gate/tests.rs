use std::collections::BTreeSet;

use cairn_framework::{InstanceStatus, Phase, Verdict, View};

use super::quorum::{controller, not_a_voter, same_voters};
use super::restart::{MinIsr, availability, back, controller_last, exempt};
use super::{Evacuation, evacuation};
use cairn_kafka_client::{Cluster, Node, Ongoing, PartitionState, Quorum};

/// `logs: 0,1,2/0,1` is partition 0 of logs with these replicas and these of them in sync.
fn cluster(brokers: &[i32], partitions: &[&str]) -> Cluster {
    let mut cluster = Cluster { controller: Some(0), ..Cluster::default() };
    for id in brokers {
        cluster.brokers.insert(*id, Node { endpoint: format!("h:{id}"), rack: None });
    }
    for text in partitions {
        let (topic, rest) = text.split_once(": ").unwrap();
        let (replicas, isr) = rest.split_once('/').unwrap();
        let ids = |t: &str| {
            t.split(',').filter(|t| !t.is_empty()).map(|t| t.parse().unwrap()).collect::<Vec<i32>>()
        };
        let (replicas, isr) = (ids(replicas), ids(isr));
        let leader = isr.iter().copied().find(|id| brokers.contains(id));
        let partitions = &mut cluster.topics.entry(topic.to_owned()).or_default().partitions;
        let number = i32::try_from(partitions.len()).unwrap();
        partitions.insert(number, PartitionState { leader, replicas, isr });
    }
    cluster
}

fn min(entries: &[(&str, usize)]) -> MinIsr {
    entries.iter().map(|(t, n)| ((*t).to_owned(), *n)).collect()
}

fn reason(verdict: Verdict) -> String {
    match verdict {
        Verdict::Go => "go".into(),
        Verdict::Wait(r) => format!("wait: {r}"),
        Verdict::Refuse(r) => format!("refuse: {r}"),
    }
}

#[test]
fn a_broker_stays_up_while_its_partitions_need_it() {
    let min2 = min(&[("a", 2), ("b", 2)]);
    let check =
        |partitions: &[&str], broker| reason(availability(&cluster(&[0, 1, 2], partitions), &min2, broker));
    assert_eq!(check(&["a: 0,1,2/0,1,2"], 0), "go");
    assert_eq!(
        check(&["a: 0,1,2/0,1"], 0),
        "wait: without it a partition would fall under its minimum in sync: a-0 (in sync: [0, 1], minimum 2)"
    );
    assert_eq!(check(&["a: 0,1,2/0,1"], 2), "go", "it is out of sync anyway, and the others are enough");
    assert!(check(&["a: 0,1,2/1"], 0).starts_with("wait"), "too few already, and it is on its way back");
    assert_eq!(check(&["a: 0,1,2/0"], 3), "go", "not its business");
    assert_eq!(check(&["a: 0,1/0,1"], 0), "go", "exempt: as many copies as the minimum");
    assert!(check(&["a: 0,1,2/0,1", "b: 0,1,2/0,1"], 0).contains("2 partitions"));
}

#[test]
fn what_will_be_unavailable_is_named() {
    let cluster = cluster(&[0, 1], &["a: 0/0", "a: 0,1/0,1", "b: 0,1/0,1"]);
    assert_eq!(exempt(&cluster, &min(&[("b", 2)]), 0), ["a-0", "b-0"]);
}

fn view(restarts: &[(u32, bool)]) -> View {
    let mut view = View::default();
    for (id, needs_restart) in restarts {
        let name = crate::broker::instance_name(*id);
        view.target.push(name.clone());
        let status = InstanceStatus {
            phase: Phase::Ready,
            needs_restart: *needs_restart,
            ..InstanceStatus::default()
        };
        view.instances.insert(name, status);
    }
    view
}

#[test]
fn the_controller_goes_last() {
    let view_of = view(&[(0, true), (1, false), (2, true)]);
    assert_eq!(
        reason(controller_last(&view_of, 0, Some(0))),
        "wait: it is the active controller and goes last: broker-2 first"
    );
    assert_eq!(controller_last(&view_of, 2, Some(0)), Verdict::Go);
    assert_eq!(controller_last(&view(&[(0, true), (1, false)]), 0, Some(0)), Verdict::Go);
}

#[test]
fn back_means_listed_at_its_place_and_caught_up() {
    let check = |brokers: &[i32], partitions: &[&str]| reason(back(&cluster(brokers, partitions), 0, "h:0"));
    assert_eq!(check(&[0], &["a: 0,1/0"]), "go");
    assert_eq!(check(&[1], &[]), "wait: the cluster does not list it yet");
    assert_eq!(check(&[0, 1], &["a: 0,1/1"]), "wait: it is catching up with 1 partitions: a-0");
    let elsewhere = cluster(&[0], &[]);
    assert!(reason(back(&elsewhere, 0, "h:9")).contains("still knows it at h:0"));
}

fn quorum(leader: i32, voters: &[(i32, i64)]) -> Quorum {
    Quorum {
        leader: Some(leader).filter(|l| *l >= 0),
        voters: voters.iter().copied().collect(),
        high_watermark: 100,
    }
}

#[test]
fn a_majority_of_controllers_is_kept() {
    let all = quorum(0, &[(0, 110), (1, 105), (2, 100)]);
    assert_eq!(controller(&all, 0), Verdict::Go);
    assert_eq!(controller(&all, 7), Verdict::Go, "a broker that does not vote");
    let lagging = quorum(0, &[(0, 110), (1, 105), (2, 9)]);
    assert!(
        reason(controller(&lagging, 1))
            .contains("2 of 3 controllers have to be caught up without it, and 1 are")
    );
    assert_eq!(controller(&lagging, 2), Verdict::Go);
    assert!(reason(controller(&quorum(-1, &[(0, 1), (1, 1), (2, 1)]), 0)).contains("no leader"));
    assert_eq!(controller(&quorum(0, &[(0, 100)]), 0), Verdict::Go, "alone");
}

#[test]
fn voters_are_neither_exchanged_nor_removed() {
    let one = quorum(0, &[(0, 100)]);
    assert_eq!(same_voters(&one, &BTreeSet::from([0])), Verdict::Go);
    assert!(reason(same_voters(&one, &BTreeSet::from([0, 1, 2]))).contains("set `controllers: 1`"));
    assert!(reason(not_a_voter(&one, 0)).starts_with("refuse"));
    assert_eq!(not_a_voter(&one, 4), Verdict::Go);
}

fn evacuate(cluster: &Cluster, ongoing: &[Ongoing]) -> Evacuation {
    evacuation(cluster, ongoing, 0, &BTreeSet::from([1, 2]))
}

#[test]
fn a_broker_leaves_when_it_holds_nothing() {
    assert_eq!(evacuate(&cluster(&[0, 1, 2], &["a: 1,2/1,2"]), &[]), Evacuation::Done);
    let holding = cluster(&[0, 1, 2], &["a: 0,1/0,1", "__consumer_offsets: 0/0"]);
    let Evacuation::Move(moves, text) = evacuate(&holding, &[]) else { panic!("moves") };
    assert_eq!(text, "moving its partitions away: 2 left");
    assert_eq!(moves.len(), 2, "internal topics too");
    assert!(moves.iter().all(|m| !m.replicas.contains(&0)));
    let ongoing = Ongoing { topic: "a".into(), partition: 0, adding: vec![2], removing: vec![0] };
    let moving = cluster(&[0, 1, 2], &["a: 2,1,0/0,1"]);
    assert_eq!(
        evacuate(&moving, &[ongoing]),
        Evacuation::Wait("its partitions are moving away: 1 left".into())
    );
}

#[test]
fn a_removal_that_breaks_replication_is_refused_with_what_to_do() {
    let full = cluster(&[0, 1, 2], &["a: 0,1,2/0,1,2"]);
    let Evacuation::Refuse(why) = evacuate(&full, &[]) else { panic!("refused") };
    assert_eq!(
        why,
        "topic a keeps 3 copies of each partition, and 2 brokers would be there for them; keep 3 brokers, or lower its \
         replication first: PATCH /v1/topics/a {\"replication\": 2}"
    );
    let one_down = cluster(&[0, 1], &["a: 0,1/0,1"]);
    assert!(matches!(evacuate(&one_down, &[]), Evacuation::Wait(_)), "broker 2 may come back");
}

#[test]
fn the_only_copy_is_not_abandoned() {
    let Evacuation::Refuse(why) = evacuate(&cluster(&[1, 2], &["a: 0/0"]), &[]) else { panic!("refused") };
    assert!(why.contains("the only complete copy of a-0 is on broker 0, which is down"), "{why}");
}

#[test]
fn moves_go_in_portions() {
    let partitions = vec!["a: 0/0"; 80];
    let Evacuation::Move(moves, _) = evacuate(&cluster(&[0, 1, 2], &partitions), &[]) else {
        panic!("moves")
    };
    assert_eq!(moves.len(), 50);
}
