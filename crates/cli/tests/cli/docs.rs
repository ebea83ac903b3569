//! The examples in the documents are what they say they are.

use std::fs;

use crate::cairn::{Cairn, checkout, finish};

/// A fenced block: what stands behind its fence, and its content.
type Block<'a> = (&'a str, String);

fn blocks(section: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = section.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let body: String = lines.by_ref().take_while(|l| *l != "```").map(|l| format!("{l}\n")).collect();
            blocks.push((info, body));
        }
    }
    blocks
}

/// Each section is a folder: `stack.yaml`, under `overlay.yaml` if there is one, is valid; of `bad.yaml` is said what the
/// text says.
#[test]
fn the_examples_of_the_stack_language_are_valid() {
    let cairn = Cairn::new();
    let text = fs::read_to_string(checkout().join("docs/stack-files.md")).unwrap();
    let mut stacks = 0;
    for (index, section) in text.split("\n## ").skip(1).enumerate() {
        let folder = cairn.path(&format!("section-{index}"));
        fs::create_dir(&folder).unwrap();
        let blocks = blocks(section);
        for (info, body) in &blocks {
            if let Some(name) = info.strip_prefix("yaml ") {
                fs::write(folder.join(name), body).unwrap();
            }
        }
        let has = |name: &str| blocks.iter().any(|(info, _)| *info == format!("yaml {name}"));
        let run = |args: &[&str]| finish(cairn.command(args).current_dir(&folder));
        if has("stack.yaml") {
            let mut args = vec!["validate", "-f", "stack.yaml"];
            if has("overlay.yaml") {
                args.extend(["-f", "overlay.yaml"]);
            }
            let said = run(&args).expect(0).stderr;
            assert_eq!(said, "stack shop is valid\n", "{section}");
            args[0] = "render";
            let rendered = run(&args).expect(0).stdout;
            fs::write(folder.join("rendered.yaml"), &rendered).unwrap();
            assert_eq!(run(&["render", "-f", "rendered.yaml"]).expect(0).stdout, rendered, "{section}");
            stacks += 1;
        }
        if has("bad.yaml") {
            let said = run(&["validate", "-f", "bad.yaml"]).expect(1).stderr;
            let expected = blocks.iter().find(|(info, _)| *info == "text").map(|(_, body)| body.as_str());
            assert_eq!(Some(said.as_str()), expected);
        }
    }
    assert!(stacks >= 6, "{stacks}");
}

/// README and the pages beside it.
fn documents() -> Vec<String> {
    let pages = fs::read_dir(checkout().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let all = std::iter::once(checkout().join("README.md")).chain(pages);
    all.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// The lines of a document that are commands, as far as they are plain words.
fn commands(text: &str) -> Vec<Vec<&str>> {
    let fenced = |at: usize| text.lines().take(at).filter(|line| line.starts_with("```")).count() % 2 == 1;
    let shown = text.lines().enumerate().filter(|(at, line)| line.starts_with("    ") || fenced(*at));
    let commands = shown.filter_map(|(_, line)| line.trim_start().strip_prefix("cairn "));
    // A principal of that name has its secret some blanks away.
    let commands = commands.filter(|command| !command.starts_with(' '));
    let plain = |word: &&str| !word.starts_with(['#', '<', '\'', '"', '\\', '…']);
    commands.map(|command| command.split_whitespace().take_while(plain).collect()).collect()
}

/// Options and values that a command does not know are errors before its help.
#[test]
fn commands_in_the_documents_are_those_of_the_program() {
    let cairn = Cairn::new();
    let documents = documents();
    let shown: Vec<Vec<&str>> = documents.iter().flat_map(|text| commands(text)).collect();
    assert!(shown.len() > 30, "{shown:?}");
    for mut command in shown {
        // What stands there in place of a value.
        if command.last().is_some_and(|word| word.starts_with("--")) {
            command.pop();
        }
        command.push("--help");
        cairn.run(&command).expect(0);
    }
}

#[test]
fn every_command_is_in_a_document() {
    let help = Cairn::new().run(&["--help"]).expect(0).stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names: Vec<&str> = listed
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() > 20, "{names:?}");
    let text = documents().concat();
    // Agents start it, people do not.
    for name in names.into_iter().filter(|name| *name != "executor") {
        assert!(text.contains(&format!("cairn {name}")), "no document names `cairn {name}`");
    }
}
