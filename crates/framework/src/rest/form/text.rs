//! Maps, periods and constraints as earlier frameworks write them.

use std::time::Duration;

/// `a=1,b=2`; a comma or an equals sign in a value is written with a backslash before it.
///
/// # Errors
/// A part without `=`.
pub fn map(text: &str) -> Result<Vec<(String, String)>, String> {
    let entry = |part: String| {
        let (key, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not `name=value`"))?;
        let key = key.trim();
        if key.is_empty() {
            Err(format!("`{part}` has no name"))
        } else {
            Ok((key.to_owned(), value.trim().to_owned()))
        }
    };
    split(text).into_iter().filter(|p| !p.trim().is_empty()).map(entry).collect()
}

fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            ',' if !escaped => parts.push(String::new()),
            c => {
                let unknown = escaped && !",=\\".contains(c);
                if let Some(last) = parts.last_mut() {
                    last.extend(unknown.then_some('\\'));
                    last.push(c);
                }
                escaped = false;
            }
        }
    }
    parts
}

/// The other way round.
pub fn format_map<'a>(entries: impl Iterator<Item = (&'a str, String)>) -> String {
    let escape = |v: String| v.replace('\\', "\\\\").replace(',', "\\,");
    entries.map(|(key, value)| format!("{key}={}", escape(value))).collect::<Vec<_>>().join(",")
}

/// `500ms`, `30s`, `5m`, `1h`, `1d`; `0` is no time at all.
///
/// # Errors
/// What it should look like.
pub fn period(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a period: write 500ms, 30s, 5m, 1h or 1d");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| bad())?;
    let factor = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" if number == 0 => 1,
        _ => return Err(bad()),
    };
    number.checked_mul(factor).map(Duration::from_millis).ok_or_else(bad)
}

/// `hostname=unique,rack=like:r1` becomes `hostname:unique`, `rack:like:r1`.
///
/// # Errors
/// A part without `=`.
pub fn constraints(text: &str) -> Result<Vec<String>, String> {
    Ok(map(text)?.into_iter().map(|(attribute, condition)| format!("{attribute}:{condition}")).collect())
}

/// The other way round.
pub fn format_constraints(constraints: &[String]) -> String {
    format_map(constraints.iter().filter_map(|c| c.split_once(':')).map(|(a, c)| (a, c.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps() {
        let pairs = map(r"a=1, b=x\,y=z,,c=\d").unwrap();
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("a", "1"), ("b", "x,y=z"), ("c", r"\d")]);
        assert_eq!(format_map([("a", "1".to_owned()), ("b", "x,y".to_owned())].into_iter()), r"a=1,b=x\,y");
        assert!(map("a").is_err() && map("=1").is_err() && map("").unwrap().is_empty());
    }

    #[test]
    fn periods() {
        for (text, ms) in [
            ("0", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(period(text), Ok(Duration::from_millis(ms)));
        }
        for text in ["", "5", "s", "1y", "-1s", "99999999999999999999d"] {
            assert!(period(text).is_err(), "{text}");
        }
    }

    #[test]
    fn constraints_both_ways() {
        let here = constraints("hostname=unique,rack=like:r1|r2").unwrap();
        assert_eq!(here, ["hostname:unique", "rack:like:r1|r2"]);
        assert_eq!(format_constraints(&here), "hostname=unique,rack=like:r1|r2");
    }
}
