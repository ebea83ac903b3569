//! YAML to [`Node`]: the only module that knows the YAML crate.

mod build;
mod errors;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Location, Options, Spanned};

use crate::Diagnostic;
use crate::node::{Kind, Node};
use crate::source::Source;

/// Deepest nesting of lists and maps.
const MAX_DEPTH: usize = 32;
/// Most values in a file, and most values that aliases may repeat.
const MAX_NODES: usize = 20_000;

/// Reads one YAML document.
///
/// What can be told without giving up (duplicate keys) is added to `diagnostics`; `None` if there is nothing to go on
/// with, in which case the reason is among them.
pub(crate) fn parse(source: &Source, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let before = diagnostics.len();
    let raw: Spanned<Raw> =
        match serde_saphyr::from_str_with_options(&source.text, options(DuplicateKeyPolicy::LastWins)) {
            Ok(raw) => raw,
            Err(error) => {
                diagnostics.push(errors::translate(&error, source));
                return None;
            }
        };
    let node = build::Builder { source, diagnostics }.node(raw, None);
    if diagnostics.len() == before {
        // Keys that are numbers come deduplicated, so a second reading looks for those.
        let strict = options(DuplicateKeyPolicy::Error);
        if let Err(error) = serde_saphyr::from_str_with_options::<IgnoredAny>(&source.text, strict) {
            diagnostics.push(errors::translate(&error, source));
        }
    }
    if matches!(node.kind, Kind::Null) {
        diagnostics.push(errors::empty());
        return None;
    }
    Some(node)
}

fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: MAX_NODES * 3,
            max_anchors: 1_000,
            max_aliases: 1_000,
            max_recorded_anchor_events: MAX_NODES * 3,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_NODES },
        duplicate_keys: duplicate_keys,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// What the YAML crate hands out, before duplicate keys are told and merge keys carried out.
enum Raw {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Raw, E> {
        Number::from_f64(value).map(Raw::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key()? {
            entries.push((key, access.next_value()?));
        }
        Ok(Raw::Map(entries))
    }
}

fn bytes(location: &Location) -> (usize, usize) {
    let span = location.span();
    let start = usize::try_from(span.byte_offset().unwrap_or(0)).unwrap_or(usize::MAX);
    let length = usize::try_from(span.byte_len().unwrap_or(0)).unwrap_or(usize::MAX);
    (start, start.saturating_add(length))
}
