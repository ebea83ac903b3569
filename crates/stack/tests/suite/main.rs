//! Specs as files: bad ones and what is said of them, good ones and what becomes of them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the lints spare tests, not what they share")]

mod bad_frameworks;
mod bad_specs;
mod bundles;
mod frameworks;
mod good_specs;
mod plans;
mod robustness;
mod schemas;
mod secrets;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cairn_stack::{Bundle, Catalog, Content, Params, ValidatedStack, check_stack};

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

/// A bundle as a client reads it that was started in `folder`: `stack.yaml` under overlays, and what they name.
fn bundle(folder: &Path) -> Bundle {
    let mut main: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("overlay"))
        .collect();
    main.push("stack.yaml".to_owned());
    main.sort_by_key(|name| (name.starts_with("overlay"), name.clone()));
    let mut bundle = Bundle::default();
    main.into_iter().for_each(|name| {
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        bundle.push(name, bytes);
    });
    loop {
        let wanted = bundle.wanted();
        if wanted.is_empty() {
            return bundle;
        }
        for name in wanted {
            let content = match std::fs::read(folder.join(&name)) {
                _ if name.starts_with(['.', '/']) && folder.join(&name).exists() => Content::Absent(
                    "it lies outside of the stack's folder; --include FOLDER on the command line allows that"
                        .into(),
                ),
                Ok(bytes) => Content::Text(bytes),
                Err(error) => Content::Absent(error.to_string()),
            };
            bundle.files.insert(name, content);
        }
    }
}
