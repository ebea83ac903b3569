//! What becomes of good specs.

use std::collections::BTreeMap;

use cairn_stack::{Params, Secrets, check_stack, param_value, resolve, resolve_text};
use serde_json::json;

use crate::{catalog, checked};

const ALL: &str = r#"
stack: shop
params:
  brokers: { type: integer, description: how many }
  rack: r1
  price: "$${5}"
services:
  kafka:
    framework: kafka
    brokers: ${param.brokers:-2}
    zookeeper: ${zookeeper.connect}/${param.rack}
    needs: [audit]
    heap: 1.5GiB
    options:
      broker.rack: rack-${param.rack}
      ssl.keystore.password: ${secret.keystore}
      audit.servers: ${audit.bootstrap:-none}
      literal: "$${not.a.reference} costs ${param.price}"
  zookeeper: { framework: zookeeper, nodes: 1 }
  audit: &audit
    framework: kafka
    mode: kraft
  copy:
    <<: *audit
    brokers: 1
outputs:
  bootstrap: ${kafka.bootstrap}
"#;

#[test]
fn parameters_are_filled_in_and_keep_their_type() {
    let kafka = &checked(ALL).services["kafka"];
    assert_eq!(
        kafka.options,
        json!({
            "brokers": 2,
            "heap": "1.5GiB",
            "options": {
                "broker.rack": "rack-r1",
                "ssl.keystore.password": "${secret.keystore}",
                "audit.servers": "${audit.bootstrap:-none}",
                "literal": "$${not.a.reference} costs $${5}",
            },
        })
    );
    assert_eq!(kafka.inputs["zookeeper"], "${zookeeper.connect}/r1");
}

#[test]
fn dependencies_come_from_references_and_from_needs() {
    let stack = checked(ALL);
    let needs: Vec<&str> = stack.services["kafka"].needs.iter().map(String::as_str).collect();
    assert_eq!(needs, ["audit", "zookeeper"]);
    let layers: Vec<Vec<&str>> = stack
        .layers()
        .iter()
        .map(|layer| layer.iter().map(|service| service.name.as_str()).collect())
        .collect();
    assert_eq!(layers, [vec!["audit", "copy", "zookeeper"], vec!["kafka"]]);
    assert_eq!(stack.dependents("zookeeper").into_iter().collect::<Vec<_>>(), ["kafka"]);
    assert_eq!(stack.framework_name("kafka"), "shop-kafka");
}

#[test]
fn a_merge_key_adds_what_is_not_said() {
    assert_eq!(checked(ALL).services["copy"].options, json!({ "mode": "kraft", "brokers": 1 }));
}

#[test]
fn outputs_and_secrets_are_filled_in_once_they_are_known() {
    let stack = checked(ALL);
    let kafka = &stack.services["kafka"];
    let none = Secrets::new();
    let missing = resolve(&kafka.options, &BTreeMap::new(), &none).unwrap_err();
    assert_eq!(missing.references, ["${secret.keystore}"]);
    let secrets = Secrets::from([("keystore".to_owned(), "${x}".to_owned())]);
    let options = resolve(&kafka.options, &BTreeMap::new(), &secrets).unwrap();
    assert_eq!(options["options"]["ssl.keystore.password"], "${x}");
    assert_eq!(options["options"]["audit.servers"], "none");
    assert_eq!(options["options"]["literal"], "${not.a.reference} costs ${5}");

    let missing = resolve_text(&kafka.inputs["zookeeper"], &BTreeMap::new(), &none).unwrap_err();
    assert_eq!(missing.to_string(), "not known yet: ${zookeeper.connect}");
    let zookeeper = BTreeMap::from([("connect".to_owned(), "a:1,b:2".to_owned())]);
    let outputs = BTreeMap::from([("zookeeper".to_owned(), zookeeper)]);
    assert_eq!(resolve_text(&kafka.inputs["zookeeper"], &outputs, &none).unwrap(), "a:1,b:2/r1");
}

#[test]
fn values_from_outside_win_and_are_checked() {
    let given = Params::from([("brokers".to_owned(), json!(5))]);
    let stack = check_stack("spec.yaml", ALL.as_bytes(), catalog(), &given).unwrap().stack;
    assert_eq!(stack.services["kafka"].options["brokers"], 5);
    assert_eq!(stack.params["brokers"], 5);

    let given = Params::from([("brokers".to_owned(), json!("many")), ("racks".to_owned(), json!(1))]);
    let report = check_stack("spec.yaml", ALL.as_bytes(), catalog(), &given).unwrap_err();
    let messages: Vec<&str> = report.diagnostics.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "a value is given for `racks`, which is no parameter of the stack",
            "the value given for `brokers` must be a whole number, and is the text `many`",
            "`brokers` must be a whole number",
        ]
    );
    assert_eq!(report.diagnostics[0].help.as_deref(), Some("did you mean `rack`?"));
}

#[test]
fn an_unused_parameter_is_a_warning() {
    let text = "stack: shop\nparams: { size: 3 }\nservices:\n  zookeeper: { framework: zookeeper }\n";
    let checked = check_stack("spec.yaml", text.as_bytes(), catalog(), &Params::new()).unwrap();
    assert_eq!(checked.warnings.diagnostics.len(), 1);
    assert!(
        checked
            .warnings
            .render(false)
            .starts_with("warning[unused-param]: the parameter `size` is not used\n")
    );
    assert!(checked.warnings.render(false).ends_with("1 warning in spec.yaml\n"));
}

#[test]
fn a_distribution_of_ones_own_allows_any_version() {
    let sha256 = "ab".repeat(32);
    let stack = checked(&format!(
        "stack: shop\nservices:\n  zookeeper:\n    framework: zookeeper\n    version: 3.8.0\n    \
         distribution: {{ uri: /srv/zookeeper.tar, sha256: {sha256} }}\n"
    ));
    let distribution = stack.services["zookeeper"].distribution.clone().unwrap();
    assert_eq!((distribution.uri.as_str(), distribution.sha256), ("/srv/zookeeper.tar", sha256));
}

#[test]
fn a_checked_stack_survives_storing() {
    let stack = checked(ALL);
    let stored = serde_json::to_string(&stack).unwrap();
    assert_eq!(serde_json::from_str::<cairn_stack::ValidatedStack>(&stored).unwrap(), stack);
}

#[test]
fn a_command_line_gives_values_as_texts() {
    let values: Vec<_> = ["3", "0.5", "true", "3.9.1", "", "[1]"].map(param_value).into();
    assert_eq!(values, [json!(3), json!(0.5), json!(true), json!("3.9.1"), json!(""), json!("[1]")]);
    let text = "stack: shop\nparams: { version: 3.9.4 }\nservices:\n  \
                zookeeper: { framework: zookeeper, version: '${param.version}', distribution: { uri: a, sha256: S } }\n";
    let given = Params::from([("version".to_owned(), param_value("4"))]);
    let text = text.replace('S', &"ab".repeat(32));
    let stack = check_stack("spec.yaml", text.as_bytes(), catalog(), &given).unwrap().stack;
    assert_eq!(stack.services["zookeeper"].options["version"], "4");
}
