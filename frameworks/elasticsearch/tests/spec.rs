//! The framework spec, as the controller reads it.

use cairn_framework::{Config, View};
use cairn_stack::{Catalog, FrameworkFile};
use serde_json::{Value, json};

#[allow(clippy::panic, reason = "a test's failure is a panic")]
fn catalog() -> Catalog {
    let Value::Object(options) = cairn_elasticsearch::options_schema() else {
        panic!("the schema is no object")
    };
    let file = FrameworkFile {
        name: "framework.yaml",
        bytes: cairn_elasticsearch::SPEC.as_bytes(),
        options: Some(options),
    };
    Catalog::load([file]).unwrap_or_else(|r| panic!("{}", r[0].render(false)))
}

#[test]
fn outputs_and_versions_are_those_of_the_service() {
    let catalog = catalog();
    let spec = catalog.get("elasticsearch").unwrap();
    let service = cairn_elasticsearch::service();
    let given = service.outputs(&Config::default(), &View::default());
    let mut named: Vec<_> = spec.outputs().collect();
    named.sort();
    assert_eq!(named, given.keys().collect::<Vec<_>>());
    assert_eq!(spec.default_of("nodes"), Some(&json!(3)));
    let version = spec.default_of("version").and_then(Value::as_str).unwrap();
    assert!(spec.distributions.contains_key(version));
}
