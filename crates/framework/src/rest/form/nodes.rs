//! `/api/NODE/{verb}` of earlier frameworks for numbered nodes: `list`, `add`, `update`, `clone`, `start`, `stop`, `restart`,
//! `remove`, by GET or POST, with parameters in the query or a form, of which the one that is called like a node says which are
//! meant.
//!
//! What is different: a changed node is restarted by a rolling, gated plan rather than at its next `start`; parameters that
//! have no meaning here are listed under `ignored` in the answer.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::{MethodRouter, get};
use serde_json::{Map, Value, json};

use super::{Params, text};
use crate::kit::{Ids, Nodes, idle};
use crate::rest::{Problem, Refused, start};
use crate::{Command, Handle, Phase, View};

/// How long `start` and `stop` wait unless told otherwise.
const WAIT: Duration = Duration::from_secs(60);
/// The same for each node of `restart`.
const WAIT_RESTART: Duration = Duration::from_secs(300);
/// Parameters that only control the request.
const CONTROL: [&str; 8] =
    ["timeout", "force", "source", "name", "lines", "noWaitForReplication", "token", "api"];

/// What is different about the nodes of a service.
#[derive(Debug, Clone, Copy)]
pub struct Earlier {
    /// The nodes.
    pub nodes: Nodes,
    /// How parameters are written that set those of the nodes' own options which are the service's own; for the usual ones that is
    /// known. They are called alike. An empty one resets it.
    pub kinds: &'static [(&'static str, Kind)],
    /// What `DELETE` of nodes does before one goes, for people: `moves its partitions away`.
    pub leaving: &'static str,
}

/// How the value of a parameter is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `0.5`.
    Number,
    /// `2048`.
    Whole,
    /// As it is.
    Text,
    /// `-Dx=1 -Dy=2`.
    Words,
    /// `hostname=unique`, see [`text::constraints`].
    Constraints,
    /// `a=1,b=2`, see [`text::map`]: all entries are replaced.
    Map,
}

impl Kind {
    /// How the parameters of options are written that services have from the kit.
    fn usual(option: &str) -> Self {
        match option {
            "cpus" => Self::Number,
            "mem" | "heap" | "disk" => Self::Whole,
            "constraints" => Self::Constraints,
            "jvmOptions" => Self::Words,
            _ => Self::Text,
        }
    }

    /// The value of a parameter, null if it is empty; nothing if it was not sent.
    ///
    /// # Errors
    /// 400 if it cannot be read.
    pub(super) fn read(self, params: &Params, name: &str) -> Refused<Option<Value>> {
        let Some(sent) = params.sent(name) else { return Ok(None) };
        let bad = |why: String| Problem::bad_request(format!("{name}: {why}"));
        let entries = |map: Vec<(String, String)>| -> Map<String, Value> {
            map.into_iter().map(|(name, value)| (name, value.into())).collect()
        };
        Ok(Some(match self {
            Self::Number if !sent.is_empty() => json!(params.number::<f64>(name)?),
            Self::Whole if !sent.is_empty() => json!(params.number::<u64>(name)?),
            Self::Text if !sent.is_empty() => sent.into(),
            Self::Number | Self::Whole | Self::Text => Value::Null,
            Self::Words => sent.split_whitespace().collect(),
            Self::Constraints => json!(text::constraints(sent).map_err(bad)?),
            Self::Map => entries(text::map(sent).map_err(bad)?).into(),
        }))
    }
}

