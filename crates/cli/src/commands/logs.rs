//! `cairn logs`: what instances write.

use std::time::Duration;

use cairn_controller::view::StackView;

use crate::args::Globals;
use crate::client::logs::{Lines, LogFile};
use crate::client::names::{Found, ServiceName, find, is_below};
use crate::client::rest::{Client, NoAnswer, escape};
use crate::client::target::TargetArgs;
use crate::console;
use crate::failure::{Exit, Failure, Outcome};
use crate::runtime;

/// How often a log is looked at again.
const LOOK: Duration = Duration::from_millis(500);

/// What it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which service, or which instance of it
    #[arg(value_name = "STACK/SERVICE[/INSTANCE]")]
    name: ServiceName,
    /// Go on with what is written from now on, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Standard error instead of standard output
    #[arg(long)]
    stderr: bool,
    /// The service's scheduler instead of its instances
    #[arg(long)]
    scheduler: bool,
    /// How many lines of what was written before
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: usize,
    #[command(flatten)]
    target: TargetArgs,
}

/// One log, and how far it has been read.
struct Reader {
    log: LogFile,
    lines: Lines,
    offset: u64,
}

/// Logs are text, whatever form is asked for.
pub(crate) fn run(_: &Globals, args: &Args) -> Outcome {
    let client = Client::new(args.target.find()?)?;
    runtime::small()?.block_on(async {
        let (mut readers, end) = tails(&client, readers(&client, args).await?, args).await?;
        if !args.follow || readers.is_empty() {
            return Ok(end);
        }
        tokio::select! {
            failure = follow(&client, &mut readers) => Err(failure),
            _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
        }
    })
}

/// The logs that are meant: that of an instance, that of a scheduler, or those of all instances.
async fn readers(client: &Client, args: &Args) -> Result<Vec<Reader>, Failure> {
    let ServiceName { stack, service: path } = &args.name;
    let one = |task: String, file, prefix| Reader {
        log: LogFile { stack: stack.clone(), task, file },
        lines: Lines::new(prefix),
        offset: 0,
    };
    let known: StackView = client.get(&format!("/v1/stacks/{}", escape(stack)), &[]).await?;
    let (service, instance) = match find(&known, path)? {
        Found::Service(service) => (service, None),
        Found::Instance(service, instance) => (service, Some(instance)),
        Found::Group => {
            let inside = known.services.iter().map(|s| s.name.as_str()).filter(|name| is_below(name, path));
            let inside: Vec<String> = inside.map(|name| format!("{stack}/{name}")).collect();
            return Err(Failure::hint(
                format!("{stack}/{path} is a stack of several services"),
                format!("name one of them: {}", inside.join(", ")),
            ));
        }
    };
    if args.scheduler {
        // A scheduler says what it does on stderr.
        return Ok(vec![one(service, "stderr", String::new())]);
    }
    let file = if args.stderr { "stderr" } else { "stdout" };
    if let Some(instance) = instance {
        return Ok(vec![one(format!("{service}/{instance}"), file, String::new())]);
    }
    let view = known.services.iter().find(|view| view.name == service).cloned().unwrap_or_default();
    if view.existing {
        return Err(Failure::new(format!("{stack}/{service} exists already: its logs are where it runs")));
    }
    if view.instances.is_empty() {
        let message = format!("{stack}/{service} has no instances yet: {}", view.message);
        return Err(Failure::hint(message, "its scheduler's log is there with --scheduler"));
    }
    let width = view.instances.iter().map(|instance| instance.name.len()).max().unwrap_or(0);
    let log = |name: &String| one(format!("{service}/{name}"), file, format!("{name:width$} | "));
    Ok(view.instances.iter().map(|instance| log(&instance.name)).collect())
}

/// Shows the end of each log. One that cannot be had does not keep back the others, which are given back; it is an error at the
/// end.
async fn tails(client: &Client, readers: Vec<Reader>, args: &Args) -> Result<(Vec<Reader>, Exit), Failure> {
    let (mut shown, mut end) = (Vec::new(), Exit::Done);
    for mut reader in readers {
        match reader.tail(client, args.lines, args.follow).await {
            Ok(()) => shown.push(reader),
            Err(Failure::NoReader) => return Err(Failure::NoReader),
            Err(failure) => end = failure.report(),
        }
    }
    Ok((shown, end))
}

impl Reader {
    async fn tail(&mut self, client: &Client, lines: usize, goes_on: bool) -> Result<(), Failure> {
        let (text, end) = self.log.tail(client, lines).await?;
        self.offset = end;
        let mut shown = self.lines.push(&text);
        if !goes_on {
            shown += &self.lines.end();
        }
        console::print(&shown)
    }

    /// Shows what is new; true if there may be more at once.
    async fn more(&mut self, client: &Client) -> Result<bool, Failure> {
        match self.log.since(client, self.offset).await {
            Ok((text, end)) => {
                self.offset = end;
                console::print(&self.lines.push(&text))?;
                Ok(!text.is_empty())
            }
            // The task restarts, or the controller does: its log comes again.
            Err(NoAnswer::Silent(_)) => Ok(false),
            Err(NoAnswer::Refused(status, _)) if status.is_server_error() => Ok(false),
            Err(refused) => Err(refused.into()),
        }
    }
}

async fn follow(client: &Client, readers: &mut [Reader]) -> Failure {
    loop {
        let mut more = false;
        for reader in readers.iter_mut() {
            match reader.more(client).await {
                Ok(got) => more |= got,
                Err(failure) => return failure,
            }
        }
        if !more {
            tokio::time::sleep(LOOK).await;
        }
    }
}
