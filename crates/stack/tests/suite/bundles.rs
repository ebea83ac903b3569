//! Stacks of several files: nested, laid over one another, with services that exist already.

use cairn_stack::{Bundle, Content, Params, ValidatedStack, check_bundle, check_stack, framework_name};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::catalog;

const KAFKA: &str = r#"
stack: kafka
params:
  brokers: 1
  zookeeper: { type: string, description: a ZooKeeper that there is already }
services:
  kafka:
    framework: kafka
    brokers: ${param.brokers}
    zookeeper: ${param.zookeeper}/${param.brokers}
  mirror:
    framework: kafka
    mode: kraft
    options: { source: "${kafka.bootstrap}" }
outputs:
  bootstrap: ${kafka.bootstrap}
  both: ${kafka.bootstrap},${mirror.bootstrap}
"#;

const SHOP: &str = r#"
stack: shop
services:
  zookeeper: { framework: zookeeper }
  one: { stack: ./kafka.yaml, params: { zookeeper: "${zookeeper.connect}" } }
  two:
    stack: ./kafka.yaml
    params: { zookeeper: "${zookeeper.connect}", brokers: 3 }
    needs: [one]
  audit: { framework: kafka, mode: kraft, options: { a: "${one.both}", b: "${two.bootstrap:-none}" } }
outputs:
  all: ${one.both}
"#;

fn files(named: &[(&str, &str)]) -> Bundle {
    let mut bundle = Bundle::default();
    for (name, text) in named {
        if name.starts_with("main") {
            bundle.push(*name, *text);
        } else {
            bundle.files.insert((*name).to_owned(), Content::Text(text.as_bytes().to_vec()));
        }
    }
    bundle
}

fn checked(named: &[(&str, &str)]) -> ValidatedStack {
    let bundle = files(named);
    assert!(bundle.wanted().is_empty());
    let checked =
        check_bundle(&bundle, catalog(), &Params::new()).unwrap_or_else(|report| panic!("{report}"));
    assert!(checked.warnings.is_empty(), "{}", checked.warnings);
    checked.stack
}

/// What `cairn render` prints, read again.
fn again(stack: &ValidatedStack) -> ValidatedStack {
    let text = serde_saphyr::to_string(&stack.to_spec()).unwrap();
    check_stack("rendered.yaml", text.as_bytes(), catalog(), &Params::new())
        .unwrap_or_else(|report| panic!("{report}\n{text}"))
        .stack
}

fn same_but_for_params(stack: &ValidatedStack) {
    let rendered = again(stack);
    assert_eq!(rendered, ValidatedStack { params: Params::new(), ..stack.clone() });
    assert_eq!(rendered.to_spec(), stack.to_spec());
}

#[test]
fn the_same_stack_runs_twice_side_by_side() {
    let stack = checked(&[("main.yaml", SHOP), ("kafka.yaml", KAFKA)]);
    let names: Vec<&str> = stack.services.keys().map(String::as_str).collect();
    assert_eq!(names, ["audit", "one/kafka", "one/mirror", "two/kafka", "two/mirror", "zookeeper"]);
    assert_eq!(stack.services["one/kafka"].inputs["zookeeper"], "${zookeeper.connect}/1");
    assert_eq!(stack.services["two/kafka"].options["brokers"], 3);
    assert_eq!(stack.services["two/mirror"].options["options"]["source"], "${two/kafka.bootstrap}");
    assert_eq!(
        stack.services["audit"].options["options"],
        json!({
            "a": "${one/kafka.bootstrap},${one/mirror.bootstrap}",
            "b": "${two/kafka.bootstrap:-none}",
        })
    );
    assert_eq!(stack.outputs["all"], "${one/kafka.bootstrap},${one/mirror.bootstrap}");
    assert_eq!(stack.outputs["two/bootstrap"], "${two/kafka.bootstrap}");
    let needs = |name: &str| stack.services[name].needs.iter().cloned().collect::<Vec<_>>();
    assert_eq!(needs("one/kafka"), ["zookeeper"]);
    assert_eq!(needs("two/kafka"), ["one/kafka", "one/mirror", "zookeeper"]);
    assert_eq!(needs("audit"), ["one/kafka", "one/mirror", "two/kafka"]);
    assert_eq!(stack.framework_name("one/kafka"), "shop-one-kafka");
    same_but_for_params(&stack);
}

#[test]
fn stacks_nest_to_any_depth() {
    let deep = "stack: deep\nparams: { zookeeper: { type: string } }\nservices:\n  inner: { stack: ./kafka.yaml, \
                params: { zookeeper: '${param.zookeeper}', brokers: 2 } }\noutputs: { address: '${inner.bootstrap}' }\n";
    let main = "stack: top\nservices:\n  zookeeper: { framework: zookeeper }\n  a: { stack: ./deep.yaml, params: { zookeeper: \
                '${zookeeper.connect}' } }\n  b: { framework: kafka, mode: kraft, options: { x: '${a.address}' } }\n";
    let stack = checked(&[("main.yaml", main), ("deep.yaml", deep), ("kafka.yaml", KAFKA)]);
    assert_eq!(stack.services["a/inner/kafka"].inputs["zookeeper"], "${zookeeper.connect}/2");
    assert_eq!(stack.services["b"].options["options"]["x"], "${a/inner/kafka.bootstrap}");
    assert!(stack.services["b"].needs.contains("a/inner/kafka"));
    same_but_for_params(&stack);
}

