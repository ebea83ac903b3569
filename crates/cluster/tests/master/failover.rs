//! Frameworks that go away and come back, and a master that does.

use cairn_cluster::master::Reply;
use cairn_cluster::wire::ToAgent;
use serde_json::{Value, json};

use crate::scene::{Client, Scene, accept, capable, command_task, launch};

fn with_id(mut info: Value, id: &str) -> Value {
    info["id"] = json!({"value": id});
    info
}

/// The text of the one ERROR event of a stream that was refused.
fn refusal(scene: &mut Scene, info: Value) -> String {
    let stream = scene.open(info);
    let client = Client { id: String::new(), stream };
    assert!(scene.streams[&stream].closed);
    let events = scene.events(&client);
    assert_eq!(events.len(), 1);
    events[0]["error"]["message"].as_str().unwrap().to_owned()
}

fn refused(status: u16, text: &str) -> Reply {
    Reply::Refused { status, text: text.to_owned() }
}

#[test]
fn a_second_scheduler_takes_over() {
    let mut scene = Scene::new();
    scene.add_agent();
    let first = scene.subscribe(capable("fw", "r"));
    let offer = scene.one_offer(&first);
    scene.call(&first, accept(&offer, vec![launch(vec![command_task("t1", &offer, 0.1)])], 0.0));
    scene.events(&first);
    let second = scene.subscribe(with_id(capable("fw", "r"), &first.id));
    assert_eq!(second.id, first.id);
    let events = scene.events(&first);
    assert_eq!(events.len(), 1, "no RESCIND");
    assert_eq!(events[0]["error"]["message"], "Framework failed over");
    assert!(scene.streams[&first.stream].closed);
    scene.one_offer(&second);

    let text = format!(
        "The stream ID '{}' included in this request didn't match the stream ID currently associated with \
         framework ID {}",
        scene.streams[&first.stream].id, first.id
    );
    assert_eq!(scene.try_call(&first, json!({"type": "REVIVE"})), refused(400, &text));
    scene.close(&first);
    scene.call(&second, json!({"type": "RECONCILE", "reconcile": {"tasks": []}}));
    assert_eq!(scene.statuses(&second)[0]["state"], "TASK_RUNNING");
}

#[test]
fn away_in_time_and_too_long() {
    let mut scene = Scene::new();
    scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let offer = scene.one_offer(&client);
    scene.call(&client, accept(&offer, vec![launch(vec![command_task("t1", &offer, 0.1)])], 0.0));
    scene.close(&client);
    assert_eq!(
        scene.try_call(&client, json!({"type": "REVIVE"})),
        refused(403, "Framework is not subscribed")
    );
    scene.pass(99.0);
    let client = scene.subscribe(with_id(capable("fw", "r"), &client.id));
    assert!(scene.statuses(&client).is_empty());
    scene.close(&client);
    scene.pass(101.0);
    let text = refusal(&mut scene, with_id(capable("fw", "r"), &client.id));
    assert_eq!(text, "Framework has been removed");
    assert_eq!(scene.try_call(&client, json!({"type": "REVIVE"})), refused(400, "Framework cannot be found"));
    let tasks = scene.agents.values().next().unwrap().tasks().count();
    assert_eq!(tasks, 0, "the agent was told to stop them");
    let shown = scene.operator(json!({"type": "GET_FRAMEWORKS"}));
    assert_eq!(shown["get_frameworks"]["completed_frameworks"][0]["active"], false);
    let shown = scene.operator(json!({"type": "GET_TASKS"}));
    assert_eq!(shown["get_tasks"]["completed_tasks"][0]["state"], "TASK_KILLED");
}

#[test]
fn without_a_timeout_a_lost_stream_is_the_end() {
    let mut scene = Scene::new();
    let mut info = capable("fw", "r");
    info.as_object_mut().unwrap().remove("failover_timeout");
    let client = scene.subscribe(info.clone());
    scene.close(&client);
    assert_eq!(refusal(&mut scene, with_id(info, &client.id)), "Framework has been removed");
}

#[test]
fn an_unknown_id_is_accepted_and_a_torn_down_one_is_not() {
    let mut scene = Scene::new();
    let client = scene.subscribe(with_id(capable("fw", "r"), "made-up-id-0001"));
    assert_eq!(client.id, "made-up-id-0001");
    scene.call(&client, json!({"type": "TEARDOWN"}));
    assert_eq!(
        refusal(&mut scene, with_id(capable("fw", "r"), "made-up-id-0001")),
        "Framework has been removed"
    );
    let answer = scene.operator(json!({"type": "TEARDOWN", "teardown": {"framework_id": {"value": "x"}}}));
    assert!(answer.as_str().unwrap().contains("No framework found with specified ID"));
}

#[test]
fn what_may_change_and_what_may_not() {
    let mut scene = Scene::new();
    let client = scene.subscribe(capable("n1", "r"));
    let mut info = with_id(capable("n2", "q"), &client.id);
    info["user"] = json!("nobody");
    info["checkpoint"] = json!(false);
    info["failover_timeout"] = json!(50.0);
    scene.subscribe(info.clone());
    let shown = scene.operator(json!({"type": "GET_FRAMEWORKS"}));
    let kept = &shown["get_frameworks"]["frameworks"][0]["framework_info"];
    assert_eq!(kept["name"], "n2");
    assert_eq!(kept["roles"], json!(["q"]));
    assert_eq!(kept["failover_timeout"], 50.0);
    assert_eq!((&kept["user"], &kept["checkpoint"]), (&json!("root"), &json!(true)));
    info["principal"] = json!("other");
    assert_eq!(refusal(&mut scene, info), "Changing framework's principal is not allowed.");
}

