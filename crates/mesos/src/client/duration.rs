//! Durations as Mesos writes them: `15mins`, `2secs`, `250ms`, `1.5hrs`.

use std::time::Duration;

const UNITS: [(&str, u64); 8] = [
    ("weeks", 604_800_000_000_000),
    ("days", 86_400_000_000_000),
    ("hrs", 3_600_000_000_000),
    ("mins", 60_000_000_000),
    ("secs", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Reads one; `None` when it is none, or negative, or beyond what a `Duration` holds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|character: char| character.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let number: f64 = number.trim().parse().ok()?;
    Duration::try_from_secs_f64(number * (*nanos as f64 / 1e9)).ok()
}

/// Writes one in the largest unit that gives a whole number.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let fitting = UNITS.iter().find(|(_, unit)| nanos > 0 && nanos.is_multiple_of(u128::from(*unit)));
    match fitting {
        Some((name, unit)) => format!("{}{name}", nanos / u128::from(*unit)),
        None => "0ns".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, millis) in [("15mins", 900_000), ("2secs", 2000), ("250ms", 250), ("1weeks", 604_800_000)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(format_duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(parse_duration("1.5hrs"), Some(Duration::from_secs(5400)));
        for bad in ["", "15", "mins", "-1secs", "1 fortnight", "1e400secs", "nansecs"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        assert_eq!(format_duration(Duration::ZERO), "0ns");
    }
}
