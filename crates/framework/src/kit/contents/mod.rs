//! What a service holds under names, and of which an option declares some: topics, keyspaces, indices.
//!
//! What is declared is kept: made where it is not there, changed where it has drifted, never deleted. Everything else belongs to
//! whoever makes it. A service says how such things are read, compared and written, for one that speaks JSON as data
//! ([`JsonContents`]), for one whose clusters show and keep them anyway by a name ([`Surveyed`]), for one that is reached through a client
//! of its own by what that does ([`Held`]); when they are looked at, what comes of that, and their REST resource are the SDK's.

mod direct;
mod held;
mod json;
mod surveyed;

use std::collections::BTreeMap;

use async_trait::async_trait;
pub(crate) use direct::delete;
pub use direct::{Direct, Move, Names, Spreads};
pub use held::{Asked, Held, Spread};
pub use json::{Change, JsonContents};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
pub use surveyed::Surveyed;

use super::Kept;
use super::options::merge;
use crate::rest::{self, Refused};
use crate::{Config, Problem, Published, Verdict, View};

/// What things of one kind are called.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// One of them: `topic`.
    pub one: &'static str,
    /// Several, the option that declares them, and the REST resource: `topics` is `/v1/topics`.
    pub many: &'static str,
    /// What is declared of one, for people: `{partitions?, replication?}`.
    pub body: &'static str,
    /// Whether this can be the name of one. A name must not lead elsewhere in whatever path it is put into.
    pub names: fn(&str) -> bool,
    /// What names look like, for people.
    pub help: &'static str,
}

/// Things of one kind.
#[async_trait]
pub trait Contents: Send + Sync {
    /// What they are called.
    fn kind(&self) -> &Kind;

    /// All that there are, as REST lists them.
    ///
    /// # Errors
    /// The service cannot be asked.
    async fn list(&self, published: &Published) -> Refused<Value>;

    /// One in detail; null if there is none of this name, which can be the name of one.
    ///
    /// # Errors
    /// The service cannot be asked.
    async fn show(&self, published: &Published, name: &str) -> Refused<Value>;

    /// Brings those that are declared in line, and says what could not be done or takes its time.
    async fn keep(&self, config: &Config, view: &View, kept: &mut Kept);

    /// Itself, where things that are not declared can be made, changed and deleted over REST.
    fn direct(&self) -> Option<&dyn Direct> {
        None
    }
}

/// What is declared in a service, as REST tells it at `/v1/declared`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Declared {
    /// By kind.
    pub kinds: Vec<DeclaredKind>,
}

/// What is declared of one kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeclaredKind {
    /// [`Kind::one`].
    pub one: String,
    /// [`Kind::many`].
    pub many: String,
    /// [`Kind::body`].
    pub body: String,
    /// What is declared, by name.
    pub declared: BTreeMap<String, Value>,
}

impl Declared {
    /// What these options declare.
    pub(crate) fn of(contents: &[&dyn Contents], config: &Config) -> Self {
        let kind = |contents: &&dyn Contents| {
            let kind = contents.kind();
            let declared = kind.declared(config).map(|(name, body)| (name.clone(), body.clone())).collect();
            let Kind { one, many, body, .. } = kind;
            DeclaredKind { one: (*one).into(), many: (*many).into(), body: (*body).into(), declared }
        };
        Self { kinds: contents.iter().map(kind).collect() }
    }
}

/// Keeps what is declared of all kinds, in this order.
pub(crate) async fn keep(contents: &[&dyn Contents], config: &Config, view: &View) -> Verdict {
    let mut kept = Kept::default();
    for contents in contents {
        contents.keep(config, view, &mut kept).await;
    }
    kept.verdict()
}

