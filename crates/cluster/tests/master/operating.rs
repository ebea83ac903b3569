//! What operators do to agents, and what those who watch are told.

use std::collections::BTreeMap;

use cairn_cluster::master::{Input, StreamKey};
use serde_json::{Value, json};

use crate::scene::{Client, Scene, accept, capable, command_task, launch};

fn running(scene: &mut Scene) -> (Client, cairn_cluster::master::LinkKey, String) {
    let link = scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let offer = scene.one_offer(&client);
    scene.call(&client, accept(&offer, vec![launch(vec![command_task("t", &offer, 1.0)])], 0.0));
    for status in scene.statuses(&client) {
        scene.acknowledge(&client, &status);
    }
    let agent = scene.agent_id(link);
    (client, link, agent)
}

fn on(kind: &str, agent: &str) -> Value {
    json!({"type": kind.to_uppercase(), kind: {"agent_id": {"value": agent}}})
}

fn shown(scene: &mut Scene, agent: &str) -> Value {
    let agents = scene.operator(json!({"type": "GET_AGENTS"}))["get_agents"]["agents"].clone();
    let all = agents.as_array().unwrap().iter();
    all.clone().find(|one| one["agent_info"]["id"]["value"] == agent).cloned().unwrap_or(Value::Null)
}

#[test]
fn an_agent_is_drained_and_comes_back() {
    let mut scene = Scene::new();
    let (client, _, agent) = running(&mut scene);
    assert_eq!(scene.operator(on("drain_agent", &agent)), "Ok");
    assert_eq!(shown(&mut scene, &agent)["drain_info"]["state"], "DRAINING");
    let killed = scene.statuses(&client).pop().unwrap();
    assert_eq!(killed["state"], "TASK_KILLED");
    scene.acknowledge(&client, &killed);
    let drained = shown(&mut scene, &agent);
    assert_eq!((&drained["drain_info"]["state"], &drained["active"]), (&json!("DRAINED"), &json!(false)));
    scene.pass(30.0);
    assert!(scene.offers(&client).is_empty());
    // The decision is remembered.
    let agents = scene.restart();
    for agent in agents {
        scene.join(agent);
    }
    let client = scene.subscribe(capable("other", "r"));
    assert!(scene.offers(&client).is_empty());
    assert_eq!(scene.operator(on("reactivate_agent", &agent)), "Ok");
    assert_eq!(scene.offers(&client).len(), 1);
    assert!(scene.operator(on("drain_agent", "nobody")).to_string().contains("Unknown agent"));
}

#[test]
fn an_agent_that_is_gone_never_comes_back() {
    let mut scene = Scene::new();
    let (client, link, agent) = running(&mut scene);
    let simulated = scene.agents[&link].clone();
    assert_eq!(scene.operator(on("mark_agent_gone", &agent)), "Ok");
    let events = scene.events(&client);
    let status = &events.iter().find(|event| event["type"] == "UPDATE").unwrap()["update"]["status"];
    assert_eq!(status["state"], "TASK_GONE_BY_OPERATOR");
    assert_eq!(status["reason"], "REASON_AGENT_REMOVED_BY_OPERATOR");
    assert!(events.iter().any(|event| event["type"] == "FAILURE"));
    scene.join(simulated);
    assert_eq!(shown(&mut scene, &agent), Value::Null);
    let asked = json!({"tasks": [{"task_id": {"value": "zz"}, "agent_id": {"value": agent}}]});
    scene.call(&client, json!({"type": "RECONCILE", "reconcile": asked}));
    assert_eq!(scene.statuses(&client)[0]["state"], "TASK_GONE_BY_OPERATOR");
    assert_eq!(scene.operator(on("mark_agent_gone", &agent)), "Ok");
}

#[test]
fn who_begins_to_use_a_machine_that_goes_away_is_asked_to_leave_it() {
    let mut scene = Scene::new();
    scene.add_agent();
    let window =
        json!({"machine_ids": [{"hostname": "localhost"}], "unavailability": {"start": {"nanoseconds": 1}}});
    let update = json!({"schedule": {"windows": [window]}});
    scene.operator(json!({"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": update}));
    let client = scene.subscribe(capable("fw", "r"));
    let offer = scene.one_offer(&client);
    assert_eq!(offer["unavailability"]["start"]["nanoseconds"], 1);
    scene.call(&client, accept(&offer, vec![launch(vec![command_task("t", &offer, 1.0)])], 3600.0));
    scene.pass(0.1);
    let asked = |scene: &mut Scene| -> usize {
        scene.events(&client).iter().filter(|event| event["type"] == "INVERSE_OFFERS").count()
    };
    assert_eq!(asked(&mut scene), 1);
    scene.pass(60.0);
    assert_eq!(asked(&mut scene), 0, "once, as long as there is no answer");
}

