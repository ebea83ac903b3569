//! The page of a framework: what people have written about it, then what its spec, its options and its REST say.

use std::fmt::Write as _;
use std::sync::Arc;

use cairn_framework::{Service, rest};
use cairn_stack::{FrameworkSpec, Need};
use serde_json::Value;

use super::rest::resources;
use crate::client::options;

/// Parts of a README that are for whoever works on the framework.
const LEFT_OUT: [&str; 2] = ["## Tests", "## Benchmarks"];

/// The whole page.
pub(super) fn framework(spec: &FrameworkSpec, service: &Arc<dyn Service>, prose: &str) -> String {
    let name = &spec.framework;
    let mut text = format!(
        "<!-- Written by `make docs` from frameworks/{name}: its README.md, its framework.yaml, its options and its \
         resources. Change those. -->\n\n"
    );
    if prose.trim().is_empty() {
        let _ = writeln!(text, "# {name}\n\n{}\n", spec.description);
    } else {
        let _ = writeln!(text, "{}\n", rebased(&for_users(prose), name).trim());
    }
    text += &format!("## Reference\n\n{}\n\n", spec.description);
    text += &versions(spec);
    text += &needs(spec);
    text += &offers(spec);
    text += &option_table(spec);
    let own = rest::resources(service.as_ref());
    if !own.is_empty() {
        let _ = write!(
            text,
            "### REST resources\n\nBeside [those of every scheduler](../rest.md):\n\n{}",
            resources(own.iter().map(|(method, path, what)| (method.as_str(), path.as_str(), what.as_str())))
        );
    }
    text
}

/// What a README says to users.
fn for_users(prose: &str) -> String {
    let mut kept = String::new();
    let (mut out, mut code) = (false, false);
    for line in prose.lines() {
        code ^= line.starts_with("```");
        if !code && (line.starts_with("## ") || line.starts_with("# ")) {
            out = LEFT_OUT.contains(&line.trim_end());
        }
        if !out {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

/// Links that start from the framework's folder, as they start from `docs/frameworks`.
fn rebased(prose: &str, name: &str) -> String {
    let mut text = String::new();
    let mut parts = prose.split("](");
    text += parts.next().unwrap_or_default();
    for part in parts {
        text += "](";
        let elsewhere = part.starts_with('#') || part.split(')').next().is_some_and(|to| to.contains("://"));
        if !elsewhere {
            text += &format!("../../frameworks/{name}/");
        }
        text += part;
    }
    text
}

fn versions(spec: &FrameworkSpec) -> String {
    let versions: Vec<&str> = spec.distributions.keys().map(String::as_str).collect();
    if versions.is_empty() {
        String::new()
    } else {
        format!("Versions that come with Cairn: {}.\n\n", versions.join(", "))
    }
}

fn needs(spec: &FrameworkSpec) -> String {
    let row = |(name, need): (&String, &Need)| {
        let conditions = need.when.iter().map(|(option, value)| format!("`{option}` is `{}`", bare(value)));
        let when = conditions.collect::<Vec<_>>().join(" and ");
        let when = match (need.optional, when.is_empty()) {
            (true, _) => "optional".to_owned(),
            (false, true) => "always".to_owned(),
            (false, false) => format!("when {when}"),
        };
        vec![code(name), code(&need.interface), when, need.description.clone()]
    };
    section("### Needs", &["input", "interface", "needed", "meaning"], spec.needs.iter().map(row).collect())
}

fn offers(spec: &FrameworkSpec) -> String {
    let row = |(interface, offer): (&String, &cairn_stack::Offer)| {
        vec![code(interface), offer.outputs.iter().map(|output| code(output)).collect::<Vec<_>>().join(", ")]
    };
    section("### Offers", &["interface", "outputs"], spec.offers.iter().map(row).collect())
}

fn option_table(spec: &FrameworkSpec) -> String {
    let rows = options::rows(&Value::Object(spec.options.clone()), options::whole);
    let row = |[name, kind, default, description]: [String; 4]| {
        let default = if ["-", "required"].contains(&default.as_str()) { default } else { code(&default) };
        vec![code(&name), kind, default, description]
    };
    let heading = ["option", "type", "default", "meaning"];
    section("### Options", &heading, rows.into_iter().map(row).collect())
}

/// A heading and a table, or nothing.
fn section(heading: &str, columns: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    format!("{heading}\n\n{}\n", table(columns, rows))
}

/// A table as Markdown has them.
pub(super) fn table(columns: &[&str], rows: Vec<Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(columns.iter().map(|column| (*column).to_owned()).collect());
    text += &format!("|{}\n", "---|".repeat(columns.len()));
    for row in rows {
        text += &line(row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect());
    }
    text
}

/// Text as code.
pub(super) fn code(text: &str) -> String {
    format!("`{text}`")
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_its_makers_is_left_out_and_links_lead_where_they_led() {
        let prose = "# X\n\n```sh\n# a comment\n```\n\n## Tests\n\nHow.\n\n## More\n\n[a](b.md) [c](https://d.org) [e](#f)\n";
        assert_eq!(
            for_users(prose),
            "# X\n\n```sh\n# a comment\n```\n\n## More\n\n[a](b.md) [c](https://d.org) [e](#f)\n"
        );
        assert_eq!(
            rebased("[a](b.md) [c](https://d.org) [e](#f)", "x"),
            "[a](../../frameworks/x/b.md) [c](https://d.org) [e](#f)"
        );
    }

    #[test]
    fn a_bar_in_a_cell_does_not_end_it() {
        assert_eq!(table(&["a"], vec![vec!["x | y".into()]]), "| a |\n|---|\n| x \\| y |\n");
    }
}
