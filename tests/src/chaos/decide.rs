//! What goes wrong next: a pure function of the seed and of what there is to hurt.

use std::fmt;
use std::time::Duration;

/// A service of the stack and its instances. Of one service, at most one instance is hurt at a time: that is what three
/// copies with two needed survive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its path in the stack.
    pub name: String,
    /// Names of its instances, in order.
    pub instances: Vec<String>,
}

/// All that can be hurt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// Services with a scheduler each.
    pub services: Vec<Service>,
    /// How many agents there are.
    pub agents: usize,
    /// Whether each agent has a network and a disk of its own.
    pub homes: bool,
}

/// What a fault hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The server process of an instance.
    Instance {
        /// Its service.
        service: String,
        /// Its name.
        instance: String,
    },
    /// The executor beside that server.
    Executor {
        /// The service of its instance.
        service: String,
        /// The name of its instance.
        instance: String,
    },
    /// The child scheduler of a service.
    Scheduler {
        /// The service.
        service: String,
    },
    /// The controller.
    Controller,
    /// The master.
    Master,
    /// A `cairn agent`, by its place; when its network or its disk is hit, all that runs there with it.
    Agent(usize),
    /// The network between two agents.
    Link(usize, usize),
}

/// The kinds of [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Instance,
    Executor,
    Scheduler,
    Controller,
    Master,
    Agent,
    Link,
}

/// How it is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Terminate,
    /// SIGSTOP, and SIGCONT when [`Fault::lasts`] is over.
    Freeze,
    /// Nothing comes through the network any more, until [`Fault::lasts`] is over.
    Cut,
    /// Not a byte more goes onto the disk, until [`Fault::lasts`] is over.
    Fill,
}

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is hit.
    pub target: Target,
    /// How.
    pub blow: Blow,
    /// For how long it stands still, or stays away if nothing of Cairn starts it again.
    pub lasts: Duration,
}

/// Deals faults. Each kind comes once, in random order, before any comes again; one round in three is a pair.
pub struct Dealer {
    dice: Dice,
    topology: Topology,
    /// All kinds that may come.
    cards: Vec<(Class, Blow)>,
    deck: Vec<(Class, Blow)>,
}

/// How often another place is looked for, for the second of a pair, before a round stays single.
const TRIES: usize = 16;
/// The longest that something stands still or stays away: beyond the session timeouts of the services, seconds.
const LONGEST: u64 = 20;

impl Dealer {
    /// The faults of a seed, of the kinds whose names hold one of the words of `only`, or of all if there are none.
    ///
    /// # Errors
    /// When no kind has such a name; says which there are.
    pub fn new(seed: u64, topology: Topology, only: &[&str]) -> Result<Self, String> {
        let all = cards(topology.homes);
        let name = |(class, blow): &(Class, Blow)| format!("{blow} {class}");
        let wanted =
            |card: &&(Class, Blow)| only.is_empty() || only.iter().any(|word| name(card).contains(word));
        let cards: Vec<_> = all.iter().filter(wanted).copied().collect();
        if cards.is_empty() {
            let names: Vec<String> = all.iter().map(name).collect();
            return Err(format!("no fault is called {}; there are: {}", only.join(" or "), names.join(", ")));
        }
        Ok(Self { dice: Dice(seed), topology, cards, deck: Vec::new() })
    }

    /// What goes wrong at the same time: one fault, or two that the replication survives together.
    pub fn round(&mut self) -> Vec<Fault> {
        let first = self.draw();
        let mut round = vec![self.fault(first)];
        if self.dice.below(3) == 0 {
            let card = self.draw();
            let second = (0..TRIES).map(|_| self.fault(card)).find(|other| survivable(&round[0], other));
            match second {
                Some(second) => round.push(second),
                None => self.deck.push(card),
            }
        }
        round
    }

    fn draw(&mut self) -> (Class, Blow) {
        if self.deck.is_empty() {
            self.deck.clone_from(&self.cards);
        }
        let at = self.dice.below(self.deck.len());
        self.deck.swap_remove(at)
    }

