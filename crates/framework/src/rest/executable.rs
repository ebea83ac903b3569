//! This program as an artifact: agents fetch it to run as the executor.

use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use tokio_util::io::ReaderStream;

use super::Problem;

/// A program on this machine's disk and its checksum.
#[derive(Debug, Clone)]
pub(crate) struct Executable {
    path: PathBuf,
    sha256: String,
}

impl Executable {
    /// Opens the program once and hashes it in small pieces.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let said = |e: std::io::Error| format!("{}: {e}", path.display());
        let mut file = std::fs::File::open(path).map_err(said)?;
        let mut hash = Sha256::new();
        std::io::copy(&mut file, &mut hash).map_err(said)?;
        let sha256 = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Ok(Self { path: path.to_owned(), sha256 })
    }

    /// Hex SHA-256.
    pub(crate) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Streams the program.
    pub(crate) async fn serve(&self) -> Response {
        match tokio::fs::File::open(&self.path).await {
            Ok(file) => {
                let length = file.metadata().await.map(|m| m.len()).unwrap_or_default();
                let headers = [
                    (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
                    (header::CONTENT_LENGTH, length.to_string()),
                ];
                (headers, Body::from_stream(ReaderStream::with_capacity(file, 64 * 1024))).into_response()
            }
            Err(e) => Problem::unavailable(format!("{}: {e}", self.path.display())).into_response(),
        }
    }
}
