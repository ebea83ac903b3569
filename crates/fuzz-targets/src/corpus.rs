//! Files of the checkout that targets begin with.

use std::fs;
use std::path::{Path, PathBuf};

use cairn_stack::{Catalog, FrameworkFile};
use serde_json::Value;

/// The folder of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Files with an ending in a folder of the checkout, in order.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    found.sort();
    found
}

/// The framework specs that ship, by file name.
pub(crate) fn frameworks() -> Vec<(String, Vec<u8>)> {
    let folders = fs::read_dir(root().join("frameworks")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        folders.map(|folder| folder.join("framework.yaml")).filter(|f| f.exists()).collect();
    found.sort();
    found.iter().map(|file| (file.display().to_string(), fs::read(file).unwrap())).collect()
}

/// A catalog of two of them, with the options that their programs know.
pub(crate) fn catalog() -> Catalog {
    let file = |name, spec: &'static str, options: Value| {
        let mut options = options.as_object().cloned().unwrap_or_default();
        // They become a part of another schema, which has its own.
        options.remove("$schema");
        options.remove("title");
        FrameworkFile { name, bytes: spec.as_bytes(), options: Some(options) }
    };
    let zookeeper = file("zookeeper.yaml", cairn_zookeeper::SPEC, cairn_zookeeper::options_schema());
    let kafka = file("kafka.yaml", cairn_kafka::SPEC, cairn_kafka::options_schema());
    Catalog::load([zookeeper, kafka]).unwrap_or_else(|reports| panic!("{reports:?}"))
}
