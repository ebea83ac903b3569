//! The bugs that can be planted in an executor; see [`cairn_planted`].

/// A realistic mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A task is told to run before it does.
    RunsBeforeStart,
    /// A task that is told to stop counts as stopped.
    StoppedAtOnce,
    /// What happens while the agent is away is not told when it is back.
    SilentWhileApart,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::RunsBeforeStart, Self::StoppedAtOnce, Self::SilentWhileApart];
}
