//! Every file under `tests/bad-specs` is refused with exactly the text beside it, and every folder with that of its
//! `expected.txt`: it holds a `stack.yaml`, overlays, and what they name.
//! `UPDATE_EXPECT=1 cargo test -p cairn-stack` writes those texts anew; read the difference.

use std::fs;
use std::path::PathBuf;

use cairn_stack::{MAX_BYTES, Params, Report, check_bundle, check_stack};

use crate::{bundle, catalog, root};

fn refused(file: &str, bytes: &[u8]) -> Report {
    match check_stack(file, bytes, catalog(), &Params::new()) {
        Ok(_) => panic!("{file} is accepted"),
        Err(report) => report,
    }
}

pub(crate) fn bad_specs() -> Vec<PathBuf> {
    let folder = root().join("tests/bad-specs");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

/// The folders of the collection.
fn folders() -> Vec<PathBuf> {
    let all = fs::read_dir(root().join("tests/bad-specs")).unwrap();
    let mut folders: Vec<PathBuf> =
        all.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// All of the collection: the name, what is said, and the file that holds what should be said.
fn collection() -> Vec<(String, Report, PathBuf)> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let single = bad_specs().into_iter().map(|path| {
        (name(&path), refused(&name(&path), &fs::read(&path).unwrap()), path.with_extension("txt"))
    });
    let several = folders().into_iter().map(|folder| {
        let report = check_bundle(&bundle(&folder), catalog(), &Params::new());
        (name(&folder), report.expect_err(&name(&folder)), folder.join("expected.txt"))
    });
    single.chain(several).collect()
}

#[test]
fn bad_specs_are_refused_with_the_expected_text() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut differing = Vec::new();
    for (name, report, expected) in collection() {
        let actual = report.render(false);
        if update {
            fs::write(&expected, &actual).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
            differing.push(format!("{name} now gives:\n{actual}"));
        }
    }
    assert!(differing.is_empty(), "{}\nUPDATE_EXPECT=1 accepts this", differing.join("\n"));
}

#[test]
fn there_are_enough_of_them_and_some_have_many_mistakes() {
    let counts: Vec<usize> = collection().iter().map(|(_, report, _)| report.diagnostics.len()).collect();
    assert!(counts.len() >= 80, "{} bad specs", counts.len());
    assert!(counts.iter().filter(|count| **count >= 5).count() >= 5, "{counts:?}");
}

#[test]
fn every_diagnostic_says_where_or_concerns_the_whole_file() {
    let whole_file = ["empty-file", "file-too-large", "not-text"];
    for (name, report, _) in collection() {
        for diagnostic in report.diagnostics {
            assert!(
                !diagnostic.labels.is_empty() || whole_file.contains(&diagnostic.code.as_str()),
                "{name}: {}",
                diagnostic.message
            );
        }
    }
}

#[test]
fn a_large_file_is_refused_before_it_is_read() {
    let report = refused("large.yaml", &vec![b'#'; 10 * 1024 * 1024]);
    assert_eq!(
        report.render(false),
        "error[file-too-large]: the file has 10485760 bytes; a spec may have 1048576 (1 MiB)\n\
         --> large.yaml\n \
         = help: a spec names services and options; keep data and archives in files of their own\n\n\
         1 error in large.yaml\n"
    );
}

#[test]
fn a_file_of_the_greatest_size_is_read() {
    let mut text = b"stack: shop\nservices:\n  zookeeper: { framework: zookeeper }\n#".to_vec();
    text.resize(MAX_BYTES, b'x');
    assert!(check_stack("full.yaml", &text, catalog(), &Params::new()).is_ok());
}

#[test]
fn many_values_and_many_anchors_are_refused() {
    let values = format!("stack: shop\nservices:\n  a: [{}]\n", "1, ".repeat(60_000));
    assert_eq!(refused("values.yaml", values.as_bytes()).diagnostics[0].code, "too-many-values");
    let anchors: String = (0..2_000).map(|n| format!("k{n}: &a{n} 1\n")).collect();
    assert_eq!(refused("anchors.yaml", anchors.as_bytes()).diagnostics[0].code, "too-many-aliases");
    let deep = format!("a: {}", "[".repeat(100_000));
    assert_eq!(refused("deep.yaml", deep.as_bytes()).diagnostics[0].code, "too-deep");
    let deep: String = (0..500).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    assert_eq!(refused("deep.yaml", deep.as_bytes()).diagnostics[0].code, "too-deep");
}

#[test]
fn a_file_of_many_mistakes_tells_the_first_hundred() {
    let services: String = (0..1_500)
        .map(|n| format!("  s{n}: {{ framework: f{n}, needs: [x{n}], a: '${{y{n}.z}}' }}\n"))
        .collect();
    let report = refused("many.yaml", format!("stack: shop\nservices:\n{services}").as_bytes());
    assert_eq!((report.diagnostics.len(), report.omitted), (100, 4_401));
    assert!(report.render(false).ends_with("100 errors and 4401 more that are not shown in many.yaml\n"));
}

#[test]
fn a_report_that_was_sent_says_the_places() {
    let text = "stack: shop\nservices:\n  zookeeper: { framework: zookeper }\n";
    let report = refused("sent.yaml", text.as_bytes());
    let sent: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    let head = "error[unknown-framework]: there is no framework `zookeper`\n";
    let help = "help: did you mean `zookeeper`?\n\n1 error in sent.yaml\n";
    assert_eq!(sent.render(false), format!("{head}--> sent.yaml:3:27\n = {help}"));
    assert_eq!(sent.with_text(text).render(false), report.render(false));
}

#[test]
fn a_hostile_file_gets_a_short_answer() {
    let kafka = |option: &str| {
        format!("stack: shop\nservices:\n  k:\n    framework: kafka\n    mode: kraft\n    {option}\n")
    };
    let references = kafka(&format!("options: {{ a: '{}' }}", "${k2.x}".repeat(100_000)));
    let report = refused("references.yaml", references.as_bytes());
    assert_eq!(report.diagnostics[0].code, "too-many-references");
    let regex = kafka(&format!("constraints: ['a:like:{}']", "(a{0,9}){0,9}".repeat(50_000)));
    let report = refused("regex.yaml", regex.as_bytes());
    assert_eq!(report.diagnostics[0].code, "bad-constraint");
    assert!(report.render(false).len() < 10_000);
}
