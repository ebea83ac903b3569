//! Help, versions, completions, usage errors.

use crate::cairn::Cairn;

const VERBS: [&str; 25] = [
    "validate",
    "plan",
    "render",
    "apply",
    "status",
    "endpoints",
    "logs",
    "scale",
    "secret",
    "destroy",
    "instance",
    "operate",
    "kafka",
    "frameworks",
    "schema",
    "completions",
    "dev",
    "agent",
    "cluster",
    "controller",
    "scheduler",
    "executor",
    "doctor",
    "reregister",
    "state",
];

#[test]
fn help_names_every_verb_and_the_exit_codes() {
    let cairn = Cairn::new();
    let out = cairn.run(&["--help"]).expect(0);
    assert_eq!(out.stderr, "");
    for verb in VERBS {
        assert!(out.stdout.contains(&format!("\n  {verb} ")), "{verb} is missing in\n{}", out.stdout);
        let own = cairn.run(&[verb, "--help"]).expect(0);
        assert!(own.stdout.contains(&format!("Usage: cairn {verb}")), "{}", own.stdout);
    }
    assert!(out.stdout.contains("Exit status: 0 done, 1 error"));
    assert!(cairn.run(&["--version"]).expect(0).stdout.starts_with("cairn "));
}

#[test]
fn a_usage_error_is_an_error_and_no_change() {
    let cairn = Cairn::new();
    for args in [&["aply"][..], &[], &["scale", "kafka", "3"], &["apply"], &["status", "-o", "xml"]] {
        let out = cairn.run(args).expect(1);
        assert_eq!(out.stdout, "", "{args:?}");
        assert!(out.stderr.contains("Usage") || out.stderr.contains("error:"), "{out:#?}");
    }
    let out = cairn.run(&["aply"]);
    assert!(out.stderr.contains("apply"), "it suggests the nearest verb: {out:#?}");
}

#[test]
fn completions_are_for_every_shell() {
    let cairn = Cairn::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let out = cairn.run(&["completions", shell]).expect(0);
        assert!(out.stdout.contains("destroy") && out.stdout.contains("cairn"), "{shell}");
    }
}

#[test]
fn nobody_reading_is_no_error() {
    let cairn = Cairn::new();
    let mut command = cairn.command(&["completions", "zsh"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let out = crate::cairn::finish(command.stdout(writer)).expect(0);
    assert_eq!(out.stderr, "");
}
