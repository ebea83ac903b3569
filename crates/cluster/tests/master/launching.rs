//! SUBSCRIBE, LAUNCH, and all that can be wrong with a task.

use cairn_cluster::wire::ToAgent;
use cairn_mesos::v1::TaskState;
use serde_json::{Value, json};

use crate::scene::{Scene, accept, amount, capable, command_task, launch, scalar};

#[test]
fn a_plain_framework_sees_the_older_form() {
    let mut scene = Scene::new();
    scene.add_agent();
    let client = scene.subscribe(json!({"user": "root", "name": "fw"}));
    let offer = scene.one_offer(&client);
    assert_eq!(offer.get("allocation_info"), None);
    for resource in offer["resources"].as_array().unwrap() {
        assert_eq!(resource["role"], "*");
        assert_eq!(resource.get("allocation_info"), None);
    }
    assert_eq!(offer["url"]["path"], "/slave(1)");
    scene.call(&client, json!({"type": "TEARDOWN"}));
    assert!(scene.streams[&client.stream].closed);
    assert!(scene.events(&client).is_empty(), "no ERROR event");
}

#[test]
fn a_command_task_lives_and_ends() {
    let mut scene = Scene::new();
    let agent = scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let offer = scene.one_offer(&client);
    assert_eq!(offer["allocation_info"]["role"], "r");
    scene.call(&client, accept(&offer, vec![launch(vec![command_task("t1", &offer, 0.1)])], 0.0));

    let events = scene.events(&client);
    let states: Vec<&str> =
        events.iter().filter_map(|event| event["update"]["status"]["state"].as_str()).collect();
    assert_eq!(states, ["TASK_RUNNING"]);
    let rest = events.iter().find(|event| event["type"] == "OFFERS").unwrap();
    assert_eq!(amount(&rest["offers"]["offers"][0], "cpus"), 3.9);
    let Some(ToAgent::RunTasks { executor, tasks, framework, .. }) =
        scene.told.iter().find(|told| matches!(told, ToAgent::RunTasks { .. }))
    else {
        panic!("the agent was not told");
    };
    assert_eq!(executor.executor_id.value, "t1");
    assert_eq!(framework.id.as_ref().unwrap().value, client.id);
    assert_eq!(tasks[0].resources[0].allocation_info.as_ref().unwrap().role(), "r");

    let running = events.iter().find(|event| event["type"] == "UPDATE").unwrap()["update"]["status"].clone();
    scene.acknowledge(&client, &running);
    scene.end(agent, &client.id, "t1", TaskState::TaskFinished);
    let events = scene.events(&client);
    let finished = &events[0]["update"]["status"];
    assert_eq!(finished["state"], "TASK_FINISHED");
    assert_eq!(amount(&events[1]["offers"]["offers"][0], "cpus"), 0.1, "what is freed is offered at once");
    scene.acknowledge(&client, finished);
    let tasks = scene.operator(json!({"type": "GET_TASKS"}));
    assert_eq!(tasks["get_tasks"].get("tasks").unwrap_or(&json!([])), &json!([]));
    assert_eq!(tasks["get_tasks"]["completed_tasks"][0]["task_id"]["value"], "t1");
}

#[test]
fn an_executor_is_counted_once_and_must_stay_the_same() {
    let mut scene = Scene::new();
    let agent = scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let executor = json!({"type": "CUSTOM", "executor_id": {"value": "e"}, "command": {"value": "./run", "shell": false},
                          "resources": [scalar("cpus", 0.5), scalar("mem", 16.0)]});
    let task = |id: &str, offer: &Value| {
        json!({"name": id, "task_id": {"value": id}, "agent_id": offer["agent_id"],
               "resources": [scalar("cpus", 1.0)], "executor": executor})
    };
    let offer = scene.one_offer(&client);
    scene.call(&client, accept(&offer, vec![launch(vec![task("a", &offer), task("b", &offer)])], 0.0));
    let events = scene.events(&client);
    let rest = events.iter().find(|event| event["type"] == "OFFERS").unwrap()["offers"]["offers"][0].clone();
    assert_eq!(amount(&rest, "cpus"), 1.5);

    let mut other = task("c", &rest);
    other["executor"]["command"]["value"] = json!("./another");
    scene.call(&client, accept(&rest, vec![launch(vec![other])], 3600.0));
    let refused = scene.statuses(&client).remove(0);
    assert_eq!(refused["state"], "TASK_ERROR");

    let said = scene.agents.get_mut(&agent).unwrap().end_executor(&client.id, "e");
    for message in said {
        scene.says(agent, message);
    }
    let events = scene.events(&client);
    assert_eq!(events[0]["type"], "FAILURE");
    assert_eq!(events[0]["failure"]["status"], 9);
    let lost = events.iter().filter(|event| event["update"]["status"]["state"] == "TASK_FAILED").count();
    assert_eq!(lost, 2);
}

