//! Distribution archives, streamed to agents.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cairn_framework::rest::Problem;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::{Answer, App};
use crate::distribution::is_file_name;

const CHUNK: usize = 64 * 1024;

/// `GET /v1/artifacts/{file}`: a file of the distribution directory itself. The checksum in the query is for the
/// agent, which checks what it got.
pub(crate) async fn serve(State(app): State<App>, Path(file): Path<String>) -> Answer<Response> {
    let unknown = || {
        Problem::not_found("unknown-artifact", format!("there is no archive `{file}`"))
            .hint("the distribution directory of the controller holds the archives; put them together first")
    };
    if !is_file_name(&file) {
        return Err(unknown().into());
    }
    let path = app.shared.settings.dist.join(&file);
    let opened = File::open(&path).await.map_err(|_| unknown())?;
    let meta = opened.metadata().await.map_err(|_| unknown())?;
    if !meta.is_file() {
        return Err(unknown().into());
    }
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, meta.len().to_string()),
    ];
    Ok((headers, Body::from_stream(ReaderStream::with_capacity(opened, CHUNK))).into_response())
}
