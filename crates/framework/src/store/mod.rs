//! Where intent is kept.
