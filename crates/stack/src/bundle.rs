//! What a user applies: main files that are laid over one another, and the files that they name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::load::Files;

/// Most files of a bundle.
pub const MAX_FILES: usize = 200;

/// A main file, overlays, and the files that they name, as the client has read them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Names of the main file and of the overlays, in the order in which they are laid over one another.
    pub main: Vec<String>,
    /// All files by name.
    pub files: BTreeMap<String, Content>,
}

/// Content of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Its text. Where it is no text, its bytes do not travel: it is refused where it was read.
    #[serde(with = "text")]
    Text(Vec<u8>),
    /// It could not be read, and why.
    Absent(String),
}

mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Ok(String::deserialize(deserializer)?.into_bytes())
    }
}

impl Bundle {
    /// A main file alone.
    pub fn single(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let mut bundle = Self::default();
        bundle.push(name, bytes);
        bundle
    }

    /// Adds a main file, or lays an overlay over those before it.
    pub fn push(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        let name = name.into();
        self.main.push(name.clone());
        self.files.insert(name, Content::Text(bytes.into()));
    }

    /// Names of files that those at hand refer to, and that nobody has looked for yet. Once it is empty the bundle is
    /// complete.
    pub fn wanted(&self) -> Vec<String> {
        if self.files.len() >= MAX_FILES {
            return Vec::new();
        }
        Files::load(self, &mut Vec::new()).wanted
    }

    /// Whether it is more than one file.
    pub fn has_several(&self) -> bool {
        self.files.len() > 1
    }

    /// Text of the first main file.
    pub fn source(&self) -> String {
        match self.main.first().and_then(|name| self.files.get(name)) {
            Some(Content::Text(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            Some(Content::Absent(_)) | None => String::new(),
        }
    }
}

/// Whether a text under `framework:` is the name of a file rather than that of a framework.
pub(crate) fn is_path(text: &str) -> bool {
    text.contains('/') || text.ends_with(".yaml") || text.ends_with(".yml")
}

/// The name of a file that another one refers to: beside it, with `.` and `..` carried out.
pub fn resolve_name(referrer: &str, path: &str) -> String {
    let folder =
        referrer.rsplit_once('/').map_or("", |(folder, _)| if folder.is_empty() { "/" } else { folder });
    let joined = match (folder, path.starts_with('/')) {
        (_, true) | ("", false) => path.to_owned(),
        ("/", false) => format!("/{path}"),
        (folder, false) => format!("{folder}/{path}"),
    };
    let absolute = joined.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_beside_the_file_that_refers_to_them() {
        for (referrer, path, name) in [
            ("logging.yaml", "./kafka.yaml", "kafka.yaml"),
            ("specs/logging.yaml", "kafka.yaml", "specs/kafka.yaml"),
            ("specs/logging.yaml", "../kafka.yaml", "kafka.yaml"),
            ("specs/logging.yaml", "../../kafka.yaml", "../kafka.yaml"),
            ("../a/logging.yaml", "../../kafka.yaml", "../../kafka.yaml"),
            ("/srv/specs/x.yaml", "./sub/../kafka.yaml", "/srv/specs/kafka.yaml"),
            ("/x.yaml", "../../kafka.yaml", "/kafka.yaml"),
            ("<stdin>", "./kafka.yaml", "kafka.yaml"),
            ("specs/logging.yaml", "/etc/kafka.yaml", "/etc/kafka.yaml"),
        ] {
            assert_eq!(resolve_name(referrer, path), name, "{referrer} {path}");
        }
    }

    #[test]
    fn a_bundle_travels_as_text() {
        let mut bundle = Bundle::single("a.yaml", "stack: a\nservices: { k: { stack: ./k.yaml } }\n");
        assert_eq!(bundle.wanted(), ["k.yaml"]);
        bundle.files.insert("k.yaml".into(), Content::Absent("no such file".into()));
        assert!(bundle.wanted().is_empty());
        let sent = serde_json::to_value(&bundle).unwrap();
        assert_eq!(sent["files"]["k.yaml"]["absent"], "no such file");
        assert_eq!(serde_json::from_value::<Bundle>(sent).unwrap(), bundle);
    }
}
