//! What may go wrong, and whether it does.

use std::collections::BTreeSet;

use crate::rng::Rng;

/// A kind of misfortune.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A scheduler ends between two effects, or before or after a write to its store.
    SchedulerCrash,
    /// A scheduler's store refuses a write: its process ends, and the next ones do until there is room.
    StoreFull,
    /// A scheduler's store takes long.
    StoreSlow,
    /// The master ends between two effects.
    MasterCrash,
    /// An agent ends between two effects, or when it has just started a process; its executors go on.
    AgentCrash,
    /// A machine loses power: agent, executors and services; what was not forced to its disk may be gone too.
    PowerLoss,
    /// A scheduler and the master cannot reach each other, and learn of it at different times.
    SchedulerCut,
    /// An agent and the master cannot reach each other.
    AgentCut,
    /// A call does not reach the master.
    CallLost,
    /// A call reaches the master, its answer gets lost.
    AnswerLost,
    /// A call reaches the master twice.
    CallTwice,
    /// A message takes seconds; those behind it on its way wait, others overtake it.
    Delay,
    /// A service crashes.
    ServiceCrash,
    /// A service comes up and never becomes ready.
    NeverReady,
    /// A probe says that a service fails, and it does not.
    LyingProbe,
    /// A port turns out to be somebody else's.
    PortTaken,
    /// A gate says no for no reason, or that it cannot tell.
    GateClosed,
    /// A gate does not answer.
    GateSilent,
    /// A scheduler's clock jumps, forwards or backwards.
    ClockJump,
    /// An agent cannot write, and does nothing until there is room.
    AgentDiskFull,
    /// A write of an agent takes long, and it does nothing else meanwhile.
    AgentDiskSlow,
    /// The master's registry refuses a write: its process ends, and the next ones do until there is room.
    RegistryFull,
    /// The master's registry takes long.
    RegistrySlow,
    /// The clock of a machine jumps, or that of the master is another when it starts again.
    MachineClock,
    /// A container cannot be started.
    StartFails,
    /// A container's files are fetched for very long.
    StartSlow,
    /// A framework shuts down an executor that is just being started.
    ExecutorShutDown,
    /// A call outlives the connection that it belongs to, and reaches the master when another may stand.
    CallLate,
    /// A scheduler is stopped and goes on later; another candidate, if there is one, leads by then.
    SchedulerPaused,
    /// The connection to a scheduler's store breaks over a write, which may have been carried out: its process ends.
    StoreUnsure,
    /// An operator has an agent drained, and takes it into use again later.
    AgentDrained,
    /// An operator marks an agent gone, which may be out of reach, or as well as any other.
    AgentGone,
    /// A scheduler is upgraded, then started as the older program again, which its state is too new for, and upgraded again.
    ProgramOlder,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 33] = [
        Self::SchedulerCrash,
        Self::StoreFull,
        Self::StoreSlow,
        Self::MasterCrash,
        Self::AgentCrash,
        Self::PowerLoss,
        Self::SchedulerCut,
        Self::AgentCut,
        Self::CallLost,
        Self::AnswerLost,
        Self::CallTwice,
        Self::Delay,
        Self::ServiceCrash,
        Self::NeverReady,
        Self::LyingProbe,
        Self::PortTaken,
        Self::GateClosed,
        Self::GateSilent,
        Self::ClockJump,
        Self::AgentDiskFull,
        Self::AgentDiskSlow,
        Self::RegistryFull,
        Self::RegistrySlow,
        Self::MachineClock,
        Self::StartFails,
        Self::StartSlow,
        Self::ExecutorShutDown,
        Self::CallLate,
        Self::SchedulerPaused,
        Self::StoreUnsure,
        Self::AgentDrained,
        Self::AgentGone,
        Self::ProgramOlder,
    ];
}

/// What a run is made from: the same plan gives the same run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where all randomness comes from.
    pub seed: u64,
    /// Kinds of faults that are left out.
    pub without: BTreeSet<Fault>,
    /// Faults after so many do not happen.
    pub most_faults: u64,
    /// Operators ask for no more than this.
    pub most_requests: u64,
    /// Virtual time during which things go wrong, milliseconds.
    pub span_ms: u64,
}

impl Plan {
    /// The plan that a seed stands for.
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 1);
        Self {
            seed,
            without: BTreeSet::new(),
            most_faults: u64::MAX,
            most_requests: rng.between(1, 12),
            span_ms: rng.between(20, 120) * 1_000,
        }
    }
}

/// Decides whether a fault happens.
#[derive(Debug)]
pub(crate) struct Luck {
    streams: Vec<Rng>,
    /// By kind: how often, times the usual; 0 in some runs, so that one fault does not always hide another.
    rates: Vec<u64>,
    left: u64,
    happened: u64,
    calm: bool,
}

impl Luck {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut rng = Rng::new(plan.seed, 2);
        let rates = Fault::ALL.map(|fault| {
            let rate = [0, 1, 1, 3, 8][rng.index(5).unwrap_or_default()];
            if plan.without.contains(&fault) { 0 } else { rate }
        });
        let streams = (0..).take(Fault::ALL.len()).map(|n| Rng::new(plan.seed, 100 + n)).collect();
        Self { streams, rates: rates.to_vec(), left: plan.most_faults, happened: 0, calm: false }
    }

    /// Whether it happens now: in so many of 100,000 cases, at the usual rate.
    pub(crate) fn strikes(&mut self, fault: Fault, of_100_000: u64) -> bool {
        let kind = fault as usize;
        // Drawn in any case, so that what follows does not depend on it.
        let drawn = self.streams[kind].chance(of_100_000 * self.rates[kind].max(1));
        if !drawn || self.rates[kind] == 0 || self.calm || self.left == 0 {
            return false;
        }
        self.left -= 1;
        self.happened += 1;
        true
    }

    /// How long a fault lasts, or which of several it hits.
    pub(crate) fn draw(&mut self, fault: Fault) -> &mut Rng {
        &mut self.streams[fault as usize]
    }

    /// Nothing goes wrong any more.
    pub(crate) fn calm_down(&mut self) {
        self.calm = true;
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm
    }

    pub(crate) fn happened(&self) -> u64 {
        self.happened
    }
}
