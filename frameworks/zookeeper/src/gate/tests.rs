//! Decision tables: an ensemble in one line, the answer in another.

use std::collections::BTreeMap;

use cairn_framework::kit::founding::{CLUSTER, FOUNDERS};
use cairn_framework::{Action, Ask, Config, InstanceStatus, Moment, Placement, Verdict, kit};
use cairn_zookeeper_admin::{Mode, Monitor, Report};
use serde_json::json;

use super::*;
use crate::formation::MEMBERS;

fn place(id: ServerId) -> Placement {
    let ports = [("client", 1), ("quorum", 2), ("election", 3)];
    Placement {
        address: format!("10.0.0.{id}"),
        ports: ports.map(|(n, p)| (n.to_owned(), p)).into(),
        ..Placement::default()
    }
}

/// An ensemble: `target` servers are wanted, `up` serve (the first leads), `members` belong to it.
struct Case {
    view: View,
    ensemble: Ensemble,
}

fn case(target: u32, up: &[ServerId], members: &[ServerId]) -> Case {
    let servers: BTreeMap<_, _> =
        members.iter().map(|id| (*id, server_line(&place(*id), Role::Participant).unwrap())).collect();
    let members = Members { version: 7, servers };
    let synced = up.iter().filter(|id| members.servers.contains_key(id)).count().saturating_sub(1);
    let monitor = Monitor {
        peer_state: "leading - broadcast".into(),
        synced_followers: u32::try_from(synced).unwrap(),
        pending_syncs: 0,
    };
    let report = |at: usize| Report {
        mode: if at == 0 { Mode::Leader } else { Mode::Follower },
        zxid: String::new(),
        monitor: monitor.clone(),
        members: members.clone(),
    };
    let servers = up.iter().enumerate().map(|(at, id)| (*id, Ok(report(at)))).collect();
    let mut view = View { target: (1..=target).map(name_of).collect(), ..View::default() };
    for id in (1..=target).chain(up.iter().copied()).chain(members.servers.keys().copied()) {
        let task_id = up.contains(&id).then(|| "t".to_owned());
        let status =
            InstanceStatus { name: name_of(id), placement: Some(place(id)), task_id, ..Default::default() };
        view.instances.insert(name_of(id), status);
    }
    view.facts.insert(CLUSTER.into(), json!("1"));
    if !up.is_empty() {
        view.observed.insert(MEMBERS.into(), json!(members).into());
    }
    Case { view, ensemble: Ensemble { servers } }
}

impl Case {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn monitor(self, change: impl Fn(&mut Monitor)) -> Self {
        self.with(|case| {
            case.ensemble
                .servers
                .values_mut()
                .filter_map(|s| s.as_mut().ok())
                .for_each(|r| change(&mut r.monitor));
        })
    }

    fn needs_restart(self, ids: &[ServerId]) -> Self {
        self.with(|case| {
            for id in ids {
                case.view.instances.get_mut(&name_of(*id)).unwrap().needs_restart = true;
            }
        })
    }

    fn decide(&self, moment: Moment, action: Action, id: ServerId) -> String {
        let ask = Ask {
            moment,
            action,
            instance: name_of(id),
            config: Config::default(),
            view: self.view.clone().into(),
        };
        tell(kit::decide(&ZooKeeper, &ask, &self.look(&Options::default())))
    }

    fn look<'a>(&'a self, options: &'a Options) -> Look<'a> {
        Look { options, view: &self.view, survey: &self.ensemble }
    }

    fn before(&self, action: Action, id: ServerId) -> String {
        self.decide(Moment::Before, action, id)
    }

    fn after(&self, action: Action, id: ServerId) -> String {
        self.decide(Moment::After, action, id)
    }
}

fn tell(decision: Decision<Act>) -> String {
    match decision {
        Decision::Say(Verdict::Go) => "go".into(),
        Decision::Say(Verdict::Wait(reason) | Verdict::Refuse(reason)) => reason,
        Decision::Note(_) => "note".into(),
        Decision::Run(errand) => errand.what,
        Decision::Do(Act { change, via, version }) => format!("{change} via {via} at {version}"),
    }
}

