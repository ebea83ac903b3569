//! Every file under `tests/bad-frameworks` is refused with exactly the text beside it.
//! `UPDATE_EXPECT=1 cargo test -p cairn-stack` writes those texts anew; read the difference.

use std::fs;

use cairn_stack::Catalog;

use crate::root;

#[test]
fn bad_framework_specs_are_refused_with_the_expected_text() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut differing = Vec::new();
    let mut files: Vec<_> = fs::read_dir(root().join("tests/bad-frameworks"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(files.len() >= 9, "{files:?}");
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = fs::read(&path).unwrap();
        let Err(reports) = Catalog::load([(name.as_str(), bytes.as_slice())]) else {
            panic!("{name} is accepted")
        };
        let actual: String = reports.iter().map(|report| report.render(false)).collect();
        let expected = path.with_extension("txt");
        if update {
            fs::write(&expected, &actual).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
            differing.push(format!("{name} now gives:\n{actual}"));
        }
    }
    assert!(differing.is_empty(), "{}\nUPDATE_EXPECT=1 accepts this", differing.join("\n"));
}
