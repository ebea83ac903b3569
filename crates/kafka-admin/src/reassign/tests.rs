use super::*;
use proptest::prelude::*;

fn assignment(partition: i32, replicas: &[i32]) -> Assignment {
    Assignment { topic: "t".into(), partition, replicas: replicas.to_vec() }
}

fn brokers(n: i32, racks: i32) -> Brokers {
    (0..n).map(|id| (id, (racks > 0).then(|| format!("r{}", id % racks.max(1))))).collect()
}

fn applied(current: &[Assignment], moves: &[Assignment]) -> Vec<Assignment> {
    let moved = |a: &Assignment| moves.iter().find(|m| m.partition == a.partition).unwrap_or(a).clone();
    current.iter().map(moved).collect()
}

fn counts(all: &[Assignment], brokers: &Brokers) -> Vec<usize> {
    let on = |id: &i32| all.iter().filter(|a| a.replicas.contains(id)).count();
    brokers.keys().map(on).collect()
}

fn spread_of(counts: &[usize]) -> usize {
    counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0)
}

#[test]
fn a_drained_broker_is_inherited_by_the_least_loaded() {
    let current =
        [assignment(0, &[0, 1]), assignment(1, &[2, 0]), assignment(2, &[1, 2]), assignment(3, &[1, 2])];
    let moves = drain(&current, 0, &brokers(4, 0)).unwrap();
    assert_eq!(moves, [assignment(0, &[3, 1]), assignment(1, &[2, 3])]);
}

#[test]
fn too_few_brokers_are_refused_by_name() {
    let error = drain(&[assignment(0, &[0, 1, 2])], 0, &brokers(3, 0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "topic t keeps 3 copies of each partition, and 2 brokers would be there for them"
    );
    assert!(spread(&[assignment(0, &[0])], &brokers(2, 0), Some(3)).is_err());
}

#[test]
fn an_heir_is_taken_from_a_rack_of_its_own() {
    // Racks: 0 and 2 in r0, 1 and 3 in r1, 4 in r0. Broker 1 leaves; its sister is in r0, so 3 it is.
    let moves = drain(&[assignment(0, &[0, 1])], 1, &brokers(5, 2)).unwrap();
    assert_eq!(moves, [assignment(0, &[0, 3])]);
}

#[test]
fn a_new_broker_gets_its_share_and_no_more_moves_than_that() {
    let current: Vec<_> = (0..8).map(|p| assignment(p, &[p % 2])).collect();
    let moves = spread(&current, &brokers(4, 0), None).unwrap();
    assert_eq!(moves.len(), 4);
    assert_eq!(counts(&applied(&current, &moves), &brokers(4, 0)), [2, 2, 2, 2]);
    assert!(spread(&applied(&current, &moves), &brokers(4, 0), None).unwrap().is_empty());
}

#[test]
fn a_move_under_way_counts_as_done() {
    let mut cluster = Cluster::default();
    let state = crate::PartitionState { replicas: vec![1, 2, 0], ..Default::default() };
    cluster.topics.entry("t".into()).or_default().partitions.insert(0, state);
    let ongoing = Ongoing { topic: "t".into(), partition: 0, adding: vec![2], removing: vec![0] };
    assert_eq!(current(&cluster, &[ongoing]), [assignment(0, &[1, 2])]);
}

prop_compose! {
    /// Partitions with replicas on distinct brokers of `0..n`.
    fn layout()(n in 2_i32..7, racks in 0_i32..4)(
        n in Just(n),
        racks in Just(racks),
        replicas in prop::collection::vec(
            (prop::sample::subsequence((0..n).collect::<Vec<_>>(), 1..=n as usize), any::<bool>()), 1..25),
    ) -> (i32, i32, Vec<Assignment>) {
        let flip = |mut r: Vec<i32>, f: bool| { if f { r.reverse(); } r };
        let all = replicas.into_iter().zip(0..).map(|((r, f), p)| assignment(p, &flip(r, f))).collect();
        (n, racks, all)
    }
}

proptest! {
    #[test]
    fn a_drain_keeps_all_but_the_leaver((n, racks, current) in layout()) {
        let all = brokers(n, racks);
        let fits = current.iter().all(|a| !a.replicas.contains(&0) || a.replicas.len() < all.len());
        let Ok(moves) = drain(&current, 0, &all) else {
            prop_assert!(!fits);
            return Ok(());
        };
        prop_assert!(fits);
        prop_assert_eq!(moves.len(), current.iter().filter(|a| a.replicas.contains(&0)).count());
        for (old, new) in current.iter().zip(applied(&current, &moves)) {
            prop_assert!(!new.replicas.contains(&0));
            prop_assert_eq!(old.replicas.len(), new.replicas.len());
            prop_assert_eq!(new.replicas.iter().collect::<BTreeSet<_>>().len(), new.replicas.len());
            for (o, w) in old.replicas.iter().zip(&new.replicas) {
                prop_assert!(o == w || *o == 0);
            }
        }
    }

    #[test]
    fn single_copies_are_drained_evenly(n in 3_i32..8, partitions in 1_i32..40) {
        let all = brokers(n, 0);
        let current: Vec<_> = (0..partitions).map(|p| assignment(p, &[p % n])).collect();
        let moves = drain(&current, 0, &all).unwrap();
        let counts = counts(&applied(&current, &moves), &all);
        prop_assert!(spread_of(&counts[1..]) <= 1, "{:?}", counts);
    }

    #[test]
    fn a_spread_is_even_and_settled((n, racks, current) in layout(), grow in 0_i32..3, copies in 1_usize..4) {
        let all = brokers(n + grow, racks);
        let copies = copies.min(all.len());
        let moves = spread(&current, &all, Some(copies)).unwrap();
        let after = applied(&current, &moves);
        for a in &after {
            prop_assert_eq!(a.replicas.len(), copies);
            prop_assert_eq!(a.replicas.iter().collect::<BTreeSet<_>>().len(), copies);
            prop_assert!(a.replicas.iter().all(|id| all.contains_key(id)));
        }
        if racks == 0 {
            prop_assert!(spread_of(&counts(&after, &all)) <= 1);
        }
        let load = Load::of(&after, &all);
        let racks_there = all.values().flatten().collect::<BTreeSet<_>>().len();
        if racks_there >= copies {
            for a in &after {
                for id in &a.replicas {
                    let others: Vec<i32> = a.replicas.iter().copied().filter(|o| o != id).collect();
                    prop_assert_eq!(load.shared_rack(*id, &others), 0);
                }
            }
        }
        prop_assert!(spread(&after, &all, Some(copies)).unwrap().is_empty());
    }
}
