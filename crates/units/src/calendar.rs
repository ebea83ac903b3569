//! The calendar in UTC, as far as schedules need it.

pub(crate) const MINUTE: u64 = 60_000;
pub(crate) const DAY: u64 = 86_400_000;

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: u64,
    pub(crate) month: u32,
    pub(crate) day: u32,
    /// 0 is Sunday.
    pub(crate) weekday: u32,
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of(year: u64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Leap days before a year, counted from the year 0.
fn leap_days(year: u64) -> u64 {
    let before = year.saturating_sub(1);
    before / 4 - before / 100 + before / 400
}

/// Days from the epoch to the first of January.
fn start_of(year: u64) -> u64 {
    (year - 1970) * 365 + leap_days(year) - leap_days(1970)
}

/// The day that is so many days after the epoch.
pub(crate) fn civil(days: u64) -> Civil {
    // 365.2425 days a year: the guess is off by one at most.
    let guess = 1970 + days * 400 / 146_097;
    let year = if start_of(guess + 1) <= days {
        guess + 1
    } else if start_of(guess) > days {
        guess - 1
    } else {
        guess
    };
    let mut rest = u32::try_from(days - start_of(year)).unwrap_or_default();
    let mut month = 1;
    while rest >= days_of(year, month) {
        rest -= days_of(year, month);
        month += 1;
    }
    // The epoch was a Thursday.
    let weekday = u32::try_from((days + 4) % 7).unwrap_or_default();
    Civil { year, month, day: rest + 1, weekday }
}

/// `2026-01-31T12:00:00Z` in milliseconds since the epoch.
pub(crate) fn instant(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, separator| {
        text.split(separator).map(|n| n.parse::<u32>().ok()).collect::<Option<Vec<_>>>()
    };
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let ([year, month, day], [hour, minute, rest @ ..]) = (&date[..], &time[..]) else { return None };
    let (year, month, day, hour, minute) = (*year, *month, *day, *hour, *minute);
    let second = match rest {
        [] => 0,
        [second] => *second,
        _ => return None,
    };
    let year = u64::from(year);
    let fits = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day);
    if !fits || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days =
        start_of(year) + (1..month).map(|m| u64::from(days_of(year, m))).sum::<u64>() + u64::from(day - 1);
    Some(days * DAY + u64::from(hour * 3_600 + minute * 60 + second) * 1_000)
}

/// A moment as people write it: `2026-01-31T12:00:00Z`.
#[cfg(test)]
pub(crate) fn text(millis: u64) -> String {
    let Civil { year, month, day, .. } = civil(millis / DAY);
    let seconds = millis % DAY / 1_000;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_each_other() {
        let mut before = civil(0);
        assert_eq!(before, Civil { year: 1970, month: 1, day: 1, weekday: 4 });
        for days in 1..60_000 {
            let now = civil(days);
            assert_eq!(now.weekday, (before.weekday + 1) % 7);
            let next = (now.year, now.month, now.day) == (before.year, before.month, before.day + 1);
            let first = now.day == 1 && before.day == days_of(before.year, before.month);
            assert!(next || first, "{before:?} {now:?}");
            before = now;
        }
    }

    #[test]
    fn moments_are_read_as_they_are_written() {
        for moment in
            ["1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z", "2026-11-25T13:05:00Z", "2100-03-01T00:00:00Z"]
        {
            assert_eq!(text(instant(moment).unwrap()), moment);
        }
        for bad in ["2026-02-29T00:00:00Z", "2026-01-01", "2026-01-01T24:00:00Z", "2026-13-01T00:00:00Z"] {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }
}