#[test]
fn bad_roles_get_an_error_event() {
    let mut scene = Scene::new();
    let invalid = "'FrameworkInfo.roles' contains invalid role: ";
    for (role, problem) in [
        ("-x", "Role component '-x' is invalid because it starts with a dash"),
        (".", "Role '.' cannot include '.' as a component"),
        ("a/", "Role 'a/' cannot end with a slash"),
        ("a b", "Role component 'a b' is invalid because it contains backspace or whitespace"),
        ("", "Role names cannot be the empty string"),
    ] {
        assert_eq!(refusal(&mut scene, capable("x", role)), format!("{invalid}{problem}"));
    }
    let mut twice = capable("x", "a");
    twice["roles"] = json!(["a", "a"]);
    assert_eq!(refusal(&mut scene, twice), "'FrameworkInfo.roles' contains duplicate items: { a }");
    let old = json!({"user": "root", "name": "x", "roles": ["x"]});
    let text = "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable";
    assert_eq!(refusal(&mut scene, old), text);
    let mut both = capable("x", "a");
    both["role"] = json!("x");
    let text = "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable";
    assert_eq!(refusal(&mut scene, both), text);
    scene.subscribe(capable("x", "a/b"));
}

#[test]
fn a_new_master_finds_everything_again() {
    let mut scene = Scene::new();
    let link = scene.add_agent();
    let agent = scene.agent_id(link);
    let client = scene.subscribe(capable("fw", "r"));
    let gone = scene.subscribe(capable("gone", "r"));
    let offer = scene.one_offer(&client);
    scene.call(&client, accept(&offer, vec![launch(vec![command_task("t1", &offer, 0.1)])], 0.0));
    scene.call(&gone, json!({"type": "TEARDOWN"}));

    let sims = scene.restart();
    let client = scene.subscribe(with_id(capable("fw", "r"), &client.id));
    assert_eq!(refusal(&mut scene, with_id(capable("gone", "r"), &gone.id)), "Framework has been removed");
    scene.call(&client, json!({"type": "RECONCILE", "reconcile": {"tasks": []}}));
    let asked =
        json!([{"task_id": {"value": "t1"}}, {"task_id": {"value": "t1"}, "agent_id": {"value": agent}}]);
    scene.call(&client, json!({"type": "RECONCILE", "reconcile": {"tasks": asked}}));
    assert!(scene.events(&client).is_empty(), "nothing is certain before the agent is back");
    let shown = scene.operator(json!({"type": "GET_AGENTS"}));
    assert_eq!(shown["get_agents"]["recovered_agents"].as_array().unwrap().len(), 1);

    for sim in sims {
        scene.join(sim);
    }
    let offer = scene.one_offer(&client);
    assert_eq!(offer["agent_id"]["value"], agent.as_str());
    assert!(offer["id"]["value"].as_str().unwrap().starts_with("00000000-0000-0000-0000-000000000002"));
    scene.call(&client, json!({"type": "RECONCILE", "reconcile": {"tasks": []}}));
    assert_eq!(scene.statuses(&client)[0]["state"], "TASK_RUNNING");
    let shown = scene.operator(json!({"type": "GET_AGENTS"}));
    assert_eq!(shown["get_agents"]["agents"][0]["allocated_resources"][0]["scalar"]["value"], 0.1);
}

#[test]
fn a_framework_that_never_comes_back_after_a_restart_is_removed() {
    let mut scene = Scene::new();
    scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let offer = scene.one_offer(&client);
    scene.call(&client, accept(&offer, vec![launch(vec![command_task("t1", &offer, 0.1)])], 0.0));
    let sims = scene.restart();
    for sim in sims {
        scene.join(sim);
    }
    scene.pass(101.0);
    assert_eq!(scene.agents.values().next().unwrap().tasks().count(), 0);
    assert!(scene.registry.frameworks.is_empty());
}

#[test]
fn nothing_is_launched_under_an_id_that_its_agent_has_not_stored() {
    let mut scene = Scene::new();
    let client = scene.subscribe(capable("fw", "r"));
    scene.agents_answer = false;
    let link = scene.join(Scene::new_agent());
    assert!(matches!(scene.told.last(), Some(ToAgent::Registered { .. })));
    assert_eq!(scene.events(&client), [] as [serde_json::Value; 0], "it is not on offer yet");
    assert!(scene.registry.agents.is_empty(), "a master that fails now forgets it");
    let unnamed = scene.lose(link);
    scene.agents_answer = true;
    let link = scene.join(unnamed);
    let id = scene.agent_id(link);
    scene.one_offer(&client);
    assert_eq!(scene.registry.agents.len(), 1);
    let named = scene.lose(link);
    let link = scene.join(named);
    assert_eq!(scene.agent_id(link), id, "it comes back as itself");
}
