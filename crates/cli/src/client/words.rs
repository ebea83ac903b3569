//! States in words and colours.

use cairn_controller::view::{ServiceState, StackState};
use cairn_framework::Phase;

use crate::console::Paint;

/// A text in one line, also where it is what a program has printed.
pub(crate) fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.fold(String::new(), |said, line| match said.as_str() {
        "" => line.to_owned(),
        before if before.ends_with(':') => format!("{before} {line}"),
        before => format!("{before}; {line}"),
    })
}

/// How good a state is; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mood {
    /// As it should be.
    Good,
    /// On its way.
    Going,
    /// Somebody should look.
    Bad,
}

/// A state in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: &'static str,
    pub(crate) mood: Mood,
}

impl Word {
    fn new(text: &'static str, mood: Mood) -> Self {
        Self { text, mood }
    }

    /// The word in the colour of its mood.
    pub(crate) fn painted(self, paint: Paint) -> String {
        self.padded(paint, 0)
    }

    /// The same, at least `width` characters wide.
    pub(crate) fn padded(self, paint: Paint, width: usize) -> String {
        let text = format!("{:width$}", self.text);
        match self.mood {
            Mood::Good => paint.green(&text),
            Mood::Going => paint.yellow(&text),
            Mood::Bad => paint.red(&text),
        }
    }
}

/// A stack.
pub(crate) fn stack(state: StackState) -> Word {
    match state {
        StackState::Deploying => Word::new("deploying", Mood::Going),
        StackState::Ready => Word::new("ready", Mood::Good),
        StackState::Error => Word::new("error", Mood::Bad),
        StackState::Removing => Word::new("removing", Mood::Going),
    }
}

/// A service.
pub(crate) fn service(state: ServiceState) -> Word {
    match state {
        ServiceState::Waiting => Word::new("waiting", Mood::Going),
        ServiceState::Starting => Word::new("starting", Mood::Going),
        ServiceState::Deploying => Word::new("deploying", Mood::Going),
        ServiceState::Ready => Word::new("ready", Mood::Good),
        ServiceState::Unreachable => Word::new("unreachable", Mood::Bad),
        ServiceState::Error => Word::new("error", Mood::Bad),
        ServiceState::Stopped => Word::new("stopped", Mood::Bad),
        ServiceState::Removing => Word::new("removing", Mood::Going),
    }
}

/// An instance.
pub(crate) fn phase(phase: Phase) -> Word {
    match phase {
        Phase::Waiting => Word::new("waiting", Mood::Going),
        Phase::Staging => Word::new("staging", Mood::Going),
        Phase::Starting => Word::new("starting", Mood::Going),
        Phase::Running => Word::new("running", Mood::Going),
        Phase::Ready => Word::new("ready", Mood::Good),
        Phase::Unhealthy => Word::new("unhealthy", Mood::Bad),
        Phase::Stopping => Word::new("stopping", Mood::Going),
        Phase::Unreachable => Word::new("unreachable", Mood::Bad),
        Phase::Reconciling => Word::new("reconciling", Mood::Going),
        Phase::BackOff => Word::new("back-off", Mood::Bad),
        Phase::Stopped => Word::new("stopped", Mood::Bad),
        Phase::Finished => Word::new("finished", Mood::Good),
        Phase::Failed => Word::new("failed", Mood::Bad),
    }
}
