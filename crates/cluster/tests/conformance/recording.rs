//! A recorded conversation with Apache Mesos 1.11: what was asked, what came back, and when.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A conversation in order of time.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) items: Vec<Item>,
}

/// Something that happened.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Item {
    /// Number of the exchange; none for something done outside of HTTP.
    #[serde(default)]
    pub(crate) n: u32,
    /// Which connection; a stream has one of its own.
    #[serde(default)]
    pub(crate) conn: String,
    /// Milliseconds since the beginning.
    pub(crate) at_ms: f64,
    #[serde(default)]
    pub(crate) request: Option<Request>,
    /// Something done outside of HTTP, or a note.
    #[serde(default)]
    pub(crate) action: Option<String>,
    /// What the process of an executor was given.
    #[serde(flatten)]
    pub(crate) process: Process,
    /// The bytes of a file in the answer, as text.
    #[serde(default)]
    pub(crate) data_text: Option<String>,
    #[serde(default)]
    pub(crate) response: Option<Response>,
}

/// A process as it saw itself.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub(crate) struct Process {
    #[serde(default)]
    pub(crate) argv: Vec<String>,
    #[serde(default)]
    pub(crate) cwd: String,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    /// The files in its directory.
    #[serde(default)]
    pub(crate) sandbox: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: serde_json::Map<String, Value>,
    /// The body as JSON, or as text where it is none.
    #[serde(default)]
    pub(crate) body_json: Option<Value>,
    #[serde(default)]
    pub(crate) body_text: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Response {
    #[serde(default)]
    pub(crate) status: Option<u16>,
    #[serde(default)]
    pub(crate) headers: serde_json::Map<String, Value>,
    #[serde(default)]
    pub(crate) body_json: Option<Value>,
    #[serde(default)]
    pub(crate) events: Option<Vec<Event>>,
    /// When a stream ended.
    #[serde(default)]
    pub(crate) closed_at_ms: Option<f64>,
    #[serde(default)]
    pub(crate) closed_by: Option<String>,
    #[serde(default)]
    pub(crate) closed_without_response: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    pub(crate) at_ms: f64,
    pub(crate) json: Value,
}

impl Recording {
    /// Have the ACCEPT with this number refuse what it leaves for so many seconds.
    pub(crate) fn refuse_rest(&mut self, n: u32, seconds: f64) {
        let request = self.items.iter_mut().find(|item| item.n == n).and_then(|item| item.request.as_mut());
        let body = request.and_then(|request| request.body_json.as_mut()).unwrap();
        body["accept"]["filters"]["refuse_seconds"] = seconds.into();
    }

    pub(crate) fn load(name: &str) -> Self {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings").join(format!("{name}.json"));
        let text = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let items = serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        Self { items }
    }
}
