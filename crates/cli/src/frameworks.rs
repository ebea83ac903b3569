//! The services that come with Cairn, in one table.

use std::sync::Arc;

use cairn_framework::Service;
use cairn_stack::{Catalog, FrameworkFile};
use serde_json::{Map, Value};

use crate::failure::Failure;

/// A service that comes with Cairn.
pub(crate) struct BuiltIn {
    /// What stacks call it, and `cairn scheduler`.
    pub(crate) name: &'static str,
    /// What is different about it.
    pub(crate) service: fn() -> Arc<dyn Service>,
    spec: &'static str,
    options: fn() -> Value,
}

/// All of them.
pub(crate) const BUILT_IN: [BuiltIn; 2] = [
    BuiltIn {
        name: "kafka",
        service: cairn_kafka::service,
        spec: cairn_kafka::SPEC,
        options: cairn_kafka::options_schema,
    },
    BuiltIn {
        name: "zookeeper",
        service: cairn_zookeeper::service,
        spec: cairn_zookeeper::SPEC,
        options: cairn_zookeeper::options_schema,
    },
];

/// The one of that name.
///
/// # Errors
/// The names that there are.
pub(crate) fn find(name: &str) -> Result<&'static BuiltIn, Failure> {
    BUILT_IN.iter().find(|built_in| built_in.name == name).ok_or_else(|| {
        let known: Vec<&str> = BUILT_IN.iter().map(|built_in| built_in.name).collect();
        Failure::hint(
            format!("there is no built-in scheduler `{name}`"),
            format!("there are: {}", known.join(", ")),
        )
    })
}

/// Their specs, with the options that their programs know.
///
/// # Errors
/// When a spec does not fit the program, which tests rule out.
pub(crate) fn catalog() -> Result<Catalog, Failure> {
    let names: Vec<String> =
        BUILT_IN.iter().map(|b| format!("frameworks/{}/framework.yaml", b.name)).collect();
    let files = BUILT_IN.iter().zip(&names).map(|(built_in, name)| FrameworkFile {
        name,
        bytes: built_in.spec.as_bytes(),
        options: Some(object((built_in.options)())),
    });
    Catalog::load(files).map_err(|reports| {
        Failure::Rendered(reports.iter().map(|report| report.render(false)).collect::<Vec<_>>().join("\n"))
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(mut map) => {
            // They become a part of another schema, which has its own.
            map.remove("$schema");
            map.remove("title");
            map
        }
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_framework_has_the_name_of_its_spec_and_options() {
        let catalog = catalog().unwrap();
        for built_in in &BUILT_IN {
            let spec = catalog.get(built_in.name).unwrap();
            assert!(spec.option_names().count() > 0, "{} has options", built_in.name);
            assert_eq!((built_in.service)().name(), built_in.name);
        }
        assert_eq!(catalog.iter().count(), BUILT_IN.len());
    }
}
