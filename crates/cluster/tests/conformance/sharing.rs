//! Who is offered what: frameworks answer each offer as they did in the recording, when it comes. Offers follow events here and
//! a tick there, so what is compared is not when they come but to whom, and what is in them.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_mesos::codec::MediaType;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::play::Player;
use crate::recording::{Item, Recording, Request};
use crate::stream::{Side, Stream, single};

/// How long the next offer may take.
const PATIENCE: Duration = Duration::from_secs(25);
const PAUSE: Duration = Duration::from_millis(5);
/// How many offers that nobody can use are looked at: they go on.
const RESTS: usize = 3;

/// The amounts that change from offer to offer, in thousandths.
type Amounts = [i64; 2];

/// One framework of a part.
struct Framework {
    conn: String,
    role: String,
    stream: Stream,
    launched: usize,
    /// How it launches: with the ids of the recording.
    accept: Option<Request>,
    decline: Request,
}

/// What a part of the recording shows.
struct Shown {
    /// Who was offered something, in order.
    order: Vec<String>,
    /// How many tasks each framework launched.
    launched: BTreeMap<String, usize>,
    /// What was in the offers, by what had been launched before: by whom it counts, and how many.
    offers: BTreeMap<(String, usize), Amounts>,
}

/// Plays all parts, each of which begins with an action.
pub(crate) async fn play(player: &mut Player, recording: &Recording) {
    let begins = |item: &Item| item.action.as_deref().is_some_and(|action| action.starts_with("--- part"));
    let starts: Vec<usize> = (0..recording.items.len()).filter(|at| begins(&recording.items[*at])).collect();
    for (n, start) in starts.iter().enumerate() {
        let end = starts.get(n + 1).copied().unwrap_or(recording.items.len());
        let part = &recording.items[start + 1..end];
        let name = recording.items[*start].action.as_deref().unwrap_or_default();
        if let Err(why) = play_part(player, name, part).await {
            return player.differences.push(format!("{name}: {why}"));
        }
    }
}

async fn play_part(player: &mut Player, name: &str, part: &[Item]) -> Result<(), String> {
    let is_subscription = |item: &&Item| item.response.as_ref().is_some_and(|r| r.events.is_some());
    let is_reaction = |item: &&Item| ["ACCEPT", "DECLINE", "ACKNOWLEDGE"].contains(&kind(item));
    let by_role = name.contains("quota");
    let shown = shown(part, by_role);
    let mut frameworks = Vec::new();
    // All are there before anybody answers: nobody is to have more for having come first.
    for item in part.iter().filter(is_subscription) {
        frameworks.push(subscribe(player, item, part).await?);
    }
    react(player, &mut frameworks, &shown, by_role).await?;
    for item in part.iter().filter(|item| !is_subscription(item) && !is_reaction(item)) {
        if let (Some(request), Some(response)) = (&item.request, &item.response) {
            player.exchange(item, request, response).await;
        }
    }
    Ok(())
}

fn kind(item: &Item) -> &str {
    let body = item.request.as_ref().and_then(|request| request.body_json.as_ref());
    body.and_then(|body| body["type"].as_str()).unwrap_or_default()
}

/// The framework's name, of any of its connections.
fn who(conn: &str) -> &str {
    conn.split('-').next().unwrap_or(conn)
}

fn amounts(offer: &Value) -> Amounts {
    let resources = offer["resources"].as_array().cloned().unwrap_or_default();
    ["cpus", "mem"].map(|name| {
        let found = resources.iter().filter(|resource| resource["name"] == name);
        found.map(|r| (r["scalar"]["value"].as_f64().unwrap_or_default() * 1000.0).round() as i64).sum()
    })
}

fn role(offer: &Value) -> String {
    offer["allocation_info"]["role"].as_str().unwrap_or_default().to_owned()
}

/// Reads a part: its offers and launches in order of time.
fn shown(part: &[Item], by_role: bool) -> Shown {
    let mut happened: Vec<(f64, &str, Option<Value>)> = Vec::new();
    for item in part {
        if kind(item) == "ACCEPT" {
            happened.push((item.at_ms, who(&item.conn), None));
        }
        for event in item.response.iter().flat_map(|response| response.events.iter().flatten()) {
            let offers = single(&event.json).into_iter().filter(|event| event["type"] == "OFFERS");
            happened.extend(offers.map(|one| (event.at_ms, who(&item.conn), Some(one["offer"].clone()))));
        }
    }
    happened.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut shown = Shown { order: Vec::new(), launched: BTreeMap::new(), offers: BTreeMap::new() };
    for (_, conn, offer) in happened {
        match offer {
            None => *shown.launched.entry(conn.to_owned()).or_default() += 1,
            Some(offer) => {
                shown.order.push(conn.to_owned());
                let own = shown.launched.get(conn).copied().unwrap_or_default();
                let launched = if by_role { own } else { shown.launched.values().sum() };
                let whose = if by_role { role(&offer) } else { String::new() };
                shown.offers.insert((whose, launched), amounts(&offer));
            }
        }
    }
    shown
}

