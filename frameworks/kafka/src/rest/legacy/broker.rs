//! `/api/broker/{list|add|update|clone|start|stop|restart|remove|log}`.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use cairn_framework::kit::{Ids, Nodes};
use cairn_framework::rest::form::{Params, text};
use cairn_framework::rest::{Problem, start as start_nodes};
use cairn_framework::{Command, Handle, Phase, Published, Refused, View};
use serde_json::{Map, Value, json};

use crate::broker::{BROKERS, Broker, instance_name};
use crate::options::Options;
use crate::rest::options;
use crate::task::CLIENT_PORT;

/// How long `start` and `stop` wait unless told otherwise.
const WAIT: Duration = Duration::from_secs(60);
/// The same for each broker of `restart`.
const WAIT_RESTART: Duration = Duration::from_secs(300);
/// Parameters with a meaning; those that only control the request are among them.
const KNOWN: [&str; 16] = [
    "broker",
    "cpus",
    "mem",
    "heap",
    "port",
    "options",
    "jvmOptions",
    "constraints",
    "timeout",
    "force",
    "source",
    "name",
    "lines",
    "noWaitForReplication",
    "token",
    "api",
];

pub(super) async fn handle(
    State(handle): State<Handle>,
    Path(verb): Path<String>,
    params: Params,
) -> Refused<Json<Value>> {
    if verb != "list" && verb != "log" {
        params.may_write()?;
    }
    let answer = match verb.as_str() {
        "list" => list(&handle, &params),
        "add" => add(&handle, &params).await,
        "update" => update(&handle, &params).await,
        "clone" => clone(&handle, &params).await,
        "start" => start(&handle, &params).await,
        "stop" => stop(&handle, &params).await,
        "restart" => restart(&handle, &params).await,
        "remove" => remove(&handle, &params).await,
        "log" => log(&params),
        _ => Err(Problem::not_found("unknown-verb", format!("there is no /api/broker/{verb}"))
            .hint("verbs: list, add, update, clone, start, stop, restart, remove, log")),
    };
    answer.map(Json)
}

fn list(handle: &Handle, params: &Params) -> Refused<Value> {
    let published = handle.published();
    let options = options(&published)?;
    let known = BROKERS.listed(&published.config.options, &published.status.instances);
    let ids = BROKERS.chosen(params.get("broker").unwrap_or("*"), &known, &published.view)?;
    Ok(json!({ "brokers": shown(&published, &options, &ids) }))
}

fn shown(published: &Published, options: &Options, ids: &BTreeSet<u32>) -> Vec<Value> {
    ids.iter().map(|id| broker(published, options, *id)).collect()
}

/// A broker in the shape that the earlier framework gave it.
fn broker(published: &Published, options: &Options, id: u32) -> Value {
    let name = instance_name(id);
    let broker = Broker::of(options, id);
    let status = published.view.instances.get(&name).cloned().unwrap_or_default();
    let active = !options.idle.contains(&id) && status.phase != Phase::Stopped;
    let mut value = json!({
        "id": id.to_string(),
        "active": active,
        "cpus": broker.cpus,
        "mem": broker.mem.mib(),
        "heap": broker.heap.mib(),
        "constraints": text::format_constraints(&broker.constraints),
        "options": text::format_map(broker.options.iter().map(|(k, v)| (k.as_str(), v.to_string()))),
        "jvmOptions": broker.jvm_options.join(" "),
        "failover": { "failures": status.failures },
        "stickiness": { "hostname": status.placement.as_ref().map(|p| p.hostname.clone()) },
        "needsRestart": status.needs_restart,
    });
    if let (Some(port), Some(fields)) = (broker.port, value.as_object_mut()) {
        fields.insert("port".into(), port.to_string().into());
    }
    if let (Some(task), Some(place)) = (&status.task_id, &status.placement) {
        value["task"] = json!({
            "id": task,
            "slaveId": place.agent_id,
            "executorId": task,
            "hostname": place.hostname,
            "endpoint": place.endpoint(CLIENT_PORT),
            "attributes": text::format_map(place.attributes.iter().map(|(k, v)| (k.as_str(), v.clone()))),
            "state": task_state(status.phase),
        });
    }
    value
}