/// A noun with its article: `a topic`, `an index`.
fn a(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

impl Kind {
    /// What the options declare, by name.
    pub fn declared<'a>(&self, config: &'a Config) -> impl Iterator<Item = (&'a String, &'a Value)> {
        config.options.get(self.many).and_then(Value::as_object).into_iter().flatten()
    }

    /// What the options declare under this name.
    pub(crate) fn declaration<'a>(&self, config: &'a Config, name: &str) -> Option<&'a Value> {
        config.options.get(self.many)?.get(name)
    }

    /// Adds what is wrong with the names of what is declared.
    pub fn check<T>(&self, declared: &BTreeMap<String, T>, problems: &mut Vec<Problem>) {
        for name in declared.keys().filter(|name| !(self.names)(name)) {
            let problem = Problem::new(
                format!("{}.{name}", self.many),
                format!("cannot be the name of {}", a(self.one)),
            );
            problems.push(problem.help(self.help));
        }
    }

    /// The name, if it can be one.
    ///
    /// # Errors
    /// 400 with what names look like.
    pub(crate) fn named<'a>(&self, name: &'a str) -> Refused<&'a str> {
        let odd = || rest::Problem::bad_request(format!("`{name}` cannot be the name of {}", a(self.one)));
        if (self.names)(name) { Ok(name) } else { Err(odd().hint(self.help)) }
    }

    /// When there is none of this name.
    pub fn unknown(&self, name: &str) -> rest::Problem {
        let Self { one, many, .. } = self;
        let problem =
            rest::Problem::not_found(&format!("unknown-{one}"), format!("there is no {one} {name}"));
        problem.hint(format!("GET /v1/{many} lists them"))
    }

    /// Declares one in the options, or declares it otherwise.
    pub(crate) fn declare(&self, options: &mut Value, name: &str, body: Value) {
        let Value::Object(options) = options else { return };
        let all = options.entry(self.many).or_insert_with(|| json!({}));
        if !all.is_object() {
            *all = Value::Object(Map::new());
        }
        all[name] = body;
    }

    /// Changes the declaration of one that is declared; null takes away.
    pub(crate) fn amend(&self, options: &mut Value, name: &str, patch: &Value) {
        if let Some(body) = options.get_mut(self.many).and_then(|all| all.get_mut(name)) {
            merge(body, patch);
        }
    }

    /// Declares it no more.
    ///
    /// # Errors
    /// 404 if it was not declared.
    pub(crate) fn forget(&self, options: &mut Value, name: &str) -> Refused<()> {
        let declared = options.get_mut(self.many).and_then(Value::as_object_mut);
        let unknown = || {
            let what = format!("{name} is not among the declared {}", self.many);
            rest::Problem::not_found("not-declared", what).hint("GET /v1/config shows what is declared")
        };
        declared.and_then(|all| all.remove(name)).map(drop).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPICS: Kind = Kind {
        one: "topic",
        many: "topics",
        body: "{}",
        names: |name| !name.is_empty() && !name.contains('/'),
        help: "anything without `/`",
    };

    #[test]
    fn names_that_cannot_be_are_told_with_their_place() {
        let mut problems = Vec::new();
        TOPICS.check(&[("a/b".to_owned(), 1), ("ok".to_owned(), 2)].into(), &mut problems);
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["topics.a/b: cannot be the name of a topic"]);
        assert_eq!(problems[0].help.as_deref(), Some("anything without `/`"));
        let refused = TOPICS.named("a/b").unwrap_err();
        assert_eq!((refused.status, refused.hint.as_deref()), (400, Some("anything without `/`")));
        assert_eq!(TOPICS.named("ok"), Ok("ok"));
        let odd = Kind { one: "index", ..TOPICS }.named("a/b").unwrap_err();
        assert_eq!(odd.detail, "`a/b` cannot be the name of an index");
    }

    #[test]
    fn what_is_declared_over_rest_is_an_option() {
        let mut options = json!({ "brokers": 1 });
        TOPICS.declare(&mut options, "logs", json!({ "partitions": 3 }));
        TOPICS.declare(&mut options, "more", json!({}));
        TOPICS.declare(&mut options, "more", json!({ "partitions": 2 }));
        assert_eq!(
            options,
            json!({ "brokers": 1, "topics": { "logs": { "partitions": 3 }, "more": { "partitions": 2 } } })
        );
        TOPICS.amend(&mut options, "logs", &json!({ "partitions": 3, "config": { "a": 1, "b": null } }));
        TOPICS.amend(&mut options, "other", &json!({ "partitions": 3 }));
        assert_eq!(options["topics"]["logs"], json!({ "partitions": 3, "config": { "a": 1 } }));
        TOPICS.amend(&mut options, "logs", &json!({ "config": null }));
        TOPICS.forget(&mut options, "more").unwrap();
        assert_eq!(TOPICS.forget(&mut options, "more").unwrap_err().kind, "not-declared");
        let config = Config { options: options.into(), ..Config::default() };
        let declared: Vec<_> = TOPICS.declared(&config).collect();
        assert_eq!(declared, [(&"logs".to_owned(), &json!({ "partitions": 3 }))]);
    }
}