async fn subscribe(player: &mut Player, item: &Item, part: &[Item]) -> Result<Framework, String> {
    let (Some(request), Some(expected)) = (&item.request, &item.response) else {
        return Err("no subscription".into());
    };
    let answer = player.ask(&item.conn, request).await.map_err(|error| error.to_string())?;
    let ours = answer.headers().get("Mesos-Stream-Id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let theirs = expected.headers.get("Mesos-Stream-Id").and_then(Value::as_str).unwrap_or_default();
    player.names.bind(theirs, vec![ours.to_owned()]);
    let mut stream = Stream::read(answer, MediaType::Json, Side::Scheduler);
    let subscribed = &expected.events.iter().flatten().next().ok_or("no events")?.json;
    stream.expect(subscribed, &mut player.names, PATIENCE).await?;
    let of = |wanted: &str| {
        let mut own =
            part.iter().filter(|other| who(&other.conn) == who(&item.conn) && kind(other) == wanted);
        own.find_map(|other| other.request.clone())
    };
    let role = request.body_json.as_ref().map(|body| &body["subscribe"]["framework_info"]["roles"][0]);
    let role = role.and_then(Value::as_str).unwrap_or_default().to_owned();
    let accept = of("ACCEPT");
    let mut decline = of("DECLINE").or_else(|| accept.clone()).ok_or("it answers nothing")?;
    let framework_id = decline.body_json.as_ref().map_or(Value::Null, |body| body["framework_id"].clone());
    decline.body_json = Some(json!({
        "type": "DECLINE", "framework_id": framework_id, "decline": {"filters": {"refuse_seconds": 0.0}},
    }));
    Ok(Framework { conn: who(&item.conn).to_owned(), role, stream, launched: 0, accept, decline })
}

/// Answers offers until as much has been launched as in the recording, and the rest has been on offer for a while.
async fn react(
    player: &mut Player,
    frameworks: &mut [Framework],
    shown: &Shown,
    by_role: bool,
) -> Result<(), String> {
    let wanted: usize = shown.launched.values().sum();
    let mut order: Vec<String> = Vec::new();
    let mut rests = 0;
    let mut deadline = Instant::now() + PATIENCE;
    loop {
        let launched = || frameworks.iter().map(|one| one.launched).sum::<usize>();
        let is_over = if wanted == 0 {
            order.len() == shown.order.len()
        } else {
            launched() == wanted && rests >= RESTS
        };
        if is_over {
            break;
        }
        if Instant::now() > deadline {
            return Err(format!("no more offers after {order:?}"));
        }
        let before = launched();
        let Some((event, framework)) = next(frameworks).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        if event["type"] == "UPDATE" {
            acknowledge(player, framework, &event["update"]["status"]).await?;
            continue;
        }
        let Some(offer) = event.get("offer") else { continue };
        deadline = Instant::now() + PATIENCE;
        order.push(framework.conn.clone());
        let count = if by_role { framework.launched } else { before };
        let whose = if by_role { framework.role.clone() } else { String::new() };
        let expected = shown.offers.get(&(whose, count));
        if role(offer) != framework.role || expected != Some(&amounts(offer)) {
            let who = &framework.conn;
            return Err(format!("{who} is offered {offer} after {count} tasks, by Mesos {expected:?}"));
        }
        if answer(player, framework, offer).await? {
            rests += usize::from(before >= wanted);
        }
    }
    if wanted == 0 && order != shown.order {
        return Err(format!("offers go to {order:?}, by Mesos to {:?}", shown.order));
    }
    let launched: BTreeMap<String, usize> = frameworks
        .iter()
        .filter(|one| one.launched > 0)
        .map(|one| (one.conn.clone(), one.launched))
        .collect();
    if launched == shown.launched {
        Ok(())
    } else {
        Err(format!("{launched:?} tasks, by Mesos {shown:?}", shown = shown.launched))
    }
}

/// The next event that anybody has, and whose it is.
async fn next(frameworks: &mut [Framework]) -> Option<(Value, &mut Framework)> {
    for framework in frameworks {
        if let Some(event) = framework.stream.next().await {
            return Some((event, framework));
        }
    }
    None
}

/// Launches one task, if the offer has room for it and the framework launches at all; else declines. Whether it declined.
async fn answer(player: &mut Player, framework: &mut Framework, offer: &Value) -> Result<bool, String> {
    let [cpus, mem] = amounts(offer);
    let fits = cpus >= 500 && mem >= 100_000;
    let ids = json!([offer["id"]]);
    let (mut request, declines) = match (&framework.accept, fits) {
        (Some(accept), true) => (accept.clone(), false),
        _ => (framework.decline.clone(), true),
    };
    let body = request.body_json.as_mut().ok_or("no call")?;
    if declines {
        body["decline"]["offer_ids"] = ids;
    } else {
        framework.launched += 1;
        let name = format!("{}-{}", framework.conn, framework.launched);
        body["accept"]["offer_ids"] = ids;
        let task = &mut body["accept"]["operations"][0]["launch"]["task_infos"][0];
        task["name"] = name.clone().into();
        task["task_id"]["value"] = name.into();
        task["agent_id"] = offer["agent_id"].clone();
    }
    send(player, &framework.conn, &request).await?;
    Ok(declines)
}

async fn acknowledge(player: &mut Player, framework: &Framework, status: &Value) -> Result<(), String> {
    let mut request = framework.decline.clone();
    let body = request.body_json.as_mut().ok_or("no call")?;
    *body = json!({
        "type": "ACKNOWLEDGE",
        "framework_id": body["framework_id"],
        "acknowledge": {"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]},
    });
    send(player, &framework.conn, &request).await
}

async fn send(player: &mut Player, conn: &str, request: &Request) -> Result<(), String> {
    let answer = player.ask(conn, request).await.map_err(|error| error.to_string())?;
    match answer.status().as_u16() {
        202 => Ok(()),
        status => Err(format!("{conn} is answered {status}")),
    }
}