#[test]
fn machines_that_are_down_keep_their_agents_away() {
    let mut scene = Scene::new();
    let (client, link, agent) = running(&mut scene);
    let simulated = scene.agents[&link].clone();
    let machine = json!({"hostname": "localhost"});
    let window = json!({"machine_ids": [machine], "unavailability": {"start": {"nanoseconds": 1}}});
    let update = json!({"schedule": {"windows": [window]}});
    let start = json!({"type": "START_MAINTENANCE", "start_maintenance": {"machines": [machine]}});
    assert!(scene.operator(start.clone()).to_string().contains("400"));
    scene.events(&client);
    scene.operator(json!({"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": update}));
    let kinds: Vec<Value> = scene.events(&client).iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["RESCIND", "OFFERS", "INVERSE_OFFERS"]);
    assert_eq!(scene.operator(start), "Ok");
    scene.join(simulated.clone());
    assert_eq!(shown(&mut scene, &agent), Value::Null);
    let stop = json!({"type": "STOP_MAINTENANCE", "stop_maintenance": {"machines": [machine]}});
    assert_eq!(scene.operator(stop), "Ok");
    scene.join(simulated);
    assert_eq!(shown(&mut scene, &agent)["active"], true);
}

#[test]
fn who_watches_is_told_of_everything_once() {
    let mut scene = Scene::new();
    let stream = StreamKey(1_000);
    scene.streams.insert(stream, crate::scene::Stream::default());
    scene.step(Input::Watch { stream });
    let (client, link, agent) = running(&mut scene);
    scene.end(link, &client.id, "t", cairn_mesos::v1::TaskState::TaskFinished);
    scene.operator(json!({"type": "TEARDOWN", "teardown": {"framework_id": {"value": client.id}}}));
    scene.says(link, cairn_cluster::wire::FromAgent::Unregister);
    let events = std::mem::take(&mut scene.streams.get_mut(&stream).unwrap().events);
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let expected = [
        "SUBSCRIBED",
        "HEARTBEAT",
        "AGENT_ADDED",
        "FRAMEWORK_ADDED",
        "TASK_ADDED",
        "TASK_UPDATED",
        "TASK_UPDATED",
        "FRAMEWORK_REMOVED",
        "AGENT_REMOVED",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(events[8]["agent_removed"]["agent_id"]["value"], agent);
    scene.pass(16.0);
    assert_eq!(scene.streams[&stream].events.back().unwrap()["type"], "HEARTBEAT");
    scene.step(Input::StreamClosed { stream });
    scene.add_agent();
    assert_ne!(scene.streams[&stream].events.back().unwrap()["type"], "AGENT_ADDED");
}

#[test]
fn who_watches_is_told_of_an_agent_that_was_taken_for_lost_and_is_back() {
    let mut scene = Scene::new();
    let stream = StreamKey(1_000);
    scene.streams.insert(stream, crate::scene::Stream::default());
    let (_, link, agent) = running(&mut scene);
    scene.step(Input::Watch { stream });
    let kinds = |scene: &mut Scene| -> Vec<Value> {
        let events = std::mem::take(&mut scene.streams.get_mut(&stream).unwrap().events);
        let kinds = events.iter().map(|event| event["type"].clone());
        kinds.filter(|kind| kind.as_str().unwrap().starts_with("AGENT")).collect()
    };
    // One that is back in time was never away.
    let simulated = scene.lose(link);
    let link = scene.join(simulated);
    assert_eq!(kinds(&mut scene), Vec::<Value>::new());
    let simulated = scene.lose(link);
    scene.pass(80.0);
    assert_eq!(kinds(&mut scene), ["AGENT_REMOVED"]);
    scene.join(simulated);
    assert_eq!(kinds(&mut scene), ["AGENT_ADDED"]);
    assert_eq!(shown(&mut scene, &agent)["active"], true);
}

#[test]
fn an_agent_that_a_new_master_knows_from_the_registry_registers_again() {
    let mut scene = Scene::new();
    let (_, _, agent) = running(&mut scene);
    let simulated = scene.restart().remove(0);
    let agents = scene.operator(json!({"type": "GET_AGENTS"}))["get_agents"].clone();
    assert_eq!(agents["recovered_agents"][0]["checkpoint"], true);
    scene.join(simulated);
    assert!(shown(&mut scene, &agent)["reregistered_time"].is_object());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut scene = Scene::new();
    let window = |machines: Value, duration: i64| {
        let unavailability = json!({"start": {"nanoseconds": 1}, "duration": {"nanoseconds": duration}});
        let windows = json!([{"machine_ids": machines, "unavailability": unavailability}]);
        json!({"type": "UPDATE_MAINTENANCE_SCHEDULE",
               "update_maintenance_schedule": {"schedule": {"windows": windows}}})
    };
    let machine = json!([{"hostname": "h"}]);
    let weight = |role: &str| json!({"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": role, "weight": 2.0}]}});
    let quota =
        |role: &str| json!({"type": "UPDATE_QUOTA", "update_quota": {"quota_configs": [{"role": role}]}});
    let refused = [
        window(json!([]), 1),
        window(machine.clone(), -1),
        weight(""),
        weight("a b"),
        weight("a//b"),
        quota("*"),
        quota("/a"),
    ];
    for call in refused {
        let answer = scene.operator(call.clone()).to_string();
        assert!(answer.contains("400"), "{call}: {answer}");
    }
    assert_eq!(scene.operator(window(machine, 1)), "Ok");
    assert_eq!(scene.operator(weight("a/b")), "Ok");
    assert_eq!(scene.operator(quota("a/b")), "Ok");
}

