//! `make chaos`: hurts real services under load until the time is over. Arguments: minutes, stack, file for the table,
//! seed, and which faults may come, as words with commas between of which a fault's name in the table must have one.

#![expect(clippy::disallowed_methods, reason = "without a seed, each run is another one")]

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cairn_tests::chaos::homes::{self, Secluded};
use cairn_tests::chaos::{self, Run};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |place: usize| arguments.get(place).filter(|text| !text.is_empty());
    let minutes = argument(0).map_or(Some(30), |text| text.parse().ok());
    let random = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let seed = argument(3).map_or_else(|| Some(random()), |text| text.parse().ok());
    let (Some(minutes), Some(seed)) = (minutes, seed) else {
        eprintln!("usage: cairn-chaos [MINUTES [STACK [FILE [SEED [ONLY]]]]]");
        return ExitCode::FAILURE;
    };
    let stack = argument(1).map_or("all.yaml", String::as_str);
    let only: Vec<&str> = argument(4).map_or_else(Vec::new, |text| text.split(',').collect());
    let secluded = homes::seclude();
    match &secluded {
        Ok(Secluded::Over(code)) => return ExitCode::from(*code),
        Ok(Secluded::Here) => {}
        Err(reason) => println!("agents get no networks and disks of their own: {reason}"),
    }
    let lasts = Duration::from_secs(60 * minutes);
    let run = Run { seed, stack, lasts, homes: secluded.is_ok(), only: &only };
    println!("seed {seed}, {stack}, {minutes} minutes");
    let report = chaos::run(&run);
    println!("\n{}", report.text(&run));
    if let Some(file) = argument(2)
        && let Err(error) = report.write(&run, Path::new(file))
    {
        eprintln!("{file}: {error}");
        return ExitCode::FAILURE;
    }
    if report.broken.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
