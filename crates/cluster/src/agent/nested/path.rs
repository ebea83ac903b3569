//! Which container is meant: its id, with those of the containers it is in.

use std::fmt;
use std::path::{Path as File, PathBuf};

use cairn_mesos::v1::ContainerId;
use serde::{Deserialize, Serialize};

/// Longest id, in bytes; `MAX_CONTAINER_ID_LENGTH` of Mesos.
const LONGEST: usize = 242;
/// How deep containers may be nested, as in Mesos.
const DEEPEST: usize = 32;

/// Ids of containers, each in the one before it. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Path(Vec<String>);

impl Path {
    /// The container that an id of the API means.
    ///
    /// # Errors
    /// Some id in it cannot be one, in the words of Mesos.
    pub(crate) fn of(id: &ContainerId) -> Result<Self, String> {
        let mut ids = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next {
            let within = "'ContainerID.parent' is invalid: ".repeat(ids.len());
            check(&id.value).map_err(|why| format!("{within}{why}"))?;
            ids.push(id.value.clone());
            next = id.parent.as_deref();
        }
        if ids.len() > DEEPEST {
            return Err(format!("containers are nested {DEEPEST} deep at most"));
        }
        ids.reverse();
        Ok(Self(ids))
    }

    /// The outermost container's id.
    pub(crate) fn root(&self) -> &str {
        &self.0[0]
    }

    /// Its own id, without those of the others.
    pub(crate) fn name(&self) -> &str {
        &self.0[self.0.len() - 1]
    }

    /// All of them, the outermost first.
    pub(crate) fn ids(&self) -> &[String] {
        &self.0
    }

    /// The container it is in.
    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        (!above.is_empty()).then(|| Self(above.to_vec()))
    }

    /// Where its sandbox is, if that of the outermost container is at `root`; as in Mesos.
    pub(crate) fn sandbox(&self, root: &File) -> PathBuf {
        self.0[1..].iter().fold(root.to_owned(), |above, id| above.join("containers").join(id))
    }

    /// Whether it is `other`, or somewhere in it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

/// As Mesos writes it.
impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.join("."))
    }
}

fn check(id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err("ID must not be empty".to_owned());
    }
    if id.contains(|c: char| c.is_ascii_control() || matches!(c, '/' | '\\')) {
        return Err(format!("'{id}' contains invalid characters"));
    }
    if id.len() > LONGEST {
        return Err(format!("'ContainerID.value' '{id}' exceeds the maximum length ({LONGEST})"));
    }
    if id.contains(['.', ' ']) {
        return Err(format!("'ContainerID.value' '{id}' contains invalid characters"));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The path that is written `text`.
    pub(crate) fn path(text: &str) -> Path {
        Path(text.split('.').map(str::to_owned).collect())
    }

    fn id(ids: &[&str]) -> ContainerId {
        let (last, above) = ids.split_last().unwrap();
        let parent = (!above.is_empty()).then(|| Box::new(id(above)));
        ContainerId { value: (*last).to_owned(), parent }
    }

    #[test]
    fn ids_become_paths_from_the_outermost_on() {
        let found = Path::of(&id(&["a", "b", "c"])).unwrap();
        assert_eq!((found.to_string(), found.root(), found.name()), ("a.b.c".to_owned(), "a", "c"));
        assert_eq!(found.parent(), Some(path("a.b")));
        assert_eq!(path("a").parent(), None);
        assert_eq!(found.sandbox(File::new("/w")).to_str(), Some("/w/containers/b/containers/c"));
        assert!(
            found.is_within(&path("a.b")) && found.is_within(&found) && !path("a.bc").is_within(&path("a.b"))
        );
    }

    #[test]
    fn what_cannot_be_an_id_is_told_as_by_mesos() {
        let refused = |ids: &[&str]| Path::of(&id(ids)).unwrap_err();
        assert_eq!(refused(&[""]), "ID must not be empty");
        assert_eq!(refused(&["a/b"]), "'a/b' contains invalid characters");
        assert_eq!(
            refused(&["..", "b"]),
            "'ContainerID.parent' is invalid: 'ContainerID.value' '..' contains invalid characters"
        );
        assert!(refused(&["x".repeat(243).as_str()]).ends_with("exceeds the maximum length (242)"));
        assert_eq!(refused(&["x"; 33]), "containers are nested 32 deep at most");
        assert!(Path::of(&id(&["x"; 32])).is_ok());
    }
}
