//! Bugs that are planted on purpose, to see whether the simulator finds them. Compiled in only with the feature
//! `mutations`, which nothing that ships has; and even then, none is active unless a test asks for it.
//!
//! Each crate names its own; on a thread at most one of all of them is active.

#[cfg(feature = "mutations")]
use std::any::Any;

#[cfg(feature = "mutations")]
thread_local! {
    static ACTIVE: std::cell::RefCell<Option<Box<dyn Any>>> = const { std::cell::RefCell::new(None) };
}

/// From now on, what runs on this thread has this bug, or none.
#[cfg(feature = "mutations")]
pub fn plant<Bug: Any>(bug: Option<Bug>) {
    ACTIVE.set(bug.map(|bug| Box::new(bug) as Box<dyn Any>));
}

/// Whether this bug is active.
#[cfg(feature = "mutations")]
pub fn planted<Bug: Any + Copy + PartialEq>(bug: Bug) -> bool {
    ACTIVE.with_borrow(|active| active.as_ref().and_then(|active| active.downcast_ref()) == Some(&bug))
}

/// Whether this bug is active: never.
#[cfg(not(feature = "mutations"))]
pub const fn planted<Bug: Copy>(_: Bug) -> bool {
    false
}
