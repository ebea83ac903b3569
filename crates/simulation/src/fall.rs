//! A panic of a core is a failure like any other: it is caught, with the place where it came about, and told once.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// This thread plays: what panics is noted, not printed.
    static PLAYS: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Does something.
///
/// # Errors
/// That it panicked: where, and with which words.
pub(crate) fn caught(what: impl FnOnce()) -> Result<(), String> {
    listen();
    PLAYS.set(true);
    let done = panic::catch_unwind(AssertUnwindSafe(what));
    PLAYS.set(false);
    done.map_err(|_| LAST.take())
}

/// Panics of threads that play are noted; those of others are told as they were before.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| match PLAYS.get() {
            true => LAST.set(info.to_string()),
            false => before(info),
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_with_its_place() {
        assert_eq!(caught(|| ()), Ok(()));
        let told = caught(|| panic!("no such thing")).unwrap_err();
        assert!(told.contains("no such thing") && told.contains(file!()), "{told}");
    }
}
