//! Every bad stack spec of the collection, against the frameworks that come with the binary.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cairn::{Cairn, Output, checkout, finish};

/// Their expected texts name options of the small frameworks that the collection was made with, or all of those.
const OTHER_OPTIONS: [&str; 11] = [
    "01-unknown-framework",
    "02-unknown-option",
    "04-wrong-type",
    "05-out-of-range",
    "19-replication-above-brokers",
    "20-even-ensemble",
    "40-missing-required",
    "47-all-at-once",
    "48-merged-mistake",
    "51-plain-secret",
    "81-mistakes-in-an-overlay",
];

fn folder() -> PathBuf {
    checkout().join("tests/bad-specs")
}

fn specs(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let yaml = files.filter(|path| path.extension().is_some_and(|ext| ext == "yaml"));
    let mut names: Vec<String> =
        yaml.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn validate(cairn: &Cairn, file: &str, dir: &Path, more: &[&str]) -> Output {
    finish(cairn.command(&["validate", "-f", file]).args(more).current_dir(dir))
}

/// Where the mistakes are: the lines that point into the file.
fn places<'a>(text: &'a str, file: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.trim_start().starts_with("-->") && line.contains(file)).collect()
}

#[test]
fn each_is_refused_with_all_its_mistakes_and_their_places() {
    let cairn = Cairn::new();
    let specs = specs(&folder());
    assert!(specs.len() >= 30, "{}", specs.len());
    for name in specs {
        let file = format!("{name}.yaml");
        let out = validate(&cairn, &file, &folder(), &[]).expect(1);
        assert_eq!(out.stdout, "", "{name}");
        let expected = fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap();
        if OTHER_OPTIONS.contains(&name.as_str()) {
            assert!(out.stderr.starts_with("error["), "{name}: {}", out.stderr);
            let places = places(&out.stderr, &file);
            assert!(!places.is_empty(), "{name}: {}", out.stderr);
            assert!(places.iter().all(|p| p.split(':').count() == 3), "file:line:column: {places:?}");
            assert!(out.stderr.trim_end().ends_with(&format!("in {file}")), "{name}: {}", out.stderr);
        } else {
            assert_eq!(out.stderr.trim_end(), expected.trim_end(), "{name}");
        }
    }
}

#[test]
fn stacks_of_several_files_are_told_with_the_file_of_each_mistake() {
    let cairn = Cairn::new();
    let folders =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut seen = 0;
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let mut files: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|file| file.starts_with("overlay"))
            .collect();
        files.sort();
        let more: Vec<&str> = files.iter().flat_map(|file| ["-f", file.as_str()]).collect();
        let out = validate(&cairn, "stack.yaml", &folder, &more).expect(1);
        let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
        if OTHER_OPTIONS.contains(&name.as_str()) {
            assert!(out.stderr.starts_with("error["), "{name}: {}", out.stderr);
        } else {
            assert_eq!(out.stderr.trim_end(), expected.trim_end(), "{name}");
        }
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}

/// `tests/bad-options`: what only the frameworks' own programs know. `UPDATE_EXPECT=1` writes the texts anew.
#[test]
fn what_a_scheduler_would_refuse_is_told_before_there_is_one() {
    let cairn = Cairn::new();
    let folder = checkout().join("tests/bad-options");
    let specs = specs(&folder);
    assert!(specs.len() >= 8, "{}", specs.len());
    for name in specs {
        let out = validate(&cairn, &format!("{name}.yaml"), &folder, &[]).expect(1);
        let expected = folder.join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&expected, &out.stderr).unwrap();
        }
        assert_eq!(out.stderr, fs::read_to_string(&expected).unwrap_or_default(), "{name}");
        for verb in ["plan", "apply"] {
            let refused = finish(cairn.command(&[verb, "-f", &format!("{name}.yaml")]).current_dir(&folder));
            assert_eq!(refused.expect(1).stderr.trim_end(), out.stderr.trim_end(), "{verb} {name}");
        }
        assert!(!folder.join(".cairn").exists() && !cairn.path(".cairn").exists(), "{name} starts nothing");
    }
}

#[test]
fn as_data_the_diagnostics_are_the_answer() {
    let cairn = Cairn::new();
    for name in specs(&folder()) {
        let file = format!("{name}.yaml");
        let out = validate(&cairn, &file, &folder(), &["-o", "json"]).expect(1);
        assert_eq!(out.stderr, "", "{name}");
        let report = out.json();
        assert_eq!(report["file"], Value::from(file.as_str()));
        let diagnostics = report["diagnostics"].as_array().unwrap();
        assert!(diagnostics.iter().any(|d| d["severity"] == "error"), "{name}");
    }
}

#[test]
fn ten_megabytes_are_refused_at_once() {
    let cairn = Cairn::new();
    let big = "# nothing but remarks\n".repeat(480_000);
    assert!(big.len() > 10_000_000);
    fs::write(cairn.path("big.yaml"), &big).unwrap();
    let out = validate(&cairn, "big.yaml", &cairn.path(""), &[]).expect(1);
    assert!(
        out.stderr.contains("error[file-too-large]") && out.stderr.contains("10560000 bytes"),
        "{}",
        out.stderr
    );
    let piped = cairn.run_with_input(&["validate", "-f", "-"], big.as_bytes()).expect(1);
    assert!(piped.stderr.contains("<stdin>"), "{}", piped.stderr);
    // Nobody needs to be asked about it.
    let applied =
        cairn.run_with_input(&["apply", "-f", "-", "--controller", "http://127.0.0.1:1"], big.as_bytes());
    assert!(applied.expect(1).stderr.contains("file-too-large"));
}

#[test]
fn a_bad_spec_starts_nothing() {
    let cairn = Cairn::new();
    let file = folder().join("01-unknown-framework.yaml").display().to_string();
    let out = cairn.run(&["apply", "-f", &file]).expect(1);
    assert!(out.stderr.contains("did you mean `zookeeper`?"), "{}", out.stderr);
    assert!(!cairn.path(".cairn").exists());
}
