//! Things inside a service that speaks JSON over HTTP: which paths they are found at, and what makes one as it is declared.

use std::collections::BTreeMap;

use async_trait::async_trait;
use axum::http::Request;
use serde_json::{Value, json};

use super::{Contents, Kept, Kind};
use crate::http::{ApiError, JsonClient};
use crate::rest::Refused;
use crate::{Config, Problem, Published, View};

/// Things of one kind, as data.
#[derive(Debug, Clone, Copy)]
pub struct JsonContents {
    /// What they are called.
    pub kind: Kind,
    /// Through which port the service is asked.
    pub port: &'static str,
    /// Path at which the service lists all.
    pub all: &'static str,
    /// Path at which it tells of one.
    pub at: fn(&str) -> String,
    /// What makes one as it is declared, each with what it is about, for people: the name, what is declared, and what the
    /// service tells of it, null if there is none.
    pub changes: fn(&str, &Value, &Value) -> Vec<Change>,
}

/// What a change is about, for people, and how it is asked for.
pub type Change = (String, Request<Value>);

impl JsonContents {
    /// Adds what is wrong with what is declared: names that cannot be, and what is no object.
    pub fn check(&self, declared: &BTreeMap<String, Value>, problems: &mut Vec<Problem>) {
        let Kind { one, many, body, .. } = self.kind;
        self.kind.check(declared, problems);
        for (name, _) in declared.iter().filter(|(_, body)| !body.is_object()) {
            let what = format!("{} is declared by an object", super::a(one));
            let problem = Problem::new(format!("{many}.{name}"), what);
            problems.push(problem.help(format!("for example `{name}: {{}}`, or {body}")));
        }
    }

    async fn todo(&self, client: &JsonClient, config: &Config) -> Result<Vec<Change>, ApiError> {
        let mut todo = Vec::new();
        for (name, declared) in self.kind.declared(config) {
            let there = client.find(&(self.at)(name)).await?;
            todo.extend((self.changes)(name, declared, &there));
        }
        Ok(todo)
    }
}

#[async_trait]
impl Contents for JsonContents {
    fn kind(&self) -> &Kind {
        &self.kind
    }

    async fn list(&self, published: &Published) -> Refused<Value> {
        Ok(JsonClient::of(&published.view, self.port).get(self.all).await?)
    }

    /// What is declared of it, what there is, and in what they differ.
    async fn show(&self, published: &Published, name: &str) -> Refused<Value> {
        let declared = self.kind.declaration(&published.config, name);
        let there = JsonClient::of(&published.view, self.port).find(&(self.at)(name)).await?;
        if declared.is_none() && there.is_null() {
            return Ok(Value::Null);
        }
        let differs = declared.map(|declared| (self.changes)(name, declared, &there)).unwrap_or_default();
        let differs: Vec<String> = differs.into_iter().map(|(what, _)| what).collect();
        Ok(json!({ "name": name, "declared": declared, "there": there, "differs": differs }))
    }

