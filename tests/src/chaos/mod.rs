//! Chaos with real services: while acknowledged writes go on, processes are killed, stopped and ended at random, agents
//! are cut off and their disks are full, and after each time everything is checked.
//!
//! [`decide`] says what goes wrong (pure, from a seed), [`act`] does it, [`homes`] are what agents can be cut off in, [`record`] keeps what was acknowledged, and
//! [`check`] holds it against what is there: through [`view`], what Cairn says, and [`sight`], what really runs.

pub mod act;
pub mod check;
pub mod decide;
pub mod homes;
pub mod record;
pub mod sight;
pub mod subject;
pub mod table;
pub mod view;

use std::path::Path;
use std::time::{Duration, Instant};

use check::{Patient, Watch};
use decide::{Dealer, Topology};
use homes::{HUB, Homes};
use record::Recorder;
use subject::{Cassandra, Elasticsearch, Kafka, Subject};
use table::Outcome;
use view::{Places, View, places};

use crate::{Cairn, checkout};

/// How many agents there are, each a process of its own.
pub const AGENTS: usize = 3;

/// The clock of these tests: real services take real time.
#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
fn now() -> Instant {
    Instant::now()
}

/// A run.
#[derive(Debug)]
pub struct Run<'a> {
    /// What is decided comes from this.
    pub seed: u64,
    /// The stack, in `tests/chaos/`.
    pub stack: &'a str,
    /// No round begins after that time.
    pub lasts: Duration,
    /// Whether each agent has a network and a disk of its own: only for a program that is secluded.
    pub homes: bool,
    /// Words of which the name of a fault must have one; without any, all come.
    pub only: &'a [&'a str],
}

/// What a run has shown.
#[derive(Debug)]
pub struct Report {
    /// Each round.
    pub outcomes: Vec<Outcome>,
    /// Acknowledged and read at the end, by service, with the number of writes that were not acknowledged.
    pub written: Vec<(String, u64, u64)>,
    /// What did not hold, if anything: the run ended with it.
    pub broken: Option<String>,
}

/// How long an agent may be away before its tasks count as unreachable: some faults last longer, some do not.
const AGENT_TIMEOUT: &str = "10s";
/// Where agents are machines of their own, master and agents ask who comes, and speak TLS.
const SECRETS: [&str; 3] = ["of-the-controller", "of-agents", "of-operators"];

/// A cluster without services.
struct Ground {
    cairn: Cairn,
    homes: Option<Homes>,
}

struct World {
    ground: Ground,
    topology: Topology,
    places: Places,
    patients: Vec<Patient>,
    watch: Watch,
}

/// Brings the stack up and hurts it.
///
/// # Panics
/// When the stack does not come up, or no fault may come.
#[expect(clippy::panic, reason = "a test's failure is a panic")]
pub fn run(run: &Run<'_>) -> Report {
    let mut world = World::up(run);
    let dealer = Dealer::new(run.seed, world.topology.clone(), run.only);
    let mut dealer = dealer.unwrap_or_else(|reason| panic!("{reason}"));
    let mut outcomes = Vec::new();
    let begun = now();
    let mut broken = None;
    while broken.is_none() && now() - begun < run.lasts {
        let faults = dealer.round();
        let told = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ");
        println!("{:>5} s  {told}", (now() - begun).as_secs());
        let recovery = world.round(&faults);
        if let Ok(time) = &recovery {
            println!("         recovered after {:.1} s", time.as_secs_f64());
        }
        broken = recovery.as_ref().err().map(|reason| format!("{told}: {reason}"));
        outcomes.push(Outcome { faults, recovery: recovery.ok() });
    }
    let written = world.written(&mut broken);
    if broken.is_some() {
        println!("{}", world.ground.cairn.logs());
    }
    Report { outcomes, written, broken }
}

impl Ground {
    #[expect(clippy::panic, reason = "a test's failure is a panic")]
    fn new(homes: bool) -> Self {
        let cairn = Cairn::new(0).tell("cluster", &["--agent-timeout", AGENT_TIMEOUT]);
        let homes = homes.then(|| Homes::make(&cairn.folder(), AGENTS));
        let homes = homes.map(|made| made.unwrap_or_else(|reason| panic!("{reason}")));
        let cairn = match &homes {
            Some(homes) => cairn.at(HUB, homes.all()).closed(SECRETS).secure(),
            None => cairn.and_apart(AGENTS),
        };
        Self { cairn: cairn.up(), homes }
    }
}

impl Drop for Ground {
    /// Homes go when nobody lives there, and before the folder with their disks.
    fn drop(&mut self) {
        self.cairn.stop_all();
        self.homes = None;
    }
}

