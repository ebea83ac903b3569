//! How commands end.

use std::fmt;

use crate::console;

/// What the exit status of a command says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done,
    /// It could not be done.
    Error,
    /// The plan has changes.
    Changes,
    /// It would not be safe, or cannot go on without an operator.
    Blocked,
    /// It was not done in time; the work goes on.
    TimedOut,
    /// Ctrl-C ended the watching; the work goes on.
    Interrupted,
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Changes => 2,
            Self::Blocked => 3,
            Self::TimedOut => 4,
            // As shells report a process that SIGINT ended.
            Self::Interrupted => 130,
        }
    }
}

/// The end of a command.
pub(crate) type Outcome = Result<Exit, Failure>;

/// Why a command cannot do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// An error, in words.
    Error {
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Text that is complete as it stands: rendered diagnostics.
    Rendered(String),
    /// Nobody reads what is written. Not an error, and there is nobody to tell.
    NoReader,
}

/// What is wrong, without advice.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error { message, .. } => message,
            Self::Rendered(text) => text,
            Self::NoReader => "nobody reads it",
        })
    }
}

impl Failure {
    /// An error without advice.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Error { message: message.into(), hint: None }
    }

    /// An error with advice.
    pub(crate) fn hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Error { message: message.into(), hint: Some(hint.into()) }
    }

    /// Tells the user, on stderr.
    pub(crate) fn report(&self) -> Exit {
        match self {
            Self::Error { message, hint } => {
                console::error(message, hint.as_deref());
                Exit::Error
            }
            Self::Rendered(text) => {
                console::say(text.trim_end());
                Exit::Error
            }
            Self::NoReader => Exit::Done,
        }
    }
}
