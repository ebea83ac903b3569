//! Secrets: what is declared, what is used, what is said when one is missing.

use std::collections::{BTreeMap, BTreeSet};

use cairn_stack::{Bundle, Params, SecretSource, check_stack, declared_secrets, secret_names, secret_places};
use serde_json::json;

use crate::catalog;

const SPEC: &str = r"stack: shop
secrets:
  super: { file: ./super.txt }
  keystore: { env: KEYSTORE }
services:
  zookeeper:
    framework: zookeeper
    superPassword: ${secret.super}
  kafka:
    framework: kafka
    zookeeper: ${zookeeper.connect}
    options:
      ssl.keystore.password: ${secret.keystor}
      ssl.key.password: before ${secret.keystore} after
";

fn missing(known: &[&str]) -> String {
    let checked = check_stack("spec.yaml", SPEC.as_bytes(), catalog(), &Params::new()).unwrap();
    let known: BTreeSet<&str> = known.iter().copied().collect();
    checked.secrets.missing(&known).map(|report| report.render(false)).unwrap_or_default()
}

#[test]
fn a_missing_secret_is_told_with_its_place_and_what_to_do() {
    let told = missing(&["super", "keystore"]);
    assert_eq!(
        told,
        "error[unknown-secret]: there is no secret `keystor`\n  --> spec.yaml:13:30\n   |\n13 |       \
         ssl.keystore.password: ${secret.keystor}\n   |                              ^^^^^^^^^^^^^^^^^ not known to \
         the controller\n   |\n   = help: did you mean `keystore`? Or set it with `cairn secret set keystor`, or declare \
         where it comes from:\n             secrets:\n               keystor: { env: VARIABLE }\n\n1 error in \
         spec.yaml\n"
    );
    assert!(missing(&["keystore", "keystor"]).contains("spec.yaml:8:20"));
    assert!(missing(&["keystore", "keystor"]).contains("declared here, and its value was not sent"));
    assert_eq!(missing(&["super", "keystore", "keystor"]), "");
}

#[test]
fn a_client_finds_the_sources_without_knowing_the_frameworks() {
    let foreign = SPEC.replace("framework: kafka", "framework: of-my-own");
    let uses = declared_secrets(&Bundle::single("spec.yaml", foreign)).unwrap();
    let sources: BTreeMap<&str, &SecretSource> = uses.sources().collect();
    assert_eq!(sources["super"], &SecretSource::File("./super.txt".into()));
    assert_eq!(sources["keystore"], &SecretSource::Env("KEYSTORE".into()));
    let reasons = BTreeMap::from([("keystore".to_owned(), "KEYSTORE is not set".to_owned())]);
    let told = uses.unreadable(&reasons).render(false);
    assert!(told.contains("spec.yaml:4:13") && told.contains("KEYSTORE is not set"), "{told}");
    assert!(declared_secrets(&Bundle::single("spec.yaml", "[")).is_none());
}

#[test]
fn places_and_names_of_secrets_are_found_at_any_depth() {
    let value =
        json!({"a/b": ["x", "${secret.one}-${secret.two}"], "c": {"d": "$${secret.no}", "e": "${a.b}"}});
    assert_eq!(secret_places(&value), ["/a~1b/1"]);
    assert_eq!(secret_names(&value), BTreeSet::from(["one".to_owned(), "two".to_owned()]));
}
