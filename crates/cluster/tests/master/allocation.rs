//! When offers come, and to whom.

use cairn_cluster::master::Reply;
use cairn_mesos::v1::TaskState;
use serde_json::{Value, json};

use crate::scene::{Client, Scene, accept, amount, capable, command_task, decline, launch};

#[test]
fn a_refusal_holds_for_its_time_and_by_default_for_five_seconds() {
    for (seconds, before, after) in [(4.0, 3.9, 0.2), (-1.0, 4.9, 0.2), (600.0, 599.0, 1.1)] {
        let mut scene = Scene::new();
        scene.add_agent();
        let client = scene.subscribe(capable("fw", "r"));
        let offer = scene.one_offer(&client);
        scene.call(&client, decline(&offer, seconds));
        scene.pass(before);
        assert!(scene.offers(&client).is_empty(), "{seconds}");
        scene.pass(after);
        assert_eq!(scene.offers(&client).len(), 1, "{seconds}");
    }
}

#[test]
fn a_decline_for_no_time_does_not_spin() {
    let mut scene = Scene::new();
    scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let offer = scene.one_offer(&client);
    scene.call(&client, decline(&offer, 0.0));
    assert!(scene.offers(&client).is_empty());
    scene.pass(0.5);
    scene.one_offer(&client);
}

#[test]
fn suppress_holds_until_revive() {
    let mut scene = Scene::new();
    scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let offer = scene.one_offer(&client);
    scene.call(&client, json!({"type": "SUPPRESS"}));
    scene.call(&client, decline(&offer, 0.0));
    scene.pass(3600.0);
    assert!(scene.offers(&client).is_empty());
    scene.call(&client, json!({"type": "SUPPRESS", "suppress": {"roles": ["other"]}}));
    scene.call(&client, json!({"type": "REVIVE"}));
    let offer = scene.one_offer(&client);
    scene.call(&client, decline(&offer, 3600.0));
    scene.call(&client, json!({"type": "REVIVE"}));
    scene.one_offer(&client);
}

#[test]
fn a_larger_offer_passes_the_filter() {
    let mut scene = Scene::new();
    let agent = scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let offer = scene.one_offer(&client);
    scene.call(&client, accept(&offer, vec![launch(vec![command_task("t1", &offer, 0.5)])], 600.0));
    scene.pass(100.0);
    assert!(scene.events(&client).iter().all(|event| event["type"] == "UPDATE"));
    scene.end(agent, &client.id, "t1", TaskState::TaskFinished);
    let events = scene.events(&client);
    assert_eq!(amount(&events[1]["offers"]["offers"][0], "cpus"), 4.0);
}

#[test]
fn each_role_has_filters_of_its_own() {
    let mut scene = Scene::new();
    scene.add_agent();
    let mut info = capable("fw", "a");
    info["roles"] = json!(["a", "b"]);
    let client = scene.subscribe(info);
    let offer = scene.one_offer(&client);
    assert_eq!(offer["allocation_info"]["role"], "a");
    scene.call(&client, decline(&offer, 600.0));
    let offer = scene.one_offer(&client);
    assert_eq!(offer["allocation_info"]["role"], "b");
    scene.call(&client, decline(&offer, 600.0));
    assert!(scene.offers(&client).is_empty());
    scene.call(&client, json!({"type": "REVIVE", "revive": {"roles": ["a"]}}));
    assert_eq!(scene.one_offer(&client)["allocation_info"]["role"], "a");
}

#[test]
fn suppressed_roles_of_a_subscription_get_nothing() {
    let mut scene = Scene::new();
    scene.add_agent();
    let mut info = capable("fw", "c");
    info["roles"] = json!(["c", "d"]);
    info["suppressed_roles"] = json!(["c"]);
    let client = scene.subscribe(info);
    assert_eq!(scene.one_offer(&client)["allocation_info"]["role"], "d");
}

