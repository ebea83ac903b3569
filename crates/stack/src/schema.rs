//! JSON Schemas of both kinds of spec, for editors and for our own checks.

use serde_json::{Map, Value, json};

use crate::{Catalog, Distribution, FrameworkSpec};

/// The dialect that all of them are written in.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// What a name of a stack or service looks like.
const NAME: &str = "^[a-z]([a-z0-9-]*[a-z0-9])?$";

/// The schema of framework specs.
pub fn framework() -> Value {
    let mut schema = schemars::schema_for!(FrameworkSpec).to_value();
    schema["title"] = "Cairn framework spec".into();
    schema
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
    let options = spec.options.get("properties").and_then(Value::as_object).into_iter().flatten();
    // Each option may be a parameter, whatever its type.
    for (name, option) in options {
        let option = rebase(option, &spec.framework);
        properties.insert(name.clone(), json!({ "anyOf": [option, { "$ref": "#/$defs/reference" }] }));
    }
    let mut required = vec![Value::from("framework")];
    required.extend(spec.options.get("required").and_then(Value::as_array).into_iter().flatten().cloned());
    json!({
        "type": "object",
        "description": spec.description,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
        "$defs": spec.options.get("$defs").map_or_else(|| json!({}), |defs| rebase(defs, &spec.framework)),
    })
}

/// A framework's own definitions move along with it: `#/$defs/X` -> `#/$defs/service.NAME/$defs/X`.
fn rebase(value: &Value, framework: &str) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, item)| match (key.as_str(), item.as_str().and_then(|to| to.strip_prefix("#/"))) {
                ("$ref", Some(rest)) => (key.clone(), format!("#/$defs/service.{framework}/{rest}").into()),
                _ => (key.clone(), rebase(item, framework)),
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(|item| rebase(item, framework)).collect(),
        other => other.clone(),
    }
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
