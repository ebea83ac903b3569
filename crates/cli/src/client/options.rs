//! A framework for people: what it needs and offers, and a table of what a stack may set.

use std::fmt::Write as _;

use cairn_stack::FrameworkSpec;
use serde_json::Value;

use super::table::table;
use crate::console::Paint;

/// Everything a stack's author wants to know of a framework.
pub(crate) fn describe(spec: &FrameworkSpec, paint: Paint) -> String {
    let mut text = format!("{}  {}\n", paint.bold(&spec.framework), spec.description);
    let versions: Vec<&str> = spec.distributions.keys().map(String::as_str).collect();
    if !versions.is_empty() {
        let _ = writeln!(text, "\nversions  {}", versions.join(", "));
    }
    for (name, need) in &spec.needs {
        let optional = if need.optional { ", optional" } else { "" };
        let when: Vec<String> =
            need.when.iter().map(|(option, value)| format!("{option} is {}", bare(value))).collect();
        let when = if when.is_empty() { String::new() } else { format!(", when {}", when.join(" and ")) };
        let _ = writeln!(
            text,
            "needs     {name}: an interface {}{optional}{when}. {}",
            need.interface, need.description
        );
    }
    for (interface, offer) in &spec.offers {
        let _ = writeln!(text, "offers    {interface}: {}", offer.outputs.join(", "));
    }
    let rows = rows(&Value::Object(spec.options.clone()), sentence);
    let _ = write!(text, "\n{}", table(["OPTION", "TYPE", "DEFAULT", "DESCRIPTION"], rows));
    text
}

/// How a description is shown.
type Describe = fn(Option<&Value>) -> String;

/// Every option with its path, type, default and description.
pub(crate) fn rows(schema: &Value, describe: Describe) -> Vec<[String; 4]> {
    let mut rows = Vec::new();
    below((schema, describe), schema, "", &mut rows, DEPTH);
    rows
}

/// How deep options nest before the table stops; a schema may refer to itself.
const DEPTH: usize = 4;

fn below(
    (root, describe): (&Value, Describe),
    schema: &Value,
    prefix: &str,
    rows: &mut Vec<[String; 4]>,
    depth: usize,
) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, option) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{name}");
        let meant = resolve(root, option);
        let default = match option.get("default").or_else(|| meant.get("default")) {
            Some(default) => shown(default),
            None if required.contains(&name.as_str()) => "required".into(),
            None => "-".into(),
        };
        let described = option.get("description").or_else(|| meant.get("description"));
        rows.push([path.clone(), kind(root, option), default, describe(described)]);
        if depth > 0 {
            nested((root, describe), meant, &path, rows, depth - 1);
        }
    }
}

/// The options within an option: of a map, each of whose values is alike, or of an object.
fn nested(of: (&Value, Describe), schema: &Value, path: &str, rows: &mut Vec<[String; 4]>, depth: usize) {
    let values = resolve(of.0, &schema["additionalProperties"]);
    let items = resolve(of.0, &schema["items"]);
    if values["properties"].is_object() {
        below(of, values, &format!("{path}.*."), rows, depth);
    } else if items["properties"].is_object() {
        below(of, items, &format!("{path}[]."), rows, depth);
    } else if schema["properties"].is_object() {
        below(of, schema, &format!("{path}."), rows, depth);
    }
}

/// Follows a reference within the schema, and a choice between something and nothing.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(path) = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
        return root.pointer(path).unwrap_or(schema);
    }
    let choices = schema["anyOf"].as_array().or_else(|| schema["allOf"].as_array());
    let mut real = choices.into_iter().flatten().filter(|choice| choice["type"] != "null");
    match (real.next(), real.next()) {
        (Some(only), None) => resolve(root, only),
        _ => schema,
    }
}

