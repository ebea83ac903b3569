//! Progress on stderr: lines that are redrawn on a terminal, a line for each change elsewhere.

use std::collections::BTreeMap;

use cairn_controller::view::StackView;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::progress::{self, Line, Told};
use super::words::Mood;
use crate::console::{self, Paint};

/// Where progress is shown.
pub(crate) enum Display {
    /// Redrawn in place.
    Live(Live),
    /// A line for each change.
    Plain(Told),
}

impl Display {
    /// What suits stderr.
    pub(crate) fn new() -> Self {
        if console::stderr_is_live() { Self::Live(Live::new()) } else { Self::Plain(Told::default()) }
    }

    /// Shows how the stack is now.
    pub(crate) fn show(&mut self, stack: &StackView) {
        let lines = progress::lines(stack);
        match self {
            Self::Live(live) => live.show(&lines),
            Self::Plain(told) => told.changes(&lines).iter().for_each(|line| console::say(line)),
        }
    }

    /// Says something beside the lines.
    pub(crate) fn note(&mut self, text: &str) {
        match self {
            Self::Live(live) => live.bars.suspend(|| console::note(text)),
            Self::Plain(_) => console::note(text),
        }
    }

    /// Shows that time passes; to be called several times a second.
    pub(crate) fn tick(&self) {
        if let Self::Live(live) = self {
            live.lines.values().for_each(ProgressBar::tick);
        }
    }

    /// Leaves the terminal as it is to stay.
    pub(crate) fn finish(&mut self) {
        if let Self::Live(live) = self {
            live.finish();
        }
    }
}

/// One line for each service and instance.
pub(crate) struct Live {
    bars: MultiProgress,
    lines: BTreeMap<String, ProgressBar>,
    paint: Paint,
}

impl Live {
    fn new() -> Self {
        Self {
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            lines: BTreeMap::new(),
            paint: Paint::stderr(),
        }
    }

    fn show(&mut self, lines: &[Line]) {
        self.lines.retain(|name, bar| {
            let stays = lines.iter().any(|line| line.name == *name);
            if !stays {
                bar.finish_and_clear();
                self.bars.remove(bar);
            }
            stays
        });
        let width = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
        for (index, line) in lines.iter().enumerate() {
            let bar = self
                .lines
                .entry(line.name.clone())
                .or_insert_with(|| self.bars.insert(index, ProgressBar::new_spinner()));
            bar.set_style(style(line));
            bar.set_message(text(line, width, self.paint));
        }
    }

    /// What is left stays as it is; the cursor is below it.
    fn finish(&mut self) {
        for bar in self.lines.values() {
            bar.abandon();
        }
        self.lines.clear();
    }
}

fn style(line: &Line) -> ProgressStyle {
    let indent = if line.is_instance { "  " } else { "" };
    let template = match line.state.mood {
        Mood::Good => format!("{indent}✔ {{msg}}"),
        Mood::Going => format!("{indent}{{spinner}} {{msg}}"),
        Mood::Bad => format!("{indent}! {{msg}}"),
    };
    // The templates are well formed; were they not, the usual style is legible too.
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn text(line: &Line, width: usize, paint: Paint) -> String {
    // Instances are indented by two.
    let width = if line.is_instance { width } else { width + 2 };
    let state = line.state.padded(paint, 10);
    format!("{:width$}  {state}  {}", line.name, paint.dim(&line.message))
}
