//! The uuids by which updates are acknowledged, as master and agents read them.

/// Whether Mesos takes these bytes for a uuid: it asks for 16 of them, with one of the versions of RFC 4122, 1 to 5. Random bytes
/// that do not tell a version are none.
pub(crate) fn is_valid(bytes: &[u8]) -> bool {
    bytes.len() == 16 && (1..=5).contains(&(bytes[6] >> 4))
}

/// What it says of others.
pub(crate) const INVALID: &str = "Not a valid UUID";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_tells_its_version() {
        let with = |version: u8| [0, 0, 0, 0, 0, 0, version << 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let taken: Vec<u8> = (0..16).filter(|version| is_valid(&with(*version))).collect();
        assert_eq!(taken, [1, 2, 3, 4, 5]);
        assert!(!is_valid(&with(4)[..15]) && !is_valid(&[]));
        assert!(is_valid(uuid::Uuid::new_v4().as_bytes()));
    }
}
