//! Amounts of memory and disk, as stack files write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Whole MiB, written `512MiB`, `2GiB`, `1TiB`, or as a number of MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

const UNITS: [(&str, u64); 3] = [("MiB", 1), ("GiB", 1024), ("TiB", 1024 * 1024)];

impl Size {
    /// So many MiB.
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib)
    }

    /// In MiB.
    pub const fn mib(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a size: write a number with MiB, GiB or TiB, such as `512MiB`");
        let text_number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let factor = match &text[text_number.len()..] {
            "" => 1,
            unit => UNITS.iter().find(|(name, _)| *name == unit).map(|(_, f)| *f).ok_or_else(bad)?,
        };
        let number: f64 = text_number.trim().parse().map_err(|_| bad())?;
        let mib = number * f64::from(u32::try_from(factor).map_err(|_| bad())?);
        let whole = mib.is_finite() && mib.fract() == 0.0 && (0.0..1e12).contains(&mib);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked on the line above"
        )]
        if whole { Ok(Self(mib as u64)) } else { Err(bad()) }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}MiB", self.0)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Mib(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Mib(mib) => Ok(Self(mib)),
            Written::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "format": "size", "minimum": 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, mib) in
            [("512MiB", 512), ("2GiB", 2048), ("1.5GiB", 1536), ("64", 64), ("1 TiB", 1024 * 1024)]
        {
            assert_eq!(text.parse::<Size>(), Ok(Size(mib)), "{text}");
        }
        for text in ["", "MiB", "512MB", "-1MiB", "0.3MiB", "inf", "NaNMiB", "1e99"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
