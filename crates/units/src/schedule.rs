//! Times that come again: cron expressions and repeating intervals of ISO 8601, in UTC.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::amount::UnitError;
use crate::calendar::{self, Civil, DAY, MINUTE};

const HELP: &str = "a cron expression of five fields such as `0 3 * * *` (minute, hour, day of the month, month, day of the week; \
    in UTC), or a repeating interval such as `R/2026-01-01T00:00:00Z/PT1H`";
/// A cron expression that has not come up for so many days never will: 29 February is away 8 years at most.
const SEARCH_DAYS: u64 = 366 * 8 + 1;

/// When something happens again and again. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Cron(Box<Cron>),
    Interval { start: u64, period: u64, count: Option<u64> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cron {
    minutes: BTreeSet<u32>,
    hours: BTreeSet<u32>,
    days: BTreeSet<u32>,
    months: BTreeSet<u32>,
    weekdays: BTreeSet<u32>,
    /// Both kinds of days are restricted: one of them is enough, as cron has always had it.
    either_day: bool,
}

impl Schedule {
    /// The first time after `from`; none if there is none any more.
    pub fn after(&self, from: u64) -> Option<u64> {
        match &self.kind {
            Kind::Cron(cron) => cron.after(from),
            Kind::Interval { start, period, count } => {
                let number = from.checked_sub(*start).map_or(0, |since| since / period + 1);
                (count.is_none_or(|count| number < count)).then(|| start + number * period)
            }
        }
    }

    /// The last time that is after `from` and not after `to`.
    pub fn last_between(&self, from: u64, to: u64) -> Option<u64> {
        match &self.kind {
            Kind::Cron(cron) => cron.last_between(from, to),
            Kind::Interval { start, period, count } => {
                let number = (to.checked_sub(*start)? / period)
                    .min(count.map_or(u64::MAX, |count| count.saturating_sub(1)));
                Some(start + number * period).filter(|at| *at > from && *count != Some(0))
            }
        }
    }
}

impl Cron {
    fn has_day(&self, civil: Civil) -> bool {
        let (day, weekday) = (self.days.contains(&civil.day), self.weekdays.contains(&civil.weekday));
        self.months.contains(&civil.month) && if self.either_day { day || weekday } else { day && weekday }
    }

    /// Times of a day, in milliseconds from its start.
    fn times(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.hours
            .iter()
            .flat_map(|hour| self.minutes.iter().map(move |minute| u64::from(hour * 60 + minute) * MINUTE))
    }

    fn after(&self, from: u64) -> Option<u64> {
        let first = from / DAY;
        let days = (first..first + SEARCH_DAYS).filter(|day| self.has_day(calendar::civil(*day)));
        days.flat_map(|day| self.times().map(move |time| day * DAY + time)).find(|at| *at > from)
    }

    fn last_between(&self, from: u64, to: u64) -> Option<u64> {
        let (first, last) = ((from / DAY).max((to / DAY).saturating_sub(SEARCH_DAYS)), to / DAY);
        let days = (first..=last).rev().filter(|day| self.has_day(calendar::civil(*day)));
        let at =
            days.flat_map(|day| self.times().rev().map(move |time| day * DAY + time)).find(|at| *at <= to);
        at.filter(|at| *at > from)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Schedule {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let kind = if text.starts_with('R') { interval(text) } else { cron(text) };
        match kind {
            Ok(kind) => Ok(Self { text: text.to_owned(), kind }),
            Err(reason) => Err(UnitError::new(text, "schedule", reason, HELP.to_owned())),
        }
    }
}

fn cron(text: &str) -> Result<Kind, String> {
    let text = match text {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        other => other,
    };
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        return Err(format!("a cron expression has five fields, this has {}", fields.len()));
    };
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let mut weekdays = field(weekday, "day of the week", (0, 7), (&DAYS, 0))?;
    if weekdays.remove(&7) {
        weekdays.insert(0);
    }
    Ok(Kind::Cron(Box::new(Cron {
        minutes: field(minute, "minute", (0, 59), (&[], 0))?,
        hours: field(hour, "hour", (0, 23), (&[], 0))?,
        days: field(day, "day of the month", (1, 31), (&[], 0))?,
        months: field(month, "month", (1, 12), (&MONTHS, 1))?,
        weekdays,
        either_day: !day.starts_with('*') && !weekday.starts_with('*'),
    })))
}

/// `*`, `5`, `1-5`, `*/10`, `10-50/20`, several of them with commas; names where there are some.
fn field(
    text: &str,
    what: &str,
    (least, most): (u32, u32),
    names: (&[&str], u32),
) -> Result<BTreeSet<u32>, String> {
    let bad = || format!("`{text}` is not a {what} ({least} to {most})");
    let number = |word: &str| {
        let named = names.0.iter().position(|name| word.eq_ignore_ascii_case(name));
        let named = named.and_then(|at| u32::try_from(at).ok()).map(|at| at + names.1);
        named.or_else(|| word.parse().ok()).filter(|n| (least..=most).contains(n)).ok_or_else(bad)
    };
    let mut found = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let step = step.map_or(Ok(1), |s| s.parse::<u32>().ok().filter(|s| *s > 0).ok_or_else(bad))?;
        let (from, to) = match (range, range.split_once('-')) {
            ("*", _) => (least, most),
            (_, Some((from, to))) => (number(from)?, number(to)?),
            (one, None) => (number(one)?, if part.contains('/') { most } else { number(one)? }),
        };
        if from > to {
            return Err(bad());
        }
        found.extend((from..=to).step_by(step as usize));
    }
    Ok(found)
}

