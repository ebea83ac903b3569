//! Framework specs are checked with the same care as stacks.

use cairn_stack::{Catalog, FrameworkFile, FrameworkFiles};
use serde_json::json;

use crate::{KAFKA, catalog};

fn refused(text: &str) -> String {
    match Catalog::load([("framework.yaml", text.as_bytes())]) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(reports) => reports.iter().map(|report| report.render(false)).collect(),
    }
}

#[test]
fn all_mistakes_of_a_framework_spec_are_told() {
    assert_eq!(
        refused(
            "framework: Kafka\nscheduler: { cmd: cairn, mem: much }\ncounts: brokers\noffers: { kafka: {} }\n"
        ),
        "\
error[bad-format]: `framework` must be a text that matches `^[a-z]([a-z0-9-]*[a-z0-9])?$`
 --> framework.yaml:1:12
  |
1 | framework: Kafka
  |            ^^^^^ this is the text `Kafka`

error[missing-key]: `scheduler` needs the key `command`
 --> framework.yaml:2:1
  |
2 | scheduler: { cmd: cairn, mem: much }
  | ^^^^^^^^^ `command` is not set

error[unknown-key]: `scheduler` has no key `cmd`
 --> framework.yaml:2:14
  |
2 | scheduler: { cmd: cairn, mem: much }
  |              ^^^ unknown key
  |
  = help: keys: `command`, `cpus`, `mem`, `env`

error[wrong-type]: `scheduler.mem` must be a whole number
 --> framework.yaml:2:31
  |
2 | scheduler: { cmd: cairn, mem: much }
  |                               ^^^^ this is the text `much`

error[unknown-key]: a framework spec has no key `counts`
 --> framework.yaml:3:1
  |
3 | counts: brokers
  | ^^^^^^ unknown key
  |
  = help: did you mean `count`?

error[missing-key]: `offers.kafka` needs the key `outputs`
 --> framework.yaml:4:11
  |
4 | offers: { kafka: {} }
  |           ^^^^^ `outputs` is not set

6 errors in framework.yaml
"
    );
}

#[test]
fn names_within_a_framework_spec_must_fit_together() {
    let text = "
framework: kafka
scheduler: { command: cairn scheduler kafka }
count: broker
needs:
  topics: { interface: topics, when: { mod: kraft } }
  needs: { interface: topics }
options:
  properties:
    brokers: { type: integer }
    mode: { type: string }
    topics: { type: object }
    framework: { type: string }
rules:
  - { at: topics.*.replication, at_most: brokrs }
";
    let told = refused(text);
    for message in [
        "there is no option `broker`",
        "did you mean `brokers`?",
        "`topics` is both an option and a need",
        "there is no option `mod`",
        "`needs` means the same for every service",
        "`framework` means the same for every service",
        "there is no option `brokrs`",
        "6 errors in framework.yaml",
    ] {
        assert!(told.contains(message), "{message} is not in:\n{told}");
    }
}

#[test]
fn options_must_be_a_json_schema() {
    let told = refused(
        "framework: kafka\nscheduler: { command: [cairn] }\noptions:\n  properties:\n    brokers: { type: intger }\n",
    );
    assert!(
        told.starts_with("error[bad-schema]: `options` is not a JSON Schema\n --> framework.yaml:5:22\n"),
        "{told}"
    );
}

#[test]
fn two_frameworks_cannot_share_a_name() {
    let reports = Catalog::load([("a.yaml", KAFKA), ("b.yaml", KAFKA)]).unwrap_err();
    assert_eq!(reports[0].diagnostics[0].message, "a.yaml describes a framework `kafka` already");
}

#[test]
fn a_program_may_know_the_options_better() {
    let options = json!({ "properties": { "nodes": { "enum": [1, 3] } } });
    let file = FrameworkFile {
        name: "framework.yaml",
        bytes: b"framework: quorum\nscheduler: { command: cairn scheduler quorum }\ncount: nodes\n",
        options: options.as_object().cloned(),
    };
    let catalog = Catalog::load([file]).unwrap_or_else(|reports| panic!("{}", reports[0]));
    assert_eq!(catalog.get("quorum").unwrap().option_names().collect::<Vec<_>>(), ["nodes"]);
    let text = b"stack: shop\nservices:\n  q: { framework: quorum, nodes: 2, mode: x }\n";
    let report =
        cairn_stack::check_stack("spec.yaml", text, &catalog, &cairn_stack::Params::new()).unwrap_err();
    let codes: Vec<&str> = report.diagnostics.iter().map(|d| d.code.as_str()).collect();
    assert_eq!(codes, ["not-allowed", "unknown-option"]);
}

