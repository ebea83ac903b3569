//! Which layout a state has, and whether this program may touch it: what every kind of store asks before all else.

use cairn_planted::planted;

use super::StoreError;
use crate::core::Bug;

/// Version of the layout that this program writes. 2: jobs remember that they are done; a program that would not know
/// that must not touch them.
pub const SCHEMA: u32 = 2;

/// The layout of a state that this program may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// The state is new, and says nothing yet.
    New,
    /// An older program wrote it. Fields have only been added since.
    Older,
    /// It is this program's.
    Current,
}

impl Layout {
    /// What a state says of its schema.
    ///
    /// # Errors
    /// When a newer program wrote it.
    pub(super) fn of(found: Option<&[u8]>, place: &impl ToString) -> Result<Self, StoreError> {
        let Some(found) = found else { return Ok(Self::New) };
        let found = String::from_utf8_lossy(found);
        match found.parse::<u32>() {
            Ok(SCHEMA) => Ok(Self::Current),
            Ok(n) if n < SCHEMA => Ok(Self::Older),
            _ if planted(Bug::AnySchema) => Ok(Self::Current),
            _ => Err(StoreError::Newer { place: place.to_string(), found: found.into_owned() }),
        }
    }
}