fn task_state(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting | Phase::BackOff | Phase::Stopped | Phase::Finished | Phase::Failed => "pending",
        Phase::Staging | Phase::Starting | Phase::Running => "starting",
        Phase::Ready | Phase::Unhealthy => "running",
        Phase::Stopping => "stopping",
        Phase::Unreachable | Phase::Reconciling => "reconciling",
    }
}

/// What the parameters say about brokers, as a merge patch; an empty parameter resets.
fn patch(params: &Params) -> Refused<Value> {
    let mut fields = Map::new();
    let bad = |name: &str, why: String| Problem::bad_request(format!("{name}: {why}"));
    for name in ["cpus", "mem", "heap"] {
        match params.sent(name) {
            Some("") => drop(fields.insert(name.into(), Value::Null)),
            Some(_) if name == "cpus" => drop(fields.insert(name.into(), json!(params.number::<f64>(name)?))),
            Some(_) => drop(fields.insert(name.into(), json!(params.number::<u64>(name)?))),
            None => {}
        }
    }
    if let Some(port) = params.sent("port") {
        fields.insert("port".into(), if port.is_empty() { Value::Null } else { port.into() });
    }
    if let Some(constraints) = params.sent("constraints") {
        fields.insert(
            "constraints".into(),
            json!(text::constraints(constraints).map_err(|e| bad("constraints", e))?),
        );
    }
    if let Some(jvm) = params.sent("jvmOptions") {
        fields.insert("jvmOptions".into(), json!(jvm.split_whitespace().collect::<Vec<_>>()));
    }
    if let Some(options) = params.sent("options") {
        let entries = text::map(options).map_err(|e| bad("options", e))?;
        fields.insert(
            "options".into(),
            entries.into_iter().map(|(k, v)| (k, Value::from(v))).collect::<Map<_, _>>().into(),
        );
    }
    Ok(Value::Object(fields))
}

/// The earlier framework replaced the options of a broker as a whole.
fn write(options: &mut Value, ids: &BTreeSet<u32>, patch: &Value) -> Refused<()> {
    if patch.get("options").is_some() {
        BROKERS.patch_each(options, ids, &json!({ "options": null }))?;
    }
    BROKERS.patch_each(options, ids, patch)
}

fn with_ignored(mut value: Value, params: &Params) -> Value {
    let ignored: Vec<&str> = params.names().filter(|n| !KNOWN.contains(n)).collect();
    if let (false, Some(fields)) = (ignored.is_empty(), value.as_object_mut()) {
        fields.insert("ignored".into(), json!(ignored));
    }
    value
}

/// Adds brokers that wait for `start`.
async fn add(handle: &Handle, params: &Params) -> Refused<Value> {
    let (ids, patch) = (named(params)?, patch(params)?);
    handle
        .edit(|view, options| {
            add_idle(options, view, &ids)?;
            write(options, &ids, &patch)
        })
        .await?;
    answer(handle, &ids, params)
}

/// Ids of brokers that need not be there yet.
fn named(params: &Params) -> Refused<BTreeSet<u32>> {
    let ids: Ids = params.need("broker")?.parse().map_err(Problem::bad_request)?;
    Ok(ids.named().clone())
}

fn add_idle(options: &mut Value, view: &View, ids: &BTreeSet<u32>) -> Refused<()> {
    let taken = BROKERS.configured(options, view);
    if let Some(id) = ids.intersection(&taken).next() {
        return Err(Problem::bad_request(format!("broker {id} already exists")));
    }
    let mut idle = taken;
    idle.retain(|id| !BROKERS.target(view).contains(id));
    idle.extend(ids);
    Nodes::set_idle(options, &idle);
    Ok(())
}

fn answer(handle: &Handle, ids: &BTreeSet<u32>, params: &Params) -> Refused<Value> {
    let published = handle.published();
    let options = options(&published)?;
    Ok(with_ignored(json!({ "brokers": shown(&published, &options, ids) }), params))
}

