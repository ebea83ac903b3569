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
    /// The end of a task is acknowledged, and stored only with whatever is decided next.
    StoreLater,
    /// An instance that an operator has stopped gives its place back.
    FreeStopped,
    /// An instance gives back all its ports when it is launched anew, not only those that it does not need.
    FreePorts,
    /// The master is not told that no offers are wanted.
    NoSuppress,
    /// Offers are declined for a moment, whether anything is wanted or not.
    ShortFilters,
    /// Offers that nobody has a use for are declined for long, whether anything is wanted or not.
    LongFilters,
    /// After a subscription, tasks that were told to stop are not asked about.
    AskOnlySome,
    /// After a subscription, only tasks on record are asked about.
    AskNoOthers,
    /// Outputs follow whatever runs at the moment.
    HalfOutputs,
    /// Secrets are stored as they are.
    StoreSecrets,
    /// A task that no record claims ends in a panic.
    TrustMaster,
    /// A state that a newer program wrote is taken for this program's.
    AnySchema,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 22] = [
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
        Self::StoreLater,
        Self::FreeStopped,
        Self::FreePorts,
        Self::NoSuppress,
        Self::ShortFilters,
        Self::LongFilters,
        Self::AskOnlySome,
        Self::AskNoOthers,
        Self::HalfOutputs,
        Self::StoreSecrets,
        Self::TrustMaster,
        Self::AnySchema,
    ];
}
