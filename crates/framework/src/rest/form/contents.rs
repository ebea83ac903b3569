//! `/api/THING/{verb}` of earlier frameworks for what a service holds: `list`, `add`, `update`, `delete`, and `rebalance` where they
//! can be spread over nodes, with parameters in the query or a form, of which the one that is called like a thing says which are
//! meant: `logs,other`, and, where they have to be there, `logs-*`.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::routing::{MethodRouter, get};
use serde_json::{Map, Value, json};

use super::{Kind, Params};
use crate::kit::contents::{Contents, Direct, Move, Spreads, delete};
use crate::rest::{Problem, Refused};
use crate::{Handle, Published};

/// What is different about the things of a service.
#[derive(Clone, Copy)]
pub struct EarlierContents {
    /// The things.
    pub contents: &'static dyn Contents,
    /// Parameters of `add`, and which field of a new one they are.
    pub fields: &'static [(&'static str, &'static str, Kind)],
    /// The parameter of `update`, a map, and which field it is; an empty value resets.
    pub changes: (&'static str, &'static str),
    /// A thing in the shape that the earlier framework gave it, from its description.
    pub shape: fn(&Value) -> Value,
}

/// The field that says how many copies there are of a thing.
const COPIES: &str = "replication";
/// Pause between two looks at moves under way.
const LOOK: Duration = Duration::from_millis(500);

impl EarlierContents {
    /// What answers at `/api/THING/{verb}`.
    pub fn verbs(&'static self) -> MethodRouter<Handle> {
        let answer = async move |State(handle): State<Handle>, Path(verb): Path<String>, params: Params| {
            self.answer(handle, &verb, params).await.map(Json)
        };
        get(answer).post(answer)
    }

    async fn answer(&self, handle: Handle, verb: &str, params: Params) -> Refused<Value> {
        let kind = self.contents.kind();
        if verb != "list" {
            params.may_write()?;
        }
        let published = handle.published();
        let missing = || Problem::not_found("unknown-verb", format!("there is no /api/{}/{verb}", kind.one));
        let Some(direct) = self.contents.direct() else { return Err(missing()) };
        match (verb, direct.spreads()) {
            ("list", _) => self.shown(direct, &published, |name| matches(params.get(kind.one), name)).await,
            ("add", _) => self.add(direct, &published, &params).await,
            ("update", _) => self.update(direct, &published, &params).await,
            ("delete", _) => self.delete(direct, &published, &params).await,
            ("rebalance", Some(spreads)) => self.rebalance(direct, &spreads, &handle, &params).await,
            (_, spreads) => {
                let more = spreads.map_or("", |_| ", rebalance");
                Err(missing().hint(format!("verbs: list, add, update, delete{more}")))
            }
        }
    }

    async fn shown(
        &self,
        direct: &dyn Direct,
        published: &Published,
        which: impl Fn(&str) -> bool + Send + Sync,
    ) -> Refused<Value> {
        let described = direct.described(published, &which).await?;
        let shaped: Vec<Value> = described.iter().map(self.shape).collect();
        Ok(json!({ self.contents.kind().many: shaped }))
    }

    async fn add(&self, direct: &dyn Direct, published: &Published, params: &Params) -> Refused<Value> {
        let names = self.names(params)?;
        let mut body = Map::new();
        for (parameter, field, kind) in self.fields {
            let value = kind.read(params, parameter)?.filter(|value| !value.is_null());
            body.extend(value.map(|value| ((*field).to_owned(), value)));
        }
        for name in &names {
            let name = self.contents.kind().named(name)?;
            direct.make(published, name, body.clone().into()).await?;
        }
        self.shown(direct, published, |name| names.contains(name)).await
    }

