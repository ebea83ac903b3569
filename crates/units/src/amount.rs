//! Numbers with a unit: what sizes and durations have in common.

use std::fmt;

/// A text that is no [`Size`](crate::Size) or [`Duration`](crate::Duration).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what} ({help})")]
pub struct UnitError {
    text: String,
    what: &'static str,
    /// What is wrong with it.
    pub reason: String,
    /// What to write instead.
    pub help: String,
}

impl UnitError {
    pub(crate) fn new(text: &str, what: &'static str, reason: String, help: String) -> Self {
        Self { text: text.to_owned(), what, reason, help }
    }
}

/// Why [`multiply`] gives nothing.
pub(crate) const TOO_GREAT: &str = "the number is too great";

/// The number and the unit.
pub(crate) fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// How many of the smallest unit a unit is.
pub(crate) fn factor(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

/// What is wrong with a text of an unknown unit, and what to write instead.
pub(crate) fn unknown_unit(text: &str, unit: &str, meant: Option<&str>, help: &str) -> (String, String) {
    let number = split(text).0;
    let meant = meant.filter(|_| !number.is_empty()).map(|meant| format!("write `{number}{meant}`: "));
    let reason = match number {
        "" => format!("`{text}` does not start with a number"),
        _ => format!("unknown unit `{unit}`"),
    };
    (reason, format!("{}{help}", meant.unwrap_or_default()))
}

/// `number` × `factor` in whole units, without rounding: at most six decimals.
pub(crate) fn multiply(number: &str, factor: u64) -> Result<u64, &'static str> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || decimals.contains('.') || decimals.len() > 6 || number.ends_with('.') {
        return Err("the number cannot be read");
    }
    let scale = 10_u64.pow(u32::try_from(decimals.len()).unwrap_or(0));
    let digits: u64 = format!("{whole}{decimals}").parse().map_err(|_| TOO_GREAT)?;
    let product = digits.checked_mul(factor).ok_or(TOO_GREAT)?;
    if !product.is_multiple_of(scale) {
        return Err("it is finer than the smallest unit");
    }
    Ok(product / scale)
}

/// In the greatest unit that gives a whole number.
pub(crate) fn write(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let fits = units.iter().rev().find(|(_, factor)| value > 0 && value.is_multiple_of(*factor));
    let (unit, factor) = fits.or(units.first()).copied().unwrap_or(("", 1));
    write!(f, "{}{unit}", value / factor)
}