#[test]
fn a_service_that_exists_takes_the_place_of_one_to_launch() {
    let main = "stack: shop\nparams: { host: 10.0.0.1 }\nservices:\n  zookeeper:\n    existing:\n      interface: zookeeper\n      \
                outputs: { connect: '${param.host}:2181' }\n  store: { existing: { outputs: { port: 9200, url: \
                'http://me:${secret.store}@store' } } }\n  one: { stack: ./kafka.yaml, params: { zookeeper: \
                '${zookeeper.connect}' }, needs: [store] }\n  audit: { framework: kafka, mode: kraft, options: { url: \
                '${store.url}:${store.port}' } }\n";
    let stack = checked(&[("main.yaml", main), ("kafka.yaml", KAFKA)]);
    assert_eq!(stack.services["one/kafka"].inputs["zookeeper"], "10.0.0.1:2181/1");
    assert!(stack.services["one/kafka"].needs.is_empty());
    assert_eq!(stack.services["audit"].options["options"]["url"], "http://me:${secret.store}@store:9200");
    assert_eq!(stack.existing["zookeeper"].outputs["connect"], "10.0.0.1:2181");
    same_but_for_params(&stack);
}

#[test]
fn a_framework_of_ones_own_comes_with_the_stack() {
    let web = "framework: web\nservice: { groups: { web: { command: x } }, outputs: { url: a } }\noffers: { web: { outputs: [url] } }\noptions:\n  \
               properties: { count: { type: integer } }\n";
    let main = "stack: shop\nservices:\n  web: { framework: ./frameworks/web.yaml, count: 2 }\n  audit: { framework: kafka, \
                mode: kraft, options: { url: '${web.url}' } }\n";
    let stack = checked(&[("main.yaml", main), ("frameworks/web.yaml", web)]);
    assert_eq!(stack.services["web"].framework, "web");
    assert_eq!(stack.frameworks["web"].service.as_ref().unwrap().groups.len(), 1);
    assert_eq!(stack.framework("web", catalog()).unwrap().scheduler.command.argv()[2], "service");
    same_but_for_params(&stack);
    let changed =
        checked(&[("main.yaml", main), ("frameworks/web.yaml", &web.replace("command: x", "command: y"))]);
    let diff = cairn_stack::diff(Some(&stack), Some(&changed));
    assert!(
        diff.render().contains("~ framework.service.groups.web.command = \"x\" -> \"y\""),
        "{}",
        diff.render()
    );
}

#[test]
fn overlays_merge_maps_replace_the_rest_and_remove_by_null() {
    let base = "stack: shop\nservices:\n  zookeeper: { framework: zookeeper, nodes: 1 }\n  kafka: { framework: kafka, zookeeper: \
                '${zookeeper.connect}', constraints: ['hostname:unique'], heap: 1GiB }\n  extra: { framework: zookeeper }\n";
    let prod = "services:\n  zookeeper: { nodes: 3 }\n  kafka: { brokers: 3, constraints: ['rack:group_by:3'], heap: null }\n  \
                extra: null\n";
    let stack = checked(&[("main.yaml", base), ("main-prod.yaml", prod)]);
    assert_eq!(stack.services.keys().collect::<Vec<_>>(), ["kafka", "zookeeper"]);
    assert_eq!(stack.services["zookeeper"].options["nodes"], 3);
    let kafka = json!({ "brokers": 3, "constraints": ["rack:group_by:3"] });
    assert_eq!(stack.services["kafka"].options, kafka);
    same_but_for_params(&stack);
}

#[test]
fn an_overlay_without_effect_is_told() {
    let base = "stack: shop\nservices:\n  zookeeper: { framework: zookeeper, nodes: 3 }\n";
    let over = "services:\n  zookeeper: { nodes: 3 }\n";
    let bundle = files(&[("main.yaml", base), ("main-prod.yaml", over)]);
    let warnings = check_bundle(&bundle, catalog(), &Params::new()).unwrap().warnings.render(false);
    assert_eq!(
        warnings,
        "\
warning[overlay-without-effect]: this overlay changes nothing: `services.zookeeper.nodes` is the number 3 already
 --> main-prod.yaml:2:23
  |
2 |   zookeeper: { nodes: 3 }
  |                       ^ the same
  |
 ::: main.yaml:3:45
  |
3 |   zookeeper: { framework: zookeeper, nodes: 3 }
  |                                             - set here

1 warning in main-prod.yaml
"
    );
}

