//! Checks across options, which frameworks give as data.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Checker;
use crate::catalog::Framework;
use crate::framework::{Bound, FrameworkSpec, Rule};
use crate::node::{Entry, Node};
use crate::{Diagnostic, Span};

impl Checker<'_> {
    /// `bad` are options that are wrong by themselves, so that nothing is to be measured by them.
    pub(super) fn check_rules(
        &mut self,
        framework: &Framework,
        service: &Entry,
        options: &Node,
        values: &Value,
        bad: &BTreeSet<String>,
    ) {
        let spec = &framework.spec;
        for rule in spec.rules.iter().filter(|rule| spec.holds(&rule.when, values)) {
            let bounds = [(&rule.at_most, true), (&rule.at_least, false)];
            for (bound, upper) in
                bounds.into_iter().filter_map(|(bound, upper)| Some((bound.as_ref()?, upper)))
            {
                if matches!(bound, Bound::Option(path) if split(path).first().is_some_and(|name| bad.contains(name)))
                {
                    continue;
                }
                let Some(limit) = Limit::read(bound, upper, spec, values) else { continue };
                for path in matching(&rule.at, values) {
                    if let Some(found) = violation(rule, &path, &limit, service, options, values) {
                        self.tell(found);
                    }
                }
            }
        }
    }
}

/// A bound with the number it stands for.
struct Limit<'a> {
    number: f64,
    upper: bool,
    /// The option it comes from, and whether that is only its default.
    option: Option<(&'a str, bool)>,
}

impl<'a> Limit<'a> {
    fn read(bound: &'a Bound, upper: bool, spec: &FrameworkSpec, values: &Value) -> Option<Self> {
        match bound {
            Bound::Number(number) => Some(Self { number: *number, upper, option: None }),
            Bound::Option(path) => {
                let set = get(values, &split(path)).and_then(Value::as_f64);
                let number = set.or_else(|| spec.default_of(path)?.as_f64())?;
                Some(Self { number, upper, option: Some((path, set.is_none())) })
            }
        }
    }

    fn words(&self) -> String {
        match self.option {
            None => self.number.to_string(),
            Some((path, false)) => format!("`{path}`, which is {}", self.number),
            Some((path, true)) => format!("`{path}`, which is {} by default", self.number),
        }
    }
}

fn violation(
    rule: &Rule,
    path: &[String],
    limit: &Limit<'_>,
    service: &Entry,
    options: &Node,
    values: &Value,
) -> Option<Diagnostic> {
    let value = get(values, path)?.as_f64()?;
    let broken = if limit.upper { value > limit.number } else { value < limit.number };
    if !broken {
        return None;
    }
    let word = if limit.upper { "at most" } else { "at least" };
    let message = format!("`{}` must be {word} {}", path.join("."), limit.words());
    let mut diagnostic =
        Diagnostic::error("rule", message).label(options.locate(path).node.span, format!("this is {value}"));
    if let Some((other, _)) = limit.option {
        let (span, text) = other_side(other, limit, service, options);
        diagnostic = diagnostic.label(span, text);
    }
    Some(diagnostic.maybe_help(rule.help.clone()))
}

fn other_side(path: &str, limit: &Limit<'_>, service: &Entry, options: &Node) -> (Span, String) {
    match limit.option {
        Some((_, true)) => (service.key_span, format!("`{path}` is {} by default", limit.number)),
        _ => (options.locate(&split(path)).node.span, format!("`{path}` is {}", limit.number)),
    }
}

fn split(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

fn get<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        other => other.get(key),
    })
}

/// The paths that a pattern stands for: `topics.*.replication`.
fn matching(pattern: &str, values: &Value) -> Vec<Vec<String>> {
    let mut paths = vec![Vec::new()];
    for segment in pattern.split('.') {
        let longer = paths.iter().flat_map(|path: &Vec<String>| {
            let keys = if segment == "*" { keys(get(values, path)) } else { vec![segment.to_owned()] };
            keys.into_iter().map(|key| path.iter().cloned().chain([key]).collect())
        });
        paths = longer.collect();
    }
    paths
}

fn keys(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Object(map)) => map.keys().cloned().collect(),
        Some(Value::Array(items)) => (0..items.len()).map(|index| index.to_string()).collect(),
        _ => Vec::new(),
    }
}
