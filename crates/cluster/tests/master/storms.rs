//! Random events, and what must hold after each: nothing is given out twice, nothing gets lost, time goes on.

use std::collections::BTreeMap;

use cairn_cluster::sim::SimAgent;
use cairn_mesos::resources::Resources;
use cairn_mesos::v1::{Resource, TaskState};
use serde_json::{Value, json};

use crate::scene::{Client, Scene, accept, amount, capable, command_task, decline, launch, scalar};
use cairn_cluster::master::LinkKey;

/// A small generator; the same seed gives the same storm.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let sides = from.len() as u64;
        (sides > 0).then(|| from[self.roll(sides) as usize].clone())
    }
}

struct Storm {
    scene: Scene,
    dice: Dice,
    clients: BTreeMap<String, Client>,
    offers: Vec<(String, Value)>,
    links: Vec<LinkKey>,
    away: Vec<SimAgent>,
    tasks: u64,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let mut scene = Scene::new();
        let links = vec![scene.add_agent(), scene.add_agent()];
        Self {
            scene,
            dice: Dice(seed),
            clients: BTreeMap::new(),
            offers: Vec::new(),
            links,
            away: Vec::new(),
            tasks: 0,
        }
    }

    fn subscribe(&mut self, name: &str) {
        let mut info = capable(name, if name == "c" { "shared" } else { name });
        if let Some(known) = self.clients.get(name) {
            info["id"] = json!({"value": known.id});
        }
        let stream = self.scene.open(info);
        let client = Client { id: String::new(), stream };
        let events = self.scene.events(&client);
        let first = &events[0];
        self.offers.retain(|(owner, _)| owner != name);
        if first["type"] == "ERROR" {
            self.clients.remove(name);
            return;
        }
        let id = first["subscribed"]["framework_id"]["value"].as_str().unwrap().to_owned();
        self.clients.insert(name.to_owned(), Client { id, stream });
        self.take_in(name, events);
    }

    fn collect(&mut self) {
        for (name, client) in self.clients.clone() {
            let events = self.scene.events(&client);
            self.take_in(&name, events);
        }
    }

    /// Keep offers; acknowledge most updates.
    fn take_in(&mut self, name: &str, events: Vec<Value>) {
        let client = self.clients[name].clone();
        for event in events {
            match event["type"].as_str().unwrap() {
                "OFFERS" => {
                    let offers = event["offers"]["offers"].as_array().unwrap();
                    self.offers.extend(offers.iter().map(|offer| (name.to_owned(), offer.clone())));
                }
                "RESCIND" => {
                    let gone = event["rescind"]["offer_id"].clone();
                    self.offers.retain(|(_, offer)| offer["id"] != gone);
                }
                "UPDATE" if event["update"]["status"]["uuid"].is_string() && self.dice.roll(4) > 0 => {
                    let status = event["update"]["status"].clone();
                    let body = json!({"type": "ACKNOWLEDGE", "acknowledge": {"agent_id": status["agent_id"],
                                      "task_id": status["task_id"], "uuid": status["uuid"]}});
                    self.scene.try_call(&client, body);
                }
                _ => {}
            }
        }
    }

    fn use_offer(&mut self) {
        let Some((name, offer)) = self.dice.pick(&self.offers) else { return };
        self.offers.retain(|(_, other)| other["id"] != offer["id"]);
        let client = self.clients[&name].clone();
        let body = match self.dice.roll(4) {
            0 => decline(&offer, self.dice.roll(20) as f64),
            1 => accept(&offer, vec![reserve(&offer)], 0.0),
            _ => {
                self.tasks += 1;
                let cpus = (1 + self.dice.roll(8)) as f64 / 4.0;
                let task =
                    command_task(&format!("t{}", self.tasks), &offer, cpus.min(amount(&offer, "cpus")));
                accept(&offer, vec![launch(vec![task])], self.dice.roll(3) as f64)
            }
        };
        self.scene.try_call(&client, body);
    }

    fn blow(&mut self) {
        match self.dice.roll(12) {
            0 => {
                let name = self.dice.pick(&["a", "b", "c"]).unwrap();
                self.subscribe(name);
            }
            1 => {
                if let Some(client) = self.dice.pick(&self.clients.values().cloned().collect::<Vec<_>>()) {
                    self.scene.close(&client);
                }
            }
            2 if self.links.len() > 1 => {
                let link = self.links.remove(0);
                let agent = self.scene.lose(link);
                self.away.push(agent);
            }
            3 => {
                if let Some(agent) = self.away.pop() {
                    let link = self.scene.join(agent);
                    self.links.push(link);
                }
            }
            4 => {
                let seconds = self.dice.roll(60) as f64;
                self.scene.pass(seconds);
            }
            5 | 6 => self.end_some_task(),
            7 if self.dice.roll(8) == 0 => {
                if let Some(client) = self.dice.pick(&self.clients.values().cloned().collect::<Vec<_>>()) {
                    self.scene.try_call(&client, json!({"type": "TEARDOWN"}));
                }
            }
            8 if self.dice.roll(10) == 0 => {
                let agents = self.scene.restart();
                self.away.extend(agents);
                self.links.clear();
                self.offers.clear();
            }
            _ => self.use_offer(),
        }
        self.collect();
    }

    fn end_some_task(&mut self) {
        let Some(link) = self.dice.pick(&self.links) else { return };
        let agent = &self.scene.agents[&link];
        let living = agent.tasks().filter(|task| task.state() == TaskState::TaskRunning);
        let living: Vec<(String, String)> =
            living.map(|task| (task.framework_id.value.clone(), task.task_id.value.clone())).collect();
        if let Some((framework, task)) = self.dice.pick(&living) {
            self.scene.end(link, &framework, &task, TaskState::TaskFinished);
        }
    }

    /// When weights are set everybody is asked about everything: whoever takes something should have got it before.
    fn nobody_was_passed_over(&mut self, seed: u64) {
        let weights = json!({"weight_infos": [{"role": "nobody", "weight": 1.0}]});
        self.scene.operator(json!({"type": "UPDATE_WEIGHTS", "update_weights": weights}));
        let before = self.offers.len();
        self.collect();
        assert_eq!(self.offers.len(), before, "seed {seed}: somebody wanted what was left");
    }

    fn check(&mut self, seed: u64) {
        let now = self.scene.now;
        if let Some(deadline) = self.scene.master.next_deadline().filter(|deadline| *deadline <= now) {
            self.scene.step(cairn_cluster::master::Input::Timer);
            let next = self.scene.master.next_deadline();
            assert!(
                next.is_none_or(|next| next > now),
                "seed {seed}: the timer of {deadline:?} does not end"
            );
            self.collect();
        }
        if self.dice.roll(4) == 0 {
            self.nobody_was_passed_over(seed);
        }
        let state = self.scene.operator(json!({"type": "GET_STATE"}));
        let agents = list(&state["get_state"]["get_agents"]["agents"]);
        let tasks = list(&state["get_state"]["get_tasks"]["tasks"]);
        for agent in agents {
            let id = &agent["agent_info"]["id"];
            let total = resources(&agent["total_resources"]);
            let used = resources(&agent["allocated_resources"]);
            let offered = resources(&agent["offered_resources"]);
            let given = (used.clone() + &offered).unallocated();
            assert!(total.contains(&given), "seed {seed}: {given} of {total} is given out");
            let living =
                tasks.iter().filter(|task| task["agent_id"] == *id && task["state"] == "TASK_RUNNING");
            let needed: Resources = living.map(|task| resources(&task["resources"])).sum();
            assert_eq!(used, needed, "seed {seed}: what is counted as used is not what tasks use");
        }
    }
}

fn reserve(offer: &Value) -> Value {
    let role = offer["allocation_info"]["role"].clone();
    let mut resource = scalar("cpus", 0.5);
    resource["reservations"] = json!([{"type": "DYNAMIC", "role": role, "principal": "p1"}]);
    json!({"type": "RESERVE", "reserve": {"resources": [resource]}})
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn resources(value: &Value) -> Resources {
    let list: Vec<Resource> = serde_json::from_value(json!(list(value))).unwrap();
    list.into()
}

#[test]
fn storms_leave_the_books_in_order() {
    for seed in 0..12 {
        let mut storm = Storm::new(seed);
        for _ in 0..120 {
            storm.blow();
            storm.check(seed);
        }
        assert!(storm.tasks > 0, "seed {seed}: nothing was launched");
    }
}
