//! Requests that the service itself answers, through whichever of its instances serves.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use serde_json::Value;

use super::Refused;
use crate::Handle;
use crate::http::JsonClient;

/// `GET` answers what the service answers at this path, through the port of this name.
pub fn passed(port: &'static str, path: &'static str) -> MethodRouter<Handle> {
    get(move |State(handle): State<Handle>| async move {
        Refused::Ok(Json(JsonClient::of(&handle.published().view, port).get(path).await?))
            as Refused<Json<Value>>
    })
}

/// A request on its way to the service: its method, query and body.
#[derive(Debug)]
pub struct Passing {
    method: Method,
    query: String,
    body: Bytes,
}

impl Passing {
    /// The service's own answer, with its own status, at this path, through the port of this name.
    ///
    /// # Errors
    /// Nobody answers, or not in time.
    pub async fn to(self, handle: &Handle, port: &str, path: &str, patience: Duration) -> Refused<Response> {
        let client = JsonClient::of(&handle.published().view, port);
        let path = format!("{path}?{}", self.query);
        Ok(client.forward(self.method, &path, self.body.to_vec(), patience).await?)
    }
}

impl<S: Send + Sync> FromRequest<S> for Passing {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let method = request.method().clone();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        Ok(Self { method, query, body })
    }
}
