//! REST: the skeleton every scheduler serves, and what services need for resources of their own.

mod body;
mod problem;

pub use body::Body;
pub use problem::Problem;

/// The answer of a handler that can refuse.
pub type Refused<T> = Result<T, Problem>;
