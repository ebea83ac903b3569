//! Specs as files: bad ones and what is said of them, good ones and what becomes of them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bad_frameworks;
mod bad_specs;
mod frameworks;
mod good_specs;
mod plans;
mod robustness;
mod schemas;
mod secrets;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cairn_stack::{Catalog, Params, ValidatedStack, check_stack};

const KAFKA: &[u8] = include_bytes!("../frameworks/kafka.yaml");
const ZOOKEEPER: &[u8] = include_bytes!("../frameworks/zookeeper.yaml");

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Frameworks modelled on the real ones.
fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        Catalog::load([("kafka.yaml", KAFKA), ("zookeeper.yaml", ZOOKEEPER)])
            .unwrap_or_else(|reports| panic!("{}", reports[0]))
    })
}

/// A spec that must be accepted.
fn checked(text: &str) -> ValidatedStack {
    check_stack("spec.yaml", text.as_bytes(), catalog(), &Params::new())
        .unwrap_or_else(|report| panic!("{report}"))
        .stack
}
