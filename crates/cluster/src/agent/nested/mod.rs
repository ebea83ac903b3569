//! Containers that executors and operators start within running ones, by the agent's API: nested containers, and sessions.
//!
//! A nested container has a sandbox of its own below that of its parent (`containers/ID`), whose files hold what it says. A
//! session, which Mesos calls a debug container, is in its parent's sandbox and environment, is spoken with over HTTP, and ends
//! with that conversation. Both share the control groups of the task's or executor's container that they are in, their
//! *host*, and end with it.
//!
//! What may be done is decided by `request` (what is asked), `book` (what there is) and `plan` (what is started), which are pure;
//! `shell` does it, `switch` passes on what is said, `records` is what outlives the agent.
//!
//! Sources: Mesos's `docs/nested-container-and-task-group.md` and `docs/operator-http-api.md`; what status codes mean, from
//! `src/slave/http.cpp`, `src/slave/validation.cpp` and `src/slave/containerizer/mesos/io/switchboard.cpp` there.

mod book;
mod denied;
mod http;
mod input;
mod path;
mod plan;
mod records;
mod request;
mod sandbox;
mod shell;
mod start;
mod switch;
mod terminal;

pub(crate) use http::answer;
pub(crate) use input::attach;
pub(crate) use path::Path;
pub(crate) use plan::Ground;
pub(crate) use records::Records;
pub(crate) use request::{Problem, Request, read};
pub(crate) use shell::Nested;
pub(crate) use start::start;
pub(crate) use terminal::Terminal;
