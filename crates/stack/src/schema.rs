//! JSON Schemas of both kinds of spec, for editors and for our own checks.

use serde_json::{Map, Value, json};

use crate::{Catalog, Distribution, FrameworkSpec};

/// The dialect that all of them are written in.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// What a name of a stack or service looks like.
const NAME: &str = "^[a-z]([a-z0-9-]*[a-z0-9])?$";

/// The schema of framework specs.
pub fn framework() -> Value {
    let mut schema = Map::from_iter([
        ("$schema".to_owned(), DIALECT.into()),
        ("title".to_owned(), "Cairn framework spec".into()),
    ]);
    for (key, value) in fragment::<FrameworkSpec>().as_object().into_iter().flatten() {
        schema.entry(key.clone()).or_insert_with(|| value.clone());
    }
    schema.into()
}

/// The schema of stack specs: a service has the options of the framework that it names.
pub fn stack(catalog: &Catalog) -> Value {
    let mut definitions = Map::new();
    definitions.insert("distribution".to_owned(), fragment::<Distribution>());
    definitions.insert("reference".to_owned(), reference());
    for spec in catalog.iter() {
        definitions.insert(format!("service.{}", spec.framework), service(spec));
    }
    let alternatives: Vec<Value> =
        catalog.iter().map(|spec| json!({ "$ref": format!("#/$defs/service.{}", spec.framework) })).collect();
    let names: Vec<&str> = catalog.iter().map(|spec| spec.framework.as_str()).collect();
    json!({
        "$schema": DIALECT,
        "title": "Cairn stack spec",
        "type": "object",
        "required": ["stack", "services"],
        "additionalProperties": false,
        "properties": {
            "stack": { "type": "string", "pattern": NAME, "description": "Name of the stack." },
            "description": { "type": "string" },
            "params": {
                "type": "object",
                "description": "Parameters by name: a default, or a map with `default`, `type` and `description`.",
                "additionalProperties": { "anyOf": [
                    { "type": ["string", "number", "boolean"] },
                    { "type": "object", "additionalProperties": false, "properties": {
                        "default": { "type": ["string", "number", "boolean"] },
                        "type": { "enum": ["string", "integer", "number", "boolean"] },
                        "description": { "type": "string" },
                    } },
                ] },
            },
            "secrets": {
                "type": "object",
                "description": "Where the values of secrets come from, by name: read by `cairn apply`, never kept in the file.",
                "propertyNames": { "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$" },
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "minProperties": 1,
                    "maxProperties": 1,
                    "properties": {
                        "env": { "type": "string", "minLength": 1, "description": "An environment variable of the client." },
                        "file": { "type": "string", "minLength": 1, "description": "A file of the client, relative to the spec's folder." },
                    },
                },
            },
            "services": {
                "type": "object",
                "description": "Services by name.",
                "minProperties": 1,
                "propertyNames": { "pattern": NAME },
                "additionalProperties": {
                    "type": "object",
                    "required": ["framework"],
                    "properties": { "framework": { "enum": names } },
                    "oneOf": alternatives,
                },
            },
            "outputs": {
                "type": "object",
                "description": "Outputs of the stack: texts with references.",
                "additionalProperties": { "type": "string" },
            },
        },
        "$defs": definitions,
    })
}

/// A service of one framework: its options and inputs beside the keys that all services have.
fn service(spec: &FrameworkSpec) -> Value {
    let mut properties = Map::new();
    properties.insert("framework".to_owned(), json!({ "const": spec.framework }));
    properties.insert(
        "needs".to_owned(),
        json!({ "type": "array", "items": { "type": "string" }, "description": "Services that must serve before this one starts." }),
    );
    properties.insert("distribution".to_owned(), json!({ "$ref": "#/$defs/distribution" }));
    for (name, need) in &spec.needs {
        let description = format!("{} An interface {}.", need.description, need.interface);
        properties.insert(name.clone(), json!({ "type": "string", "description": description.trim() }));
    }
    let options = adapt(&Value::Object(spec.options.clone()), &spec.framework);
    if let Some(options) = options.get("properties").and_then(Value::as_object) {
        properties.extend(options.clone());
    }
    let mut required = vec![Value::from("framework")];
    required.extend(spec.options.get("required").and_then(Value::as_array).into_iter().flatten().cloned());
    json!({
        "type": "object",
        "description": spec.description,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
        "$defs": options.get("$defs").cloned().unwrap_or_else(|| json!({})),
    })
}

/// A framework's schema as a part of the stack's: its own definitions move along with it (`#/$defs/X` becomes
/// `#/$defs/service.NAME/$defs/X`), and wherever a value may stand, a reference may.
fn adapt(schema: &Value, framework: &str) -> Value {
    let each = |map: &Map<String, Value>, adapt: &dyn Fn(&Value) -> Value| -> Value {
        map.iter().map(|(key, item)| (key.clone(), adapt(item))).collect::<Map<_, _>>().into()
    };
    match schema {
        Value::Object(map) => map
            .iter()
            .map(|(key, item)| {
                let adapted = match (key.as_str(), item) {
                    ("$ref", Value::String(to)) => match to.strip_prefix("#/") {
                        Some(rest) => format!("#/$defs/service.{framework}/{rest}").into(),
                        None => item.clone(),
                    },
                    ("properties" | "patternProperties", Value::Object(map)) => {
                        each(map, &|item| or_reference(adapt(item, framework)))
                    }
                    ("$defs", Value::Object(map)) => each(map, &|item| adapt(item, framework)),
                    ("additionalProperties" | "items", Value::Object(_)) => {
                        or_reference(adapt(item, framework))
                    }
                    _ => adapt(item, framework),
                };
                (key.clone(), adapted)
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(|item| adapt(item, framework)).collect(),
        other => other.clone(),
    }
}

/// References stand for texts, numbers and truth values, not for lists and maps.
fn or_reference(schema: Value) -> Value {
    let kind = schema.get("type").and_then(Value::as_str);
    if matches!(kind, Some("object" | "array")) || !schema.is_object() {
        return schema;
    }
    json!({ "anyOf": [schema, { "$ref": "#/$defs/reference" }] })
}

/// A schema as it is committed: indented, with a line break at the end.
pub fn to_text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

fn reference() -> Value {
    json!({
        "type": "string",
        "pattern": r"\$\{[^}]+\}",
        "description": "A reference: `${param.NAME}`, `${SERVICE.OUTPUT}` or `${secret.NAME}`, with a default `${param.NAME:-3}`.",
    })
}

pub(crate) fn fragment<T: schemars::JsonSchema>() -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
    }
    schema
}
