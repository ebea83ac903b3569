//! Data goes to stdout, everything else to stderr; colour only where somebody can see it.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::failure::Failure;

/// Writes data to stdout.
///
/// # Errors
/// When nobody reads it any more, or it cannot be written.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::NoReader,
        _ => Failure::new(format!("cannot write to stdout: {error}")),
    })
}

/// A line for people, on stderr.
pub(crate) fn say(line: &str) {
    // Without a stderr there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A remark.
pub(crate) fn note(text: &str) {
    say(&format!("{} {text}", Paint::stderr().cyan("note:")));
}

/// An error and what to do about it.
pub(crate) fn error(message: &str, hint: Option<&str>) {
    let paint = Paint::stderr();
    say(&format!("{} {}", paint.red("error:"), message.trim_end()));
    if let Some(hint) = hint {
        say(&format!("{} {hint}", paint.cyan("hint:")));
    }
}

/// Whether stderr is a terminal that can redraw lines.
pub(crate) fn stderr_is_live() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

/// Whether stdout is a terminal that can redraw the screen.
pub(crate) fn stdout_is_live() -> bool {
    io::stdout().is_terminal() && !is_dumb()
}

/// Has the user type a name, so that nothing goes by a slip of a finger. `what` is about to happen, `kind` has the
/// name, and `details` is said first.
///
/// # Errors
/// When something else is typed, or there is nobody to type.
pub(crate) fn confirm(what: &str, details: &str, kind: &str, name: &str) -> Result<(), Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        let message = format!("{what} needs a yes, and there is no terminal to ask on");
        return Err(Failure::hint(message, "say --yes"));
    }
    if !details.is_empty() {
        say(details);
    }
    say(&format!("Type the {kind}'s name, {}, to go on:", Paint::stderr().bold(name)));
    let mut typed = String::new();
    io::stdin()
        .lock()
        .read_line(&mut typed)
        .map_err(|error| Failure::new(format!("cannot read the answer: {error}")))?;
    if typed.trim() == name { Ok(()) } else { Err(Failure::new("that is not its name; nothing is done")) }
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Puts colour on text, or leaves it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// For text on stdout.
    pub(crate) fn stdout() -> Self {
        Self::of(io::stdout().is_terminal())
    }

    /// For text on stderr.
    pub(crate) fn stderr() -> Self {
        Self::of(io::stderr().is_terminal())
    }

    /// No colour at all.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { on: false }
    }

    fn of(terminal: bool) -> Self {
        let [no_color, force_color] = ["NO_COLOR", "FORCE_COLOR"].map(|name| std::env::var(name).ok());
        let wish =
            Wish { no_color: no_color.as_deref(), force_color: force_color.as_deref(), dumb: is_dumb() };
        Self { on: wish.color(terminal) }
    }

    /// Whether there is colour.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// Good.
    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Bad.
    pub(crate) fn red(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// Not there yet.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Worth a look.
    pub(crate) fn cyan(self, text: &str) -> String {
        self.paint("36", text)
    }

    /// Less important.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A heading.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// What the environment says about colour: no-color.org and force-color.org.
struct Wish<'a> {
    no_color: Option<&'a str>,
    force_color: Option<&'a str>,
    dumb: bool,
}

impl Wish<'_> {
    fn color(&self, terminal: bool) -> bool {
        let said = |value: Option<&str>| value.is_some_and(|v| !v.is_empty());
        match () {
            () if said(self.no_color) => false,
            () if said(self.force_color) => self.force_color != Some("0"),
            () => terminal && !self.dumb,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn color(no_color: Option<&str>, force_color: Option<&str>, dumb: bool, terminal: bool) -> bool {
        Wish { no_color, force_color, dumb }.color(terminal)
    }

    #[test]
    fn colour_follows_the_terminal_unless_told_otherwise() {
        assert!(color(None, None, false, true));
        assert!(!color(None, None, false, false));
        assert!(!color(None, None, true, true));
        assert!(!color(Some("1"), Some("1"), false, true));
        assert!(color(Some(""), None, false, true), "an empty NO_COLOR says nothing");
        assert!(color(None, Some("1"), true, false));
        assert!(!color(None, Some("0"), false, true));
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(Paint::plain().red("x"), "x");
        assert_eq!(Paint { on: true }.red("x"), "\x1b[1;31mx\x1b[0m");
        assert_eq!(Paint { on: true }.red(""), "");
    }
}
