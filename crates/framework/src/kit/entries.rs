//! Files of entries, a name and a value on each line, put together from layers: what is usual, what an operator has set, what
//! the framework sets itself.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use super::lines;

/// The entries of a file by name; of several layers the later ones win.
#[derive(Debug, Clone)]
pub struct Entries {
    between: &'static str,
    values: BTreeMap<String, String>,
}

impl Entries {
    /// None yet; `between` stands between name and value.
    pub const fn new(between: &'static str) -> Self {
        Self { between, values: BTreeMap::new() }
    }

    /// With the entries of a file like this one; its comments, which `#` begins, and empty lines are left out.
    #[must_use]
    pub fn lines(mut self, file: &str) -> Self {
        let lines = file.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let entries = lines.filter_map(|line| line.split_once(self.between.trim()));
        self.values.extend(entries.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())));
        self
    }

    /// With these.
    #[must_use]
    pub fn with<K: Display, V: Display>(mut self, entries: impl IntoIterator<Item = (K, V)>) -> Self {
        self.values.extend(entries.into_iter().map(|(name, value)| (name.to_string(), value.to_string())));
        self
    }

    /// Whether an entry is there whose name begins so.
    pub fn any(&self, prefix: &str) -> bool {
        self.values.keys().any(|name| name.starts_with(prefix))
    }
}

impl Display for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&lines(&self.values, self.between))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_layers_win() {
        let file = Entries::new(": ")
            .lines("# usual\nb: 1\na: \"x: y\"\n\n")
            .with([("b", 2), ("c", 3)])
            .lines("c:4\n");
        assert_eq!(file.to_string(), "a: \"x: y\"\nb: 2\nc: 4\n");
        assert!(file.any("a") && !file.any("d"));
    }
}