    fn fault(&mut self, (class, blow): (Class, Blow)) -> Fault {
        let service = self.dice.below(self.topology.services.len());
        let Service { name: service, instances } = self.topology.services[service].clone();
        let instance = instances[self.dice.below(instances.len())].clone();
        let target = match class {
            Class::Instance => Target::Instance { service, instance },
            Class::Executor => Target::Executor { service, instance },
            Class::Scheduler => Target::Scheduler { service },
            Class::Controller => Target::Controller,
            Class::Master => Target::Master,
            Class::Agent => Target::Agent(self.dice.below(self.topology.agents)),
            Class::Link => self.link(),
        };
        let shortest = u64::from(matches!(blow, Blow::Freeze | Blow::Cut | Blow::Fill));
        let lasts = shortest + self.dice.below(LONGEST as usize) as u64;
        Fault { target, blow, lasts: Duration::from_secs(lasts) }
    }

    fn link(&mut self) -> Target {
        let one = self.dice.below(self.topology.agents);
        let other = (one + 1 + self.dice.below(self.topology.agents - 1)) % self.topology.agents;
        Target::Link(one, other)
    }
}

fn cards(homes: bool) -> Vec<(Class, Blow)> {
    let classes =
        [Class::Instance, Class::Executor, Class::Scheduler, Class::Controller, Class::Master, Class::Agent];
    let blows = [Blow::Kill, Blow::Terminate, Blow::Freeze];
    let signals = classes.iter().flat_map(|class| blows.map(|blow| (*class, blow)));
    let places = [(Class::Agent, Blow::Cut), (Class::Agent, Blow::Fill), (Class::Link, Blow::Cut)];
    signals.chain(places.into_iter().filter(|_| homes)).collect()
}

/// Two different things, and not two copies of the same data.
fn survivable(one: &Fault, other: &Fault) -> bool {
    one.target != other.target && !one.copies().meet(&other.copies())
}

/// Copies of data that become fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copies<'a> {
    None,
    Of(&'a str),
    /// One of each service: each may have an instance there.
    OfAll,
}

impl Copies<'_> {
    fn meet(&self, other: &Copies<'_>) -> bool {
        match (self, other) {
            (Copies::None, _) | (_, Copies::None) => false,
            (Copies::Of(one), Copies::Of(other)) => one == other,
            (Copies::OfAll, _) | (_, Copies::OfAll) => true,
        }
    }
}

impl Target {
    fn class(&self) -> Class {
        match self {
            Self::Instance { .. } => Class::Instance,
            Self::Executor { .. } => Class::Executor,
            Self::Scheduler { .. } => Class::Scheduler,
            Self::Controller => Class::Controller,
            Self::Master => Class::Master,
            Self::Agent(_) => Class::Agent,
            Self::Link(..) => Class::Link,
        }
    }

    /// What it is, without its place: a row of the table. Instances are told by service.
    pub fn kind(&self) -> String {
        match self {
            Self::Instance { service, .. } => format!("{} of {service}", self.class()),
            _ => self.class().to_string(),
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Instance => "server",
            Self::Executor => "executor",
            Self::Scheduler => "child scheduler",
            Self::Controller => "controller",
            Self::Master => "master",
            Self::Agent => "agent",
            Self::Link => "network between two agents",
        })
    }
}

impl Fault {
    fn copies(&self) -> Copies<'_> {
        match (&self.target, self.blow) {
            (_, Blow::Cut | Blow::Fill) => Copies::OfAll,
            (Target::Instance { service, .. } | Target::Executor { service, .. }, _) => Copies::Of(service),
            _ => Copies::None,
        }
    }

    /// A row of the table.
    pub fn kind(&self) -> String {
        format!("{} {}", self.blow, self.target.kind())
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "SIGKILL",
            Self::Terminate => "SIGTERM",
            Self::Freeze => "SIGSTOP",
            Self::Cut => "cut off",
            Self::Fill => "full disk of",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, blow, lasts } = self;
        match target {
            Target::Instance { service, instance } => write!(f, "{blow} {service}/{instance}")?,
            Target::Executor { service, instance } => write!(f, "{blow} executor of {service}/{instance}")?,
            Target::Scheduler { service } => write!(f, "{blow} scheduler of {service}")?,
            Target::Agent(place) => write!(f, "{blow} agent {place}")?,
            Target::Link(one, other) => write!(f, "{blow} agents {one} and {other} from each other")?,
            Target::Controller | Target::Master => write!(f, "{blow} {}", target.kind())?,
        }
        match (blow, target) {
            (Blow::Freeze | Blow::Cut | Blow::Fill, _)
            | (_, Target::Controller | Target::Master | Target::Agent(_)) => {
                write!(f, " for {} s", lasts.as_secs())
            }
            _ => Ok(()),
        }
    }
}

