//! RECONCILE, with agents that are there, away, or not known.

use cairn_mesos::v1::TaskState;
use serde_json::{Value, json};

use crate::scene::{Client, Scene, accept, capable, command_task, launch};

fn reconcile(scene: &mut Scene, client: &Client, tasks: Value) -> Vec<(String, String, String)> {
    scene.events(client);
    scene.call(client, json!({"type": "RECONCILE", "reconcile": {"tasks": tasks}}));
    let statuses = scene.statuses(client);
    statuses
        .iter()
        .map(|status| {
            assert_eq!(status["source"], "SOURCE_MASTER");
            assert_eq!(status["reason"], "REASON_RECONCILIATION");
            assert!(status.get("uuid").is_none());
            let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
            (status["task_id"]["value"].as_str().unwrap().to_owned(), text("state"), text("message"))
        })
        .collect()
}

fn one(scene: &mut Scene, client: &Client, task: &str, agent: Option<&str>) -> (String, String) {
    let mut asked = json!({"task_id": {"value": task}});
    if let Some(agent) = agent {
        asked["agent_id"] = json!({"value": agent});
    }
    let answers = reconcile(scene, client, json!([asked]));
    let (_, state, message) = answers.into_iter().next().unwrap_or_default();
    (state, message)
}

fn start(scene: &mut Scene, client: &Client, task: &str) {
    let offer = scene.offers(client).pop().unwrap();
    scene.call(client, accept(&offer, vec![launch(vec![command_task(task, &offer, 0.1)])], 0.0));
}

fn is(state: &str, message: &str) -> (String, String) {
    (state.to_owned(), format!("Reconciliation: {message}"))
}

#[test]
fn what_is_known_and_what_is_not() {
    let mut scene = Scene::new();
    let link = scene.add_agent();
    let agent = scene.agent_id(link);
    let client = scene.subscribe(capable("fw", "r"));
    assert!(reconcile(&mut scene, &client, json!([])).is_empty());
    scene.call(&client, json!({"type": "REVIVE"}));
    let other = scene.subscribe(json!({"user": "root", "name": "old", "checkpoint": true}));
    scene.close(&client);
    let mut again = capable("fw", "r");
    again["id"] = json!({"value": client.id});
    let client = scene.subscribe(again);
    scene.close(&other);
    start(&mut scene, &client, "t1");
    let latest = is("TASK_RUNNING", "Latest task state");
    for named in [None, Some(agent.as_str()), Some("wrong")] {
        assert_eq!(one(&mut scene, &client, "t1", named), latest);
    }
    assert_eq!(reconcile(&mut scene, &client, json!([])).len(), 1);
    let gone = is("TASK_GONE", "Task is unknown to the agent");
    assert_eq!(one(&mut scene, &client, "nope", Some(&agent)), gone);
    assert_eq!(one(&mut scene, &client, "nope", Some("no-such")), is("TASK_UNKNOWN", "Task is unknown"));
    assert_eq!(one(&mut scene, &client, "nope", None), is("TASK_UNKNOWN", "Task is unknown"));

    scene.end(link, &client.id, "t1", TaskState::TaskFinished);
    let finished = scene.statuses(&client).pop().unwrap();
    assert_eq!(one(&mut scene, &client, "t1", Some(&agent)), is("TASK_FINISHED", "Latest task state"));
    assert!(reconcile(&mut scene, &client, json!([])).is_empty());
    scene.acknowledge(&client, &finished);
    assert_eq!(one(&mut scene, &client, "t1", Some(&agent)), gone);
}

#[test]
fn frameworks_that_know_no_partitions_hear_of_lost_tasks() {
    let mut scene = Scene::new();
    let link = scene.add_agent();
    let agent = scene.agent_id(link);
    let client = scene.subscribe(json!({"user": "root", "name": "old"}));
    assert_eq!(one(&mut scene, &client, "x", Some(&agent)).0, "TASK_LOST");
    assert_eq!(one(&mut scene, &client, "x", None).0, "TASK_LOST");
}

