//! What a scheduler asks of an Elasticsearch or OpenSearch cluster and changes in it. It knows nothing of Cairn, and does no
//! I/O: requests are data, and whoever sends them gives back the answers.
//!
//! - [`Survey`]: how the cluster is, from the answers to [`QUESTIONS`], and what can be said of it: which shards lack copies, who
//!   votes, what a node alone holds;
//! - [`Act`]: what is changed in it so that a node can go or come; `leaving`: which of that is next where one goes for good;
//! - [`declared`]: indices and templates as they should be, compared with what there is; [`Role`]: what nodes do.

mod act;
pub mod declared;
mod founded;
mod leaving;
mod role;
mod survey;

pub use act::{Act, FLUSH};
pub use founded::{FOUNDED, founded, initial_masters};
pub use role::{Role, Roles};
pub use survey::{Copy, Member, QUESTIONS, Survey};

/// A request with its body; none is null.
pub type Request = http::Request<serde_json::Value>;

/// A request.
fn request(method: http::Method, path: impl Into<String>, body: serde_json::Value) -> Request {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    // Names of nodes and indices are checked before: a path that is none asks for what there is not.
    *request.uri_mut() = path.into().try_into().unwrap_or_default();
    request
}