/// SplitMix64: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) as usize % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn topology() -> Topology {
        let service = |name: &str, instance: &str| Service {
            name: name.into(),
            instances: (0..3).map(|n| format!("{instance}-{n}")).collect(),
        };
        Topology {
            services: vec![service("zookeeper", "server"), service("kafka", "broker")],
            agents: 3,
            homes: true,
        }
    }

    fn dealer(seed: u64, topology: Topology) -> Dealer {
        Dealer::new(seed, topology, &[]).expect("all kinds")
    }

    #[test]
    fn only_what_is_asked_for_comes() {
        let mut dealer =
            Dealer::new(1, topology(), &["full disk", "SIGTERM server"]).expect("there are such");
        let kinds: BTreeSet<String> =
            (0..60).flat_map(|_| dealer.round()).map(|fault| fault.kind()).collect();
        let expected = ["SIGTERM server of kafka", "SIGTERM server of zookeeper", "full disk of agent"];
        assert_eq!(kinds, expected.map(str::to_owned).into());
        let Err(told) = Dealer::new(1, topology(), &["earthquake"]) else {
            unreachable!("nothing is called so")
        };
        assert!(told.starts_with("no fault is called earthquake; there are: SIGKILL server, "), "{told}");
    }

    #[test]
    fn the_same_seed_deals_the_same_faults() {
        let faults = |seed| {
            let mut dealer = dealer(seed, topology());
            (0..50).map(|_| dealer.round()).collect::<Vec<_>>()
        };
        assert_eq!(faults(7), faults(7));
        assert_ne!(faults(7), faults(8));
    }

    #[test]
    fn a_pair_is_never_two_copies_of_the_same_data() {
        let mut pairs = 0;
        for seed in 0..200 {
            let mut dealer = dealer(seed, topology());
            for round in (0..50).map(|_| dealer.round()) {
                let [one, other] = round.as_slice() else { continue };
                pairs += 1;
                assert_ne!(one.target, other.target);
                assert!(!one.copies().meet(&other.copies()), "{one} + {other}");
            }
        }
        assert!((2_000..5_000).contains(&pairs), "{pairs} of 10,000");
    }

    #[test]
    fn each_kind_comes_before_any_comes_again() {
        for seed in 0..50 {
            let mut dealer = dealer(seed, topology());
            let dealt: BTreeSet<String> =
                (0..21).map(|_| dealer.draw()).map(|card| format!("{card:?}")).collect();
            assert_eq!(dealt.len(), 21, "seed {seed}");
        }
    }

    #[test]
    fn what_is_shared_is_neither_cut_nor_filled() {
        let mut shared = topology();
        shared.homes = false;
        let mut dealer = dealer(5, shared);
        let places = |fault: &Fault| matches!(fault.blow, Blow::Cut | Blow::Fill);
        assert!((0..200).all(|_| !dealer.round().iter().any(places)));
    }

    #[test]
    fn a_link_has_two_ends() {
        let mut dealer = dealer(9, topology());
        for _ in 0..100 {
            let Target::Link(one, other) = dealer.link() else { unreachable!("a link") };
            assert!(one != other && one < 3 && other < 3, "{one} {other}");
        }
    }

    #[test]
    fn one_service_alone_is_hurt_in_one_place_at_a_time() {
        let mut alone = topology();
        alone.services.truncate(1);
        let mut dealer = dealer(3, alone);
        for round in (0..500).map(|_| dealer.round()) {
            assert!(round.iter().filter(|fault| fault.copies() != Copies::None).count() <= 1, "{round:?}");
        }
    }
}
