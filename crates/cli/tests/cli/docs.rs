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
