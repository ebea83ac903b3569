//! A text or several, as people write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One text or a list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Many {
    /// None.
    #[default]
    #[schemars(skip)]
    None,
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Many {
    /// All of them.
    pub fn list(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn one_or_several() {
        assert_eq!(from_value::<Many>(json!("a")).unwrap().list(), ["a"]);
        assert_eq!(from_value::<Many>(json!(["a", "b"])).unwrap().list(), ["a", "b"]);
        assert!(Many::default().list().is_empty());
    }
}
