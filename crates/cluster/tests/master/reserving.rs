//! RESERVE, CREATE, DESTROY, UNRESERVE.

use cairn_cluster::master::LinkKey;
use cairn_cluster::wire::{FromAgent, ToAgent};
use cairn_mesos::resources::Resources;
use cairn_mesos::v1::{Resource, TaskState};
use serde_json::{Value, json};

use crate::scene::{Client, Scene, accept, amount, capable, launch, scalar};

fn reserved(name: &str, value: f64) -> Value {
    let mut resource = scalar(name, value);
    resource["allocation_info"] = json!({"role": "db"});
    resource["reservations"] = json!([{"type": "DYNAMIC", "role": "db", "principal": "p1",
                                       "labels": {"labels": [{"key": "k", "value": "v"}]}}]);
    resource
}

fn volume(id: &str) -> Value {
    let mut resource = reserved("disk", 100.0);
    resource["disk"] = json!({"persistence": {"id": id, "principal": "p1"},
                              "volume": {"container_path": "data", "mode": "RW"}});
    resource
}

fn reserve() -> Value {
    let resources = json!([reserved("cpus", 1.0), reserved("mem", 128.0), reserved("disk", 200.0)]);
    json!({"type": "RESERVE", "reserve": {"resources": resources}})
}

fn with_id(mut operation: Value, id: &str) -> Value {
    operation["id"] = json!({"value": id});
    operation
}

fn task_on_volume(id: &str, offer: &Value) -> Value {
    json!({"name": id, "task_id": {"value": id}, "agent_id": offer["agent_id"],
           "resources": [reserved("cpus", 0.5), reserved("mem", 64.0), volume("vol-1")],
           "command": {"value": "true"}})
}

#[test]
fn reserve_create_and_launch_in_one_go_and_back() {
    let mut scene = Scene::new();
    let agent = scene.add_agent();
    let client = scene.subscribe(capable("fw", "db"));
    let offer = scene.one_offer(&client);
    let create = json!({"type": "CREATE", "create": {"volumes": [volume("vol-1")]}});
    let operations = vec![reserve(), create, launch(vec![task_on_volume("t1", &offer)])];
    scene.told.clear();
    scene.call(&client, accept(&offer, operations, 0.0));

    let [ToAgent::Checkpoint { resources, destroyed }, ToAgent::RunTasks { .. }] = scene.told.as_slice()
    else {
        panic!("{:?}", scene.told);
    };
    assert!(destroyed.is_empty());
    let resources = Resources::from(resources);
    assert_eq!(resources.total_cpus(), 4.0);
    assert_eq!(resources.only_volumes().total_disk(), 100.0);
    assert_eq!(resources.only_reserved("db").total_mem(), 128.0);

    scene.end(agent, &client.id, "t1", TaskState::TaskFinished);
    scene.pass(1.0);
    let events = scene.events(&client);
    let offers: Vec<&Value> = events.iter().filter(|event| event["type"] == "OFFERS").collect();
    let (first, second) = (&offers[0]["offers"]["offers"][0], &offers[1]["offers"]["offers"][0]);
    assert_eq!(amount(first, "disk") + amount(second, "disk"), 10000.0);

    // Both offers together, as one that declines and is offered the whole would have it.
    let destroy =
        with_id(json!({"type": "DESTROY", "destroy": {"volumes": [volume("vol-1")]}}), "op-destroy");
    let unreserve = json!({"type": "UNRESERVE", "unreserve": {"resources":
        [reserved("cpus", 1.0), reserved("mem", 128.0), reserved("disk", 200.0)]}});
    let mut body = accept(first, vec![destroy, with_id(unreserve, "op-unreserve")], 0.0);
    body["accept"]["offer_ids"] = json!([first["id"], second["id"]]);
    scene.told.clear();
    scene.call(&client, body);
    let [ToAgent::Checkpoint { resources, destroyed }] = scene.told.as_slice() else {
        panic!("{:?}", scene.told)
    };
    assert_eq!(Resources::from(resources), "cpus:4;mem:4096;disk:10000;ports:[31000-31100]".parse().unwrap());
    assert_eq!(destroyed.len(), 1);
    let events = scene.events(&client);
    for (event, id) in events.iter().zip(["op-destroy", "op-unreserve"]) {
        let status = &event["update_operation_status"]["status"];
        assert_eq!(status["operation_id"]["value"], id);
        assert_eq!(status["state"], "OPERATION_FINISHED", "{status}");
        assert!(status["uuid"]["value"].is_string() && status["agent_id"].is_object());
    }
    assert_eq!(events[2]["offers"]["offers"][0]["resources"].as_array().unwrap().len(), 4);

    let asked = json!([{"operation_id": {"value": "op-destroy"}}, {"operation_id": {"value": "op-unknown"}}]);
    scene.call(
        &client,
        json!({"type": "RECONCILE_OPERATIONS", "reconcile_operations": {"operations": asked}}),
    );
    let events = scene.events(&client);
    let states: Vec<&Value> =
        events.iter().map(|event| &event["update_operation_status"]["status"]["state"]).collect();
    assert_eq!(states, ["OPERATION_FINISHED", "OPERATION_UNKNOWN"]);
}

