//! The JSON Schemas: committed ones are current, and editors see in them what the checks see.

use cairn_stack::schema;
use serde_json::Value;

use crate::{KAFKA, ZOOKEEPER, catalog, root};

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    jsonschema::draft202012::new(schema).unwrap().validate(value).map_err(|error| error.to_string())
}

#[test]
fn the_committed_schema_of_framework_specs_is_current() {
    let path = root().join("schemas/framework.schema.json");
    let current = schema::to_text(&schema::framework());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == current, "{} is stale; UPDATE_EXPECT=1 writes it anew", path.display());
}

#[test]
fn framework_specs_fit_their_schema() {
    for text in [KAFKA, ZOOKEEPER] {
        fits(&schema::framework(), &yaml(std::str::from_utf8(text).unwrap())).unwrap();
    }
}

#[test]
fn stack_specs_fit_their_schema() {
    let schema = schema::stack(catalog());
    fits(&schema, &yaml(&std::fs::read_to_string(root().join("specs/kafka.yaml")).unwrap())).unwrap();
    let service =
        |options: &str| yaml(&format!("stack: shop\nservices:\n  a: {{ framework: kafka, {options} }}\n"));
    for good in [
        "brokers: 3",
        "brokers: '${param.brokers}'",
        "heap: 1GiB",
        "topics: { a: { partitions: 1 } }",
        "topics: { a: { partitions: '${param.partitions}' } }",
        "zookeeper: 10.0.0.1:2181, needs: [b]",
    ] {
        fits(&schema, &service(good)).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for bad in [
        "nodes: 3",
        "brokers: three",
        "topics: { a: { partitions: x } }",
        "needs: b",
        "distribution: { uri: a }",
    ] {
        assert!(fits(&schema, &service(bad)).is_err(), "{bad}");
    }
    let only = |entry: &str| yaml(&format!("stack: shop\nservices: {{ a: {{ {entry} }} }}\n"));
    for good in [
        "stack: ./kafka.yaml, params: { brokers: 3 }, needs: [b]",
        "existing: { interface: kafka, outputs: { bootstrap: 'a:1', port: 1 } }",
        "framework: ./web.yaml, anything: goes",
    ] {
        fits(&schema, &only(good)).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for bad in [
        "framework: kafkaesque",
        "stack: ./kafka.yaml, brokers: 3",
        "existing: { interface: kafka }",
        "framework: kafka, existing: { outputs: { a: b } }",
        "nodes: 3",
    ] {
        assert!(fits(&schema, &only(bad)).is_err(), "{bad}");
    }
}