    async fn keep(&self, config: &Config, view: &View, kept: &mut Kept) {
        let client = JsonClient::of(view, self.port);
        match self.todo(&client, config).await {
            Ok(todo) => client.carry_out(todo, kept).await,
            Err(error) => kept.waits(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::extract::{Path, State};
    use axum::http::{Method, StatusCode};
    use axum::routing::get;
    use axum::{Json, Router};

    use super::*;
    use crate::kit::contents;
    use crate::{InstanceStatus, Phase, Placement, Verdict};

    const THINGS: JsonContents = JsonContents {
        kind: Kind {
            one: "thing",
            many: "things",
            body: "{size}",
            names: |name| name.chars().all(|c| c.is_ascii_lowercase()),
            help: "small letters",
        },
        port: "http",
        all: "/things",
        at: |name| format!("/things/{name}"),
        changes: |name, declared, there| {
            let mut request = Request::new(declared.clone());
            *request.method_mut() = Method::PUT;
            *request.uri_mut() = format!("/things/{name}").parse().unwrap();
            if declared == there { Vec::new() } else { vec![(format!("thing {name}"), request)] }
        },
    };

    type Shelf = std::sync::Arc<Mutex<BTreeMap<String, Value>>>;

    /// A service that holds things, and takes none whose size is 0.
    async fn service() -> (Shelf, View) {
        let shelf = Shelf::default();
        let one = get(async |State(shelf): State<Shelf>, Path(name): Path<String>| {
            let thing = shelf.lock().unwrap().get(&name).cloned();
            thing.map(Json).ok_or(StatusCode::NOT_FOUND)
        });
        let one =
            one.put(async |State(shelf): State<Shelf>, Path(name): Path<String>, Json(body): Json<Value>| {
                if body["size"] == 0 {
                    return (StatusCode::BAD_REQUEST, Json(json!({ "error": "a size is above 0" })));
                }
                shelf.lock().unwrap().insert(name, body);
                (StatusCode::OK, Json(Value::Null))
            });
        let all = get(async |State(shelf): State<Shelf>| Json(json!(*shelf.lock().unwrap())));
        let router = Router::new().route("/things", all).route("/things/{name}", one);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = router.with_state(shelf.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let placement = Placement {
            address: "127.0.0.1".into(),
            ports: [("http".to_owned(), port)].into(),
            ..Placement::default()
        };
        let instance = InstanceStatus {
            phase: Phase::Ready,
            placement: Some(placement),
            task_id: Some("t".into()),
            ..InstanceStatus::default()
        };
        (shelf, View { instances: [("node-0".to_owned(), instance)].into(), ..View::default() })
    }

    #[tokio::test]
    async fn what_is_declared_is_made_and_mended_and_the_rest_is_left_alone() {
        let (shelf, view) = service().await;
        shelf.lock().unwrap().insert("theirs".into(), json!({ "size": 9 }));
        let config = |options: Value| Config { options: options.into(), ..Config::default() };
        let keep = async |config: &Config| contents::keep(&[&THINGS], config, &view).await;
        let declared = config(json!({ "things": { "a": { "size": 1 } } }));
        assert_eq!(keep(&declared).await, Verdict::Go);
        assert_eq!(shelf.lock().unwrap()["a"], json!({ "size": 1 }));
        shelf.lock().unwrap().insert("a".into(), json!({ "size": 5 }));

        let published =
            Published { config: declared.clone(), view: view.clone().into(), ..Published::default() };
        let shown = THINGS.show(&published, "a").await.unwrap();
        assert_eq!(
            shown,
            json!({ "name": "a", "declared": { "size": 1 }, "there": { "size": 5 }, "differs": ["thing a"] })
        );
        assert_eq!(THINGS.show(&published, "nothing").await.unwrap(), Value::Null);
        assert_eq!(THINGS.list(&published).await.unwrap().as_object().map(serde_json::Map::len), Some(2));
        assert_eq!(keep(&declared).await, Verdict::Go);
        assert_eq!(shelf.lock().unwrap()["a"], json!({ "size": 1 }), "drift is mended");

        let bad = keep(&config(json!({ "things": { "b": { "size": 0 } } }))).await;
        assert_eq!(bad, Verdict::Refuse("thing b: a size is above 0".into()));
        assert_eq!(keep(&config(json!({}))).await, Verdict::Go);
        assert_eq!(shelf.lock().unwrap().len(), 2, "nothing is deleted");
        let nobody = contents::keep(&[&THINGS], &declared, &View::default()).await;
        assert!(matches!(nobody, Verdict::Wait(_)), "{nobody:?}");
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_place() {
        let mut problems = Vec::new();
        THINGS.check(&[("a".to_owned(), json!(1)), ("B".to_owned(), json!({}))].into(), &mut problems);
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["things.B: cannot be the name of a thing", "things.a: a thing is declared by an object"]
        );
    }
}
