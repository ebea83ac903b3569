//! `/api/THING/{verb}` of earlier frameworks for what a service holds: `list`, `add`, `update`, `delete`, and what else a
//! service has, with parameters in the query or a form, of which the one that is called like a thing says which are meant:
//! `logs,other`, and, where they have to be there, `logs-*`.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::{MethodRouter, get};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::{Kind, Params};
use crate::kit::contents::{Contents, Direct, delete};
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
    /// Further verbs.
    pub more: &'static [(&'static str, Verb)],
}

/// What a further verb does.
pub type Verb = fn(Handle, Params) -> BoxFuture<'static, Refused<Value>>;

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
        if let Some((_, more)) = self.more.iter().find(|(name, _)| *name == verb) {
            return more(handle, params).await;
        }
        let published = handle.published();
        let missing = || Problem::not_found("unknown-verb", format!("there is no /api/{}/{verb}", kind.one));
        let Some(direct) = self.contents.direct() else { return Err(missing()) };
        match verb {
            "list" => self.shown(direct, &published, |name| matches(params.get(kind.one), name)).await,
            "add" => self.add(direct, &published, &params).await,
            "update" => self.update(direct, &published, &params).await,
            "delete" => self.delete(direct, &published, &params).await,
            _ => {
                let more: String = self.more.iter().map(|(name, _)| format!(", {name}")).collect();
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

    fn names(&self, params: &Params) -> Refused<BTreeSet<String>> {
        let names = params.need(self.contents.kind().one)?.split(',').map(str::trim);
        Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }
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
    use crate::kit::Kept;
    use crate::kit::contents::{self, Names};
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
    }

    static SHELF: Shelf = Shelf(Mutex::new(BTreeMap::new()));
    static EARLIER: EarlierContents = EarlierContents {
        contents: &SHELF,
        fields: &[("cm", "size", Kind::Whole), ("labels", "labels", Kind::Map)],
        changes: ("labels", "labels"),
        shape: |described| {
            json!([described["name"], described["thing"]["size"], described["thing"]["labels"]])
        },
        more: &[("shake", |_, params| Box::pin(async move { Ok(params.need("hard")?.into()) }))],
    };

    #[tokio::test]
    async fn things_are_made_changed_and_deleted_by_their_earlier_verbs() {
        let options = json!({ "things": { "kept": {} } });
        let config = Config { options: options.into(), ..Config::default() };
        let handle = simulation::handle(Published { config, ..Published::default() });
        let answer = async |verb, params: &[(&str, &str)]| {
            EARLIER.answer(handle.clone(), verb, Params::of(params)).await
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
        assert_eq!(answer("shake", &[("hard", "very")]).await.unwrap(), json!("very"));
        let unknown = answer("explode", &[]).await.unwrap_err();
        assert_eq!(unknown.hint.as_deref(), Some("verbs: list, add, update, delete, shake"));
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
