//! What every service needs and none should write again.
//!
//! - [`Nodes`]: instances that are alike and numbered. A framework that names them in [`crate::Service::nodes`] gets
//!   `/v1/nodes` (list, resize, add, patch, start, stop, restart, replace, remove), its problem documents and its lines in
//!   `/openapi.json`; it writes no REST for them. [`crate::Service::describe`] adds fields of its own to each listed node.
//! - [`Differing`]: nodes that are not all alike, single ones and groups.
//! - [`Ids`]: nodes as people write them: `0`, `0,2`, `0..4`, `*`, `*[rack=r1]`.
//! - [`Jvm`]: the options that every service on a JVM has, with their checks, and the instances that come of them;
//!   [`java`]: its command line by the size of its heap, and its task.
//! - [`ask_all`] and [`watch`]: all instances asked at once, now or for ever; [`Decision`]: what a gate comes to when
//!   something has to be done first, an [`Errand`] for example.
//! - [`Clustered`]: services whose instances form a cluster: when each step is safe, judged from a look at all of them; what
//!   has to be done first is done, and looked at again.
//! - [`founding`]: who founds a new cluster, once and never again; [`Kept`]: what keeping what is declared comes to;
//!   [`rule()`]: safety rules that can be switched off.
//! - [`Settings`] and [`Scalar`]: entries of a service's own configuration; [`Entries`]: the file that comes of them; [`Ports`]: a port or a range of ports.
//! - [`Count`]: a number of instances, or `*` for one on every agent; [`Many`]: a text or several.
//! - [`check`]: checks of options that a schema cannot express.
//! - [`options`]: changes to options as they were written.
//!
//! Problems become reasons to wait by themselves: in [`crate::Service::task`], `Options::read(config)?`.

use std::fmt::{Display, Write as _};

mod ask;
pub mod check;
mod clustered;
pub mod contents;
mod count;
mod entries;
mod errand;
pub mod founding;
mod gate;
mod growth;
mod ids;
pub mod java;
mod jvm;
mod kept;
mod many;
mod nodes;
pub mod options;
mod port;
mod probes;
mod rule;
mod scalar;

pub use ask::{ask_all, watch};
pub use clustered::{Cluster, Clustered, Look, Performed, decide};
pub use count::Count;
pub use entries::Entries;
pub use errand::Errand;
pub use gate::{Decided, Decision, Note};
pub use growth::{IN_USE, note_in_use};
pub use ids::Ids;
pub use jvm::{Beside, Jvm, JvmOverride, JvmService};
pub use kept::Kept;
pub use many::Many;
pub(crate) use nodes::idle;
pub use nodes::{Different, Differing, Nodes};
pub use port::Ports;
pub use probes::{listens, probes};
pub use rule::rule;
pub use scalar::{Scalar, Settings};

/// A file of entries, one on a line: `zoo.cfg` with `=` between name and value.
pub fn lines<K: Display, V: Display>(entries: impl IntoIterator<Item = (K, V)>, between: &str) -> String {
    entries.into_iter().fold(String::new(), |mut text, (name, value)| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name}{between}{value}");
        text
    })
}

/// Files that lie beside the source in this folder, each put into the sandbox as it is under its own name: the argument of
/// `files.extend(…)`.
#[macro_export]
macro_rules! files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        [$(::cairn_task::ConfigFile::raw($name, include_str!(concat!($folder, "/", $name)))),+]
    };
}

/// The words of a shell script with its arguments.
pub fn sh(words: &[&str]) -> Vec<String> {
    ["/bin/sh"].iter().chain(words).map(|word| (*word).to_owned()).collect()
}
