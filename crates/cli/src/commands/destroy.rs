//! `cairn destroy`: take a stack down.

use std::time::Duration;

use cairn_controller::view::StackView;
use serde_json::json;

use crate::args::Globals;
use crate::client::display::Display;
use crate::client::follow::{End, Goal, follow};
use crate::client::rest::{Client, escape};
use crate::client::stack::{self, WatchArgs};
use crate::client::target::TargetArgs;
use crate::console::{self, Paint};
use crate::failure::{Exit, Outcome};
use crate::runtime;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which stack
    stack: String,
    /// Delete the data of its services too. There is no way back
    #[arg(long)]
    delete_data: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    target: TargetArgs,
}

/// Asks first, then watches until nothing is left.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    runtime::small()?.block_on(async {
        let path = format!("/v1/stacks/{}", escape(&args.stack));
        let view: StackView = client.get(&path, &[]).await?;
        if !args.yes {
            let details = question(&view, args.delete_data, Paint::stderr());
            console::confirm(&format!("destroying stack {}", view.name), &details, "stack", &view.name)?;
        }
        stack::destroy(&client, &args.stack, args.delete_data).await?;
        if args.watch.detach {
            console::note(&format!("not watching; see `cairn status {} --watch`", args.stack));
            return Ok(Exit::Done);
        }
        let timeout = args.watch.timeout;
        let end = follow(&client, &args.stack, Goal::Gone, Some(timeout), &mut Display::new()).await?;
        finish(globals, args, end, timeout)
    })
}

fn finish(globals: &Globals, args: &Args, end: End, timeout: Duration) -> Outcome {
    let stack = args.stack.as_str();
    match end {
        End::Reached(_) => {
            let kept = if args.delete_data { "its data is deleted" } else { "its data is kept" };
            if globals.output.is_data() {
                let answer = json!({ "stack": stack, "gone": true, "delete_data": args.delete_data });
                return globals.output.emit(&answer, |_| String::new());
            }
            console::say(&format!("stack {stack} is gone; {kept}"));
            Ok(Exit::Done)
        }
        End::Blocked(reasons) => Ok(stack::blocked(stack, &reasons)),
        End::TimedOut(last) => Ok(stack::timed_out(stack, timeout, last.as_deref())),
        End::Interrupted => Ok(stack::interrupted(stack)),
    }
}

fn question(view: &StackView, delete_data: bool, paint: Paint) -> String {
    let services: String = view
        .services
        .iter()
        .rev()
        .filter(|service| !service.existing)
        .map(|service| {
            let count = service.instances.len();
            let plural = if count == 1 { "" } else { "s" };
            format!("  {} ({}), {count} instance{plural}\n", service.name, service.framework)
        })
        .collect();
    let data =
        if delete_data { paint.red("All their data is DELETED.") } else { "Their data is kept.".to_owned() };
    format!("These go, in this order:\n{services}{data}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tree::tests::ready;

    #[test]
    fn the_question_says_what_goes() {
        insta::assert_snapshot!(question(&ready(), false, Paint::plain()));
        assert!(question(&ready(), true, Paint::plain()).contains("All their data is DELETED."));
    }
}
