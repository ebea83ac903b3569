//! The bugs that can be planted in a scheduler; see [`cairn_planted`].

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
