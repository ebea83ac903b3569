//! `cairn schema`: the JSON Schemas of both kinds of spec.

use std::path::{Path, PathBuf};

use cairn_stack::schema;
use clap::ValueEnum;
use serde_json::Value;

use crate::args::Globals;
use crate::console;
use crate::failure::{Exit, Failure, Outcome};
use crate::frameworks::FrameworkArgs;
use crate::paths;

/// A kind of spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// What users write
    Stack,
    /// How a scheduler is launched, what it takes and gives
    Framework,
}

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which schema goes to stdout
    #[arg(value_enum, required_unless_present = "out")]
    kind: Option<Kind>,
    /// Write stack.schema.json and framework.schema.json to this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    frameworks: FrameworkArgs,
}

impl Kind {
    fn file(self) -> &'static str {
        match self {
            Self::Stack => "stack.schema.json",
            Self::Framework => "framework.schema.json",
        }
    }

    fn schema(self, frameworks: &FrameworkArgs) -> Result<Value, Failure> {
        Ok(match self {
            Self::Stack => schema::stack(&frameworks.catalog()?),
            Self::Framework => schema::framework(),
        })
    }
}

/// One to stdout, or files to a directory: the one that is named, or both.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let kinds = args.kind.map_or(vec![Kind::Stack, Kind::Framework], |kind| vec![kind]);
    match &args.out {
        Some(dir) => {
            let dir = paths::directory(dir)?;
            kinds
                .iter()
                .try_for_each(|kind| write(&dir.join(kind.file()), &kind.schema(&args.frameworks)?))?;
        }
        None => {
            for kind in kinds {
                globals.output.emit(&kind.schema(&args.frameworks)?, schema::to_text)?;
            }
        }
    }
    Ok(Exit::Done)
}

fn write(path: &Path, schema: &Value) -> Result<(), Failure> {
    std::fs::write(path, schema::to_text(schema))
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
    console::note(&format!("wrote {}", path.display()));
    Ok(())
}
