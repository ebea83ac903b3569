//! Spans of time.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::amount::{self, UnitError};

/// A span of time in whole milliseconds: `500ms`, `5s`, `2m`, `1h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration {
    millis: u64,
}

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const HELP: &str = "a number with `ms`, `s`, `m`, `h` or `d`, such as `500ms`, `5s` or `7d`";

impl Duration {
    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.millis
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        Self::from_millis(duration.millis)
    }
}

impl FromStr for Duration {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = |(reason, help)| UnitError::new(text, "duration", reason, help);
        let (number, unit) = amount::split(text);
        if unit.is_empty() && !number.is_empty() {
            let help = format!("write `{number}s` or `{number}ms`: {HELP}");
            return Err(error((format!("`{text}` has no unit"), help)));
        }
        let factor = amount::factor(&UNITS, unit)
            .ok_or_else(|| error(amount::unknown_unit(text, unit, meant(unit), HELP)))?;
        amount::multiply(number, factor)
            .map(Self::from_millis)
            .map_err(|why| error((format!("`{text}` is no duration: {why}"), HELP.to_owned())))
    }
}

/// What was probably meant by another spelling of a unit.
fn meant(unit: &str) -> Option<&'static str> {
    match unit.to_ascii_lowercase().trim_end_matches('s') {
        "" | "sec" | "second" => Some("s"),
        "m" | "milli" | "msec" | "millisecond" => Some("ms"),
        "min" | "minute" => Some("m"),
        "h" | "hour" | "hr" => Some("h"),
        "d" | "day" => Some("d"),
        _ => None,
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        amount::write(f, self.millis, &UNITS)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "duration" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        let millis = |text: &str| text.parse::<Duration>().ok().map(Duration::as_millis);
        assert_eq!(millis("500ms"), Some(500));
        assert_eq!(millis("1.5s"), Some(1500));
        assert_eq!(millis("2m"), Some(120_000));
        assert_eq!(millis("7d"), Some(604_800_000));
        for bad in ["5", "", "s", "1w", "0.1ms", "99999999999999999d"] {
            assert_eq!(millis(bad), None, "{bad}");
        }
    }

    #[test]
    fn another_spelling_of_a_unit_is_recognised() {
        let help = |text: &str| text.parse::<Duration>().unwrap_err().help;
        assert!(help("5 seconds").starts_with("write `5s`"));
        assert!(help("5").starts_with("write `5s` or `5ms`"));
    }

    #[test]
    fn they_are_written_in_the_greatest_whole_unit() {
        for text in ["500ms", "90s", "2m", "7d", "0ms"] {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), text);
        }
    }
}
