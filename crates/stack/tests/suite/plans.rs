//! Plans as people read them.

use cairn_stack::diff;

use crate::checked;

const OLD: &str = r"
stack: shop
services:
  zookeeper: { framework: zookeeper, nodes: 3 }
  kafka:
    framework: kafka
    brokers: 3
    zookeeper: ${zookeeper.connect}
    topics:
      clicks: { partitions: 6, replication: 3 }
      old: { partitions: 1 }
  audit:
    framework: kafka
    mode: kraft
    options: { password: '${secret.audit}' }
    needs: [kafka]
  legacy: { framework: zookeeper, nodes: 1, needs: [audit] }
";

const NEW: &str = r"
stack: shop
services:
  zookeeper: { framework: zookeeper, nodes: 3 }
  kafka:
    framework: kafka
    brokers: 5
    zookeeper: ${zookeeper.connect}
    heap: 1GiB
    topics:
      clicks: { partitions: 6, replication: 3 }
      orders.eu: { partitions: 2 }
  search:
    framework: zookeeper
    nodes: 1
    needs: [kafka]
outputs:
  bootstrap: ${kafka.bootstrap}
";

#[test]
fn a_first_plan_adds_everything_in_order() {
    let plan = diff(None, Some(&checked(OLD)));
    assert_eq!(
        plan.render(),
        "\
+   service zookeeper (framework zookeeper)
    + nodes = 3

+   service kafka (framework kafka)
    + brokers                   = 3
    + needs                     = [\"zookeeper\"]
    + topics.clicks.partitions  = 6
    + topics.clicks.replication = 3
    + topics.old.partitions     = 1
    + zookeeper                 = ${zookeeper.connect}

+   service audit (framework kafka)
    + mode             = \"kraft\"
    + needs            = [\"kafka\"]
    + options.password = ${secret.audit}

+   service legacy (framework zookeeper)
    + needs = [\"audit\"]
    + nodes = 1

Plan: 4 to add, 0 to change, 0 to remove.
"
    );
}

#[test]
fn a_change_shows_only_what_changes_and_removes_in_reverse() {
    let plan = diff(Some(&checked(OLD)), Some(&checked(NEW)));
    assert_eq!(
        plan.render(),
        "\
~   service kafka (framework kafka)
    ~ brokers                       = 3 -> 5
    + heap                          = \"1GiB\"
    + topics.\"orders.eu\".partitions = 2
    - topics.old.partitions         = 1 -> not set

+   service search (framework zookeeper)
    + needs = [\"kafka\"]
    + nodes = 1

-   service legacy (framework zookeeper) # its data is kept

-   service audit (framework kafka) # its data is kept

~   outputs
    + bootstrap = ${kafka.bootstrap}

Plan: 1 to add, 1 to change, 2 to remove.
"
    );
}

#[test]
fn the_same_stack_changes_nothing() {
    let stack = checked(OLD);
    let plan = diff(Some(&stack), Some(&stack));
    assert!(plan.is_empty());
    assert_eq!(plan.render(), "No changes. Stack shop is as the file says.\n");
    assert!(diff(None, None).is_empty());
}

#[test]
fn another_framework_of_the_same_name_replaces() {
    let old = checked("stack: shop\nservices:\n  bus: { framework: zookeeper, nodes: 1 }\n");
    let new = checked("stack: shop\nservices:\n  bus: { framework: kafka, mode: kraft }\n");
    assert_eq!(
        diff(Some(&old), Some(&new)).render(),
        "\
-/+ service bus (framework kafka) # the framework changes, so it starts anew
    + mode  = \"kraft\"
    - nodes = 1 -> not set

Plan: 1 to add, 0 to change, 1 to remove.
"
    );
}

#[test]
fn destroying_removes_dependents_first() {
    let plan = diff(Some(&checked(OLD)), None);
    let names: Vec<&str> = plan.services.iter().map(|service| service.service.as_str()).collect();
    assert_eq!(names, ["legacy", "audit", "kafka", "zookeeper"]);
    assert_eq!(plan.counts(), [0, 0, 4]);
}

#[test]
fn the_graph_is_shown_as_a_tree() {
    assert_eq!(
        checked(OLD).tree(),
        "\
shop
└─ zookeeper (zookeeper)
   └─ kafka (kafka)
      └─ audit (kafka)
         └─ legacy (zookeeper)
"
    );
    let diamond = "stack: shop\nservices:\n  a: { framework: zookeeper }\n  b: { framework: zookeeper, needs: [a] }\n  \
                   c: { framework: zookeeper, needs: [a] }\n  d: { framework: zookeeper, needs: [b, c] }\n";
    assert_eq!(
        checked(diamond).tree(),
        "\
shop
└─ a (zookeeper)
   ├─ b (zookeeper)
   │  └─ d (zookeeper)
   └─ c (zookeeper)
      └─ d (zookeeper) (see above)
"
    );
}

#[test]
fn a_plan_survives_the_wire() {
    let plan = diff(Some(&checked(OLD)), Some(&checked(NEW)));
    let sent = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<cairn_stack::StackDiff>(&sent).unwrap(), plan);
}
