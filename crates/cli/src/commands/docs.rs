//! `cairn docs`: the pages of `docs/` that programs know better than people: frameworks and REST.

mod page;
mod rest;

use std::path::{Path, PathBuf};

use crate::args::Globals;
use crate::failure::{Exit, Failure, Outcome};
use crate::{console, frameworks, paths};

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory of the pages
    #[arg(long, value_name = "DIR", default_value = "docs")]
    out: PathBuf,
    /// Directory with what people have written about each framework, in NAME/README.md
    #[arg(long, value_name = "DIR", default_value = "frameworks")]
    prose: PathBuf,
    /// Write nothing; fail if a page is not what it should be
    #[arg(long)]
    check: bool,
}

/// A file and what it should hold.
struct Page {
    path: PathBuf,
    text: String,
}

/// Writes the pages, or says which are stale.
pub(crate) fn run(_: &Globals, args: &Args) -> Outcome {
    let pages = pages(args)?;
    if args.check {
        return check(&pages);
    }
    for Page { path, text } in &pages {
        if let Some(parent) = path.parent() {
            paths::directory(parent)?;
        }
        std::fs::write(path, text)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
    }
    console::note(&format!("wrote {} pages below {}", pages.len(), args.out.display()));
    Ok(Exit::Done)
}

fn check(pages: &[Page]) -> Outcome {
    let stale = |page: &&Page| std::fs::read_to_string(&page.path).ok().as_deref() != Some(&page.text);
    let stale: Vec<String> = pages.iter().filter(stale).map(|page| page.path.display().to_string()).collect();
    if stale.is_empty() {
        return Ok(Exit::Done);
    }
    Err(Failure::hint(
        format!("these pages are stale: {}", stale.join(", ")),
        "write them again with `make docs`",
    ))
}

fn pages(args: &Args) -> Result<Vec<Page>, Failure> {
    let catalog = frameworks::FrameworkArgs::default().catalog()?;
    let mut pages = Vec::new();
    let mut lines = String::new();
    for built_in in &frameworks::BUILT_IN {
        let Some(spec) = catalog.get(built_in.name) else { continue };
        let readme = args.prose.join(built_in.name).join("README.md");
        // A framework without a word about it is described by its spec alone.
        let prose = std::fs::read_to_string(readme).unwrap_or_default();
        let text = page::framework(spec, &(built_in.service)(), &prose);
        lines += &format!("- [{name}](frameworks/{name}.md): {}\n", spec.description, name = built_in.name);
        pages.push(Page { path: args.out.join("frameworks").join(format!("{}.md", built_in.name)), text });
    }
    pages.push(marked(&args.out.join("README.md"), &[("frameworks", lines)])?);
    pages.push(marked(&args.out.join("rest.md"), &rest::parts())?);
    Ok(pages)
}

/// A page that people write, with parts between marks that are written here.
fn marked(path: &Path, parts: &[(&str, String)]) -> Result<Page, Failure> {
    let mut text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
    for (name, part) in parts {
        let (begin, end) =
            (format!("<!-- {name}: written by `make docs` -->\n"), format!("<!-- end of {name} -->"));
        let (before, rest) = text.split_once(&begin).unwrap_or((&text, ""));
        let Some((_, after)) = rest.split_once(&end) else {
            return Err(Failure::hint(
                format!("{} has no part {name}", path.display()),
                format!("put it between the lines\n{begin}{end}"),
            ));
        };
        text = format!("{before}{begin}\n{part}\n{end}{after}");
    }
    Ok(Page { path: path.to_owned(), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.md");
        std::fs::write(&path, "mine\n<!-- x: written by `make docs` -->\nold\n<!-- end of x -->\nmine too\n")
            .unwrap();
        let once = marked(&path, &[("x", "new\n".into())]).unwrap().text;
        assert_eq!(once, "mine\n<!-- x: written by `make docs` -->\n\nnew\n\n<!-- end of x -->\nmine too\n");
        std::fs::write(&path, &once).unwrap();
        assert_eq!(marked(&path, &[("x", "new\n".into())]).unwrap().text, once);
        assert!(marked(&path, &[("y", String::new())]).is_err());
    }
}
