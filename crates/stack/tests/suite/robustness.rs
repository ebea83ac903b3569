//! Whatever the bytes: an answer, never a panic; and every place of the answer is in the file.

use std::fs;
use std::sync::OnceLock;

use cairn_stack::{Catalog, Params, Report, check_stack};
use proptest::prelude::*;

use crate::bad_specs::bad_specs;
use crate::{KAFKA, ZOOKEEPER, catalog, root};

/// Files to start from: good and bad specs, and framework specs.
fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let good = fs::read(root().join("specs/kafka.yaml")).unwrap();
        let bad = bad_specs().into_iter().map(|path| fs::read(path).unwrap());
        bad.chain([good, KAFKA.to_vec(), ZOOKEEPER.to_vec()]).collect()
    })
}

fn survives(bytes: &[u8]) {
    if let Err(report) = check_stack("spec.yaml", bytes, catalog(), &Params::new()) {
        sound(&report, bytes);
    }
    if let Err(reports) = Catalog::load([("framework.yaml", bytes)]) {
        reports.iter().for_each(|report| sound(report, bytes));
    }
}

fn sound(report: &Report, bytes: &[u8]) {
    assert!(report.has_errors());
    // Bytes that are not UTF-8 are shown as a character of three.
    let end = String::from_utf8_lossy(bytes).len();
    for label in report.diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels) {
        assert!(label.span.start <= label.span.end && label.span.end <= end, "{label:?}");
        assert!(label.span.line >= 1 && label.span.column >= 1, "{label:?}");
    }
    assert!(!report.render(false).is_empty());
    assert!(report.render(true).len() >= report.render(false).len());
}

/// A change to a file.
#[derive(Clone, Debug)]
enum Edit {
    Insert(prop::sample::Index, String),
    Delete(prop::sample::Index, usize),
    Replace(prop::sample::Index, u8),
    Repeat(prop::sample::Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<prop::sample::Index>();
    let token = prop::sample::select(vec![
        "\n",
        "\t",
        " ",
        ": ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "'",
        "|\n",
        ">-\n",
        "#",
        "&a ",
        "*a",
        "<<: ",
        "!!int ",
        "${",
        "}",
        "$${",
        ":-",
        "${a.b}",
        "${param.brokers}",
        "---\n",
        "\r\n",
        "ö",
        "🔑",
        "\u{feff}",
        "\u{2028}",
        "0x",
        ".inf",
        "null",
        "-1",
        "1e400",
        "~",
        "? ",
        "%",
        "@",
    ])
    .prop_map(str::to_owned);
    prop_oneof![
        (at.clone(), token).prop_map(|(at, token)| Edit::Insert(at, token)),
        (at.clone(), 1_usize..20).prop_map(|(at, length)| Edit::Delete(at, length)),
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (at, 1_usize..40).prop_map(|(at, length)| Edit::Repeat(at, length)),
    ]
}

fn apply(bytes: &mut Vec<u8>, edit: &Edit) {
    match edit {
        Edit::Insert(at, token) => {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, token.bytes());
        }
        Edit::Delete(at, length) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.drain(at..end);
        }
        Edit::Replace(at, byte) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Edit::Repeat(at, length) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            let part = bytes[at..(at + length).min(bytes.len())].to_vec();
            bytes.splice(at..at, part);
        }
        Edit::Delete(..) | Edit::Replace(..) | Edit::Repeat(..) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survives(&bytes);
    }

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        survives(text.as_bytes());
    }

    #[test]
    fn any_edit_of_a_spec(seed in any::<prop::sample::Index>(), edits in prop::collection::vec(edit(), 1..6)) {
        let mut bytes = seed.get(seeds()).clone();
        edits.iter().for_each(|edit| apply(&mut bytes, edit));
        survives(&bytes);
    }
}