/// What tools for graphs and alarms read: everything a framework has done is counted under its name.
#[test]
fn what_a_framework_does_is_counted_under_its_name() {
    let mut scene = Scene::new();
    let mut info = capable("my fw", "r");
    info["principal"] = json!("p");
    let link = scene.add_agent();
    let client = scene.subscribe(info);
    let offer = scene.one_offer(&client);
    let metrics = |scene: &mut Scene| -> BTreeMap<String, f64> {
        let shown = scene.operator(json!({"type": "GET_METRICS", "get_metrics": {}}))["get_metrics"].take();
        let named = |one: &Value| (one["name"].as_str().unwrap().to_owned(), one["value"].as_f64().unwrap());
        shown["metrics"].as_array().unwrap().iter().map(named).collect()
    };
    let prefix = format!("master/frameworks/my%20fw/{}", client.id);
    let counted = metrics(&mut scene);
    assert_eq!(counted[&format!("{prefix}/offers/sent")], 1.0);
    assert_eq!(counted["allocator/mesos/roles/r/shares/dominant"], 1.0, "all there is, is on offer");
    let mut wrong = command_task("wrong", &offer, 1.0);
    wrong["agent_id"]["value"] = json!("elsewhere");
    let tasks = vec![command_task("t", &offer, 1.0), wrong];
    let mem = json!([{"name": "mem", "type": "SCALAR", "scalar": {"value": 64}, "allocation_info": {"role": "r"},
        "reservations": [{"type": "DYNAMIC", "role": "r", "principal": "p"}]}]);
    let reserve = json!({"type": "RESERVE", "reserve": {"resources": mem}});
    let invalid = json!({"type": "UNRESERVE", "unreserve": {"resources": []}});
    scene.call(&client, accept(&offer, vec![reserve, invalid, launch(tasks)], 1_000.0));
    for status in scene.statuses(&client) {
        if status["uuid"].is_string() {
            scene.acknowledge(&client, &status);
        }
    }
    scene.end(link, &client.id, "t", cairn_mesos::v1::TaskState::TaskFinished);
    let counted = metrics(&mut scene);
    for (name, expected) in [
        ("subscribed", 1.0),
        ("calls/subscribe", 1.0),
        ("calls/accept", 1.0),
        ("events/subscribed", 1.0),
        ("offers/accepted", 1.0),
        ("offers/declined", 0.0),
        ("operations/reserve", 1.0),
        ("operations/unreserve", 0.0),
        ("operations/launch", 1.0),
        ("operations", 2.0),
        ("tasks/terminal/task_finished", 1.0),
        ("tasks/active/task_running", 0.0),
        ("roles/r/suppressed", 0.0),
    ] {
        assert_eq!(counted.get(&format!("{prefix}/{name}")), Some(&expected), "{name}");
    }
    for (name, expected) in [
        ("master/operations/reserve/finished", 1.0),
        ("master/operations/unreserve/error", 1.0),
        ("master/operations/total", 2.0),
        ("master/task_error/source_master/reason_task_invalid", 1.0),
        ("master/tasks_error", 1.0),
        ("master/invalid_status_updates", 0.0),
        ("allocator/mesos/offer_filters/roles/r/active", 1.0),
        ("frameworks/p/messages_received", 0.0),
    ] {
        assert_eq!(counted.get(name), Some(&expected), "{name}");
    }
    scene.operator(json!({"type": "TEARDOWN", "teardown": {"framework_id": {"value": client.id}}}));
    let counted = metrics(&mut scene);
    assert_eq!(
        counted.get(&format!("{prefix}/subscribed")),
        Some(&0.0),
        "it is shown as long as it is known"
    );
}