#[test]
fn a_framework_says_what_can_be_true() {
    let mut scene = Scene::new();
    let mut refusal = |field: &str, value: Value| {
        let mut info = capable("fw", "r");
        info[field] = value;
        let stream = scene.open(info);
        let first = scene.streams[&stream].events.front().unwrap();
        first["error"]["message"].as_str().map(str::to_owned)
    };
    let quantities =
        |quantities: Value| json!({"r": {"min_allocatable_resources": {"quantities": [quantities]}}});
    assert_eq!(
        refusal("failover_timeout", json!(1e12)).as_deref(),
        Some("The framework failover_timeout (1000000000000) is invalid")
    );
    assert_eq!(
        refusal("offer_filters", quantities(json!({}))).as_deref(),
        Some("Resource quantities must contain at least one quantity")
    );
    assert_eq!(
        refusal("offer_filters", quantities(json!({"quantities": {"cpus": {"value": -1.0}}}))).as_deref(),
        Some("Invalid resource quantity for 'cpus': Negative values not supported")
    );
    assert_eq!(refusal("offer_filters", quantities(json!({"quantities": {"cpus": {"value": 1.0}}}))), None);
}

/// One task on a fresh offer; the answer to it: state, reason, message.
fn answer_to(change: impl FnOnce(&mut Value, &Value)) -> (String, String, String) {
    let mut scene = Scene::new();
    scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let offer = scene.one_offer(&client);
    let mut task = command_task("t", &offer, 0.1);
    change(&mut task, &offer);
    scene.call(&client, accept(&offer, vec![launch(vec![task])], 3600.0));
    let status = scene.statuses(&client).remove(0);
    assert_eq!(status.get("uuid").is_some(), status["source"] == "SOURCE_EXECUTOR", "{status}");
    let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
    (text("state"), text("reason"), text("message"))
}

#[test]
fn bad_tasks_are_refused_with_the_known_texts() {
    let master = "00000000-0000-0000-0000-000000000001";
    let error = |change: &dyn Fn(&mut Value, &Value)| {
        let (state, reason, message) = answer_to(|task, offer| change(task, offer));
        assert_eq!((state.as_str(), reason.as_str()), ("TASK_ERROR", "REASON_TASK_INVALID"), "{message}");
        message
    };
    let with_id = |id: &str| {
        let id = id.to_owned();
        error(&move |task, _| task["task_id"]["value"] = json!(id))
    };
    let with_variable = |variable: Value| {
        error(&move |task, _| task["command"]["environment"] = json!({"variables": [variable]}))
    };
    let about = "Task's `CommandInfo` is invalid: Environment variable 'V' of type";
    assert_eq!(with_variable(json!({"name": "V"})), format!("{about} 'VALUE' must have a value set"));
    let secret = json!({"name": "V", "type": "SECRET", "value": "v"});
    assert_eq!(with_variable(secret), format!("{about} 'SECRET' must have a secret set"));
    assert_eq!(with_id("a/b"), "'a/b' contains invalid characters");
    assert_eq!(with_id(""), "ID must not be empty");
    assert_eq!(with_id(&"x".repeat(300)), "ID must not be greater than 255 characters");
    assert_eq!(with_id(".."), "'..' is disallowed");
    let both = "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present";
    assert_eq!(error(&|task, _| drop(task.as_object_mut().unwrap().remove("command"))), both);
    assert_eq!(error(&|task, _| task["executor"] = json!({"executor_id": {"value": "e"}})), both);
    assert_eq!(error(&|task, _| task["resources"] = json!([])), "Task uses no resources");
    let invalid = "is invalid: Invalid scalar resource: value <= 0";
    let cpus = |value: f64| error(&move |task, _| task["resources"][0]["scalar"]["value"] = json!(value));
    assert_eq!(cpus(-1.0), format!("Resource 'cpus:-1' {invalid}"));
    assert_eq!(cpus(0.0004), format!("Resource 'cpus:0' {invalid}"));
    assert_eq!(
        cpus(1000.0),
        "Total resources cpus:1000; mem:32 required by task and its executor is more than available \
         cpus(allocated: r):4; mem(allocated: r):4096; disk(allocated: r):10000; ports(allocated: r):[31000-31100]"
    );
    let role = error(&|task, _| task["resources"][0]["allocation_info"] = json!({"role": "zzz"}));
    assert!(role.contains("is more than available"), "{role}");
    assert_eq!(
        error(&|task, _| task["agent_id"]["value"] = json!("no-such-agent")),
        format!("Task uses invalid agent no-such-agent while agent {master}-S0 is expected")
    );
    assert_eq!(
        error(&|task, _| task["kill_policy"] = json!({"grace_period": {"nanoseconds": -1}})),
        "Task's 'kill_policy.grace_period' must be non-negative"
    );
    let with = |field: &str, value: Value| error(&|task, _| task[field] = value.clone());
    assert_eq!(
        with("health_check", json!({"type": "HTTP"})),
        "Task uses invalid health check: Expecting 'http' to be set for HTTP health check"
    );
    assert_eq!(
        with("check", json!({"type": "TCP"})),
        "Task uses invalid check: Expecting 'tcp' to be set for TCP check"
    );
    assert_eq!(
        with("limits", json!({"cpus": {"value": 0.05}})),
        "The cpu limit must be greater than or equal to the cpu request"
    );
    assert_eq!(
        with("container", json!({"type": "MESOS", "volumes": [{"mode": "RW", "container_path": "v"}]})),
        "Task's `ContainerInfo` is invalid: Invalid volume: Only one of them should be set: 'host_path', 'image' and \
         'source'"
    );
    assert_eq!(
        with("container", json!({"type": "MESOS", "linux_info": {"share_cgroups": false}})),
        "Only tasks in a task group may have 'share_cgroups' set to 'false'"
    );
    for fine in [json!([scalar("cpus", 0.0), scalar("mem", 32.0)]), json!([scalar("cpus", 0.1)])] {
        assert_eq!(answer_to(|task, _| task["resources"] = fine).0, "TASK_RUNNING");
    }
}

