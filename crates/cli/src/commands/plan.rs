//! `cairn plan`: what `apply` would do.

use cairn_controller::ApplyPlan;
use cairn_stack::{Checked, diff};

use crate::args::Globals;
use crate::client::rest::Client;
use crate::client::spec::{Spec, SpecArgs};
use crate::client::stack::{self, Applied};
use crate::client::target::TargetArgs;
use crate::console::{self, Paint};
use crate::failure::{Exit, Failure, Outcome};
use crate::runtime;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    spec: SpecArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// 0: nothing would change; 2: something would.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let spec = args.spec.read()?;
    let applied = match args.target.find_any()? {
        Some(target) => runtime::small()?.block_on(stack::send(&Client::new(target)?, &spec, true))?,
        None => alone(&spec)?,
    };
    if !globals.output.is_data() && !applied.plan.warnings_text.is_empty() {
        console::say(applied.plan.warnings_text.trim_end());
    }
    globals.output.emit(&applied, |applied| {
        format!("{}\n{}", stack::painted(&applied.plan.text, Paint::stdout()), applied.plan.tree)
    })?;
    Ok(if applied.plan.changed { Exit::Changes } else { Exit::Done })
}

/// Without a controller nothing runs, so everything would be new.
fn alone(spec: &Spec) -> Result<Applied, Failure> {
    let Checked { stack, warnings, .. } = spec.checked()?;
    console::note("no controller is named; this is the plan for one that runs nothing yet");
    let diff = diff(None, Some(&stack));
    let plan = ApplyPlan {
        stack: stack.name.clone(),
        changed: true,
        drifted: Vec::new(),
        text: diff.render(),
        secrets: Vec::new(),
        diff,
        tree: stack.tree(),
        warnings_text: warnings.render(false),
        warnings: Some(warnings).filter(|w| !w.is_empty()),
    };
    Ok(Applied { plan, dry_run: true })
}
