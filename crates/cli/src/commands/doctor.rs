//! `cairn doctor`: what is wrong with state, cluster and services, and which command mends it.

use cairn_controller::doctor::{Finding, Severity};

use crate::args::Globals;
use crate::client::rest::Client;
use crate::client::target::TargetArgs;
use crate::console;
use crate::failure::{Exit, Failure, Outcome};
use crate::runtime;

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,
}

/// The status is 3 when something needs an operator.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    let findings: Vec<Finding> =
        runtime::small()?.block_on(client.get("/v1/doctor", &[])).map_err(Failure::from)?;
    globals.output.emit(&findings, |findings| shown(findings))?;
    if findings.is_empty() {
        console::note("state, cluster and services agree; nothing is wrong");
    }
    let errors = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if errors { Exit::Blocked } else { Exit::Done })
}

fn shown(findings: &[Finding]) -> String {
    let word = |severity| match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let one = |f: &Finding| format!("{}: {}: {}\n  {}\n", word(f.severity), f.about, f.problem, f.remedy);
    findings.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_to_do() {
        let finding = Finding {
            severity: Severity::Error,
            about: "demo/kafka".into(),
            problem: "the master has removed its framework".into(),
            remedy: "cairn reregister demo/kafka".into(),
        };
        assert_eq!(
            shown(&[finding]),
            "error: demo/kafka: the master has removed its framework\n  cairn reregister demo/kafka\n"
        );
    }
}
