//! What commands that change a stack have in common: send, watch, say how it ended.

use std::time::Duration;

use cairn_controller::ApplyPlan;
use cairn_controller::view::StackView;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::display::Display;
use super::follow::{End, Goal, follow};
use super::rest::{Client, Query, escape};
use super::spec::Spec;
use super::{endpoints, progress};
use crate::console::{self, Paint};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Format;

/// How long a change is watched.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct WatchArgs {
    /// How long to watch, for example `90s` or `10m`
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time)]
    pub(crate) timeout: Duration,
    /// Do not watch: return as soon as the controller has taken it on
    #[arg(long)]
    pub(crate) detach: bool,
}

/// What an apply answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Applied {
    #[serde(flatten)]
    pub(crate) plan: ApplyPlan,
    /// Nothing was changed.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// Sends a stack spec to the controller.
///
/// # Errors
/// When it is refused, or nobody answers.
pub(crate) async fn send(client: &Client, spec: &Spec, dry_run: bool) -> Result<Applied, Failure> {
    spec.sendable()?;
    let mut query = spec.query();
    if dry_run {
        query.push(("dry_run".into(), "true".into()));
    }
    let query: Vec<(&str, &str)> =
        query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let secrets = spec.secrets()?;
    let applied: Applied = client.send_stack(&query, spec.body()?, &secrets).await?;
    Ok(applied)
}

/// Says what an apply does: the changes, and what is probably not meant.
pub(crate) fn announce(applied: &Applied) {
    if !applied.plan.warnings_text.is_empty() {
        console::say(applied.plan.warnings_text.trim_end());
    }
    console::say(painted(&applied.plan.text, Paint::stderr()).trim_end());
}

/// A plan's text in colour: what comes, what changes, what goes.
pub(crate) fn painted(text: &str, paint: Paint) -> String {
    let line = |line: &str| match line.trim_start().chars().next() {
        Some('+') => paint.green(line),
        Some('~') => paint.yellow(line),
        Some('-') => paint.red(line),
        _ => line.to_owned(),
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

/// Watches a change until everything serves, and prints where it is to be had.
///
/// # Errors
/// When the controller is gone or refuses.
pub(crate) async fn watch(client: &Client, stack: &str, args: WatchArgs, format: Format) -> Outcome {
    if args.detach {
        console::note(&format!("not watching; see `cairn status {stack} --watch`"));
        return Ok(Exit::Done);
    }
    let end = follow(client, stack, Goal::Complete, Some(args.timeout), &mut Display::new()).await?;
    match end {
        End::Reached(Some(view)) => {
            console::say(&format!("stack {stack} is ready"));
            format.emit(&*view, endpoints::of_stack)
        }
        End::Reached(None) => Ok(Exit::Done),
        End::Blocked(reasons) => Ok(blocked(stack, &reasons)),
        End::TimedOut(last) => Ok(timed_out(stack, args.timeout, last.as_deref())),
        End::Interrupted => Ok(interrupted(stack)),
    }
}

/// Asks for the end of a stack.
///
/// # Errors
/// When it is refused, or nobody answers.
pub(crate) async fn destroy(client: &Client, stack: &str, delete_data: bool) -> Result<(), Failure> {
    let with_data: Query<'_> = &[("delete_data", "true")];
    let query = if delete_data { with_data } else { &[] };
    client.send(Method::DELETE, &format!("/v1/stacks/{}", escape(stack)), query, None).await?;
    Ok(())
}

/// Says what cannot go on without the user.
pub(crate) fn blocked(stack: &str, reasons: &[String]) -> Exit {
    let lines: String = reasons.iter().map(|reason| format!("\n  {reason}")).collect();
    let hint = format!("mend the file and apply it again; `cairn status {stack}` shows the whole");
    console::error(&format!("stack {stack} cannot go on without you{lines}"), Some(&hint));
    Exit::Blocked
}

/// Says what everything waits for.
pub(crate) fn timed_out(stack: &str, timeout: Duration, last: Option<&StackView>) -> Exit {
    let waits = last.map(progress::waiting).unwrap_or_default();
    let lines: String = waits.iter().map(|line| format!("\n  {line}")).collect();
    let hint =
        format!("the work goes on: watch it with `cairn status {stack} --watch`, or give it more --timeout");
    console::error(&format!("stack {stack} is not done within {}{lines}", show(timeout)), Some(&hint));
    Exit::TimedOut
}

/// Says that nothing was stopped.
pub(crate) fn interrupted(stack: &str) -> Exit {
    console::note(&format!("stopped watching; the work goes on: `cairn status {stack} --watch`"));
    Exit::Interrupted
}

fn show(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// A length of time: `500ms`, `90s`, `10m`, `1h`; a bare number is seconds.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "write a time such as 90s or 10m".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" | "min" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(3600))),
        other => Err(format!("`{other}` is no unit of time; there are ms, s, m and h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(time("90").unwrap(), Duration::from_secs(90));
        assert_eq!(time("10m").unwrap(), Duration::from_secs(600));
        assert_eq!(show(time("250ms").unwrap()), "250 ms");
        assert_eq!(show(time("10m").unwrap()), "10 min");
        assert_eq!(show(time("90s").unwrap()), "90 s");
        assert!(time("soon").is_err() && time("3d").is_err() && time("").is_err());
    }
}
