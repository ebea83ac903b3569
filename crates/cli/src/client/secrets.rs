//! Values of secrets, as clients read them: from the environment, files and standard input. Never printed.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use cairn_stack::{Bundle, SecretSource, SecretUses, declared_secrets};

use crate::console::Paint;
use crate::failure::Failure;

/// Much more than a secret may have, so that the true size of what is too large is told.
const READ_AT_MOST: u64 = 1024 * 1024;
/// Most bytes of all secrets that a stack declares: they travel in a header.
const AT_MOST_TOGETHER: usize = 192 * 1024;

/// A value. It has no debug form, so that no message shows it by mistake.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Value(String);

impl Value {
    /// The text itself, for where it is sent.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// From an environment variable of this program.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn from_env(name: &str) -> Result<Self, String> {
        match std::env::var(name) {
            Ok(text) if text.is_empty() => Err(format!("the environment variable {name} is empty")),
            Ok(text) => Ok(Self(text)),
            Err(std::env::VarError::NotPresent) => Err(format!("the environment variable {name} is not set")),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(format!("the environment variable {name} is no text"))
            }
        }
    }

    /// From a file, without the line break at its end.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn from_file(path: &Path) -> Result<Self, String> {
        let file = std::fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::from_reader(file, &path.display().to_string())
    }

    /// From what can be read, without the line break at its end.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn from_reader(from: impl Read, what: &str) -> Result<Self, String> {
        let mut bytes = Vec::new();
        from.take(READ_AT_MOST).read_to_end(&mut bytes).map_err(|error| format!("{what}: {error}"))?;
        let mut text = String::from_utf8(bytes).map_err(|_| format!("{what} is no text in UTF-8"))?;
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        if text.is_empty() { Err(format!("{what} is empty")) } else { Ok(Self(text)) }
    }
}

/// Values of the secrets that a stack spec declares, from where it says. What is no stack spec declares none: the
/// controller says what is wrong with it.
///
/// # Errors
/// All that cannot be read, each with its place in the spec.
pub(crate) fn declared(bundle: &Bundle) -> Result<BTreeMap<String, Value>, Failure> {
    let Some(uses) = declared_secrets(bundle) else { return Ok(BTreeMap::new()) };
    let name = bundle.main.first().map(String::as_str).unwrap_or_default();
    let folder = folder_of(name);
    let (mut values, mut reasons) = (BTreeMap::new(), BTreeMap::new());
    for (name, source) in uses.sources() {
        let value = match source {
            SecretSource::Env(variable) => Value::from_env(variable),
            SecretSource::File(path) => Value::from_file(&folder.join(path)),
        };
        match value {
            Ok(value) => drop(values.insert(name.to_owned(), value)),
            Err(reason) => drop(reasons.insert(name.to_owned(), reason)),
        }
    }
    if !reasons.is_empty() {
        return Err(Failure::Rendered(uses.unreadable(&reasons).render(Paint::stderr().is_on())));
    }
    let together: usize = values.values().map(|value| value.reveal().len()).sum();
    if together > AT_MOST_TOGETHER {
        return Err(Failure::hint(
            format!("the secrets of {name} have {together} bytes; {AT_MOST_TOGETHER} are taken together"),
            "set the largest with `cairn secret set --stack STACK NAME`, each by itself",
        ));
    }
    Ok(values)
}

/// Environment variables that a stack spec declares to hold secrets.
pub(crate) fn variables(bundle: &Bundle) -> Vec<String> {
    let uses = declared_secrets(bundle);
    let variable = |source: &SecretSource| match source {
        SecretSource::Env(variable) => Some(variable.clone()),
        SecretSource::File(_) => None,
    };
    uses.iter().flat_map(SecretUses::sources).filter_map(|(_, source)| variable(source)).collect()
}

/// The folder that paths in a spec start from.
fn folder_of(file: &str) -> PathBuf {
    let parent = Path::new(file).parent().filter(|_| file != super::bundle::STDIN);
    parent.map_or_else(PathBuf::new, Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<String, String> {
        Value::from_reader(text, "stdin").map(|value| value.0)
    }

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_it() {
        assert_eq!(read(b"hunter2\n").unwrap(), "hunter2");
        assert_eq!(read(b"a\r\n").unwrap(), "a");
        assert_eq!(read(b" a\n\n").unwrap(), " a\n");
        assert_eq!(read(b"\n").unwrap_err(), "stdin is empty");
        assert_eq!(read(b"\xff").unwrap_err(), "stdin is no text in UTF-8");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("db.txt"), "hunter2\n").unwrap();
        let spec = |source: &str| format!("stack: a\nsecrets:\n  db: {source}\nservices: {{}}\n");
        let file = dir.path().join("a.yaml").display().to_string();
        let declared = |text: &str| declared(&Bundle::single(file.clone(), text));
        let values = declared(&spec("{ file: db.txt }"));
        assert_eq!(values.ok().unwrap()["db"].reveal(), "hunter2");
        let Err(Failure::Rendered(told)) = declared(&spec("{ file: no.txt }")) else { panic!("it is there") };
        assert!(told.contains("a.yaml:3:7") && told.contains("no.txt: No such file"), "{told}");
        let unset = declared(&spec("{ env: CAIRN_NOT_SET }"));
        let Err(Failure::Rendered(told)) = unset else { panic!("it is set") };
        assert!(told.contains("CAIRN_NOT_SET is not set"), "{told}");
        assert!(declared("[").ok().unwrap().is_empty());
    }
}
