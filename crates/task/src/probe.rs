//! How the executor finds out whether a service serves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Place, RenderError};

/// One way to ask a service how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// Connect to `address:port` (template, for example `{{ address }}:{{ ports.client }}`).
    Tcp {
        /// `host:port` (template).
        target: String,
    },
    /// Connect, send `send`, read until the peer closes or 64 KiB came, and look for `expect` (plain text, one of its
    /// `|`-separated alternatives). ZooKeeper's four letter words are asked so.
    TcpExchange {
        /// `host:port` (template).
        target: String,
        /// Bytes to send, as text.
        send: String,
        /// Text that must occur in the answer; alternatives are separated by `|`.
        expect: String,
    },
    /// GET `url` (template, plain HTTP); a status from 200 to 299 is a success.
    Http {
        /// Full URL (template).
        url: String,
        /// Request headers.
        headers: BTreeMap<String, String>,
    },
    /// Run a command in the sandbox with the task's environment; exit code 0 is a success.
    Command {
        /// Program and arguments (templates).
        argv: Vec<String>,
    },
}

impl ProbeKind {
    /// The same probe with its templates rendered.
    ///
    /// # Errors
    /// The first template that does not render.
    pub fn render(&self, place: &Place) -> Result<Self, RenderError> {
        Ok(match self {
            Self::Tcp { target } => Self::Tcp { target: place.render("probe target", target)? },
            Self::TcpExchange { target, send, expect } => Self::TcpExchange {
                target: place.render("probe target", target)?,
                send: send.clone(),
                expect: expect.clone(),
            },
            Self::Http { url, headers } => {
                Self::Http { url: place.render("probe url", url)?, headers: headers.clone() }
            }
            Self::Command { argv } => Self::Command { argv: place.render_all("probe command", argv)? },
        })
    }
}

/// A probe and its rhythm. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// What is asked.
    pub kind: ProbeKind,
    /// Pause between the end of one attempt and the start of the next.
    pub interval_ms: u64,
    /// How long one attempt may take before it counts as failed.
    pub timeout_ms: u64,
}

/// When a task counts as ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadySpec {
    /// Asked until it succeeds once.
    pub probe: Probe,
    /// The task fails when it is not ready so long after its start. 0: it may take for ever.
    pub deadline_ms: u64,
}

/// How health is watched after readiness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthSpec {
    /// Asked for as long as the task runs.
    pub probe: Probe,
    /// So many failures in a row make the task unhealthy.
    pub failures: u32,
    /// Kill the task once it is unhealthy; otherwise only say so.
    pub kill: bool,
}
