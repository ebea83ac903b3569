//! What goes into the master's state machine, and what comes out of it.

use std::time::Duration;

use cairn_mesos::v1::master as operator;
use cairn_mesos::v1::scheduler;

use crate::wire::{FromAgent, ToAgent};

/// A point in time: how long after the UNIX epoch. The driver makes it, and never lets it go backwards.
pub type Time = Duration;

/// The connection of one SUBSCRIBE. The driver numbers them; a number is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamKey(pub u64);

/// One request that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallKey(pub u64);

/// One link to an agent. An agent that comes back has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkKey(pub u64);

/// What happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// A SUBSCRIBE that has been checked; its answer is the stream.
    Subscribe {
        /// The connection that carries the events.
        stream: StreamKey,
        /// What later calls must carry as `Mesos-Stream-Id`.
        stream_id: String,
        /// Whom the client has proved to be.
        principal: Option<String>,
        /// The call.
        call: Box<scheduler::Call>,
    },
    /// Any other scheduler call that has been checked.
    Call {
        /// Where the answer goes.
        key: CallKey,
        /// The header `Mesos-Stream-Id`.
        stream_id: Option<String>,
        /// Whom the client has proved to be.
        principal: Option<String>,
        /// The call.
        call: Box<scheduler::Call>,
    },
    /// An operator wants to watch; the answer is the stream.
    Watch {
        /// The connection that carries the events.
        stream: StreamKey,
    },
    /// The connection of a SUBSCRIBE is gone.
    StreamClosed {
        /// Which.
        stream: StreamKey,
    },
    /// A call of the operator API.
    Operator {
        /// Where the answer goes.
        key: CallKey,
        /// Whom the client has proved to be.
        principal: Option<String>,
        /// The call.
        call: Box<operator::Call>,
    },
    /// An agent said something.
    Agent {
        /// On which link.
        link: LinkKey,
        /// What.
        message: Box<FromAgent>,
    },
    /// The link to an agent is closed.
    LinkClosed {
        /// Which.
        link: LinkKey,
    },
    /// The time that [`super::Master::next_deadline`] named has come.
    Timer,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Store [`super::Master::registry`] before anything that comes after this.
    Persist,
    /// Send an event to a framework.
    Send {
        /// To which connection.
        stream: StreamKey,
        /// What.
        event: Box<scheduler::Event>,
    },
    /// Send an event to an operator who watches.
    Publish {
        /// To which connection.
        stream: StreamKey,
        /// What.
        event: Box<operator::Event>,
    },
    /// End a stream properly, after what was sent to it.
    CloseStream {
        /// Which.
        stream: StreamKey,
    },
    /// Answer a request.
    Reply {
        /// Which.
        key: CallKey,
        /// How.
        reply: Reply,
    },
    /// Tell an agent something.
    ToAgent {
        /// On which link.
        link: LinkKey,
        /// What.
        message: Box<ToAgent>,
    },
    /// Drop a link that another has replaced.
    CloseLink {
        /// Which.
        link: LinkKey,
    },
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// 202 without a body.
    Accepted,
    /// 200 without a body.
    Ok,
    /// 200 with a message of the operator API.
    Operator(Box<operator::Response>),
    /// Anything else: a status code and a line of text.
    Refused {
        /// The HTTP status code.
        status: u16,
        /// What the client reads.
        text: String,
    },
}

impl Reply {
    /// 400: the caller's mistake.
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self::Refused { status: 400, text: text.into() }
    }
}
