//! Before a scheduler without an id registers as a new framework: whether one of its name is there, with tasks that still
//! run. Then its state is lost, and what it would launch would be a second cluster beside the first.

use std::collections::BTreeSet;

use super::{Core, Link, Millis};
use crate::driver::{Cluster, Registered};
use crate::rest::Problem;

/// So long agents are waited for that the master has on record and has not heard of since it leads, milliseconds: those
/// of Apache Mesos try again at least every minute (src/slave/constants.hpp, `REGISTER_RETRY_INTERVAL_MAX`). What runs on
/// them is not known before they come.
const AGENTS_COME_WITHIN: Millis = 60_000;
/// So many tasks are named; the others are counted.
const NAMED: usize = 5;

/// Whether this scheduler may register as a new framework.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Admission {
    /// The master is to be asked.
    Asking {
        /// It has answered since then, and agents are waited for.
        since: Option<Millis>,
    },
    /// Nothing is in the way.
    Free,
    /// Others of its name are.
    Held {
        /// Those that have live tasks.
        formers: Vec<Registered>,
        /// Ids of those that an operator gives up.
        given_up: BTreeSet<String>,
    },
}

impl Default for Admission {
    fn default() -> Self {
        Self::Asking { since: None }
    }
}

impl Admission {
    /// What follows from a look at the master: `formers` have live tasks, and so many agents are `awaited`.
    fn after(self, formers: Vec<Registered>, awaited: usize, now: Millis) -> Self {
        if !formers.is_empty() {
            let still = |id: &String| formers.iter().any(|former| former.id == *id);
            let given_up = match self {
                Self::Held { given_up, .. } => given_up.into_iter().filter(still).collect(),
                Self::Asking { .. } | Self::Free => BTreeSet::new(),
            };
            return Self::Held { formers, given_up };
        }
        let since = match self {
            Self::Free => return Self::Free,
            Self::Asking { since: Some(since) } => since,
            Self::Asking { since: None } | Self::Held { .. } => now,
        };
        if awaited > 0 && now.saturating_sub(since) < AGENTS_COME_WITHIN {
            return Self::Asking { since: Some(since) };
        }
        Self::Free
    }

    /// The clock has gone back by so much.
    pub(super) fn set_back(&mut self, back: Millis) {
        if let Self::Asking { since: Some(since) } = self {
            *since = since.saturating_sub(back);
        }
    }
}

/// Who a scheduler is on the cluster.
struct Name<'a> {
    framework: &'a str,
    stack: &'a str,
    service: &'a str,
}

impl Name<'_> {
    /// A framework of this name and role, which does not say that it is another stack's, and has something that runs. One
    /// without is what a scheduler leaves that ended before it had stored its id; it launches nothing before.
    fn is_of(&self, framework: &Registered) -> bool {
        let other = |mine: &str, label: &Option<String>| {
            !mine.is_empty() && label.as_ref().is_some_and(|label| label != mine)
        };
        framework.name == self.framework
            && framework.roles.iter().any(|role| role == self.framework)
            && !other(self.stack, &framework.stack)
            && !other(self.service, &framework.service)
            && !framework.removed
            && framework.live().next().is_some()
    }
}

impl Core {
    /// It has an id, or may be given a new one.
    pub fn may_register(&self) -> bool {
        self.state.identity.id.is_some() || self.admission == Admission::Free
    }

    /// Ids of frameworks that an operator wants the master to end.
    pub fn given_up(&self) -> BTreeSet<String> {
        match &self.admission {
            Admission::Held { given_up, .. } => given_up.clone(),
            Admission::Asking { .. } | Admission::Free => BTreeSet::new(),
        }
    }

    /// The master has said what it knows.
    pub(super) fn consider(&mut self, cluster: &Cluster, now: Millis) {
        if self.state.identity.id.is_some() {
            return;
        }
        let config = self.config();
        let name = Name { framework: &self.setup.framework, stack: &config.stack, service: &config.service };
        let formers = cluster.frameworks.iter().filter(|framework| name.is_of(framework)).cloned().collect();
        self.admission = std::mem::take(&mut self.admission).after(formers, cluster.awaited, now);
    }

    /// Why it does not register, with what an operator can do.
    pub(super) fn held(&self) -> Option<String> {
        let Admission::Held { formers, given_up } = &self.admission else { return None };
        if self.link != Link::Connecting || self.state.identity.id.is_some() {
            return None;
        }
        let ids: Vec<&str> = formers.iter().map(|former| former.id.as_str()).collect();
        if ids.iter().all(|id| given_up.contains(*id)) {
            return Some(format!("the master has been asked to end {}, and has not yet", ids.join(" and ")));
        }
        let formers: Vec<String> = formers.iter().map(told).collect();
        Some(format!(
            "its state is lost, or another scheduler has its name: the master knows {} as {}, on no record here. Nothing \
             is launched beside that. To go on with it, bring the state back from a backup: cairn state import. To end it \
             and begin anew: {} --teardown; its data stays in volumes that nobody uses then",
            formers.join(" and "),
            self.setup.framework,
            self.reregister_command()
        ))
    }