impl Earlier {
    /// Parameters that set an option of a node, and how they are written.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        self.nodes.overrides.iter().map(|option| {
            let own = self.kinds.iter().find(|(name, _)| name == option);
            (*option, own.map_or_else(|| Kind::usual(option), |(_, kind)| *kind))
        })
    }

    /// What answers at `/api/NODE/{verb}`.
    pub fn verbs(&'static self) -> MethodRouter<Handle> {
        let answer = move |State(handle): State<Handle>, Path(verb): Path<String>, params: Params| async move {
            self.answer(&handle, &verb, &params).await.map(Json)
        };
        get(answer).post(answer)
    }

    /// The answer to a verb.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn answer(&self, handle: &Handle, verb: &str, params: &Params) -> Refused<Value> {
        if verb != "list" && verb != "log" {
            params.may_write()?;
        }
        match verb {
            "list" => self.list(handle, params),
            "add" => self.add(handle, params).await,
            "update" => self.update(handle, params).await,
            "clone" => self.clone_of(handle, params).await,
            "start" => self.start(handle, params).await,
            "stop" => self.stop(handle, params).await,
            "restart" => self.restart(handle, params).await,
            "remove" => self.remove(handle, params).await,
            "log" => self.log(params),
            _ => {
                let what = format!("there is no /api/{}/{verb}", self.nodes.one);
                Err(Problem::not_found("unknown-verb", what)
                    .hint("verbs: list, add, update, clone, start, stop, restart, remove, log"))
            }
        }
    }

    fn list(&self, handle: &Handle, params: &Params) -> Refused<Value> {
        let published = handle.published();
        let known = self.nodes.listed(&published.config.options, &published.status.instances);
        let text = params.get(self.nodes.one).unwrap_or("*");
        let ids = self.nodes.chosen(text, &known, &published.view)?;
        Ok(json!({ self.nodes.many: self.shapes(&published, &ids) }))
    }

    /// Adds nodes that wait for `start`.
    async fn add(&self, handle: &Handle, params: &Params) -> Refused<Value> {
        let (ids, patch) = (self.named(params)?, self.patch(params)?);
        let add = |view: &View, options: &mut Value| {
            self.add_idle(options, view, &ids)?;
            self.write(options, &ids, &patch)
        };
        handle.edit(add).await?;
        self.shown(handle, &ids, params)
    }

    async fn update(&self, handle: &Handle, params: &Params) -> Refused<Value> {
        let ids = self.meant(handle, params)?;
        let patch = self.patch(params)?;
        handle.change(|options| self.write(options, &ids, &patch)).await?;
        self.shown(handle, &ids, params)
    }

    async fn clone_of(&self, handle: &Handle, params: &Params) -> Refused<Value> {
        let ids = self.named(params)?;
        let source = params.need("source")?;
        let add = |view: &View, options: &mut Value| {
            let known = self.nodes.configured(options, view);
            if !source.parse().is_ok_and(|id| known.contains(&id)) {
                return Err(Problem::bad_request(format!("{} {source} not found", self.nodes.one)));
            }
            self.add_idle(options, view, &ids)?;
            match options.get("overrides").and_then(|all| all.get(source)).cloned() {
                Some(like) => self.nodes.patch_each(options, &ids, &like),
                None => Ok(()),
            }
        };
        handle.edit(add).await?;
        self.shown(handle, &ids, params)
    }

    async fn start(&self, handle: &Handle, params: &Params) -> Refused<Value> {
        let ids = self.meant(handle, params)?;
        let timeout = params.timeout(WAIT)?;
        start(handle, &self.nodes, &ids, BTreeSet::new()).await?;
        self.finish(handle, params, &ids, timeout, Phase::Ready, "started").await
    }

    async fn stop(&self, handle: &Handle, params: &Params) -> Refused<Value> {
        let ids = self.running(handle, params)?;
        let timeout = params.timeout(WAIT)?;
        let command = Command::Stop { instances: self.instances(&ids), force: params.flag("force") };
        handle.command(command).await?;
        self.finish(handle, params, &ids, timeout, Phase::Stopped, "stopped").await
    }

    async fn restart(&self, handle: &Handle, params: &Params) -> Refused<Value> {
        let ids = self.running(handle, params)?;
        let timeout = params.timeout(WAIT_RESTART)?;
        if timeout.is_zero() {
            return Err(Problem::bad_request("timeout must be above 0"));
        }
        let before = handle.published();
        handle.command(Command::Restart(self.instances(&ids))).await?;
        let same = |view: &View, id: u32| self.task(view, id) == self.task(&before.view, id);
        let renewed =
            |view: &View| self.all_are(view, &ids, Phase::Ready) && !ids.iter().any(|id| same(view, *id));
        let in_all = timeout.saturating_mul(u32::try_from(ids.len()).unwrap_or(u32::MAX));
        let done = wait_until(handle, in_all, renewed).await;
        let mut value = self.shown(handle, &ids, params)?;
        value["status"] = if done { "restarted" } else { "timeout" }.into();
        if !done {
            let now = handle.published();
            let late = ids.iter().find(|id| same(&now.view, **id)).or(ids.first());
            let late = late.and_then(|id| now.view.instances.get(&self.nodes.instance(*id)));
            let message = late.map(|i| format!("{} timeout: {}", i.name, i.message)).unwrap_or_default();
            value["message"] = message.into();
        }
        Ok(value)
    }

    /// Removes nodes that are stopped.
    async fn remove(&self, handle: &Handle, params: &Params) -> Refused<Value> {
        let ids = self.meant(handle, params)?;
        let published = handle.published();
        let idle = idle(&published.config.options);
        let stopped = |id: &u32| idle.contains(id) || published.view.stopped(&self.nodes.instance(*id));
        if let Some(id) = ids.iter().find(|id| !stopped(id)) {
            let Nodes { one, many, .. } = self.nodes;
            let hint = format!("stop it first, or use DELETE /v1/{many}, which {} before", self.leaving);
            return Err(Problem::bad_request(format!("{one} {id} is active")).hint(hint));
        }
        handle.edit(|view, options| self.nodes.remove(options, view, &ids)).await?;
        Ok(json!({ "ids": ids.iter().map(ToString::to_string).collect::<Vec<_>>() }))
    }

    fn log(&self, params: &Params) -> Refused<Value> {
        let id = params.need(self.nodes.one)?.parse().unwrap_or(self.nodes.first);
        let instance = self.nodes.instance(id);
        let content = format!("logs are read from the agent: `cairn logs STACK/SERVICE/{instance}`");
        Ok(json!({ "status": "failure", "content": content }))
    }

    /// What the parameters say about nodes, as a merge patch; an empty parameter resets.
    ///
    /// # Errors
    /// 400 for a value that cannot be read.
    pub fn patch(&self, params: &Params) -> Refused<Value> {
        let mut patch = Map::new();
        for (name, kind) in self.fields() {
            patch.extend(kind.read(params, name)?.map(|value| (name.to_owned(), value)));
        }
        Ok(Value::Object(patch))
    }

    fn write(&self, options: &mut Value, ids: &BTreeSet<u32>, patch: &Value) -> Refused<()> {
        let maps = self.fields().filter(|(name, kind)| *kind == Kind::Map && patch.get(name).is_some());
        for (name, _) in maps {
            self.nodes.patch_each(options, ids, &json!({ name: null }))?;
        }
        self.nodes.patch_each(options, ids, patch)
    }

    /// Ids of nodes that need not be there yet.
    fn named(&self, params: &Params) -> Refused<BTreeSet<u32>> {
        let ids: Ids = params.need(self.nodes.one)?.parse().map_err(Problem::bad_request)?;
        Ok(ids.named().clone())
    }

    /// Nodes that are there to be changed.
    fn meant(&self, handle: &Handle, params: &Params) -> Refused<BTreeSet<u32>> {
        let published = handle.published();
        let known = self.nodes.configured(&published.config.options, &published.view);
        self.nodes.chosen(params.need(self.nodes.one)?, &known, &published.view)
    }

    /// The same without those that are only configured.
    fn running(&self, handle: &Handle, params: &Params) -> Refused<BTreeSet<u32>> {
        let idle = idle(&handle.published().config.options);
        Ok(self.meant(handle, params)?.difference(&idle).copied().collect())
    }

    fn add_idle(&self, options: &mut Value, view: &View, ids: &BTreeSet<u32>) -> Refused<()> {
        let taken = self.nodes.configured(options, view);
        if let Some(id) = ids.intersection(&taken).next() {
            return Err(Problem::bad_request(format!("{} {id} already exists", self.nodes.one)));
        }
        let mut idle = taken;
        idle.retain(|id| !self.nodes.target(view).contains(id));
        idle.extend(ids);
        Nodes::set_idle(options, &idle);
        Ok(())
    }

    fn shown(&self, handle: &Handle, ids: &BTreeSet<u32>, params: &Params) -> Refused<Value> {
        let nodes = self.shapes(&handle.published(), ids);
        Ok(self.with_ignored(json!({ self.nodes.many: nodes }), params))
    }

    fn with_ignored(&self, mut value: Value, params: &Params) -> Value {
        let known = |name: &&str| {
            *name == self.nodes.one || CONTROL.contains(name) || self.nodes.overrides.contains(name)
        };
        let ignored: Vec<&str> = params.names().filter(|name| !known(name)).collect();
        if !ignored.is_empty() {
            value["ignored"] = json!(ignored);
        }
        value
    }

    async fn finish(
        &self,
        handle: &Handle,
        params: &Params,
        ids: &BTreeSet<u32>,
        timeout: Duration,
        phase: Phase,
        word: &str,
    ) -> Refused<Value> {
        let status = if timeout.is_zero() {
            "scheduled"
        } else if wait_until(handle, timeout, |view| self.all_are(view, ids, phase)).await {
            word
        } else {
            "timeout"
        };
        let mut value = self.shown(handle, ids, params)?;
        value["status"] = status.into();
        Ok(value)
    }

    fn instances(&self, ids: &BTreeSet<u32>) -> Vec<String> {
        ids.iter().map(|id| self.nodes.instance(*id)).collect()
    }

    fn task(&self, view: &View, id: u32) -> Option<String> {
        view.instances.get(&self.nodes.instance(id))?.task_id.clone()
    }

    fn all_are(&self, view: &View, ids: &BTreeSet<u32>, phase: Phase) -> bool {
        let is = |id: &u32| view.instances.get(&self.nodes.instance(*id)).is_some_and(|i| i.phase == phase);
        ids.iter().all(is)
    }
}