#[test]
fn a_framework_is_data() {
    let kafka = catalog().get("kafka").unwrap();
    assert_eq!(kafka.scheduler.command.argv(), ["cairn", "scheduler", "kafka"]);
    assert_eq!((kafka.scheduler.cpus, kafka.scheduler.mem), (0.1, 64));
    assert_eq!(kafka.outputs().collect::<Vec<_>>(), ["bootstrap", "brokers", "names", "zookeeper"]);
    assert_eq!(kafka.default_of("brokers"), Some(&json!(3)));
    let need = &kafka.needs["zookeeper"];
    assert!(kafka.holds(&need.when, &json!({})));
    assert!(!kafka.holds(&need.when, &json!({ "mode": "kraft" })));
}

#[test]
fn a_spec_that_describes_its_service_needs_no_scheduler() {
    let text = b"framework: web\nservice: { groups: { web: { command: [python3, -V] } } }\n";
    let catalog = Catalog::load([("web.yaml", &text[..])]).unwrap_or_else(|reports| panic!("{}", reports[0]));
    let web = catalog.get("web").unwrap();
    assert_eq!(web.scheduler.command.argv(), ["cairn", "scheduler", "service"]);
    assert_eq!(
        serde_json::to_value(web).unwrap()["service"]["groups"]["web"]["command"],
        json!(["python3", "-V"])
    );
    let told = refused("framework: web\n");
    assert!(told.starts_with("error[missing-key]: a framework spec needs the key `scheduler`, or"), "{told}");
}

#[test]
fn files_beside_a_spec_become_a_part_of_it_and_their_templates_are_checked() {
    let text =
        b"framework: web\nservice:\n  groups:\n    web:\n      command: sh start.sh\n      files:\n        \
        start.sh: { from: start.sh, raw: true }\n        web.conf: { from: web.conf }\n        \
        other: { from: strat.sh }\n";
    assert_eq!(cairn_stack::named_files("web.yaml", text), ["start.sh", "web.conf", "strat.sh"]);
    let told = |conf: &str, third: Result<String, String>| {
        let beside = [
            ("start.sh", Ok("exec {{ no template }}\n".to_owned())),
            ("web.conf", Ok(conf.to_owned())),
            ("strat.sh", third),
        ];
        let beside = beside.map(|(name, read)| (name.to_owned(), read)).into();
        Catalog::load([FrameworkFiles { spec: ("web.yaml", &text[..]).into(), beside }])
    };
    let catalog = told("port {{ index }}\n", Ok(String::new())).unwrap_or_else(|r| panic!("{}", r[0]));
    let web = serde_json::to_value(catalog.get("web").unwrap()).unwrap();
    let files = &web["service"]["groups"]["web"]["files"];
    assert_eq!(files["start.sh"], json!({ "text": "exec {{ no template }}\n", "raw": true }));
    assert_eq!(files["web.conf"]["text"], json!("port {{ index }}\n"));

    let report = told("port {{ ports.htpt }}\n", Err("it is 300 KiB".into())).unwrap_err().remove(0);
    let codes: Vec<&str> = report.diagnostics.iter().map(|d| d.code.as_str()).collect();
    assert_eq!(codes, ["unknown-port", "no-file"], "in the order of their places");
    let text = report.render(false);
    assert!(text.contains("9 |         other: { from: strat.sh }"), "{text}");
    assert!(text.contains("it is 300 KiB") && text.contains("did you mean `start.sh`?"), "{text}");
    assert!(text.contains("8 |         web.conf: { from: web.conf }"), "{text}");
}

/// Every whole spec, and every `service:` with groups, that the documents show.
#[test]
fn the_framework_specs_of_the_documents_are_accepted() {
    let mut accepted = 0;
    for document in ["README.md", "docs/framework-specs.md"] {
        let text = std::fs::read_to_string(crate::root().join(document)).unwrap();
        for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let part = block.starts_with("service:") && block.contains("groups:");
            if !part && !block.starts_with("framework:") {
                continue;
            }
            let spec = if part { format!("framework: part\n{block}") } else { block.to_owned() };
            if let Err(reports) = Catalog::load([(document, spec.as_bytes())]) {
                panic!("{}", reports.iter().map(|report| report.render(false)).collect::<String>());
            }
            accepted += 1;
        }
    }
    assert!(accepted >= 5, "only {accepted} were found");
}