#[test]
fn names_on_the_cluster_fit_a_label_and_stay_the_same() {
    assert_eq!(framework_name("shop", "kafka"), "shop-kafka");
    assert_eq!(framework_name("logging", "kafka/zookeeper"), "logging-kafka-zookeeper");
    let long = framework_name("everything", "logging/kafka/zookeeper");
    assert_eq!(long, "everyth-zookeeper-2c4e77");
    assert_ne!(long, framework_name("everything", "logging/kafka-b/zookeeper"));
}

#[test]
fn a_stack_that_multiplies_is_refused() {
    let twice = |next: &str| {
        format!("stack: s\nservices: {{ a: {{ stack: ./{next} }}, b: {{ stack: ./{next} }} }}\n")
    };
    let mut bundle = Bundle::single("main.yaml", twice("n0.yaml"));
    for n in 0..30 {
        bundle
            .files
            .insert(format!("n{n}.yaml"), Content::Text(twice(&format!("n{}.yaml", n + 1)).into_bytes()));
    }
    let last = b"stack: s\nservices: { z: { framework: zookeeper } }\n";
    bundle.files.insert("n30.yaml".into(), Content::Text(last.to_vec()));
    let report = check_bundle(&bundle, catalog(), &Params::new()).unwrap_err();
    assert!(report.diagnostics.iter().any(|d| d.code == "too-many-services"), "{report}");
}

/// A stack of some ZooKeepers and nested stacks that read them.
fn shop(services: &[(bool, u8, bool)]) -> String {
    let mut text = "stack: shop\nservices:\n  zookeeper: { framework: zookeeper }\n".to_owned();
    for (index, (nested, brokers, needs)) in services.iter().enumerate() {
        let needs = if *needs && index > 0 { format!(", needs: [s{}]", index - 1) } else { String::new() };
        let brokers = u32::from(*brokers) % 9 + 1;
        text += &match nested {
            true => format!(
                "  s{index}: {{ stack: ./kafka.yaml, params: {{ brokers: {brokers}, zookeeper: '${{zookeeper.connect}}' }}{needs} }}\n"
            ),
            false => format!(
                "  s{index}: {{ framework: kafka, mode: kraft, brokers: {brokers}, options: {{ t: '$${{x}} {index}: yes' }}{needs} }}\n"
            ),
        };
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rendered_stack_is_the_same_stack(services in prop::collection::vec(any::<(bool, u8, bool)>(), 1..6)) {
        let stack = checked(&[("main.yaml", &shop(&services)), ("kafka.yaml", KAFKA)]);
        same_but_for_params(&stack);
        let names: std::collections::BTreeSet<String> =
            stack.services.keys().map(|path| stack.framework_name(path)).collect();
        prop_assert_eq!(names.len(), stack.services.len());
    }

    #[test]
    fn names_fit_whatever_the_path(stack in "[a-z][a-z0-9]{0,14}", path in prop::collection::vec("[a-z][a-z0-9-]{0,20}[a-z]", 2..5)) {
        let path = path.join("/");
        let name = framework_name(&stack, &path);
        prop_assert!(name.len() <= 24 && cairn_stack::is_name(&name), "{} {}", path, name);
        prop_assert_eq!(name, framework_name(&stack, &path));
    }

    #[test]
    fn overlays_that_only_set_may_be_put_together_first(
        (base, one, two) in (overlay(), overlay(), overlay())
    ) {
        let all = merged(&[&base, &one, &two]);
        let mut both = one.clone();
        lay(&mut both, &two);
        prop_assert_eq!(&all, &merged(&[&base, &both]));
        let mut by_hand = base.clone();
        lay(&mut by_hand, &one);
        lay(&mut by_hand, &two);
        prop_assert_eq!(all, merged(&[&by_hand]));
    }
}

/// Options of a Kafka service, as an overlay sets them.
fn overlay() -> impl Strategy<Value = Value> {
    let options = prop::collection::btree_map("[a-d]", "[x-z0-9]{0,3}", 0..4);
    let topics = prop::collection::btree_map("[a-c]", 1_u32..9, 0..3);
    (prop::option::of(1_u32..9), options, topics).prop_map(|(brokers, options, topics)| {
        let mut kafka = json!({ "framework": "kafka", "mode": "kraft" });
        if let Some(brokers) = brokers {
            kafka["brokers"] = brokers.into();
        }
        kafka["options"] = json!(options);
        let topic = |(name, partitions)| (name, json!({ "partitions": partitions }));
        kafka["topics"] = topics.into_iter().map(topic).collect::<serde_json::Map<_, _>>().into();
        json!({ "stack": "shop", "services": { "kafka": kafka } })
    })
}

/// The documented rule for overlays that remove nothing.
fn lay(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                lay(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

fn merged(files: &[&Value]) -> ValidatedStack {
    let mut bundle = Bundle::default();
    files.iter().enumerate().for_each(|(n, file)| bundle.push(format!("{n}.yaml"), file.to_string()));
    check_bundle(&bundle, catalog(), &Params::new()).unwrap_or_else(|report| panic!("{report}")).stack
}
