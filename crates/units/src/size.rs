//! Amounts of memory and disk.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::amount::{self, UnitError};

/// An amount of memory or disk in whole mebibytes: `512MiB`, `2GiB`, `1.5GiB`, `1TiB`, or a number of MiB. It is shown in
/// the greatest unit that gives a whole number; JSON has it in MiB (`2048MiB`), so that texts compare as amounts do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size {
    mib: u64,
}

const UNITS: [(&str, u64); 3] = [("MiB", 1), ("GiB", 1024), ("TiB", 1024 * 1024)];
const HELP: &str =
    "a number with `MiB`, `GiB` or `TiB`, such as `512MiB` or `2GiB`; a bare number counts MiB";
/// Sizes that are read are below it: nobody has as much, and sums of them cannot overflow.
const MAX_MIB: u64 = 1_000_000_000_000;

impl Size {
    /// So many MiB.
    pub const fn from_mib(mib: u64) -> Self {
        Self { mib }
    }

    /// In MiB.
    pub const fn mib(self) -> u64 {
        self.mib
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = |(reason, help)| UnitError::new(text, "size", reason, help);
        let (number, unit) = amount::split(text);
        let factor = match unit {
            "" => 1,
            _ => amount::factor(&UNITS, unit)
                .ok_or_else(|| error(amount::unknown_unit(text, unit, meant(unit), HELP)))?,
        };
        let mib = amount::multiply(number, factor)
            .and_then(|mib| if mib < MAX_MIB { Ok(Self { mib }) } else { Err(amount::TOO_GREAT) });
        mib.map_err(|why| error((format!("`{text}` is no size: {why}"), HELP.to_owned())))
    }
}

/// What was probably meant by another spelling of a unit.
fn meant(unit: &str) -> Option<&'static str> {
    match unit.to_ascii_lowercase().as_str() {
        "m" | "mb" | "mi" | "mib" | "meg" | "megs" => Some("MiB"),
        "g" | "gb" | "gi" | "gib" | "gig" | "gigs" => Some("GiB"),
        "t" | "tb" | "ti" | "tib" => Some("TiB"),
        _ => None,
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        amount::write(f, self.mib, &UNITS)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}MiB", self.mib))
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
        let text = match Written::deserialize(deserializer)? {
            Written::Mib(mib) => mib.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(de::Error::custom)
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
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn sizes_are_whole_mebibytes() {
        let mib = |text: &str| text.parse::<Size>().ok().map(Size::mib);
        assert_eq!(mib("512MiB"), Some(512));
        assert_eq!(mib("2 GiB"), Some(2048));
        assert_eq!(mib("1.5GiB"), Some(1536));
        assert_eq!(mib("1 TiB"), Some(1024 * 1024));
        assert_eq!(mib("64"), Some(64));
        for bad in ["", "MiB", "512MB", "2g", "1KiB", "-1MiB", "0.3MiB", "1..5GiB", "1.GiB", "inf", "NaNMiB"]
        {
            assert_eq!(mib(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_could_overflow_is_refused() {
        for bad in ["1000000000000", "999999999TiB", "99999999999999999999", "1e99"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
        assert!(from_value::<Size>(json!(u64::MAX)).is_err());
    }

    #[test]
    fn another_spelling_of_a_unit_is_recognised() {
        let error = "512MB".parse::<Size>().unwrap_err();
        assert!(error.help.starts_with("write `512MiB`"));
        assert!(error.to_string().starts_with("`512MB` is not a size (write `512MiB`: "));
        assert!("2g".parse::<Size>().unwrap_err().help.starts_with("write `2GiB`"));
    }

    #[test]
    fn they_are_shown_in_the_greatest_whole_unit() {
        for text in ["512MiB", "2GiB", "1536MiB", "0MiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn json_has_them_in_mebibytes() {
        assert_eq!(from_value::<Size>(json!("2GiB")).unwrap(), Size::from_mib(2048));
        assert_eq!(from_value::<Size>(json!(2048)).unwrap(), Size::from_mib(2048));
        assert_eq!(to_value(Size::from_mib(2048)).unwrap(), "2048MiB");
    }
}
