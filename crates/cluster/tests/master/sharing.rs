//! Who is offered what, as it was recorded with Apache Mesos (18-fair-sharing): one agent of 6 cpus, 6000 MiB.

use cairn_cluster::sim::SimAgent;
use cairn_mesos::resources::Resources;
use serde_json::{Value, json};

use crate::scene::{Client, Scene, accept, amount, capable, decline, launch, scalar};

fn scene() -> Scene {
    let mut scene = Scene::new();
    let resources: Resources = "cpus:6;mem:6000;disk:6000;ports:[31000-31100]".parse().unwrap();
    scene.join(SimAgent::new("localhost", resources.to_vec()));
    scene
}

fn subscribe(scene: &mut Scene, names: &[(&str, &str)]) -> Vec<Client> {
    names.iter().map(|(name, role)| scene.subscribe(capable(name, role))).collect()
}

/// Everybody launches a task of half a cpu on each offer that has room for it, and refuses the others for no time. How
/// many tasks each has in the end.
fn deal(scene: &mut Scene, clients: &[Client]) -> Vec<usize> {
    let mut dealt = vec![0; clients.len()];
    for round in 0..40 {
        scene.pass(0.3);
        for (number, client) in clients.iter().enumerate() {
            for offer in offers(scene, client) {
                if amount(&offer, "cpus") < 0.5 || amount(&offer, "mem") < 100.0 {
                    scene.call(client, decline(&offer, 0.0));
                    continue;
                }
                dealt[number] += 1;
                let id = format!("t{round}-{number}-{}", dealt[number]);
                let task = json!({"name": id, "task_id": {"value": id}, "agent_id": offer["agent_id"],
                    "resources": [scalar("cpus", 0.5), scalar("mem", 100.0)],
                    "command": {"shell": true, "value": "sleep 1000"}});
                scene.call(client, accept(&offer, vec![launch(vec![task])], 0.0));
            }
        }
    }
    dealt
}

/// The offers that have come and have not been taken back.
fn offers(scene: &mut Scene, client: &Client) -> Vec<Value> {
    let mut offers: Vec<Value> = Vec::new();
    for event in scene.events(client) {
        if event["type"] == "OFFERS" {
            offers.extend(event["offers"]["offers"].as_array().unwrap().iter().cloned());
        } else if event["type"] == "RESCIND" {
            offers.retain(|offer| offer["id"] != event["rescind"]["offer_id"]);
        }
    }
    offers
}

fn set_weight(scene: &mut Scene, role: &str, weight: f64) {
    let call = json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": role, "weight": weight}]}});
    assert_eq!(scene.operator(call), "Ok");
}

#[test]
fn equal_roles_are_asked_in_turn_when_all_decline() {
    let mut scene = scene();
    let clients = subscribe(&mut scene, &[("fa", "a"), ("fb", "b"), ("fc", "c")]);
    let mut asked = Vec::new();
    for _ in 0..200 {
        scene.pass(0.1);
        for (number, client) in clients.iter().enumerate() {
            for offer in offers(&mut scene, client) {
                asked.push(number);
                scene.call(client, decline(&offer, 0.0));
            }
        }
    }
    let rounds: Vec<&[usize]> = asked.chunks_exact(3).collect();
    assert!(rounds.len() > 10 && rounds.iter().all(|round| *round == [0, 1, 2]), "{asked:?}");
}

#[test]
fn equal_roles_get_equal_parts() {
    let mut scene = scene();
    let clients = subscribe(&mut scene, &[("fa", "a"), ("fb", "b"), ("fc", "c")]);
    assert_eq!(deal(&mut scene, &clients), [4, 4, 4]);
}

#[test]
fn weights_count_between_roles_and_not_within_them() {
    let mut two = scene();
    set_weight(&mut two, "a", 2.0);
    let clients = subscribe(&mut two, &[("fa", "a"), ("fb", "b")]);
    assert_eq!(deal(&mut two, &clients), [8, 4]);

    let mut three = scene();
    set_weight(&mut three, "a", 2.0);
    let clients = subscribe(&mut three, &[("fa1", "a"), ("fa2", "a"), ("fb", "b")]);
    assert_eq!(deal(&mut three, &clients), [4, 4, 4]);
}

#[test]
fn what_is_promised_to_one_role_is_not_offered_to_another() {
    let mut scene = scene();
    let quota = json!({"cpus": {"value": 2}, "mem": {"value": 500}});
    let config = json!({"role": "b", "guarantees": quota, "limits": quota});
    let call = json!({"type": "UPDATE_QUOTA", "update_quota": {"quota_configs": [config]}});
    assert_eq!(scene.operator(call), "Ok");
    let first = scene.subscribe(capable("fa", "a"));
    let offer = scene.one_offer(&first);
    assert_eq!(
        (amount(&offer, "cpus"), amount(&offer, "mem"), amount(&offer, "disk")),
        (4.0, 5500.0, 6000.0)
    );
    scene.call(&first, decline(&offer, 0.0));
    let second = scene.subscribe(capable("fb", "b"));
    let offer = scene.one_offer(&second);
    assert_eq!((amount(&offer, "cpus"), amount(&offer, "mem")), (2.0, 500.0));
    scene.call(&second, decline(&offer, 0.0));
    assert_eq!(deal(&mut scene, &[first, second]), [8, 4]);
}

#[test]
fn quota_and_weights_survive_the_master() {
    let mut scene = scene();
    set_weight(&mut scene, "a/x", 3.5);
    let config = json!({"role": "b", "limits": {"cpus": {"value": 1.5}}});
    scene.operator(json!({"type": "UPDATE_QUOTA", "update_quota": {"quota_configs": [config]}}));
    let before = ["GET_WEIGHTS", "GET_QUOTA"].map(|kind| scene.operator(json!({"type": kind})));
    scene.restart();
    let after = ["GET_WEIGHTS", "GET_QUOTA"].map(|kind| scene.operator(json!({"type": kind})));
    assert_eq!(before, after);
    assert_eq!(after[1]["get_quota"]["status"]["configs"][0]["limits"]["cpus"]["value"], 1.5);
}

#[test]
fn quota_that_makes_no_sense_is_refused() {
    let mut scene = scene();
    for (config, hint) in [
        (
            json!({"role": "b", "guarantees": {"cpus": {"value": 2}}, "limits": {"cpus": {"value": 1}}}),
            "exceeds its limit",
        ),
        (json!({"role": "b", "guarantees": {"cpus": {"value": 7}}}), "force"),
        (json!({"role": "b", "limits": {"cpus": {"value": -1}}}), "Invalid amount"),
        (json!({"role": "*", "limits": {}}), "role"),
    ] {
        let call = json!({"type": "UPDATE_QUOTA", "update_quota": {"quota_configs": [config]}});
        let answer = scene.operator(call).to_string();
        assert!(answer.contains("400") && answer.contains(hint), "{answer}");
    }
}
