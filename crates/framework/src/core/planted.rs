//! Bugs that are planted on purpose, to see whether the simulator finds them. Compiled in only with the feature
//! `mutations`, which nothing that ships has; and even then, none is active unless a test asks for it.

/// A realistic mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Calls are sent before the intent behind them is stored.
    ActFirst,
    /// An unreachable task counts as ended, and another one is launched.
    RelaunchUnreachable,
    /// Offers that nobody has a use for are not answered.
    KeepOffers,
    /// A removed instance's volumes are given back.
    DeleteOnScaleIn,
    /// A gate that cannot tell counts as open.
    GateErrorIsGo,
    /// A member is stopped whatever the others do.
    TwoAtOnce,
    /// Offers that were suppressed are not asked for again.
    NoRevive,
    /// A KILL that got lost is not repeated.
    ForgetKill,
    /// Reservations do not say for which instance they are.
    DropLabel,
    /// That a task was told to stop is not recorded.
    ForgetStopping,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ActFirst,
        Self::RelaunchUnreachable,
        Self::KeepOffers,
        Self::DeleteOnScaleIn,
        Self::GateErrorIsGo,
        Self::TwoAtOnce,
        Self::NoRevive,
        Self::ForgetKill,
        Self::DropLabel,
        Self::ForgetStopping,
    ];
}

#[cfg(feature = "mutations")]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// From now on, cores on this thread have this bug, or none.
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
