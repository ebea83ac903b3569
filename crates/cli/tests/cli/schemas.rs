//! The committed schemas are those of the binary.

use std::fs;

use crate::cairn::{Cairn, checkout};

#[test]
fn the_committed_schemas_are_up_to_date() {
    let cairn = Cairn::new();
    for kind in ["stack", "framework"] {
        let out = cairn.run(&["schema", kind]).expect(0);
        let file = checkout().join(format!("schemas/{kind}.schema.json"));
        let committed = fs::read_to_string(&file).unwrap();
        assert!(out.stdout == committed, "{} is stale: run `make schemas`", file.display());
        assert_eq!(out.stderr, "");
    }
}

#[test]
fn both_are_written_to_a_directory() {
    let cairn = Cairn::new();
    let dir = cairn.path("out");
    let out = cairn.run(&["schema", "--out", dir.to_str().unwrap()]).expect(0);
    assert_eq!(out.stdout, "");
    for kind in ["stack", "framework"] {
        let written = fs::read_to_string(dir.join(format!("{kind}.schema.json"))).unwrap();
        assert_eq!(written, cairn.run(&["schema", kind]).expect(0).stdout);
    }
}

#[test]
fn a_schema_is_yaml_too() {
    let cairn = Cairn::new();
    let yaml = cairn.run(&["schema", "stack", "-o", "yaml"]).expect(0).stdout;
    let back: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(back, cairn.run(&["schema", "stack"]).json());
}