impl Scene {
    /// One framework's volume on one agent is made, offered and destroyed, and the agent does not answer that.
    fn destroy_unanswered(&mut self) -> (LinkKey, Client) {
        let agent = self.add_agent();
        let client = self.subscribe(capable("fw", "db"));
        let offer = self.one_offer(&client);
        let create = json!({"type": "CREATE", "create": {"volumes": [volume("vol-1")]}});
        self.call(&client, accept(&offer, vec![reserve(), create], 0.0));
        self.pass(1.0);
        let offer = self.one_offer(&client);
        self.agents_answer = false;
        let destroy = json!({"type": "DESTROY", "destroy": {"volumes": [volume("vol-1")]}});
        self.call(&client, accept(&offer, vec![destroy], 0.0));
        (agent, client)
    }
}

fn checkpoint(told: &[ToAgent]) -> Option<(&Vec<Resource>, &Vec<Resource>)> {
    told.iter().find_map(|message| match message {
        ToAgent::Checkpoint { resources, destroyed } => Some((resources, destroyed)),
        _ => None,
    })
}

#[test]
fn an_agent_that_missed_what_was_destroyed_is_told_again() {
    for minutes_away in [0.0, 11.0] {
        let mut scene = Scene::new();
        let (agent, _) = scene.destroy_unanswered();
        let missed = scene.lose(agent);
        scene.pass(minutes_away * 60.0);
        scene.agents_answer = true;
        scene.told.clear();
        let agent = scene.join(missed);
        let (resources, destroyed) = checkpoint(&scene.told).expect("it is told again");
        assert_eq!(Resources::from(resources).only_volumes().total_disk(), 0.0);
        assert_eq!(Resources::from(resources).only_reserved("db").total_mem(), 128.0);
        assert_eq!(destroyed.len(), 1);

        let again = scene.lose(agent);
        scene.told.clear();
        scene.join(again);
        assert_eq!(checkpoint(&scene.told), None, "it knows by now");
    }
}

#[test]
fn nothing_is_offered_of_an_agent_that_has_not_stored_what_was_destroyed() {
    let mut scene = Scene::new();
    let (agent, client) = scene.destroy_unanswered();
    scene.pass(60.0);
    assert!(scene.offers(&client).is_empty(), "a new master would find the volume again");
    scene.says(agent, FromAgent::Destroyed);
    assert_eq!(amount(&scene.one_offer(&client), "disk"), 10000.0);
}

#[test]
fn a_new_master_believes_what_agents_bring() {
    let mut scene = Scene::new();
    scene.add_agent();
    let client = scene.subscribe(capable("fw", "db"));
    let offer = scene.one_offer(&client);
    scene.call(&client, accept(&offer, vec![reserve()], 0.0));
    for agent in scene.restart() {
        scene.told.clear();
        scene.join(agent);
        assert_eq!(checkpoint(&scene.told), None);
    }
}

