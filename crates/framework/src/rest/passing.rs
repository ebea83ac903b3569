//! Requests that the service itself answers, through whichever of its instances serves.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, RawPathParams, Request, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use futures_util::future::try_join_all;
use serde_json::{Map, Value};

use super::body::whole;
use super::{Problem, Refused};
use crate::Handle;
use crate::http::JsonClient;

/// What may stand in a path of the service where a request names something in it: names, lists and patterns of names.
const NAMES: &str = "-_.,*:";

/// A field of what is put together from several answers: its name, the path that is asked, and, as a JSON pointer, what of the
/// answer it is; empty is all of it.
pub type Part = (&'static str, &'static str, &'static str);

/// `GET` answers what the service says at several paths, through the port of this name.
pub fn gathered(port: &'static str, parts: &'static [Part]) -> MethodRouter<Handle> {
    get(async move |State(handle): State<Handle>| {
        let client = &JsonClient::of(&handle.published().view, port);
        let asked = parts.iter().map(|(name, path, pointer)| async move {
            let answer = client.get(path).await?;
            let part = answer.pointer(pointer).cloned().unwrap_or_default();
            Ok::<_, Problem>(((*name).to_owned(), part))
        });
        let all: Map<String, Value> = try_join_all(asked).await?.into_iter().collect();
        Refused::Ok(Json(all))
    })
}

/// `GET` and `POST` get the service's own answer, with its own status, at this path of its own, through the port of this name.
/// What stands in braces in the path is what the request's path has there.
pub fn forwarded(port: &'static str, path: &'static str, patience: Duration) -> MethodRouter<Handle> {
    let forward = async move |State(handle): State<Handle>, names: RawPathParams, passing: Passing| {
        let path = filled(path, &names)?;
        let client = JsonClient::of(&handle.published().view, port);
        let path = format!("{path}?{}", passing.query);
        Refused::Ok(client.forward(passing.method, &path, passing.body.to_vec(), patience).await?)
    };
    get(forward).post(forward)
}

fn filled<'a>(path: &str, names: impl IntoIterator<Item = (&'a str, &'a str)>) -> Refused<String> {
    let mut path = path.to_owned();
    for (key, name) in names {
        let odd = |c: char| !(c.is_ascii_alphanumeric() || NAMES.contains(c));
        if name.contains(odd) || name.trim_matches('.').is_empty() {
            let problem = Problem::bad_request(format!("`{name}` cannot be the name of {key}"));
            return Err(problem.hint(format!("letters, digits and `{NAMES}`, for example `logs-*,metrics`")));
        }
        path = path.replace(&format!("{{{key}}}"), name);
    }
    Ok(path)
}

/// A request on its way to the service.
struct Passing {
    method: Method,
    query: String,
    body: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for Passing {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let method = request.method().clone();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let body = whole(request, state).await.map_err(IntoResponse::into_response)?;
        Ok(Self { method, query, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        let search = |index| filled("/{index}/_search", [("index", index)]);
        assert_eq!(search("logs-*,-logs-1").unwrap(), "/logs-*,-logs-1/_search");
        for odd in ["../_cluster", "a/b", "..", "", "a?b", "a b", "a%2fb"] {
            let problem = search(odd).unwrap_err();
            assert_eq!(
                (problem.status, problem.detail),
                (400, format!("`{odd}` cannot be the name of index"))
            );
        }
        assert_eq!(filled("/_all/_search", []).unwrap(), "/_all/_search");
    }
}
