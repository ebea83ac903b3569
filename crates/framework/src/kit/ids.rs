//! Which nodes a request is about: `0`, `0,2`, `0..4`, `*`, each with a filter if need be: `0..4[rack=r1]`.

use std::collections::BTreeSet;

/// Longest range; a mistyped one must not fill the memory.
const LONGEST: u32 = 1000;

/// Ids as an operator names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    all: bool,
    named: BTreeSet<u32>,
    /// Nodes without an id, by instance name.
    instances: BTreeSet<String>,
    /// Attribute and the pattern it has to fit, with `*` for any characters.
    filters: Vec<(String, String)>,
}

impl std::str::FromStr for Ids {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        read(text, false)
    }
}

fn read(text: &str, instances: bool) -> Result<Ids, String> {
    let (list, filter) = match text.trim().split_once('[') {
        Some((list, rest)) => {
            (list, Some(rest.strip_suffix(']').ok_or_else(|| bad(text, "the `]` is missing"))?))
        }
        None => (text.trim(), None),
    };
    let filters =
        filter.map_or(Ok(Vec::new()), |f| f.split(',').map(|part| condition(text, part)).collect())?;
    let mut ids = Ids { all: false, named: BTreeSet::new(), instances: BTreeSet::new(), filters };
    for part in list.split(',').map(str::trim) {
        if part == "*" {
            ids.all = true;
        } else if instances && part.starts_with(|c: char| c.is_ascii_lowercase()) {
            ids.instances.insert(part.to_owned());
        } else {
            ids.named.extend(range(text, part)?);
        }
    }
    Ok(ids)
}

fn bad(text: &str, why: &str) -> String {
    format!("`{text}` names nobody: {why}; write `0`, `0,2`, `0..4`, `*` or `0..4[rack=r1]`")
}

fn condition(text: &str, part: &str) -> Result<(String, String), String> {
    match part.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err(bad(text, "a filter is `attribute=value`")),
    }
}

fn range(text: &str, part: &str) -> Result<std::ops::RangeInclusive<u32>, String> {
    let number = |t: &str| t.trim().parse::<u32>().map_err(|_| bad(text, &format!("`{t}` is not an id")));
    let (first, last) = match part.split_once("..") {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(part)?, number(part)?),
    };
    if first > last {
        return Err(bad(text, "the range runs backwards"));
    }
    if last - first > LONGEST {
        return Err(bad(text, "the range is too long"));
    }
    Ok(first..=last)
}

impl Ids {
    /// It means everybody there is, now and later.
    pub fn is_everybody(&self) -> bool {
        self.all && self.filters.is_empty()
    }

    /// Ids that were named one by one, filters aside.
    pub fn named(&self) -> &BTreeSet<u32> {
        &self.named
    }

    /// The same, where nodes may be named by their instances too: `0,hot-0`.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn with_instances(text: &str) -> Result<Self, String> {
        read(text, true)
    }

    /// Instances that were named one by one, filters aside.
    pub(crate) fn instances(&self) -> &BTreeSet<String> {
        &self.instances
    }

    /// The ids among `known` that are meant. `attribute` tells an attribute of a node's agent.
    ///
    /// # Errors
    /// The first named id that is not known.
    pub fn among(
        &self,
        known: &BTreeSet<u32>,
        attribute: impl Fn(u32, &str) -> Option<String>,
    ) -> Result<BTreeSet<u32>, u32> {
        self.meant(&self.named, known, |id, key| attribute(*id, key))
    }

    /// The same of instances.
    ///
    /// # Errors
    /// The first named instance that is not known.
    pub(crate) fn instances_among(
        &self,
        known: &BTreeSet<String>,
        attribute: impl Fn(&str, &str) -> Option<String>,
    ) -> Result<BTreeSet<String>, String> {
        self.meant(&self.instances, known, |name, key| attribute(name, key))
    }

    fn meant<T: Ord + Clone>(
        &self,
        named: &BTreeSet<T>,
        known: &BTreeSet<T>,
        attribute: impl Fn(&T, &str) -> Option<String>,
    ) -> Result<BTreeSet<T>, T> {
        if let Some(unknown) = named.difference(known).next() {
            return Err(unknown.clone());
        }
        let fits = |node: &&T| {
            self.filters
                .iter()
                .all(|(key, pattern)| attribute(node, key).is_some_and(|value| glob(pattern, &value)))
        };
        let meant = if self.all { known } else { named };
        Ok(meant.iter().filter(fits).cloned().collect())
    }
}

/// Whether `text` fits `pattern`, where `*` stands for any characters.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(text: &str) -> Result<Vec<u32>, String> {
        let rack = |id: u32, key: &str| (key == "rack").then(|| format!("r{}", id % 2));
        let ids: Ids = text.parse()?;
        let found = ids.among(&(0..6).collect(), rack).map_err(|id| format!("there is no {id}"))?;
        Ok(found.into_iter().collect())
    }

    #[test]
    fn lists_ranges_everybody_and_filters() {
        assert_eq!(among("3").unwrap(), [3]);
        assert_eq!(among("0, 2").unwrap(), [0, 2]);
        assert_eq!(among("0..2,5").unwrap(), [0, 1, 2, 5]);
        assert_eq!(among("*").unwrap(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(among("*[rack=r1]").unwrap(), [1, 3, 5]);
        assert_eq!(among("0..4[rack=r*]").unwrap(), [0, 1, 2, 3, 4]);
        assert!(among("*[zone=a]").unwrap().is_empty(), "an attribute that nobody has");
    }

    #[test]
    fn instances_are_named_where_they_may_be() {
        let known = ["cold-0", "hot-0", "hot-1"].map(str::to_owned).into();
        let rack = |name: &str, key: &str| (key == "rack").then(|| name.replace("hot-", "r"));
        let among = |text: &str| {
            let ids = Ids::with_instances(text)?;
            let found = ids.instances_among(&known, rack).map_err(|name| format!("there is no {name}"))?;
            Ok::<_, String>((ids.named().len(), found.into_iter().collect::<Vec<_>>().join(" ")))
        };
        assert_eq!(among("hot-1"), Ok((0, "hot-1".into())));
        assert_eq!(among("0, hot-0,cold-0"), Ok((1, "cold-0 hot-0".into())));
        assert_eq!(among("*"), Ok((0, "cold-0 hot-0 hot-1".into())));
        assert_eq!(among("*[rack=r*]"), Ok((0, "hot-0 hot-1".into())));
        assert_eq!(among("0"), Ok((1, String::new())));
        assert_eq!(among("warm-0"), Err("there is no warm-0".into()));
        assert!(among("Hot-0").is_err() && "hot-0".parse::<Ids>().is_err());
    }

    #[test]
    fn mistakes_are_explained() {
        assert_eq!(among("7").unwrap_err(), "there is no 7");
        for (text, why) in [
            ("", "`` is not an id"),
            ("a", "`a` is not an id"),
            ("4..0", "backwards"),
            ("0..99999", "too long"),
            ("0[rack]", "attribute=value"),
            ("0[rack=a", "the `]` is missing"),
            ("-1", "is not an id"),
        ] {
            let told = among(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    #[test]
    fn patterns() {
        assert!(glob("web*", "web1") && glob("*", "") && glob("a*c*e", "abcde") && glob("x", "x"));
        assert!(!glob("web*", "we") && !glob("a*c", "abd") && !glob("x", "xy"));
    }
}
