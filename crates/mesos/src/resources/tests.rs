use proptest::prelude::*;

use super::*;
use crate::v1::resource::ReservationInfo;
use crate::v1::{Label, Labels};

fn labels(instance: &str) -> Labels {
    Labels { labels: vec![Label { key: "instance".into(), value: Some(instance.into()) }] }
}

fn any_resources() -> impl Strategy<Value = Resources> {
    let piece = (0usize..6, 0u32..5000, 0u64..40, 0u64..10).prop_map(|(kind, milli, begin, length)| {
        let amount = f64::from(milli) / 1000.0;
        match kind {
            0 => Resources::cpus(amount),
            1 => Resources::mem(amount).reserved("r", Some("p"), None),
            2 => Resources::mem(amount).reserved("r", Some("p"), Some(labels("a"))),
            3 => Resources::port_ranges(Ranges::new([(begin, begin + length)])),
            4 => Resources::disk(amount).reserved("r", None, None).as_volume("v", None, "data"),
            _ => Resources::cpus(amount).allocated("r"),
        }
    });
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.into_iter().sum())
}

proptest! {
    #[test]
    fn what_was_added_can_be_taken_away(a in any_resources(), b in any_resources()) {
        // Ports are sets: adding what is there already adds nothing, so let the two have none in common.
        let ports = a.total_ports();
        let b = b.filter(|resource| resource.name != "ports")
            + Resources::port_ranges(b.total_ports().difference(&ports));
        let sum = a.clone() + &b;
        prop_assert!(sum.contains(&a) && sum.contains(&b));
        prop_assert_eq!(sum.checked_sub(&b), Some(a.clone()));
        prop_assert_eq!(sum, b + a);
    }

    #[test]
    fn messages_and_back(a in any_resources()) {
        prop_assert_eq!(Resources::from(a.to_vec()), a);
    }

    #[test]
    fn reserving_and_unreserving_cancel(a in any_resources()) {
        prop_assert_eq!(a.reserved("x", Some("p"), Some(labels("i"))).unreserved(), a.clone());
        prop_assert_eq!(a.unallocated().allocated("y").unallocated(), a.unallocated());
    }

    #[test]
    fn taking_leaves_the_rest(a in any_resources(), milli in 0u32..5000) {
        let mut left = a.clone();
        match left.take_scalar("cpus", f64::from(milli) / 1000.0) {
            Some(taken) => prop_assert_eq!(left + taken, a),
            None => prop_assert!(left == a && a.total_cpus() < f64::from(milli) / 1000.0),
        }
    }

    #[test]
    fn ranges_behave_as_sets(a in proptest::collection::btree_set(0u64..60, 0..30),
                             b in proptest::collection::btree_set(0u64..60, 0..30)) {
        let (x, y): (Ranges, Ranges) = (a.iter().copied().collect(), b.iter().copied().collect());
        prop_assert!(x.union(&y).iter().eq(a.union(&b).copied()));
        prop_assert!(x.difference(&y).iter().eq(a.difference(&b).copied()));
        prop_assert_eq!(x.contains(&y), a.is_superset(&b));
        prop_assert_eq!(x.overlaps(&y), !a.is_disjoint(&b));
        prop_assert_eq!(x.count(), a.len() as u64);
    }
}

#[test]
fn a_tenth_three_times_is_three_tenths() {
    let sum: Resources = (0..3).map(|_| Resources::cpus(0.1)).sum();
    assert_eq!(sum.total_cpus(), 0.3);
    assert_eq!(sum.checked_sub(&Resources::cpus(0.3)), Some(Resources::new()));
    assert_eq!(Resources::cpus(0.0004), Resources::new());
}

#[test]
fn identity_keeps_apart_what_must_not_mix() {
    let plain = Resources::disk(64.0);
    let reserved = plain.reserved("r", Some("p"), Some(labels("a")));
    let other = plain.reserved("r", Some("p"), Some(labels("b")));
    let volume = reserved.as_volume("v", Some("p"), "data");
    for (a, b) in [(&plain, &reserved), (&reserved, &other), (&reserved, &volume)] {
        assert!(!a.contains(b) && !b.contains(a));
    }
    assert_eq!(volume.without_volume(), reserved);
    assert_eq!(volume.only_volumes(), volume);
    assert_eq!(volume.only_reserved("r"), volume);
    assert_eq!((plain.clone() + &volume).only_unreserved(), plain);
}

#[test]
fn volumes_go_whole_or_not_at_all() {
    let volume =
        |size: f64, id: &str| Resources::disk(size).reserved("r", None, None).as_volume(id, None, "data");
    assert!(!volume(64.0, "v").contains(&volume(32.0, "v")));
    let two = volume(64.0, "v") + volume(64.0, "w");
    assert_eq!(two.to_vec().len(), 2);
    assert_eq!(two.checked_sub(&volume(64.0, "v")), Some(volume(64.0, "w")));
    assert_eq!(two.clone().take_scalar("disk", 1.0), None);
}

#[test]
fn the_form_before_refinement_means_the_same() {
    let mut old = Resources::cpus(1.0).to_vec();
    old[0].role = Some("r".into());
    old[0].reservation = Some(ReservationInfo { principal: Some("p".into()), ..Default::default() });
    assert_eq!(Resources::from(old), Resources::cpus(1.0).reserved("r", Some("p"), None));
    let mut star = Resources::cpus(1.0).to_vec();
    star[0].role = Some("*".into());
    assert_eq!(Resources::from(star), Resources::cpus(1.0));
}

#[test]
fn text_is_read_and_written() {
    let text = "cpus:4;mem:8192;disk:40960;ports:[31000-31999]";
    let resources: Resources = text.parse().unwrap();
    assert_eq!(resources.to_string(), text);
    assert_eq!(resources.total_ports().count(), 1000);
    let roles: Resources = "cpus(ads):1.5; zones(*):{b,a}".parse().unwrap();
    assert_eq!(roles.to_string(), "cpus(ads):1.5;zones:{a,b}");
    for bad in ["cpus", "cpus:", ":4", "cpus:four", "ports:[5-1]", "ports:[1-x]", "ports:[1-2", "cpus:-1"] {
        assert!(bad.parse::<Resources>().is_err(), "{bad}");
    }
}

#[test]
fn attributes_are_read_and_written() {
    let text = "rack:r1;zone:z-1;level:10;free:[1-2]";
    let attributes = parse_attributes(text).unwrap();
    assert_eq!(attributes[0].text.as_ref().map(|text| text.value.as_str()), Some("r1"));
    assert_eq!(attributes[2].scalar.as_ref().map(|scalar| scalar.value), Some(10.0));
    assert_eq!(format_attributes(&attributes), text);
}

#[test]
fn ports_are_taken_with_their_identity() {
    let reserved = Resources::ports(&[31001]).reserved("r", None, None);
    let mut pool = Resources::ports(&[31000]) + &reserved;
    assert_eq!(pool.take_ports(&Ranges::new([(31001, 31002)])), None);
    assert_eq!(pool.take_ports(&Ranges::new([(31001, 31001)])), Some(reserved));
    assert_eq!(pool.take_any_ports(2), None);
    assert_eq!(pool.take_any_ports(1), Some(Resources::ports(&[31000])));
    assert!(pool.is_empty());
}