fn meant(handle: &Handle, params: &Params) -> Refused<(Options, BTreeSet<u32>)> {
    let published = handle.published();
    let known = BROKERS.configured(&published.config.options, &published.view);
    let ids = BROKERS.chosen(params.need("broker")?, &known, &published.view)?;
    Ok((options(&published)?, ids))
}

async fn update(handle: &Handle, params: &Params) -> Refused<Value> {
    let (_, ids) = meant(handle, params)?;
    let patch = patch(params)?;
    handle.change(|options| write(options, &ids, &patch)).await?;
    answer(handle, &ids, params)
}

async fn clone(handle: &Handle, params: &Params) -> Refused<Value> {
    let ids = named(params)?;
    let source = params.need("source")?;
    handle
        .edit(|view, options| {
            let known = BROKERS.configured(options, view);
            if !source.parse().is_ok_and(|id| known.contains(&id)) {
                return Err(Problem::bad_request(format!("broker {source} not found")));
            }
            add_idle(options, view, &ids)?;
            match options.get("overrides").and_then(|all| all.get(source)).cloned() {
                Some(like) => BROKERS.patch_each(options, &ids, &like),
                None => Ok(()),
            }
        })
        .await?;
    answer(handle, &ids, params)
}

/// Waits until `done` holds of the view, at most so long.
async fn wait_until(handle: &Handle, timeout: Duration, done: impl Fn(&View) -> bool) -> bool {
    let mut changes = handle.subscribe();
    let reached = tokio::time::timeout(timeout, changes.wait_for(|p| done(&p.view))).await;
    matches!(reached, Ok(Ok(_)))
}

fn all_are(view: &View, ids: &BTreeSet<u32>, phase: Phase) -> bool {
    ids.iter().all(|id| view.instances.get(&instance_name(*id)).is_some_and(|i| i.phase == phase))
}

async fn start(handle: &Handle, params: &Params) -> Refused<Value> {
    let (_, ids) = meant(handle, params)?;
    let timeout = params.timeout(WAIT)?;
    start_nodes(handle, &BROKERS, &ids).await?;
    finish(handle, params, &ids, timeout, Phase::Ready, "started").await
}

async fn stop(handle: &Handle, params: &Params) -> Refused<Value> {
    let (options, ids) = meant(handle, params)?;
    let timeout = params.timeout(WAIT)?;
    let ids: BTreeSet<u32> = ids.difference(&options.idle).copied().collect();
    let instances = ids.iter().map(|id| instance_name(*id)).collect();
    handle.command(Command::Stop { instances, force: params.flag("force") }).await?;
    finish(handle, params, &ids, timeout, Phase::Stopped, "stopped").await
}

async fn finish(
    handle: &Handle,
    params: &Params,
    ids: &BTreeSet<u32>,
    timeout: Duration,
    phase: Phase,
    word: &str,
) -> Refused<Value> {
    let status = if timeout.is_zero() {
        "scheduled"
    } else if wait_until(handle, timeout, |view| all_are(view, ids, phase)).await {
        word
    } else {
        "timeout"
    };
    let mut value = answer(handle, ids, params)?;
    value["status"] = status.into();
    Ok(value)
}

async fn restart(handle: &Handle, params: &Params) -> Refused<Value> {
    let (options, ids) = meant(handle, params)?;
    let timeout = params.timeout(WAIT_RESTART)?;
    if timeout.is_zero() {
        return Err(Problem::bad_request("timeout must be above 0"));
    }
    let ids: BTreeSet<u32> = ids.difference(&options.idle).copied().collect();
    let before = handle.published();
    let task = |view: &View, id: u32| view.instances.get(&instance_name(id)).and_then(|i| i.task_id.clone());
    handle.command(Command::Restart(ids.iter().map(|id| instance_name(*id)).collect())).await?;
    let renewed = |view: &View| {
        all_are(view, &ids, Phase::Ready) && ids.iter().all(|id| task(view, *id) != task(&before.view, *id))
    };
    let in_all = timeout.saturating_mul(u32::try_from(ids.len()).unwrap_or(u32::MAX));
    let done = wait_until(handle, in_all, renewed).await;
    let mut value = answer(handle, &ids, params)?;
    value["status"] = if done { "restarted" } else { "timeout" }.into();
    if !done {
        let now = handle.published();
        let late = ids.iter().find(|id| task(&now.view, **id) == task(&before.view, **id)).or(ids.first());
        let why = late.and_then(|id| now.view.instances.get(&instance_name(*id)));
        let message = why.map(|i| format!("{} timeout: {}", i.name, i.message)).unwrap_or_default();
        value["message"] = message.into();
    }
    Ok(value)
}

