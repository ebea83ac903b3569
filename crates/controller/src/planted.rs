//! Bugs that are planted on purpose, as in `cairn_framework::core`: compiled in only with the feature `mutations`, and none
//! is active unless a test asks for it.

/// A realistic mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A service is taken down while others still rest on it.
    AnyOrder,
    /// Dependents get the outputs of a provider that is not complete.
    EarlyOutputs,
    /// A service that has left the file is forgotten before it is down.
    ForgetLeaving,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AnyOrder, Self::EarlyOutputs, Self::ForgetLeaving];
}

#[cfg(feature = "mutations")]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// From now on, controllers on this thread have this bug, or none.
#[cfg(feature = "mutations")]
pub fn plant(bug: Option<Bug>) {
    ACTIVE.set(bug);
}

/// Whether this bug is active.
#[cfg(feature = "mutations")]
pub(crate) fn planted(bug: Bug) -> bool {
    ACTIVE.get() == Some(bug)
}

/// Whether this bug is active: never.
#[cfg(not(feature = "mutations"))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}
