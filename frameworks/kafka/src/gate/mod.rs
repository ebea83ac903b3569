//! What is safe when: decisions from what was seen of the cluster, and the asking that leads to them.

mod ask;
mod quorum;
mod remove;
mod restart;

pub(crate) use ask::{ask, serving_endpoints};
pub(crate) use remove::{Evacuation, evacuation};

/// At most so many names are listed in a reason.
const LISTED: usize = 5;

/// `a, b, c and 4 more`.
pub(crate) fn listed(names: &[String]) -> String {
    let shown = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
