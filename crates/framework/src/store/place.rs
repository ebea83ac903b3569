//! Where a state is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use cairn_mesos::client::{ClientError, ZooKeeperAddress};

/// A directory of this machine, or a node in ZooKeeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// For one scheduler on one machine.
    Directory(PathBuf),
    /// For any number of candidates, on any machine.
    ZooKeeper(ZooKeeperAddress),
}

impl Place {
    /// A place within this one. The parts of `path` are separated by slashes.
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        match self {
            Self::Directory(directory) => Self::Directory(directory.join(path)),
            Self::ZooKeeper(address) => Self::ZooKeeper(address.below(path)),
        }
    }
}

impl FromStr for Place {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        if ZooKeeperAddress::is_meant(text) {
            text.parse().map(Self::ZooKeeper)
        } else {
            Ok(Self::Directory(text.into()))
        }
    }
}

impl From<PathBuf> for Place {
    fn from(directory: PathBuf) -> Self {
        Self::Directory(directory)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(directory) => directory.display().fmt(out),
            Self::ZooKeeper(address) => address.fmt(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_go_deeper() {
        for (text, below) in [("/var/cairn", "/var/cairn/a/b"), ("zk://h:1/cairn", "zk://h:1/cairn/a/b")] {
            let place: Place = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
            assert_eq!(place.below("a/b").to_string(), below);
        }
        assert!("zk://h".parse::<Place>().is_err());
    }
}