/// A type in few words: `integer 1..7`, `size`, `kraft | zookeeper`, `map of string`.
fn kind(root: &Value, schema: &Value) -> String {
    let meant = resolve(root, schema);
    if let Some(names) = names(meant) {
        return names.join(" | ");
    }
    if let Some(format) =
        meant["format"].as_str().filter(|f| ["size", "duration", "constraint", "secret"].contains(f))
    {
        return format.to_owned();
    }
    let types: Vec<&str> = match &meant["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).filter(|t| *t != "null").collect(),
        _ => Vec::new(),
    };
    match types.as_slice() {
        [] => alternatives(root, meant),
        ["object"] => match &meant["additionalProperties"] {
            values @ Value::Object(_) => format!("map of {}", kind(root, values)),
            _ => "object".into(),
        },
        ["array"] => format!("list of {}", kind(root, &meant["items"])),
        [number @ ("integer" | "number")] => format!("{number}{}", range(meant)),
        several => several.join(" | "),
    }
}

fn alternatives(root: &Value, schema: &Value) -> String {
    let choices = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array());
    let kinds: Vec<String> = choices.into_iter().flatten().map(|choice| kind(root, choice)).collect();
    if kinds.is_empty() { "any".into() } else { kinds.join(" | ") }
}

/// The values of an enum, also where each has a description of its own.
fn names(schema: &Value) -> Option<Vec<String>> {
    if let Some(values) = schema["enum"].as_array() {
        return Some(values.iter().map(bare).collect());
    }
    let constants: Option<Vec<String>> =
        schema["oneOf"].as_array()?.iter().map(|choice| choice.get("const").map(bare)).collect();
    constants
}

fn range(schema: &Value) -> String {
    let bound = |name: &str| schema[name].as_f64().map(|n| n.to_string());
    match (bound("minimum"), bound("maximum")) {
        (Some(low), Some(high)) => format!(" {low}..{high}"),
        (Some(low), None) => format!(" >= {low}"),
        (None, Some(high)) => format!(" <= {high}"),
        (None, None) => String::new(),
    }
}

fn shown(default: &Value) -> String {
    match default {
        Value::Null => "-".into(),
        Value::Array(items) if items.is_empty() => "-".into(),
        Value::Object(map) if map.is_empty() => "-".into(),
        other => bare(other),
    }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// All of it, in one line.
pub(crate) fn whole(description: Option<&Value>) -> String {
    let text = description.and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first sentence, in one line.
fn sentence(description: Option<&Value>) -> String {
    let text = description.and_then(Value::as_str).unwrap_or_default();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.split_once(". ") {
        Some((first, _)) => first.to_owned(),
        None => line.trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_told_in_few_words() {
        let root = json!({"$defs": {"Size": {"type": ["integer", "string"], "format": "size"}}});
        let told = |schema: Value| kind(&root, &schema);
        assert_eq!(told(json!({"type": "integer", "minimum": 1, "maximum": 7})), "integer 1..7");
        assert_eq!(told(json!({"anyOf": [{"$ref": "#/$defs/Size"}, {"type": "null"}]})), "size");
        assert_eq!(
            told(json!({"type": "object", "additionalProperties": {"type": "string"}})),
            "map of string"
        );
        assert_eq!(told(json!({"type": ["string", "null"]})), "string");
        assert_eq!(told(json!({"oneOf": [{"const": "kraft"}, {"const": "zookeeper"}]})), "kraft | zookeeper");
        assert_eq!(
            told(json!({"type": "array", "items": {"type": "number", "minimum": 0.5}})),
            "list of number >= 0.5"
        );
        assert_eq!(told(json!(true)), "any");
    }

    #[test]
    fn options_within_options_have_paths() {
        let schema = json!({
            "required": ["a"],
            "properties": {
                "a": {"type": "string", "description": "First. Second."},
                "topics": {"type": "object", "default": {}, "additionalProperties": {"$ref": "#/$defs/Topic"}},
            },
            "$defs": {"Topic": {"type": "object", "properties": {"partitions": {"type": "integer", "default": 1}}}},
        });
        assert_eq!(
            rows(&schema, sentence),
            [
                ["a", "string", "required", "First"],
                ["topics", "map of object", "-", ""],
                ["topics.*.partitions", "integer", "1", ""],
            ]
        );
    }
}
