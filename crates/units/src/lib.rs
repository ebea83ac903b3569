//! Sizes, durations and placement constraints: the words that specs, schedulers and the SDK share.
//!
//! Each is read from text and written as text, in files, JSON and messages alike. What cannot be read is told with what
//! to write instead; [`suggest`] finds the word that was meant.

mod amount;
mod calendar;
mod constraint;
mod duration;
mod placement;
mod schedule;
mod size;
pub mod suggest;
mod timing;

pub use amount::UnitError;
pub use constraint::{Constraint, ConstraintError, Operator};
pub use duration::Duration;
pub use schedule::Schedule;
pub use size::Size;
pub use timing::{Missed, Overlap};