/// Waits until `done` holds of the view, at most so long.
async fn wait_until(handle: &Handle, timeout: Duration, done: impl Fn(&View) -> bool) -> bool {
    let mut changes = handle.subscribe();
    let reached = tokio::time::timeout(timeout, changes.wait_for(|p| done(&p.view))).await;
    matches!(reached, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Published, simulation};

    const EARLIER: Earlier = Earlier {
        nodes: Nodes {
            gaps: true,
            overrides: &["cpus", "mem", "heap", "options", "jvmOptions", "constraints", "port"],
            shown: |_, instance| json!({ "cpus": instance.len() }),
            ..Nodes::new("broker", "brokers")
        },
        kinds: &[("options", Kind::Map)],
        leaving: "moves its data away",
    };

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
            EARLIER.patch(&params).unwrap(),
            json!({
                "cpus": 0.5, "mem": 2048, "heap": null, "constraints": ["hostname:unique"],
                "jvmOptions": ["-Dx=1", "-Dy=2"], "options": { "a": "1", "b": "x,y" },
            })
        );
        assert_eq!(EARLIER.with_ignored(json!({}), &params), json!({ "ignored": ["volume"] }));
        let bad = EARLIER.patch(&Params::of(&[("mem", "x")])).unwrap_err();
        assert!(bad.detail.contains("`x` is not a number"));
    }

    #[test]
    fn maps_are_replaced_and_what_is_added_waits() {
        let mut options =
            json!({ "brokers": 1, "overrides": { "0": { "options": { "old": "1" }, "cpus": 2 } } });
        let zero = BTreeSet::from([0]);
        EARLIER.write(&mut options, &zero, &json!({ "options": { "new": "2" } })).unwrap();
        assert_eq!(options["overrides"]["0"], json!({ "cpus": 2, "options": { "new": "2" } }));
        let view = View { target: vec!["broker-0".into()], ..View::default() };
        EARLIER.add_idle(&mut options, &view, &[4].into()).unwrap();
        assert_eq!(options["idle"], json!([4]));
        let taken = EARLIER.add_idle(&mut options, &view, &[4].into()).unwrap_err();
        assert_eq!(taken.detail, "broker 4 already exists");
    }

    #[tokio::test]
    async fn verbs_are_told_apart() {
        let config = Config { options: json!({ "idle": [4] }).into(), ..Config::default() };
        let handle = simulation::handle(Published { config, ..Published::default() });
        let answer =
            async |verb, params: &[(&str, &str)]| EARLIER.answer(&handle, verb, &Params::of(params)).await;
        let listed = answer("list", &[]).await.unwrap();
        assert_eq!(
            (&listed["brokers"][0]["id"], &listed["brokers"][0]["cpus"]),
            (&json!("4"), &json!("broker-4".len()))
        );
        let unknown = answer("explode", &[]).await.unwrap_err();
        assert_eq!((unknown.status, unknown.detail.as_str()), (404, "there is no /api/broker/explode"));
        assert_eq!(answer("start", &[]).await.unwrap_err().detail, "broker required");
        let restart = [("broker", "4"), ("timeout", "0")];
        assert_eq!(answer("restart", &restart).await.unwrap_err().detail, "timeout must be above 0");
        let log = answer("log", &[("broker", "4")]).await.unwrap();
        assert!(log["content"].as_str().unwrap().ends_with("STACK/SERVICE/broker-4`"));
    }
}