/// `R5/2026-01-01T00:00:00Z/PT1H`.
fn interval(text: &str) -> Result<Kind, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let [repeat, start, period] = parts[..] else {
        return Err("a repeating interval has three parts: R, a start and a period".into());
    };
    let count = match repeat.strip_prefix('R') {
        Some("") => None,
        Some(count) => Some(count.parse().map_err(|_| format!("`{repeat}` is not R and a number"))?),
        None => return Err(format!("`{repeat}` is not R and a number")),
    };
    let start = calendar::instant(start)
        .ok_or_else(|| format!("`{start}` is not a time such as 2026-01-01T00:00:00Z"))?;
    let period =
        duration(period).ok_or_else(|| format!("`{period}` is not a period such as PT1H, PT10M or P1D"))?;
    Ok(Kind::Interval { start, period, count })
}

/// Weeks, days, hours, minutes and seconds: months and years have no fixed length.
fn duration(text: &str) -> Option<u64> {
    let rest = text.strip_prefix('P')?;
    let (date, time) = rest.split_once('T').unwrap_or((rest, ""));
    let sum = |part: &str, units: &[(char, u64)]| -> Option<u64> {
        let (mut total, mut digits) = (0_u64, String::new());
        for c in part.chars() {
            if c.is_ascii_digit() {
                digits.push(c);
                continue;
            }
            let unit = units.iter().find(|(letter, _)| *letter == c)?.1;
            total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(unit)?)?;
            digits.clear();
        }
        digits.is_empty().then_some(total)
    };
    let days = sum(date, &[('W', 7 * DAY), ('D', DAY)])?;
    let rest = sum(time, &[('H', 60 * MINUTE), ('M', MINUTE), ('S', 1_000)])?;
    days.checked_add(rest).filter(|period| *period > 0)
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::instant;

    fn next(schedule: &str, from: &str) -> String {
        let at = schedule.parse::<Schedule>().unwrap().after(instant(from).unwrap());
        at.map_or_else(|| "never".into(), calendar::text)
    }

    #[test]
    fn cron_expressions_come_up_when_they_should() {
        assert_eq!(next("*/15 * * * *", "2026-03-01T10:15:00Z"), "2026-03-01T10:30:00Z");
        assert_eq!(next("0 3 * * *", "2026-12-31T03:00:00Z"), "2027-01-01T03:00:00Z");
        assert_eq!(next("30 2 29 2 *", "2026-01-01T00:00:00Z"), "2028-02-29T02:30:00Z");
        assert_eq!(next("0 9 * * mon-fri", "2026-11-27T09:00:00Z"), "2026-11-30T09:00:00Z");
        assert_eq!(next("0 0 13 * 5", "2026-11-14T00:00:00Z"), "2026-11-20T00:00:00Z");
        assert_eq!(next("0 0 31 2 *", "2026-01-01T00:00:00Z"), "never");
        assert_eq!(next("@monthly", "2026-01-31T00:00:00Z"), "2026-02-01T00:00:00Z");
        assert_eq!(next("5/20 * * * 7", "2026-11-22T00:05:00Z"), "2026-11-22T00:25:00Z");
    }

    #[test]
    fn intervals_repeat_from_their_start() {
        assert_eq!(next("R/2026-01-01T00:00:00Z/PT1H", "2025-06-01T00:00:00Z"), "2026-01-01T00:00:00Z");
        assert_eq!(next("R/2026-01-01T00:00:00Z/PT1H30M", "2026-01-01T00:00:00Z"), "2026-01-01T01:30:00Z");
        assert_eq!(next("R2/2026-01-01T00:00:00Z/P1D", "2026-01-02T00:00:00Z"), "never");
    }

    #[test]
    fn of_many_missed_times_the_last_is_found() {
        for (schedule, last) in [
            ("0 * * * *", Some("2026-01-02T05:00:00Z")),
            ("R/2026-01-01T00:10:00Z/PT1H", Some("2026-01-02T04:10:00Z")),
            ("0 0 1 6 *", None),
        ] {
            let schedule: Schedule = schedule.parse().unwrap();
            let at = |text| instant(text).unwrap();
            let found = schedule.last_between(at("2026-01-01T00:00:00Z"), at("2026-01-02T05:00:00Z"));
            assert_eq!(found.map(calendar::text).as_deref(), last);
            assert_eq!(schedule.last_between(at("2026-01-02T05:00:00Z"), at("2026-01-02T05:00:00Z")), None);
        }
    }

    #[test]
    fn what_is_none_is_told_with_what_to_write() {
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "1-0 * * * *",
            "R/now/PT1H",
            "R/2026-01-01T00:00:00Z/P1M",
            "*/0 * * * *",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
        assert!("61 * * * *".parse::<Schedule>().unwrap_err().reason.contains("minute (0 to 59)"));
    }
}
