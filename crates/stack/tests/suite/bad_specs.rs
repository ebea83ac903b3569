//! Every file under `tests/bad-specs` is refused with exactly the text beside it.
//! `UPDATE_EXPECT=1 cargo test -p cairn-stack` writes those texts anew; read the difference.

use std::fs;
use std::path::PathBuf;

use cairn_stack::{MAX_BYTES, Params, Report, check_stack};

use crate::{catalog, root};

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

#[test]
fn bad_specs_are_refused_with_the_expected_text() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut differing = Vec::new();
    for path in bad_specs() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let actual = refused(&name, &fs::read(&path).unwrap()).render(false);
        let expected = path.with_extension("txt");
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
    let counts: Vec<usize> = bad_specs()
        .iter()
        .map(|path| refused(&path.display().to_string(), &fs::read(path).unwrap()).diagnostics.len())
        .collect();
    assert!(counts.len() >= 34, "{} bad specs", counts.len());
    assert!(counts.iter().filter(|count| **count >= 5).count() >= 5, "{counts:?}");
}

#[test]
fn every_diagnostic_says_where_or_concerns_the_whole_file() {
    let whole_file = ["empty-file", "file-too-large", "not-text"];
    for path in bad_specs() {
        for diagnostic in refused("spec.yaml", &fs::read(&path).unwrap()).diagnostics {
            assert!(
                !diagnostic.labels.is_empty() || whole_file.contains(&diagnostic.code.as_str()),
                "{}: {}",
                path.display(),
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
    assert_eq!((report.diagnostics.len(), report.omitted), (100, 4_400));
    assert!(report.render(false).ends_with("100 errors and 4400 more that are not shown in many.yaml\n"));
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
