//! Stack specs and framework specs.

use std::fs;
use std::sync::OnceLock;

use cairn_stack::{Catalog, Params, Report, check_stack, diff};

use crate::corpus;

pub(crate) fn run(bytes: &[u8]) {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    let catalog = CATALOG.get_or_init(corpus::catalog);
    match check_stack("spec.yaml", bytes, catalog, &Params::new()) {
        Ok(checked) => {
            // What passes the checks can be ordered and compared.
            let _ = checked.stack.layers();
            assert!(diff(Some(&checked.stack), Some(&checked.stack)).is_empty());
        }
        Err(report) => told(&report),
    }
    if let Err(reports) = Catalog::load([("framework.yaml", bytes)]) {
        reports.iter().for_each(told);
    }
}

fn told(report: &Report) {
    assert!(report.has_errors());
    assert!(!report.render(false).is_empty());
}

pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let stacks = ["specs", "tests/bad-specs", "tests/bad-frameworks", "tests/bad-options", "tests/chaos"];
    let stacks =
        stacks.iter().flat_map(|folder| corpus::files(folder, "yaml")).map(|file| fs::read(file).unwrap());
    stacks.chain(corpus::frameworks().into_iter().map(|(_, bytes)| bytes)).collect()
}
