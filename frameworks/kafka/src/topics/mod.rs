//! Declared topics are kept as declared: created, grown, configured, replicated. What is not declared is left alone, and
//! nothing is ever deleted or shrunk.

mod keep;
mod plan;

pub(crate) use keep::settle;
pub(crate) use plan::{Change, changes, differs};

#[cfg(test)]
mod tests;
