//! Sizes and durations as people write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount of memory or disk in whole mebibytes: `512MiB`, `2GiB`, `1.5GiB`, `1TiB`, or a number of MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size {
    mib: u64,
}

/// A span of time in whole milliseconds: `500ms`, `5s`, `2m`, `1h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration {
    millis: u64,
}

/// A text that is no [`Size`] or [`Duration`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct UnitError {
    /// What is wrong with it.
    pub reason: String,
    /// What to write instead.
    pub help: String,
}

const SIZE_UNITS: [(&str, u64); 3] = [("MiB", 1), ("GiB", 1024), ("TiB", 1024 * 1024)];
const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

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

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let help =
            "a number with `MiB`, `GiB` or `TiB`, such as `512MiB` or `2GiB`; a bare number counts MiB";
        let (number, unit) = split(text);
        let factor = match unit {
            "" => 1,
            _ => factor(&SIZE_UNITS, unit).ok_or_else(|| unknown_unit(text, unit, size_unit(unit), help))?,
        };
        multiply(number, factor).map(Self::from_mib).map_err(|why| error(text, "size", why, help))
    }
}

impl FromStr for Duration {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let help = "a number with `ms`, `s`, `m`, `h` or `d`, such as `500ms`, `5s` or `7d`";
        let (number, unit) = split(text);
        if unit.is_empty() && !number.is_empty() {
            let reason = format!("`{text}` has no unit");
            return Err(UnitError { reason, help: format!("write `{number}s` or `{number}ms`: {help}") });
        }
        let factor = factor(&DURATION_UNITS, unit)
            .ok_or_else(|| unknown_unit(text, unit, duration_unit(unit), help))?;
        multiply(number, factor).map(Self::from_millis).map_err(|why| error(text, "duration", why, help))
    }
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

fn factor(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

/// What was probably meant by another spelling of a unit.
fn size_unit(unit: &str) -> Option<&'static str> {
    match unit.to_ascii_lowercase().as_str() {
        "m" | "mb" | "mi" | "mib" | "meg" | "megs" => Some("MiB"),
        "g" | "gb" | "gi" | "gib" | "gig" | "gigs" => Some("GiB"),
        "t" | "tb" | "ti" | "tib" => Some("TiB"),
        _ => None,
    }
}

fn duration_unit(unit: &str) -> Option<&'static str> {
    match unit.to_ascii_lowercase().trim_end_matches('s') {
        "" | "sec" | "second" => Some("s"),
        "m" | "milli" | "msec" | "millisecond" => Some("ms"),
        "min" | "minute" => Some("m"),
        "h" | "hour" | "hr" => Some("h"),
        "d" | "day" => Some("d"),
        _ => None,
    }
}

fn unknown_unit(text: &str, unit: &str, meant: Option<&str>, help: &str) -> UnitError {
    let number = split(text).0;
    let meant = meant.filter(|_| !number.is_empty()).map(|meant| format!("write `{number}{meant}`: "));
    let reason = match number {
        "" => format!("`{text}` does not start with a number"),
        _ => format!("unknown unit `{unit}`"),
    };
    UnitError { reason, help: format!("{}{help}", meant.unwrap_or_default()) }
}

fn error(text: &str, what: &str, why: &str, help: &str) -> UnitError {
    UnitError { reason: format!("`{text}` is no {what}: {why}"), help: help.to_owned() }
}

/// `number` × `factor` in whole units, without rounding: at most six decimals.
fn multiply(number: &str, factor: u64) -> Result<u64, &'static str> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || decimals.contains('.') || decimals.len() > 6 || number.ends_with('.') {
        return Err("the number cannot be read");
    }
    let scale = 10_u64.pow(u32::try_from(decimals.len()).unwrap_or(0));
    let digits: u64 = format!("{whole}{decimals}").parse().map_err(|_| "the number is too great")?;
    let product = digits.checked_mul(factor).ok_or("the number is too great")?;
    if !product.is_multiple_of(scale) {
        return Err("it is finer than the smallest unit");
    }
    Ok(product / scale)
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_unit(f, self.mib, &SIZE_UNITS)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_unit(f, self.millis, &DURATION_UNITS)
    }
}

/// In the greatest unit that gives a whole number.
fn write_unit(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let fits = units.iter().rev().find(|(_, factor)| value > 0 && value.is_multiple_of(*factor));
    let (unit, factor) = fits.or(units.first()).copied().unwrap_or(("", 1));
    write!(f, "{}{unit}", value / factor)
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Duration {
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
            Written::Mib(mib) => Ok(Self::from_mib(mib)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Size {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "An amount of memory or disk: `512MiB`, `2GiB`, or a number of MiB.",
            "type": ["string", "integer"],
            "format": "size",
            "minimum": 0,
        })
    }
}

impl schemars::JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A span of time: `500ms`, `5s`, `2m`, `1h`, `7d`.",
            "type": "string",
            "format": "duration",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_mebibytes() {
        let mib = |text: &str| text.parse::<Size>().map(Size::mib);
        assert_eq!(mib("512MiB"), Ok(512));
        assert_eq!(mib("2 GiB"), Ok(2048));
        assert_eq!(mib("1.5GiB"), Ok(1536));
        assert_eq!(mib("1TiB"), Ok(1024 * 1024));
        assert_eq!(mib("64"), Ok(64));
        for bad in
            ["", "MiB", "512MB", "2g", "1KiB", "-1MiB", "0.3MiB", "1..5GiB", "99999999999999999999", "1.GiB"]
        {
            assert!(mib(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn another_spelling_of_a_unit_is_recognised() {
        let help = |text: &str| text.parse::<Size>().unwrap_err().help;
        assert!(help("512MB").starts_with("write `512MiB`"));
        assert!(help("2g").starts_with("write `2GiB`"));
        let help = |text: &str| text.parse::<Duration>().unwrap_err().help;
        assert!(help("5 seconds").starts_with("write `5s`"));
        assert!(help("5").starts_with("write `5s` or `5ms`"));
    }

    #[test]
    fn durations_need_a_unit() {
        let millis = |text: &str| text.parse::<Duration>().map(Duration::as_millis);
        assert_eq!(millis("500ms"), Ok(500));
        assert_eq!(millis("1.5s"), Ok(1500));
        assert_eq!(millis("2m"), Ok(120_000));
        assert_eq!(millis("7d"), Ok(604_800_000));
        for bad in ["5", "", "s", "1w", "0.1ms", "99999999999999999d"] {
            assert!(millis(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn they_are_written_in_the_greatest_whole_unit() {
        for text in ["512MiB", "2GiB", "1536MiB", "0MiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        for text in ["500ms", "90s", "2m", "7d", "0ms"] {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), text);
        }
    }
}
