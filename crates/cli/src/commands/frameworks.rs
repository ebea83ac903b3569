//! `cairn frameworks`: what stacks may name, and what they may set.

use cairn_stack::{Catalog, FrameworkSpec};
use serde::Serialize;

use crate::args::Globals;
use crate::client::options;
use crate::client::table::table;
use crate::console::Paint;
use crate::failure::{Failure, Outcome};
use crate::frameworks::FrameworkArgs;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which framework [default: all]
    name: Option<String>,
    #[command(flatten)]
    frameworks: FrameworkArgs,
}

/// A framework in a line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    framework: &'a str,
    description: &'a str,
    needs: Vec<&'a str>,
    offers: Vec<&'a str>,
    versions: Vec<&'a str>,
}

/// Those that come with this program, and those of `--frameworks`; no controller is asked.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let catalog = args.frameworks.catalog()?;
    match &args.name {
        None => globals.output.emit(&lines(&catalog), |lines| list(lines)),
        Some(name) => {
            globals.output.emit(find(&catalog, name)?, |spec| options::describe(spec, Paint::stdout()))
        }
    }
}

fn find<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a FrameworkSpec, Failure> {
    catalog.get(name).ok_or_else(|| {
        let known: Vec<&str> = catalog.iter().map(|spec| spec.framework.as_str()).collect();
        Failure::hint(format!("there is no framework `{name}`"), format!("there are: {}", known.join(", ")))
    })
}

fn lines(catalog: &Catalog) -> Vec<Line<'_>> {
    catalog
        .iter()
        .map(|spec| Line {
            framework: &spec.framework,
            description: &spec.description,
            needs: spec.needs.values().map(|need| need.interface.as_str()).collect(),
            offers: spec.offers.keys().map(String::as_str).collect(),
            versions: spec.distributions.keys().map(String::as_str).collect(),
        })
        .collect()
}

fn list(lines: &[Line<'_>]) -> String {
    let row = |line: &Line<'_>| {
        let join = |words: &[&str]| if words.is_empty() { "-".to_owned() } else { words.join(", ") };
        [
            line.framework.to_owned(),
            join(&line.versions),
            join(&line.needs),
            join(&line.offers),
            line.description.to_owned(),
        ]
    };
    table(["FRAMEWORK", "VERSIONS", "NEEDS", "OFFERS", "DESCRIPTION"], lines.iter().map(row))
}
