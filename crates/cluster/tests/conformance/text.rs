//! What tasks print: compared line by line, apart from what each machine has of its own.

use std::collections::BTreeMap;

use crate::names::Names;

/// Whether ours says what theirs does.
///
/// # Errors
/// The first line that does not.
pub(crate) fn same_output(theirs: &str, ours: &str, names: &Names) -> Result<(), String> {
    let mut numbers = BTreeMap::new();
    let (a, b): (Vec<&str>, Vec<&str>) = (theirs.lines().collect(), ours.lines().collect());
    for (theirs, ours) in a.iter().zip(&b) {
        let theirs = names.within(theirs);
        if !same_line(&theirs, ours, &mut numbers) {
            return Err(format!("the line `{ours}` is by Mesos `{theirs}`"));
        }
    }
    if a.len() == b.len() { Ok(()) } else { Err(format!("lines are missing, or too many: {ours}")) }
}

/// Whether a log names all that theirs puts into quotes; its own words are no matter.
///
/// # Errors
/// What it does not name.
pub(crate) fn same_subjects(theirs: &str, ours: &str) -> Result<(), String> {
    let quoted = theirs.split('\'').skip(1).step_by(2).filter(|word| word.contains("://"));
    match quoted.clone().find(|word| !ours.contains(word)) {
        Some(word) => Err(format!("{word} is not named in `{ours}`")),
        None => Ok(()),
    }
}

fn same_line(theirs: &str, ours: &str, numbers: &mut BTreeMap<String, String>) -> bool {
    let (a, b): (Vec<&str>, Vec<&str>) =
        (theirs.split_whitespace().collect(), ours.split_whitespace().collect());
    if is_listed(&a) && is_listed(&b) {
        // Rights and name: sizes and times are the machine's.
        return a[0] == b[0] && a.last() == b.last();
    }
    a.len() == b.len() && a.iter().zip(&b).all(|(theirs, ours)| same_word(theirs, ours, numbers))
}

/// A line of `ls -l`.
fn is_listed(words: &[&str]) -> bool {
    words.len() == 9 && words[0].len() == 10 && words[0].starts_with(['-', 'd', 'l'])
}

/// Numbers may be others, but the same everywhere; so may ports.
fn same_word(theirs: &str, ours: &str, numbers: &mut BTreeMap<String, String>) -> bool {
    if is_number(theirs) {
        let known = numbers.entry(theirs.to_owned()).or_insert_with(|| ours.to_owned());
        return known == ours && (is_number(ours) || ours == "unlimited");
    }
    let portless = |word: &str| match word.rsplit_once(':') {
        Some((host, port)) if is_number(port) => host.to_owned(),
        _ => word.to_owned(),
    };
    portless(theirs) == portless(ours)
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}