    async fn update(&self, direct: &dyn Direct, published: &Published, params: &Params) -> Refused<Value> {
        let names = self.names(params)?;
        let (parameter, field) = self.changes;
        params.need(parameter)?;
        let mut values = Kind::Map.read(params, parameter)?.unwrap_or_default();
        for value in values.as_object_mut().into_iter().flat_map(Map::values_mut) {
            if value.as_str().is_some_and(str::is_empty) {
                *value = Value::Null;
            }
        }
        let kind = self.contents.kind();
        for name in &names {
            if kind.declares(published, name) {
                let hint = "change the stack file, or the declaration with PATCH";
                return Err(kind.kept(name, "and kept as declared", hint));
            }
            if direct.described(published, &|other| other == name).await?.is_empty() {
                return Err(kind.unknown(name));
            }
            direct.change(published, name, &json!({ field: values }), false).await?;
        }
        self.shown(direct, published, |name| names.contains(name)).await
    }

    async fn delete(&self, direct: &dyn Direct, published: &Published, params: &Params) -> Refused<Value> {
        let names = self.names(params)?;
        let gone = self.shown(direct, published, |name| names.contains(name)).await?;
        for name in &names {
            delete(self.contents, direct, published, name).await?;
        }
        Ok(gone)
    }

    /// Spreads things over nodes, and waits so long for that as it is told to; without a thing it tells what moves.
    async fn rebalance(
        &self,
        direct: &dyn Direct,
        spreads: &Spreads,
        handle: &Handle,
        params: &Params,
    ) -> Refused<Value> {
        let published = handle.published();
        let moving = direct.moving(&published).await?;
        let Some(things) = params.get(self.contents.kind().one) else {
            return Ok(progress(if moving.is_empty() { "idle" } else { "running" }, &moving, ""));
        };
        let patience = params.timeout(Duration::ZERO)?;
        let meant = direct.described(&published, &|name| matches(Some(things), name)).await?;
        let names = meant.iter().filter_map(|thing| Some(thing["name"].as_str()?.to_owned())).collect();
        let over = params.get(spreads.over.one);
        if let Err(problem) = direct.spread(&published, &names, over, self.copies(params)?).await {
            return Ok(progress("failed", &[], &problem.detail));
        }
        if patience.is_zero() {
            return Ok(progress("started", &direct.moving(&published).await?, ""));
        }
        let finished = async {
            while direct.moving(&handle.published()).await?.iter().any(|m| names.contains(&m.of)) {
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        };
        match tokio::time::timeout(patience, finished).await {
            Ok(done) => done.map(|()| progress("completed", &[], "")),
            Err(_) => Ok(progress("timeout", &[], "the moves go on")),
        }
    }

    /// How many copies there are to be, by the parameter that says so of a new thing.
    fn copies(&self, params: &Params) -> Refused<Option<u32>> {
        let Some((parameter, ..)) = self.fields.iter().find(|(_, field, _)| *field == COPIES) else {
            return Ok(None);
        };
        let copies = params.number::<i64>(parameter)?;
        Ok(copies.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0))
    }

    fn names(&self, params: &Params) -> Refused<BTreeSet<String>> {
        let names = params.need(self.contents.kind().one)?.split(',').map(str::trim);
        Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }
}

/// How far moves are, in the shape that it used to have.
fn progress(status: &str, moving: &[Move], error: &str) -> Value {
    let moves: Vec<&str> = moving.iter().map(|moving| moving.how.as_str()).collect();
    json!({ "status": status, "state": moves.join("\n"), "error": error })
}