impl World {
    #[expect(clippy::panic, reason = "a test's failure is a panic")]
    fn up(run: &Run<'_>) -> Self {
        let ground = Ground::new(run.homes);
        let cairn = &ground.cairn;
        let file = checkout().join("tests/chaos").join(run.stack).display().to_string();
        let out = cairn.run(&["apply", "-f", &file, "--timeout", "8m"]);
        assert_eq!(out.code, 0, "{}\n{}\n{}", out.stdout, out.stderr, cairn.logs());
        let topology =
            View::of(cairn).unwrap_or_else(|reason| panic!("{reason}")).topology(AGENTS, run.homes);
        let places = places(cairn, &topology).unwrap_or_else(|reason| panic!("{reason}"));
        let patients = topology.services.iter().filter_map(|service| subject(cairn, &service.name));
        let patients = patients.map(patient).collect();
        let watch = Watch::start(cairn.folder());
        Self { ground, topology, places, patients, watch }
    }

    /// Hurts once; gives how long it took until all was well, or what is not.
    fn round(&mut self, faults: &[decide::Fault]) -> Result<Duration, String> {
        let Ground { cairn, homes } = &mut self.ground;
        let view = View::of(cairn)?;
        let wounds = act::act(cairn, homes.as_ref(), &view, faults)?;
        let recovery = check::recovery(cairn, &mut self.patients, &wounds, AGENTS)?;
        for patient in &mut self.patients {
            let service = patient.subject.service();
            check::nothing_lost(patient).map_err(|reason| format!("{service}: {reason}"))?;
        }
        let twice = self.watch.twice();
        if !twice.is_empty() {
            return Err(format!("ran twice: {twice:?}"));
        }
        self.kept()?;
        Ok(recovery)
    }

    /// Ids, addresses, ports and volumes are those of the beginning.
    fn kept(&self) -> Result<(), String> {
        let now = places(&self.ground.cairn, &self.topology)?;
        let moved = self.places.iter().find(|(instance, place)| now.get(*instance) != Some(place));
        if let Some((instance, place)) = moved {
            return Err(format!("{instance} was {place} and is {:?}", now.get(instance)));
        }
        if now.len() != self.places.len() {
            return Err(format!("there were {} instances and are {}", self.places.len(), now.len()));
        }
        Ok(())
    }

    /// Ends the writing and reads everything once more.
    fn written(&mut self, broken: &mut Option<String>) -> Vec<(String, u64, u64)> {
        let mut written = Vec::new();
        for patient in &mut self.patients {
            patient.recorder.stop();
            let service = patient.subject.service();
            match check::nothing_lost(patient) {
                Ok(count) => written.push((service.to_owned(), count, patient.recorder.ledger().unanswered)),
                Err(reason) => {
                    *broken = broken.take().or_else(|| Some(format!("{service}, at the end: {reason}")))
                }
            }
        }
        written
    }
}

#[expect(clippy::panic, reason = "a test's failure is a panic")]
fn patient(mut subject: Box<dyn Subject>) -> Patient {
    subject.prepare().unwrap_or_else(|reason| panic!("{}: {reason}", subject.service()));
    let recorder = Recorder::start(subject.writer());
    Patient { subject, recorder }
}

/// Who writes to a service; none for those that only serve others.
fn subject(cairn: &Cairn, service: &str) -> Option<Box<dyn Subject>> {
    let output = |name: &str| {
        let told =
            cairn.run(&["endpoints", &format!("{}/{service}", view::STACK), "-o", "json"]).expect(0).json();
        told[name].as_str().map(str::to_owned).unwrap_or_default()
    };
    match service {
        "kafka" => Some(Box::new(Kafka { bootstrap: output("bootstrap") })),
        "cassandra" => Some(Box::new(Cassandra::new(output("cql"), cairn.http()))),
        "elasticsearch" => Some(Box::new(Elasticsearch::new(&output("http")))),
        _ => None,
    }
}

impl Report {
    /// What is said at the end.
    pub fn text(&self, run: &Run<'_>) -> String {
        use std::fmt::Write as _;
        let mut text = format!("Seed {}, {} rounds.\n\n", run.seed, self.outcomes.len());
        if !run.homes {
            text += "No agent was cut off and no disk was full: agents had no homes of their own.\n\n";
        }
        text += &table::table(&self.outcomes);
        text.push('\n');
        for (service, count, unanswered) in &self.written {
            let _ = writeln!(
                text,
                "- {service}: {count} acknowledged, all of them read at the end; {unanswered} writes were not acknowledged"
            );
        }
        if let Some(broken) = &self.broken {
            let _ = writeln!(text, "\nBROKEN: {broken}");
        }
        text
    }

    /// Writes it to a file.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn write(&self, run: &Run<'_>, file: &Path) -> std::io::Result<()> {
        std::fs::write(file, self.text(run))
    }
}
