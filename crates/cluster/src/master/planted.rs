//! The bugs that can be planted in a master; see [`cairn_planted`].

/// A realistic mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// What an agent that comes back says about its tasks is not written down.
    ForgetOnReturn,
    /// What is in an offer is offered again.
    OfferTwice,
    /// Calls of a scheduler are heard that another has taken the place of.
    HeedOldStream,
    /// What a framework has left behind that was removed while an agent was away goes on when that is back.
    SpareRemoved,
    /// An agent that was marked gone is taken back.
    TakeBackGone,
    /// The tasks of an agent that is out of reach are taken for ended.
    AwayIsOver,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ForgetOnReturn,
        Self::OfferTwice,
        Self::HeedOldStream,
        Self::SpareRemoved,
        Self::TakeBackGone,
        Self::AwayIsOver,
    ];
}
