//! The bugs that can be planted in a controller; see [`cairn_planted`].

/// A realistic mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A service is taken down while others still rest on it.
    AnyOrder,
    /// Dependents get the outputs of a provider that is not complete.
    EarlyOutputs,
    /// A service that has left the file is forgotten before it is down.
    ForgetLeaving,
    /// Everybody on its agent can read the configuration file of a scheduler.
    OpenFiles,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::AnyOrder, Self::EarlyOutputs, Self::ForgetLeaving, Self::OpenFiles];
}
