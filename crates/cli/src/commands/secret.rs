//! `cairn secret`: secrets that stacks name as `${secret.NAME}`.

use std::io::IsTerminal;
use std::path::PathBuf;

use cairn_controller::secrets::SecretView;
use reqwest::Method;
use serde_json::Value;

use crate::args::Globals;
use crate::client::rest::{Client, escape};
use crate::client::secrets::Value as Secret;
use crate::client::table::table;
use crate::client::target::TargetArgs;
use crate::console;
use crate::failure::{Exit, Failure, Outcome};
use crate::runtime;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Set a secret, from standard input unless told otherwise; services that use it take it up
    Set(Set),
    /// List names, when each was set, and who uses it; values are shown by nobody
    #[command(visible_alias = "ls")]
    List(Only),
    /// Forget a secret; refused while a stack uses it
    #[command(visible_alias = "rm")]
    Remove(Named),
}

#[derive(Debug, clap::Args)]
struct Set {
    #[command(flatten)]
    named: Named,
    /// Read the value from a file
    #[arg(long, value_name = "FILE", conflicts_with = "from_env")]
    from_file: Option<PathBuf>,
    /// Read the value from an environment variable of this command
    #[arg(long, value_name = "VARIABLE")]
    from_env: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// Its name: `db` is `${secret.db}` in a stack
    name: String,
    /// For one stack alone, which takes it before one of the same name for all
    #[arg(long, value_name = "STACK")]
    stack: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, clap::Args)]
struct Only {
    #[command(flatten)]
    target: TargetArgs,
}

/// Carries it out.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    match &args.verb {
        Verb::Set(args) => set(args),
        Verb::List(args) => list(globals, args),
        Verb::Remove(args) => remove(args),
    }
}

fn set(args: &Set) -> Outcome {
    let value = read(args).map_err(|why| Failure::new(format!("the secret cannot be read: {why}")))?;
    let Named { name, stack, target } = &args.named;
    let client = Client::new(target.find()?)?;
    let (path, query) = (format!("/v1/secrets/{}", escape(name)), query(stack.as_deref()));
    let body = value.reveal().as_bytes().to_vec();
    let answer: Value = runtime::small()?
        .block_on(client.send_text(Method::PUT, &path, &query, body))
        .map_err(Failure::from)?;
    let services: Vec<&str> =
        answer["services"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    console::note(&match (answer["changed"] == true, services.as_slice()) {
        (false, _) => format!("the secret {name} has this value already"),
        (true, []) => format!("the secret {name} is set"),
        (true, services) => format!("the secret {name} is set; it is taken up by {}", services.join(", ")),
    });
    Ok(Exit::Done)
}

fn read(args: &Set) -> Result<Secret, String> {
    match (&args.from_file, &args.from_env) {
        (Some(path), _) => Secret::from_file(path),
        (None, Some(name)) => Secret::from_env(name),
        (None, None) => {
            let stdin = std::io::stdin();
            if stdin.is_terminal() {
                console::note(
                    "the value is read from standard input, and shows while you type; end it with Ctrl-D",
                );
            }
            Secret::from_reader(stdin.lock(), "standard input")
        }
    }
}

fn query(stack: Option<&str>) -> Vec<(&str, &str)> {
    stack.map(|stack| ("stack", stack)).into_iter().collect()
}

fn list(globals: &Globals, args: &Only) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    let secrets: Vec<SecretView> =
        runtime::small()?.block_on(client.get("/v1/secrets", &[])).map_err(Failure::from)?;
    globals.output.emit(&secrets, |secrets| shown(secrets))
}

fn shown(secrets: &[SecretView]) -> String {
    let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let row = |secret: &SecretView| {
        [
            secret.name.clone(),
            or_none(secret.stack.clone().unwrap_or_default()),
            time(secret.set_ms),
            or_none(secret.used_by.join(", ")),
            secret.error.clone().unwrap_or_default(),
        ]
    };
    table(["NAME", "STACK", "SET", "USED BY", ""], secrets.iter().map(row))
}

/// Milliseconds since the epoch as a date and a time of day, UTC.
fn time(ms: u64) -> String {
    let (days, minutes) = (ms / 86_400_000, ms / 60_000 % 1_440);
    // Howard Hinnant's civil_from_days, for days after 1970: years begin in March, so that leap days end them.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}", minutes / 60, minutes % 60)
}

fn remove(args: &Named) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    let path = format!("/v1/secrets/{}", escape(&args.name));
    let query = query(args.stack.as_deref());
    runtime::small()?.block_on(client.send(Method::DELETE, &path, &query, None)).map_err(Failure::from)?;
    console::note(&format!("the secret {} is forgotten", args.name));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates() {
        assert_eq!(time(0), "1970-01-01 00:00");
        assert_eq!(time(951_782_399_000), "2000-02-28 23:59");
        assert_eq!(time(951_868_740_000), "2000-02-29 23:59");
        assert_eq!(time(1_795_614_420_000), "2026-11-25 13:47");
    }

    #[test]
    fn a_list_says_who_uses_what_and_no_value() {
        let secret = |name: &str, stack: Option<&str>, used_by: &[&str]| SecretView {
            name: name.into(),
            stack: stack.map(str::to_owned),
            set_ms: 1_795_614_420_000,
            used_by: used_by.iter().map(|u| (*u).to_owned()).collect(),
            error: None,
        };
        insta::assert_snapshot!(shown(&[
            secret("db", Some("shop"), &["shop/kafka"]),
            secret("old", None, &[])
        ]));
    }
}