/// Two frameworks that have refused all there is, for so many seconds each.
fn two_that_refuse(scene: &mut Scene, seconds: [f64; 2]) -> [Client; 2] {
    let clients = ["a", "b"].map(|role| scene.subscribe(capable(role, role)));
    for (client, seconds) in clients.iter().zip(seconds) {
        let offer = scene.one_offer(client);
        scene.call(client, decline(&offer, seconds));
    }
    clients
}

#[test]
fn who_asks_while_another_holds_everything_is_next_when_it_comes_back() {
    let mut scene = Scene::new();
    scene.add_agent();
    let [holder, waiting] = two_that_refuse(&mut scene, [600.0, 600.0]);
    scene.call(&holder, json!({"type": "REVIVE"}));
    let held = scene.one_offer(&holder);
    scene.call(&waiting, json!({"type": "REVIVE"}));
    assert!(scene.offers(&waiting).is_empty());
    scene.call(&holder, decline(&held, 600.0));
    scene.one_offer(&waiting);
}

#[test]
fn a_refusal_that_ends_while_another_holds_everything_has_ended() {
    let mut scene = Scene::new();
    scene.add_agent();
    let [holder, waiting] = two_that_refuse(&mut scene, [600.0, 10.0]);
    scene.call(&holder, json!({"type": "REVIVE"}));
    let held = scene.one_offer(&holder);
    scene.pass(11.0);
    assert!(scene.offers(&waiting).is_empty());
    scene.call(&holder, decline(&held, 600.0));
    scene.one_offer(&waiting);
}

