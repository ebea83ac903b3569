//! The `service:` section of a framework spec: a service described by data, without a line of code.
//!
//! - [`Definition`] and what it is made of: the types, as YAML has them;
//! - [`Words`]: command lines, split before they are filled in;
//! - [`engine`]: the one template language, and what it knows besides the usual;
//! - [`task`]: a group in its place as the task that an executor runs;
//! - [`check`]: every mistake that can be found before anything runs, each with its place.
//!
//! Who writes a spec is told by `crates/stack` with this check; `frameworks/service` runs what it describes.

pub mod check;
pub mod engine;
mod fill;
mod model;
mod task;
mod text;
mod words;

pub use check::{Known, Mistake, OptionFact};
pub use fill::{Filler, Unfilled};
pub use model::{
    ArtifactDef, Definition, Exchange, FetchedOutput, FileDef, FileMode, Group, HealthDef, Job, Lines,
    Output, Ports, ProbeDef, ReadyDef, WholeFile,
};
pub use task::task;
pub use text::Text;
pub use words::{Command, Words, WordsError};
