//! The framework spec, as the controller reads it.

use cairn_framework::View;
use cairn_stack::{Catalog, FrameworkFile};
use serde_json::{Value, json};

#[allow(clippy::panic, reason = "a test's failure is a panic")]
fn catalog() -> Catalog {
    let Value::Object(options) = cairn_cassandra::options_schema() else { panic!("the schema is no object") };
    let file = FrameworkFile {
        name: "framework.yaml",
        bytes: cairn_cassandra::SPEC.as_bytes(),
        options: Some(options),
    };
    Catalog::load([file]).unwrap_or_else(|r| panic!("{}", r[0].render(false)))
}

#[test]
fn outputs_are_those_of_the_service() {
    let catalog = catalog();
    let spec = catalog.get("cassandra").unwrap();
    let service = cairn_cassandra::service();
    let given = service.outputs(&cairn_framework::Config::default(), &View::default());
    assert_eq!(spec.outputs().collect::<Vec<_>>(), given.keys().collect::<Vec<_>>());
    assert_eq!(service.name(), spec.framework);
}

#[test]
fn defaults_of_the_schema_are_those_of_the_program() {
    let catalog = catalog();
    let spec = catalog.get("cassandra").unwrap();
    assert_eq!(spec.default_of("nodes"), Some(&json!(3)));
    assert_eq!(spec.default_of("heap"), Some(&json!("256MiB")));
    let version = spec.default_of("version").and_then(Value::as_str).unwrap();
    assert!(spec.distributions.contains_key(version));
}