    /// Gives up what holds this scheduler.
    ///
    /// # Errors
    /// When an operator has not said so.
    pub(super) fn give_up_formers(&mut self, teardown: bool) -> Result<(), Problem> {
        let command = self.reregister_command();
        let Admission::Held { formers, given_up } = &mut self.admission else { return Ok(()) };
        if !teardown {
            return Err(Problem::conflict("framework-runs", "what runs under its name is on no record here")
                .hint(format!("{command} --teardown ends it; GET /v1/health says what it is")));
        }
        *given_up = formers.iter().map(|former| former.id.clone()).collect();
        Ok(())
    }
}

/// A framework with its tasks.
fn told(framework: &Registered) -> String {
    let count = framework.live().count();
    let mut names: Vec<&str> = framework.live().take(NAMED).map(String::as_str).collect();
    if count > NAMED {
        names.push("…");
    }
    let tasks = if count == 1 { "task" } else { "tasks" };
    let scheduler = if framework.connected { ", and a scheduler that is connected" } else { "" };
    format!("{} with {count} {tasks} ({}){scheduler}", framework.id, names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn former() -> Registered {
        Registered {
            id: "F-7".into(),
            name: "demo-kafka".into(),
            roles: vec!["demo-kafka".into()],
            stack: Some("demo".into()),
            service: Some("kafka".into()),
            tasks: ["broker-0.1".to_owned()].into(),
            ..Registered::default()
        }
    }

    fn is_of(change: impl FnOnce(&mut Registered)) -> bool {
        let mut framework = former();
        change(&mut framework);
        Name { framework: "demo-kafka", stack: "demo", service: "kafka" }.is_of(&framework)
    }

    #[test]
    fn who_has_the_name_and_runs_something_is_in_the_way() {
        assert!(is_of(|_| {}));
        assert!(is_of(|f| f.connected = true));
        assert!(
            is_of(|f| f.unreachable = std::mem::take(&mut f.tasks)),
            "nobody knows whether it still runs"
        );
        assert!(is_of(|f| (f.stack, f.service) = (None, None)), "a scheduler that somebody started by hand");
        let lost = Name { framework: "demo-kafka", stack: "", service: "" };
        assert!(lost.is_of(&former()), "its configuration was refused, so it knows its name only");

        assert!(!is_of(|f| f.tasks.clear()), "its scheduler ended before it had stored its id");
        assert!(!is_of(|f| f.removed = true), "one that was completed long ago");
        assert!(!is_of(|f| f.name = "demo-other".into()));
        assert!(!is_of(|f| f.roles = vec!["*".into()]), "somebody else's, with the same name");
        assert!(!is_of(|f| f.stack = Some("demo-x".into())), "another stack's, by its labels");
    }

    #[test]
    fn agents_that_the_master_has_yet_to_hear_of_are_waited_for_but_not_for_ever() {
        let asked = Admission::default().after(Vec::new(), 1, 5_000);
        assert_eq!(asked, Admission::Asking { since: Some(5_000) });
        let mut back = asked.clone();
        back.set_back(4_000);
        assert_eq!(back, Admission::Asking { since: Some(1_000) });
        assert_eq!(asked.clone().after(Vec::new(), 1, 64_999), asked);
        assert_eq!(asked.clone().after(Vec::new(), 1, 65_000), Admission::Free);
        assert_eq!(asked.clone().after(Vec::new(), 0, 5_001), Admission::Free);
        let held = asked.after(vec![former()], 0, 6_000);
        assert!(matches!(held, Admission::Held { .. }));
        // The master has failed over meanwhile: what it does not know may run.
        assert_eq!(held.after(Vec::new(), 1, 7_000), Admission::Asking { since: Some(7_000) });
    }

    #[test]
    fn only_what_an_operator_has_seen_is_given_up() {
        let second = Registered { id: "F-8".into(), ..former() };
        let seen = Admission::Held { formers: vec![former()], given_up: ["F-7".to_owned()].into() };
        let after = seen.clone().after(vec![former(), second.clone()], 0, 1);
        assert!(matches!(&after, Admission::Held { given_up, .. } if given_up.len() == 1));
        let after = after.after(vec![second], 0, 2);
        assert!(matches!(&after, Admission::Held { given_up, .. } if given_up.is_empty()));
        assert_eq!(seen.after(Vec::new(), 0, 3), Admission::Free);
    }

    #[test]
    fn many_tasks_are_counted() {
        let tasks: BTreeSet<String> = (0..7).map(|n| format!("t{n}")).collect();
        let many = Registered { tasks, connected: true, ..former() };
        assert_eq!(
            told(&many),
            "F-7 with 7 tasks (t0, t1, t2, t3, t4, …), and a scheduler that is connected"
        );
        assert_eq!(told(&former()), "F-7 with 1 task (broker-0.1)");
    }
}
