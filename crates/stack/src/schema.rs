//! JSON Schemas of both kinds of spec, for editors and for our own checks.

use serde_json::{Map, Value, json};

use crate::{Catalog, Distribution, FrameworkSpec};

/// The dialect that all of them are written in.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// What a name of a stack or service looks like.
const NAME: &str = "^[a-z]([a-z0-9-]*[a-z0-9])?$";
/// What the name of a file under `framework:` looks like.
const FILE: &str = r"/|\.ya?ml$";
/// What the path of a service looks like; rendered stacks have some.
const PATH: &str = "^[a-z]([a-z0-9-]*[a-z0-9])?(/[a-z]([a-z0-9-]*[a-z0-9])?)*$";

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

/// The schema of stack specs: a service has the options of the framework that it names, or is a stack, or exists already.
pub fn stack(catalog: &Catalog) -> Value {
    let mut definitions = Map::new();
    definitions.insert("distribution".to_owned(), fragment::<Distribution>());
    definitions.insert("reference".to_owned(), reference());
    for spec in catalog.iter() {
        definitions.insert(format!("service.{}", spec.framework), service(spec));
    }
    for (name, definition) in [("own", own_framework()), ("stack", nested_stack()), ("existing", existing())]
    {
        definitions.insert(name.to_owned(), definition);
    }
    let frameworks = catalog.iter().map(|spec| format!("service.{}", spec.framework));
    let kinds = frameworks.chain(["own", "stack", "existing"].map(str::to_owned));
    let alternatives: Vec<Value> = kinds.map(|kind| json!({ "$ref": format!("#/$defs/{kind}") })).collect();
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
                "propertyNames": { "pattern": PATH },
                "additionalProperties": {
                    "type": "object",
                    "properties": { "framework": { "anyOf": [{ "enum": names }, { "pattern": FILE }] } },
                    "oneOf": alternatives,
                },
            },
            "frameworks": {
                "type": "object",
                "description": "Framework specs that are written into the stack, by name.",
                "additionalProperties": { "type": "object" },
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

/// A service of a framework whose spec is a file: its options are known once that is read.
fn own_framework() -> Value {
    json!({
        "type": "object",
        "description": "A service of a framework of one's own.",
        "required": ["framework"],
        "properties": {
            "framework": { "type": "string", "pattern": FILE, "description": "File of the framework's spec, relative to this one." },
            "needs": needs(),
            "distribution": { "$ref": "#/$defs/distribution" },
        },
    })
}

fn nested_stack() -> Value {
    json!({
        "type": "object",
        "description": "A stack within this one. Others read its outputs: `${NAME.OUTPUT}`.",
        "required": ["stack"],
        "additionalProperties": false,
        "properties": {
            "stack": { "type": "string", "minLength": 1, "description": "File of the stack, relative to this one." },
            "params": {
                "type": "object",
                "description": "Values for its parameters.",
                "additionalProperties": { "type": ["string", "number", "boolean"] },
            },
            "needs": needs(),
        },
    })
}

fn existing() -> Value {
    json!({
        "type": "object",
        "description": "A service that exists already: it is neither launched nor ended.",
        "required": ["existing"],
        "additionalProperties": false,
        "properties": { "existing": {
            "type": "object",
            "required": ["outputs"],
            "additionalProperties": false,
            "properties": {
                "interface": { "type": "string", "description": "The interface that it offers." },
                "outputs": {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": { "type": ["string", "number", "boolean"] },
                },
            },
        } },
    })
}

fn needs() -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "description": "Services that must serve before this one starts." })
}

/// A service of one framework: its options and inputs beside the keys that all services have.
fn service(spec: &FrameworkSpec) -> Value {
    let mut properties = Map::new();
    properties.insert("framework".to_owned(), json!({ "const": spec.framework }));
    properties.insert("needs".to_owned(), needs());
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