#[test]
fn of_two_tasks_with_one_id_the_first_runs() {
    let mut scene = Scene::new();
    scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let offer = scene.one_offer(&client);
    let twice = vec![command_task("dup", &offer, 0.1), command_task("dup", &offer, 0.1)];
    scene.call(&client, accept(&offer, vec![launch(twice)], 0.0));
    let mut states: Vec<(String, String)> = scene
        .statuses(&client)
        .iter()
        .map(|status| {
            (
                status["state"].as_str().unwrap().to_owned(),
                status["message"].as_str().unwrap_or("").to_owned(),
            )
        })
        .collect();
    states.sort();
    assert_eq!(states[0], ("TASK_ERROR".to_owned(), "Task has duplicate ID: dup".to_owned()));
    assert_eq!(states[1].0, "TASK_RUNNING");
}

#[test]
fn stale_offers_drop_tasks() {
    for (capabilities, state) in [(true, "TASK_DROPPED"), (false, "TASK_LOST")] {
        let mut scene = Scene::new();
        scene.add_agent();
        let info = if capabilities { capable("fw", "r") } else { json!({"user": "root", "name": "fw"}) };
        let client = scene.subscribe(info);
        let offer = scene.one_offer(&client);
        let mut body = accept(&offer, vec![launch(vec![command_task("x", &offer, 0.1)])], 0.0);
        body["accept"]["offer_ids"] = json!([offer["id"], offer["id"]]);
        scene.call(&client, body);
        let events = scene.events(&client);
        let status = &events[0]["update"]["status"];
        let id = offer["id"]["value"].as_str().unwrap();
        assert_eq!(status["state"], state);
        assert_eq!(status["reason"], "REASON_INVALID_OFFERS");
        let text = format!("Task launched with invalid offers: Duplicate offer {id} in offer list");
        assert_eq!(status["message"], text.as_str());
        assert_eq!(events[1]["type"], "OFFERS", "both are used up and come back");

        scene.call(&client, accept(&offer, vec![launch(vec![command_task("x", &offer, 0.1)])], 0.0));
        let status = scene.statuses(&client).remove(0);
        let text = format!("Task launched with invalid offers: Offer {id} is no longer valid");
        assert_eq!(status["message"], text.as_str());
    }
}

#[test]
fn kill_goes_to_the_agent_or_is_answered() {
    let mut scene = Scene::new();
    let agent = scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let offer = scene.one_offer(&client);
    scene.call(&client, accept(&offer, vec![launch(vec![command_task("t", &offer, 0.1)])], 3600.0));
    scene.events(&client);
    scene.call(&client, json!({"type": "KILL", "kill": {"task_id": {"value": "t"}}}));
    assert_eq!(scene.statuses(&client)[0]["state"], "TASK_KILLED");
    let agent_id = scene.agent_id(agent);
    let known = json!({"task_id": {"value": "nope"}, "agent_id": {"value": agent_id}});
    scene.call(&client, json!({"type": "KILL", "kill": known}));
    scene.call(&client, json!({"type": "KILL", "kill": {"task_id": {"value": "nope"}}}));
    let states: Vec<Value> = scene.statuses(&client).iter().map(|status| status["state"].clone()).collect();
    assert_eq!(states, ["TASK_GONE", "TASK_UNKNOWN"]);
}