#[test]
fn frameworks_that_decline_take_turns() {
    let mut scene = Scene::new();
    let clients: Vec<Client> =
        ["a", "b", "c"].iter().map(|role| scene.subscribe(capable(role, role))).collect();
    scene.add_agent();
    let mut order = Vec::new();
    for _ in 0..9 {
        let (index, offer) = loop {
            let next = clients.iter().enumerate().find_map(|(index, client)| {
                scene.offers(client).into_iter().next().map(|offer| (index, offer))
            });
            match next {
                Some(found) => break found,
                None => scene.pass(0.1),
            }
        };
        order.push(index);
        scene.call(&clients[index], decline(&offer, 0.0));
    }
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn frameworks_that_launch_share_equally() {
    let mut scene = Scene::new();
    let clients: Vec<Client> = ["a", "b"].iter().map(|role| scene.subscribe(capable(role, role))).collect();
    scene.add_agent();
    let mut launched = [0, 0];
    for _ in 0..100 {
        for (index, client) in clients.iter().enumerate() {
            let events = scene.events(client);
            for event in events.iter().filter(|event| event["type"] == "OFFERS") {
                let offer = &event["offers"]["offers"][0];
                if amount(offer, "cpus") < 0.5 {
                    scene.call(client, decline(offer, 3600.0));
                    continue;
                }
                launched[index] += 1;
                let task = command_task(&format!("t{}", launched[index]), offer, 0.5);
                scene.call(client, accept(offer, vec![launch(vec![task])], 0.0));
            }
        }
    }
    assert_eq!(launched, [4, 4]);
}

#[test]
fn two_agents_come_in_one_event() {
    let mut scene = Scene::new();
    scene.add_agent();
    scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let events = scene.events(&client);
    assert_eq!(events.len(), 1);
    let offers = events[0]["offers"]["offers"].as_array().unwrap();
    assert_eq!(offers.len(), 2);
    let mut body = accept(&offers[0], vec![launch(vec![command_task("t", &offers[0], 0.1)])], 0.0);
    body["accept"]["offer_ids"] = json!([offers[0]["id"], offers[1]["id"]]);
    scene.call(&client, body);
    let events = scene.events(&client);
    assert_eq!(events[0]["update"]["status"]["state"], "TASK_DROPPED");
    assert_eq!(events[1]["offers"]["offers"].as_array().unwrap().len(), 2);
}

#[test]
fn offers_that_are_not_answered_are_taken_back() {
    use cairn_cluster::master::Timeouts;
    use cairn_cluster::master::registry::RegistryState;
    let mut scene = Scene::with(Timeouts::default(), RegistryState::default(), 1);
    scene.add_agent();
    let sleeper = scene.subscribe(capable("sleeper", "a"));
    let other = scene.subscribe(capable("other", "b"));
    let held = scene.one_offer(&sleeper);
    assert!(scene.offers(&other).is_empty());
    scene.pass(61.0);
    assert_eq!(scene.events(&sleeper)[0]["rescind"]["offer_id"], held["id"]);
    scene.one_offer(&other);
}

#[test]
fn roles_can_be_left_and_joined() {
    let mut scene = Scene::new();
    scene.add_agent();
    let client = scene.subscribe(capable("fw", "a"));
    let offer = scene.one_offer(&client);
    let mut info = capable("fw", "b");
    info["id"] = json!({"value": client.id});
    scene.call(&client, json!({"type": "UPDATE_FRAMEWORK", "update_framework": {"framework_info": info}}));
    let events = scene.events(&client);
    assert_eq!(events[0]["rescind"]["offer_id"], offer["id"]);
    assert_eq!(events[1]["offers"]["offers"][0]["allocation_info"]["role"], "b");
}

#[test]
fn a_framework_hears_of_the_agents_that_it_wants_to_hear_of_in_its_own_roles() {
    let mut scene = Scene::new();
    for host in ["h1", "h2", "h3"] {
        scene.join(Scene::new_agent_on(host));
    }
    let only = |regex: &str| {
        let condition = json!({"selector": {"pseudoattribute_type": "HOSTNAME"},
                               "predicate": {"text_matches": {"regex": regex}}});
        json!({"role_constraints": {"r": {"groups": [{"attribute_constraints": [condition]}]}}})
    };
    let mut info = capable("fw", "r");
    info["offer_constraints"] = only("h2");
    let client = scene.subscribe(info);
    assert_eq!(scene.one_offer(&client)["hostname"], "h2");
    let shown = scene.operator(json!({"type": "GET_FRAMEWORKS"}));
    assert_eq!(shown["get_frameworks"]["frameworks"][0]["offer_constraints"], only("h2"));

    let update = |constraints: Value| {
        let mut info = capable("fw", "r");
        info["id"] = json!({"value": client.id});
        let update = json!({"framework_info": info, "offer_constraints": constraints});
        json!({"type": "UPDATE_FRAMEWORK", "update_framework": update})
    };
    let Reply::Refused { status: 400, text } = scene.try_call(&client, update(only("("))) else { panic!() };
    assert!(text.starts_with("Offer constraints are not valid: "), "{text}");
    assert!(scene.events(&client).is_empty());
    scene.call(&client, update(only("h[13]")));
    let hosts = |offers: Vec<Value>| offers.iter().map(|o| o["hostname"].clone()).collect::<Vec<_>>();
    assert_eq!(hosts(scene.offers(&client)), ["h1", "h3"]);
    let other = scene.subscribe(capable("other", "s"));
    assert!(scene.offers(&other).is_empty());

    let mut asleep = capable("asleep", "r");
    asleep["suppressed_roles"] = json!(["r", "y", "x"]);
    let stream = scene.open(asleep);
    let told = &scene.streams[&stream].events[0]["error"]["message"];
    assert_eq!(*told, "Suppressed roles { x, y } are not contained in the set of roles");
    let mut wrong = capable("wrong", "r");
    wrong["offer_constraints"] = json!({"role_constraints": {"other": {"groups": []}}});
    let stream = scene.open(wrong);
    let told = scene.streams[&stream].events[0]["error"]["message"].to_string();
    assert!(told.contains("for a role 'other'not contained"), "{told}");
}