#[test]
fn an_agent_that_is_away_and_comes_back() {
    let mut scene = Scene::new();
    let link = scene.add_agent();
    let agent = scene.agent_id(link);
    let client = scene.subscribe(capable("fw", "r"));
    start(&mut scene, &client, "t1");
    let held: Vec<Value> = scene.events(&client);
    let held = held.iter().find(|event| event["type"] == "OFFERS").unwrap();
    let sim = scene.lose(link);
    let events = scene.events(&client);
    assert_eq!(events[0]["rescind"]["offer_id"], held["offers"]["offers"][0]["id"]);
    assert_eq!(events.len(), 1);
    scene.pass(74.0);
    assert!(scene.events(&client).is_empty());
    scene.pass(2.0);
    let events = scene.events(&client);
    let status = &events[0]["update"]["status"];
    assert_eq!(status["state"], "TASK_UNREACHABLE");
    assert_eq!(status["reason"], "REASON_AGENT_REMOVED");
    assert_eq!(status["message"], "health check timed out");
    assert!(status["unreachable_time"].is_object() && status.get("uuid").is_none());
    assert_eq!(events[1]["failure"]["agent_id"]["value"], agent.as_str());

    let unreachable = is("TASK_UNREACHABLE", "Task is unreachable");
    assert_eq!(one(&mut scene, &client, "t1", Some(&agent)), unreachable);
    assert_eq!(one(&mut scene, &client, "unknown", Some(&agent)), unreachable);
    assert!(reconcile(&mut scene, &client, json!([])).is_empty());
    assert_eq!(
        scene.operator(json!({"type": "GET_TASKS"}))["get_tasks"]["unreachable_tasks"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    scene.join(sim);
    let events = scene.events(&client);
    let status = &events[0]["update"]["status"];
    assert_eq!(status["state"], "TASK_RUNNING");
    assert_eq!(status["reason"], "REASON_AGENT_REREGISTERED");
    assert_eq!(status["agent_id"]["value"], agent.as_str());
    assert_eq!(events[1]["type"], "OFFERS");
}

#[test]
fn an_agent_that_is_back_in_time_says_nothing() {
    let mut scene = Scene::new();
    let link = scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let mut careless = capable("careless", "r");
    careless["checkpoint"] = json!(false);
    let careless = scene.subscribe(careless);
    start(&mut scene, &client, "t1");
    scene.pass(1.0);
    scene.call(&client, json!({"type": "SUPPRESS"}));
    scene.close(&client);
    start(&mut scene, &careless, "t2");
    let mut again = capable("fw", "r");
    again["id"] = json!({"value": client.id});
    let client = scene.subscribe(again);
    scene.events(&careless);
    scene.events(&client);
    let sim = scene.lose(link);
    let lost = scene.statuses(&careless).remove(0);
    assert_eq!((&lost["state"], &lost["reason"]), (&json!("TASK_LOST"), &json!("REASON_AGENT_DISCONNECTED")));
    assert_eq!(lost["message"], "Agent localhost disconnected");
    scene.pass(1.0);
    scene.join(sim);
    assert!(scene.statuses(&client).is_empty());
    assert_eq!(one(&mut scene, &client, "t1", None).0, "TASK_RUNNING");
}

#[test]
fn an_agent_that_says_farewell_takes_its_tasks_along() {
    let mut scene = Scene::new();
    let link = scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    start(&mut scene, &client, "t1");
    scene.events(&client);
    scene.says(link, cairn_cluster::wire::FromAgent::Unregister);
    let events = scene.events(&client);
    let status = events.iter().find(|event| event["type"] == "UPDATE").unwrap();
    assert_eq!(status["update"]["status"]["state"], "TASK_LOST");
    assert_eq!(status["update"]["status"]["message"], "Agent localhost removed: the agent unregistered");
    assert_eq!(events.last().unwrap()["type"], "FAILURE");
    assert!(scene.registry.agents.is_empty());
}

#[test]
fn a_task_the_agent_never_got_is_gone() {
    let mut scene = Scene::new();
    let link = scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    scene.agents_answer = false;
    start(&mut scene, &client, "t1");
    scene.agents_answer = true;
    let sim = scene.lose(link);
    scene.join(sim);
    let status = scene.statuses(&client).remove(0);
    assert_eq!(status["state"], "TASK_GONE");
    let free = scene.operator(json!({"type": "GET_AGENTS"}));
    assert_eq!(free["get_agents"]["agents"][0].get("allocated_resources"), None);
}
