//! The bugs that can be planted in an agent; see [`cairn_planted`].

/// A realistic mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// An executor is answered that its update is taken, and it is not stored.
    UnstoredUpdate,
    /// A master that comes anew is not told the updates that wait for their acknowledgement.
    NoResend,
    /// Reservations and volumes that the master tells of are not stored.
    ForgetReservations,
    /// An executor that is told to end counts as ended.
    EndsAtOnce,
    /// A task that has not said anything yet is not told of when the agent registers.
    HideStaging,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::UnstoredUpdate, Self::NoResend, Self::ForgetReservations, Self::EndsAtOnce, Self::HideStaging];
}