#[test]
fn restart_one_at_a_time_and_the_leader_last() {
    use Action::Restart;
    let well = case(3, &[1, 2, 3], &[1, 2, 3]);
    assert_eq!(well.before(Restart, 2), "go");
    assert_eq!(well.before(Restart, 1), "go", "the leader, when nobody else needs it");
    let rolling = case(3, &[1, 2, 3], &[1, 2, 3]).needs_restart(&[1, 2, 3]);
    assert_eq!(rolling.before(Restart, 1), "it leads the ensemble: server-2 goes first");
    assert_eq!(rolling.before(Restart, 3), "go");

    let missing = case(3, &[1, 2], &[1, 2, 3]);
    assert_eq!(missing.before(Restart, 2), "server-3 does not serve, and no other may be missing meanwhile");
    assert_eq!(missing.before(Restart, 3), "go", "who does not serve is not missed");
    assert_eq!(
        case(5, &[1, 2, 3, 4], &[1, 2, 3, 4, 5]).before(Restart, 2).split(' ').next(),
        Some("server-5")
    );
    assert_eq!(case(1, &[1], &[1]).before(Restart, 1), "go");
    assert_eq!(case(3, &[], &[1, 2, 3]).before(Restart, 1), "go", "a new configuration may be the cure");
}

#[test]
fn restart_waits_for_those_that_catch_up() {
    let syncing = case(3, &[1, 2, 3], &[1, 2, 3]).monitor(|m| m.pending_syncs = 1);
    assert_eq!(syncing.before(Action::Restart, 2), "1 followers are being brought up to date");
    let behind = case(3, &[1, 2, 3], &[1, 2, 3]).monitor(|m| m.synced_followers = 1);
    assert_eq!(behind.before(Action::Restart, 2), "1 of 2 followers are in step");
    let starting =
        case(3, &[1, 2, 3], &[1, 2, 3]).monitor(|m| m.peer_state = "leading - synchronization".into());
    assert!(starting.before(Action::Restart, 2).contains("is not ready yet: leading - synchronization"));
    let headless = case(3, &[1, 2, 3], &[1, 2, 3]).with(|c| {
        c.ensemble.servers.values_mut().for_each(|s| s.as_mut().unwrap().mode = Mode::Follower);
    });
    assert_eq!(headless.before(Action::Restart, 2), "the ensemble has no leader");
}

#[test]
fn after_a_restart_all_are_in_step_again() {
    assert_eq!(case(3, &[1, 2, 3], &[1, 2, 3]).after(Action::Restart, 2), "go");
    assert_eq!(case(3, &[1, 3], &[1, 2, 3]).after(Action::Restart, 2), "it has no task");
    let behind = case(3, &[1, 2, 3], &[1, 2, 3]).monitor(|m| m.synced_followers = 1);
    assert_eq!(behind.after(Action::Restart, 2), "1 of 2 followers are in step");
}

#[test]
fn stop_leaves_a_quorum() {
    assert_eq!(case(3, &[1, 2, 3], &[1, 2, 3]).before(Action::Stop, 1), "go");
    let answer = case(3, &[1, 2], &[1, 2, 3]).before(Action::Stop, 1);
    assert_eq!(answer, "1 of 3 servers would be left, which is no quorum; an operator may force it");
    assert_eq!(case(5, &[1, 2, 3, 4], &[1, 2, 3, 4, 5]).before(Action::Stop, 4), "go");
    assert_eq!(case(1, &[1], &[1]).before(Action::Stop, 1), "go");
}

#[test]
fn founders_start_together() {
    let founding = |names: &[&str]| {
        case(3, &[], &[]).with(|c| {
            c.view.facts = [(FOUNDERS.to_owned(), json!(names))].into();
            // A place is looked for only when the gate is open.
            c.view.instances.values_mut().for_each(|i| i.placement = None);
        })
    };
    for id in 1..=3 {
        assert_eq!(founding(&["server-1", "server-2", "server-3"]).before(Action::Launch, id), "go");
    }
    assert_eq!(
        founding(&["server-1"]).before(Action::Launch, 2),
        "it joins as soon as the cluster is founded"
    );
}