#[test]
fn a_bad_operation_is_silent_without_an_id() {
    let mut scene = Scene::new();
    scene.add_agent();
    let client = scene.subscribe(capable("fw", "db"));
    let mut elsewhere = reserved("cpus", 1.0);
    elsewhere["reservations"][0]["role"] = json!("other");
    let mut stranger = reserved("cpus", 1.0);
    stranger["reservations"][0]["principal"] = json!("p2");
    let reserve = |resource: Value| json!({"type": "RESERVE", "reserve": {"resources": [resource]}});
    let bad = [
        reserve(reserved("cpus", 55.0)),
        reserve(elsewhere),
        reserve(stranger),
        reserve(scalar("cpus", 1.0)),
        json!({"type": "DESTROY", "destroy": {"volumes": [volume("no-such")]}}),
        json!({"type": "UNRESERVE", "unreserve": {"resources": [reserved("cpus", 1.0)]}}),
        json!({"type": "CREATE", "create": {"volumes": [volume("too-early")]}}),
        json!({"type": "UNKNOWN"}),
    ];
    for operation in bad {
        let offer = scene.one_offer(&client);
        scene.call(&client, accept(&offer, vec![operation.clone()], 0.0));
        scene.pass(1.0);
        let offer = scene.one_offer(&client);
        scene.call(&client, accept(&offer, vec![with_id(operation, "op")], 0.0));
        let events = scene.events(&client);
        let status = &events[0]["update_operation_status"]["status"];
        assert_eq!(status["state"], "OPERATION_ERROR");
        assert!(
            status.get("uuid").is_none() && status.get("agent_id").is_none() && status["message"].is_string()
        );
        scene.pass(1.0);
    }
}

#[test]
fn what_is_reserved_is_offered_to_its_role_only() {
    let mut scene = Scene::new();
    scene.add_agent();
    let owner = scene.subscribe(capable("owner", "db"));
    let offer = scene.one_offer(&owner);
    scene.call(&owner, accept(&offer, vec![reserve()], 0.0));
    let offer = scene.one_offer(&owner);
    scene.call(&owner, json!({"type": "SUPPRESS"}));
    scene.call(&owner, crate::scene::decline(&offer, 0.0));
    let other = scene.subscribe(capable("other", "web"));
    let offer = scene.one_offer(&other);
    assert_eq!(amount(&offer, "cpus"), 3.0);
    assert_eq!(amount(&offer, "disk"), 9800.0);
}

#[test]
fn the_older_form_of_reservations_works() {
    let mut scene = Scene::new();
    scene.add_agent();
    let client = scene.subscribe(json!({"user": "root", "name": "old", "principal": "p1", "role": "legacy"}));
    let offer = scene.one_offer(&client);
    let resource = json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.0}, "role": "legacy",
                          "reservation": {"principal": "p1"}});
    let reserve = json!({"type": "RESERVE", "reserve": {"resources": [resource]}});
    scene.call(&client, accept(&offer, vec![reserve], 0.0));
    let offer = scene.one_offer(&client);
    let resources = offer["resources"].as_array().unwrap();
    assert!(resources.contains(&resource), "{resources:?}");
    let unreserve = json!({"type": "UNRESERVE", "unreserve": {"resources": [resource]}});
    scene.call(&client, accept(&offer, vec![unreserve], 0.0));
    let offer = scene.one_offer(&client);
    assert_eq!(offer["resources"].as_array().unwrap().len(), 4);
}

#[test]
fn a_volume_can_be_cleaned_up_when_all_else_is_used() {
    let mut scene = Scene::new();
    scene.add_agent();
    let client = scene.subscribe(capable("fw", "db"));
    let offer = scene.one_offer(&client);
    let disk = json!({"type": "RESERVE", "reserve": {"resources": [reserved("disk", 100.0)]}});
    let create = json!({"type": "CREATE", "create": {"volumes": [volume("v")]}});
    let all = json!({"name": "t", "task_id": {"value": "t"}, "agent_id": offer["agent_id"],
                     "resources": [scalar("cpus", 4.0), scalar("mem", 4096.0)], "command": {"value": "true"}});
    scene.call(&client, accept(&offer, vec![disk, create, launch(vec![all])], 0.0));
    let events = scene.events(&client);
    let offer = &events.iter().find(|event| event["type"] == "OFFERS").unwrap()["offers"]["offers"][0];
    let resources: Vec<Resource> = serde_json::from_value(offer["resources"].clone()).unwrap();
    assert_eq!(Resources::from(resources).only_volumes().total_disk(), 100.0);
}
