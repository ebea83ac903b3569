//! The frameworks that stacks may name.

use std::collections::BTreeMap;

use crate::{FrameworkSpec, Report};

/// Checked framework specs by name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    frameworks: BTreeMap<String, FrameworkSpec>,
}

impl Catalog {
    /// Reads framework specs: pairs of a file's name and its bytes.
    ///
    /// # Errors
    /// A report for each file that has errors.
    pub fn load<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, Vec<Report>> {
        let _ = files.into_iter();
        Ok(Self::default())
    }

    /// The framework of that name.
    pub fn get(&self, name: &str) -> Option<&FrameworkSpec> {
        self.frameworks.get(name)
    }

    /// All frameworks by name.
    pub fn iter(&self) -> impl Iterator<Item = &FrameworkSpec> {
        self.frameworks.values()
    }
}