/// What answers at `/api/THING/{verb}` where things of this kind can only be listed.
pub fn listed<F>(list: impl Fn(Handle, Params) -> F + Clone + Send + Sync + 'static) -> MethodRouter<Handle>
where
    F: Future<Output = Refused<Value>> + Send,
{
    let answer =
        async move |State(handle): State<Handle>, uri: Uri, Path(verb): Path<String>, params: Params| {
            if verb != "list" {
                let problem = Problem::not_found("unknown-verb", format!("there is no {}", uri.path()));
                return Err(problem.hint("verbs: list"));
            }
            list(handle, params).await.map(Json)
        };
    get(answer.clone()).post(answer)
}

/// Whether a list such as `t1,logs-*` means this name; no list means all.
pub fn matches(list: Option<&str>, name: &str) -> bool {
    let fits = |pattern: &str| match pattern.trim().strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern.trim(),
    };
    list.is_none_or(|list| list.split(',').any(fits))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::kit::contents::{self, Names};
    use crate::kit::{Kept, Nodes};
    use crate::{Config, View, simulation};

    /// Things in memory, with a size and labels.
    struct Shelf(Mutex<BTreeMap<String, Value>>);

    const KIND: contents::Kind = contents::Kind {
        one: "thing",
        many: "things",
        body: "{size}",
        names: |name| !name.contains('/'),
        help: "no `/`",
    };

    #[async_trait]
    impl Contents for Shelf {
        fn kind(&self) -> &contents::Kind {
            &KIND
        }

        async fn list(&self, _: &Published) -> Refused<Value> {
            Ok(json!(*self.0.lock().unwrap()))
        }

        async fn show(&self, _: &Published, name: &str) -> Refused<Value> {
            Ok(self.0.lock().unwrap().get(name).cloned().unwrap_or_default())
        }

        async fn keep(&self, _: &Config, _: &View, _: &mut Kept) {}

        fn direct(&self) -> Option<&dyn Direct> {
            Some(self)
        }
    }

    #[async_trait]
    impl Direct for Shelf {
        async fn described(&self, _: &Published, which: &Names<'_>) -> Refused<Vec<Value>> {
            let shelf = self.0.lock().unwrap();
            let meant = shelf.iter().filter(|(name, _)| which(name));
            Ok(meant.map(|(name, thing)| json!({ "name": name, "thing": thing })).collect())
        }

        async fn make(&self, _: &Published, name: &str, body: Value) -> Refused<Value> {
            self.0.lock().unwrap().insert(name.into(), body);
            Ok(Value::Null)
        }

        async fn change(&self, _: &Published, name: &str, patch: &Value, _: bool) -> Refused<bool> {
            crate::kit::options::merge(self.0.lock().unwrap().get_mut(name).unwrap(), patch);
            Ok(false)
        }

        async fn delete(&self, _: &Published, name: &str) -> Refused<()> {
            self.0.lock().unwrap().remove(name);
            Ok(())
        }

        fn spreads(&self) -> Option<Spreads> {
            Some(Spreads { over: Nodes::new("board", "boards"), watch: "/v1/things" })
        }

        /// A thing is heavy: it moves until it is deleted.
        async fn spread(
            &self,
            _: &Published,
            names: &BTreeSet<String>,
            over: Option<&str>,
            copies: Option<u32>,
        ) -> Refused<Vec<Value>> {
            let mut shelf = self.0.lock().unwrap();
            if copies == Some(9) {
                return Err(Problem::conflict("too-few-boards", "there are 2 boards"));
            }
            names.iter().for_each(|name| shelf.get_mut(name).unwrap()["to"] = json!(over));
            Ok(Vec::new())
        }

        async fn moving(&self, _: &Published) -> Refused<Vec<Move>> {
            let shelf = self.0.lock().unwrap();
            let moving = shelf.iter().filter(|(_, thing)| thing["to"] != Value::Null);
            let to = |(name, thing): (&String, &Value)| Move {
                of: name.clone(),
                how: format!("{name} -> {}", thing["to"]),
            };
            Ok(moving.map(to).collect())
        }
    }

    #[tokio::test]
    async fn what_is_spread_is_waited_for_as_long_as_a_script_wants() {
        static HEAVY: Shelf = Shelf(Mutex::new(BTreeMap::new()));
        static EARLIER_HEAVY: EarlierContents = EarlierContents { contents: &HEAVY, ..EARLIER };
        HEAVY.0.lock().unwrap().insert("a".into(), json!({}));
        HEAVY.0.lock().unwrap().insert("b".into(), json!({ "to": "5" }));
        let handle = simulation::handle(Published::default());
        let answer = async |params: &[(&str, &str)]| {
            let told = EARLIER_HEAVY.answer(handle.clone(), "rebalance", Params::of(params)).await.unwrap();
            ["status", "state", "error"].map(|field| told[field].as_str().unwrap().to_owned())
        };
        assert_eq!(answer(&[]).await, ["running", "b -> \"5\"", ""]);
        assert_eq!(answer(&[("thing", "a"), ("twins", "9")]).await, ["failed", "", "there are 2 boards"]);
        let started = answer(&[("thing", "a*"), ("board", "1")]).await;
        assert_eq!(started, ["started", "a -> \"1\"\nb -> \"5\"", ""]);
        let late = answer(&[("thing", "a"), ("board", "1"), ("timeout", "10ms")]).await;
        assert_eq!(late, ["timeout", "", "the moves go on"]);
        let done = answer(&[("thing", "a"), ("timeout", "2s")]).await;
        assert_eq!(done, ["completed", "", ""], "without boards the shelf moves nothing");
        HEAVY.0.lock().unwrap().clear();
        assert_eq!(answer(&[]).await, ["idle", "", ""]);
    }

    static SHELF: Shelf = Shelf(Mutex::new(BTreeMap::new()));
    const EARLIER: EarlierContents = EarlierContents {
        contents: &SHELF,
        fields: &[
            ("cm", "size", Kind::Whole),
            ("labels", "labels", Kind::Map),
            ("twins", "replication", Kind::Whole),
        ],
        changes: ("labels", "labels"),
        shape: |described| {
            json!([described["name"], described["thing"]["size"], described["thing"]["labels"]])
        },
    };

    static SMALL: EarlierContents = EARLIER;

    #[tokio::test]
    async fn things_are_made_changed_and_deleted_by_their_earlier_verbs() {
        let options = json!({ "things": { "kept": {} } });
        let config = Config { options: options.into(), ..Config::default() };
        let handle = simulation::handle(Published { config, ..Published::default() });
        let answer = async |verb, params: &[(&str, &str)]| {
            SMALL.answer(handle.clone(), verb, Params::of(params)).await
        };
        let both = answer("add", &[("thing", "a, b"), ("cm", "5"), ("labels", "x=1,y=2")]).await.unwrap();
        let labels = json!({ "x": "1", "y": "2" });
        assert_eq!(both, json!({ "things": [["a", 5, labels], ["b", 5, labels]] }));
        let changed = answer("update", &[("thing", "a"), ("labels", "x=,z=3")]).await.unwrap();
        assert_eq!(changed, json!({ "things": [["a", 5, { "y": "2", "z": "3" }]] }));
        SHELF.0.lock().unwrap().insert("kept".into(), json!({}));
        for verb in ["update", "delete"] {
            let refused = answer(verb, &[("thing", "kept"), ("labels", "x=1")]).await.unwrap_err();
            assert_eq!((refused.status, refused.kind.as_str()), (409, "thing-declared"), "{verb}");
        }
        let unknown = answer("update", &[("thing", "z"), ("labels", "x=1")]).await.unwrap_err();
        assert_eq!((unknown.status, unknown.kind.as_str()), (404, "unknown-thing"));
        let gone = answer("delete", &[("thing", "a")]).await.unwrap();
        assert_eq!(gone["things"][0][0], "a");
        assert_eq!(answer("delete", &[("thing", "a")]).await.unwrap_err().status, 404);
        assert_eq!(
            answer("list", &[("thing", "b*")]).await.unwrap(),
            json!({ "things": [["b", 5, labels]] })
        );
        let unknown = answer("explode", &[]).await.unwrap_err();
        assert_eq!(unknown.hint.as_deref(), Some("verbs: list, add, update, delete, rebalance"));
        assert_eq!(answer("add", &[("thing", "a/b")]).await.unwrap_err().status, 400);
        assert_eq!(answer("add", &[("thing", "c"), ("cm", "x")]).await.unwrap_err().status, 400);
        assert_eq!(answer("add", &[]).await.unwrap_err().detail, "thing required");
    }

    #[test]
    fn lists_may_have_patterns() {
        assert!(matches(None, "a") && matches(Some("a, b*"), "b1") && matches(Some("a,b*"), "a"));
        assert!(!matches(Some("a,b*"), "c") && !matches(Some("a"), "ab"));
    }
}