#[test]
fn a_group_runs_whole_or_not_at_all() {
    let mut scene = Scene::new();
    scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let offer = scene.one_offer(&client);
    let task = |id: &str, cpus: f64| {
        json!({"name": id, "task_id": {"value": id}, "agent_id": offer["agent_id"],
               "resources": [scalar("cpus", cpus)], "command": {"value": "true"}})
    };
    let group = |tasks: Vec<Value>| {
        json!({"type": "LAUNCH_GROUP", "launch_group": {
            "executor": {"type": "DEFAULT", "executor_id": {"value": "g"},
                         "resources": [scalar("cpus", 0.1), scalar("mem", 32.0), scalar("disk", 1.0)]},
            "task_group": {"tasks": tasks}}})
    };
    scene.call(&client, accept(&offer, vec![group(vec![task("a", 1.0), task("b", 9.0)])], 0.0));
    let statuses = scene.statuses(&client);
    assert_eq!(statuses.len(), 2);
    assert!(statuses.iter().all(|status| status["reason"] == "REASON_TASK_GROUP_INVALID"));
    let message = statuses[0]["message"].as_str().unwrap();
    assert!(message.contains("required by task group and its executor are more than available"), "{message}");
    scene.pass(1.0);
    let offer = scene.one_offer(&client);
    scene.call(&client, accept(&offer, vec![group(vec![task("a", 1.0), task("b", 1.0)])], 0.0));
    let statuses = scene.statuses(&client);
    assert_eq!(statuses.iter().filter(|status| status["state"] == "TASK_RUNNING").count(), 2);
}

#[test]
fn a_group_has_an_executor_of_some_size_and_tasks_that_share_it() {
    type Change<'a> = &'a dyn Fn(&mut Value);
    let refusal = |change: Change<'_>| {
        let mut scene = Scene::new();
        scene.add_agent();
        let client = scene.subscribe(capable("fw", "r"));
        let offer = scene.one_offer(&client);
        let mut group = json!({
            "executor": {"type": "DEFAULT", "executor_id": {"value": "g"},
                         "resources": [scalar("cpus", 0.1), scalar("mem", 32.0), scalar("disk", 1.0)]},
            "task_group": {"tasks": [command_task("a", &offer, 0.1)]}});
        change(&mut group);
        let operation = json!({"type": "LAUNCH_GROUP", "launch_group": group});
        scene.call(&client, accept(&offer, vec![operation], 3600.0));
        let status = scene.statuses(&client).remove(0);
        assert_eq!(status["reason"], "REASON_TASK_GROUP_INVALID", "{status}");
        status["message"].as_str().unwrap().to_owned()
    };
    let cases: [(Change<'_>, &str); 6] = [
        (
            &|group| drop(group["executor"]["resources"].as_array_mut().unwrap().pop()),
            "Executor 'g' uses no disk",
        ),
        (
            &|group| group["executor"]["resources"] = json!([scalar("cpus", 0.1), scalar("mem", 16.0)]),
            "Executor 'g' uses less memory (16MB) than the minimum required (32MB)",
        ),
        (
            &|group| group["executor"]["resources"] = json!([scalar("mem", 32.0)]),
            "Executor 'g' uses less CPUs (None) than the minimum required (0.01)",
        ),
        (
            &|group| drop(group["executor"].as_object_mut().unwrap().remove("type")),
            "'ExecutorInfo.type' must be set",
        ),
        (
            &|group| {
                group["task_group"]["tasks"][0]["container"] =
                    json!({"type": "DOCKER", "docker": {"image": "i"}})
            },
            "Task 'a' is invalid: Docker ContainerInfo is not supported on the task",
        ),
        (
            &|group| group["task_group"]["tasks"][0]["limits"] = json!({"cpus": {"value": 1.0}}),
            "Task 'a' is invalid: Resource limits may only be set for tasks within a task group when the 'share_cgroups' \
             field is set to 'false'.",
        ),
    ];
    for (change, message) in cases {
        assert_eq!(refusal(change), message);
    }
}

#[test]
fn an_accept_that_comes_twice_launches_once_and_drops_nothing() {
    let mut scene = Scene::new();
    scene.add_agent();
    let client = scene.subscribe(capable("fw", "r"));
    let offer = scene.one_offer(&client);
    let call = accept(&offer, vec![launch(vec![command_task("t", &offer, 0.1)])], 3600.0);
    scene.call(&client, call.clone());
    scene.call(&client, call);
    let states: Vec<Value> = scene.statuses(&client).iter().map(|status| status["state"].clone()).collect();
    assert_eq!(states, ["TASK_RUNNING"]);
}
