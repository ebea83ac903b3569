//! "Did you mean".

/// Longest word that is compared.
const MAX_LENGTH: usize = 64;
/// Most candidates that are compared: comparing costs, and a hostile file may hold thousands.
const MAX_CANDIDATES: usize = 200;
/// Most candidates that are listed.
const MAX_LISTED: usize = 30;

/// The candidate nearest to what was written, if one is near enough to be meant.
pub fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > MAX_LENGTH {
        return None;
    }
    let lower = written.to_lowercase();
    let allowed = (written.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= MAX_LENGTH)
        .take(MAX_CANDIDATES)
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| {
            *distance <= allowed || is_abbreviation(&lower, &candidate.to_lowercase())
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean `x`?`, or else all that there is to choose from.
pub fn hint<'a>(written: &str, what: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    hint_with(written, what, candidates, [])
}

/// [`hint`] that may also mean one of `others`, which are not worth listing.
pub fn hint_with<'a>(
    written: &str,
    what: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    others: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    match nearest(written, candidates.iter().copied().chain(others)) {
        Some(candidate) => Some(format!("did you mean `{candidate}`?")),
        None if candidates.is_empty() => None,
        None => Some(format!("{what}: {}", list(&candidates))),
    }
}

/// Names as a list in words.
pub fn list(names: &[&str]) -> String {
    let shown = names.iter().take(MAX_LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > MAX_LISTED { format!("{shown}, …") } else { shown }
}

/// `zk` does not count; `zoo` for `zookeeper` and `replicationFactor` for `replication` do.
fn is_abbreviation(written: &str, candidate: &str) -> bool {
    let shorter = written.len().min(candidate.len());
    shorter >= 3 && (candidate.starts_with(written) || written.starts_with(candidate))
}