#[test]
fn when_nobody_can_tell_only_a_quorum_starts() {
    let unclear = case(3, &[], &[]);
    assert_eq!(unclear.before(Action::Launch, 1), "go");
    assert_eq!(unclear.before(Action::Launch, 2), "go");
    assert_eq!(unclear.before(Action::Launch, 3), "it joins as soon as the ensemble serves");
    let unseen = case(3, &[], &[]).with(|c| c.view.facts.clear());
    assert_eq!(unseen.before(Action::Launch, 1), "it is being looked whether the cluster exists");
}

#[test]
fn joiners_come_one_by_one() {
    use Action::Launch;
    let growing = case(5, &[1, 2, 3], &[1, 2, 3]);
    assert_eq!(growing.before(Launch, 4), "go");
    assert_eq!(growing.before(Launch, 5), "server-4 joins first");
    let joined = case(5, &[1, 2, 3, 4], &[1, 2, 3]);
    assert_eq!(joined.after(Launch, 4), "adding server-4 via 1 at 7");
    assert_eq!(case(5, &[1, 2, 3, 4], &[1, 2, 3, 4]).after(Launch, 4), "go");
    let unwell = case(5, &[1, 2], &[1, 2, 3]);
    assert_eq!(unwell.before(Launch, 4), "server-3 does not serve, and no other may be missing meanwhile");
    let stale = case(5, &[1, 2, 3, 4], &[1, 2, 3, 4]).with(|c| {
        c.view.observed.insert(MEMBERS.into(), json!(Members { version: 6, ..Members::default() }).into());
    });
    assert_eq!(stale.before(Launch, 5), "note");
}

#[test]
fn a_replaced_server_joins_from_its_new_place() {
    let moved = case(3, &[1, 2], &[1, 2, 3]).with(|c| {
        c.view.instances.get_mut("server-3").unwrap().placement = Some(place(9));
    });
    assert_eq!(moved.before(Action::Launch, 3), "go", "its own absence does not count");
    let up = case(3, &[1, 2, 3], &[1, 2, 3]).with(|c| {
        c.view.instances.get_mut("server-3").unwrap().placement = Some(place(9));
    });
    assert_eq!(up.after(Action::Launch, 3), "adding server-3 via 1 at 7");
}

#[test]
fn who_leaves_is_removed_first_and_the_leader_last() {
    use Action::Remove;
    let shrinking = case(3, &[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5]);
    assert_eq!(shrinking.before(Remove, 4), "server-5 leaves first");
    assert_eq!(shrinking.before(Remove, 5), "removing server-5 via 1 at 7");
    let removed = case(3, &[1, 2, 3, 4, 5], &[1, 2, 3, 4]);
    assert_eq!(removed.before(Remove, 5), "go");
    assert_eq!(removed.before(Remove, 4), "removing server-4 via 1 at 7");

    let leads = case(3, &[5, 1, 2, 3, 4], &[1, 2, 3, 4, 5]);
    assert_eq!(leads.before(Remove, 5), "server-4 leaves first");
    let leads = case(3, &[5, 1, 2, 3], &[1, 2, 3, 5]);
    assert_eq!(leads.before(Remove, 5), "removing server-5 via 1 at 7", "asks one that stays");

    let dead = case(3, &[1, 2, 3, 4], &[1, 2, 3, 4, 5]);
    assert_eq!(dead.after(Remove, 5), "removing server-5 via 1 at 7");
    let unwell = case(3, &[1, 2, 4, 5], &[1, 2, 3, 4, 5]);
    assert_eq!(unwell.before(Remove, 5), "server-3 does not serve, and no other may be missing meanwhile");
    assert_eq!(case(3, &[], &[]).before(Remove, 4), "nobody serves, so the membership cannot be changed");
}

#[test]
fn settling_puts_right_what_was_forced() {
    let told = |case: Case| tell(settled(&case.view, &case.ensemble).into());
    assert_eq!(told(case(3, &[1, 2, 3], &[1, 2, 3])), "go");
    assert_eq!(told(case(3, &[1, 2, 3], &[1, 2, 3, 4])), "removing server-4 via 1 at 7");
    assert_eq!(told(case(3, &[1, 2, 3], &[1, 2])), "adding server-3 via 1 at 7");
    assert_eq!(told(case(3, &[1, 2], &[1, 2, 3])), "go", "a member that is down is the SDK's business");
    assert_eq!(told(case(3, &[], &[])), "nobody serves");
}