/// Removes brokers that are stopped; `DELETE /v1/brokers` also takes running ones, after their partitions have moved.
async fn remove(handle: &Handle, params: &Params) -> Refused<Value> {
    let (options, ids) = meant(handle, params)?;
    let published = handle.published();
    let stopped = |id: &u32| {
        let phase = published.view.instances.get(&instance_name(*id)).map(|i| i.phase);
        options.idle.contains(id) || phase == Some(Phase::Stopped)
    };
    if let Some(id) = ids.iter().find(|id| !stopped(id)) {
        return Err(Problem::bad_request(format!("broker {id} is active"))
            .hint("stop it first, or use DELETE /v1/brokers, which moves its partitions away before"));
    }
    handle.edit(|view, options| BROKERS.remove(options, view, &ids)).await?;
    Ok(json!({ "ids": ids.iter().map(ToString::to_string).collect::<Vec<_>>() }))
}

fn log(params: &Params) -> Refused<Value> {
    let id = params.need("broker")?;
    let content = format!(
        "logs are read from the agent: `cairn logs STACK/SERVICE/{}`",
        instance_name(id.parse().unwrap_or(0))
    );
    Ok(json!({ "status": "failure", "content": content }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_framework::{Config, InstanceStatus, Placement};

    fn published() -> (Published, Options) {
        let config = json!({
            "brokers": 1, "idle": [4], "mode": "kraft", "constraints": ["hostname:unique"],
            "overrides": { "0": { "options": { "a": 1, "b": "x,y" }, "port": "31000..31100", "jvmOptions": ["-Dx=1", "-Dy=2"] } },
        });
        let mut published = Published {
            config: Config { options: config.into(), ..Config::default() },
            ..Published::default()
        };
        let placement = Placement {
            agent_id: "S0".into(),
            hostname: "h1".into(),
            address: "127.0.0.1".into(),
            attributes: [("rack".to_owned(), "r1".to_owned())].into(),
            ports: [("client".to_owned(), 31000)].into(),
            ..Placement::default()
        };
        let status = InstanceStatus {
            name: "broker-0".into(),
            phase: Phase::Ready,
            task_id: Some("broker-0.1".into()),
            placement: Some(placement),
            ..InstanceStatus::default()
        };
        std::sync::Arc::make_mut(&mut published.view).instances.insert("broker-0".into(), status);
        let options = published.config.read::<Options>().unwrap();
        (published, options)
    }

    #[test]
    fn brokers_look_as_they_used_to() {
        let (published, options) = published();
        let text = serde_json::to_string_pretty(&shown(&published, &options, &[0, 4].into())).unwrap();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn parameters_become_a_patch() {
        let params = Params::of(&[
            ("broker", "0"),
            ("cpus", "0.5"),
            ("mem", "2048"),
            ("heap", ""),
            ("options", r"a=1,b=x\,y"),
            ("volume", "v"),
            ("jvmOptions", "-Dx=1  -Dy=2"),
            ("constraints", "hostname=unique"),
        ]);
        assert_eq!(
            patch(&params).unwrap(),
            json!({
                "cpus": 0.5, "mem": 2048, "heap": null, "constraints": ["hostname:unique"],
                "jvmOptions": ["-Dx=1", "-Dy=2"], "options": { "a": "1", "b": "x,y" },
            })
        );
        assert_eq!(with_ignored(json!({}), &params), json!({ "ignored": ["volume"] }));
        assert!(patch(&Params::of(&[("mem", "x")])).unwrap_err().detail.contains("`x` is not a number"));
    }
}
