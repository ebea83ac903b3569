//! Clients of the v1 API: [`SchedulerClient`], [`ExecutorClient`], [`OperatorClient`] and [`AgentClient`].
//!
//! They run on the tokio runtime they are made on, use no proxy and no DNS but the system's, keep one idle connection
//! per peer, and load root certificates only when an address says `https`.

mod access;
mod advice;
mod authorities;
mod backoff;
mod crypto;
mod detect;
mod duration;
mod environment;
mod error;
mod executor;
mod http;
mod masters;
mod operator;
mod scheduler;
mod stream;
mod zookeeper;

pub use self::access::{Access, AccessError, Credentials};
pub use self::authorities::Authorities;
pub use self::backoff::Backoff;
pub use self::crypto::install_crypto;
pub use self::duration::{format_duration, parse_duration};
pub use self::environment::{EXECUTOR_TOKEN, EnvironmentError, ExecutorEnvironment};
pub use self::error::{ClientError, Given};
pub use self::executor::{ExecutorClient, ExecutorEvent, Unacknowledged};
pub use self::http::Options;
pub use self::masters::{Masters, parse_address};
pub use self::operator::{AgentClient, OperatorClient, Piece};
pub use self::scheduler::{SchedulerClient, SchedulerEvent};
pub use self::zookeeper::ZooKeeperAddress;
pub use reqwest::Url;
