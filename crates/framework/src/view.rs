//! What a service looks at when it decides: its instances, those of the target, and what its watchers have seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::{InstanceStatus, Master, Phase, Placement, Wait};

/// All that a service may look at when it decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Name of this framework on the cluster, for example `demo-kafka`; unique there.
    pub framework: String,
    /// Mesos framework id, once registered.
    pub framework_id: Option<String>,
    /// The master.
    pub master: Master,
    /// Instances by name, also those that are on their way out.
    pub instances: BTreeMap<String, InstanceStatus>,
    /// Names of the instances in the target, in its order.
    pub target: Vec<String>,
    /// Facts that the service's own watchers brought ([`crate::Handle::observe`]).
    pub observed: BTreeMap<String, Arc<Value>>,
    /// Facts that outlive this program ([`crate::Handle::remember`]), for as long as an instance holds a place.
    pub facts: BTreeMap<String, Value>,
}

impl View {
    /// Where an instance is or will be.
    pub fn placement(&self, instance: &str) -> Option<&Placement> {
        self.instances.get(instance)?.placement.as_ref()
    }

    /// `address:port` of an instance's port, once it has a place with one of this name.
    pub fn endpoint(&self, instance: &str, port: &str) -> Option<String> {
        self.placement(instance)?.endpoint(port)
    }

    /// Everybody else of the target who has served.
    pub fn others_deployed<'a>(&'a self, me: &'a str) -> Vec<&'a String> {
        self.others(me).filter(|name| self.deployed(name)).collect()
    }

    /// The place of an instance, for a task that needs it.
    ///
    /// # Errors
    /// It has none yet.
    pub fn place(&self, instance: &str) -> Result<&Placement, Wait> {
        self.placement(instance).ok_or_else(|| Wait::Peers("a place of its own".into()))
    }

    /// The other instances of the target, in its order.
    pub fn others<'a>(&'a self, me: &'a str) -> impl Iterator<Item = &'a String> {
        self.target.iter().filter(move |name| *name != me)
    }

    /// The first of the others that waits for a restart: for whoever has to be the last.
    pub fn restarts_before<'a>(&'a self, me: &'a str) -> Option<&'a String> {
        self.others(me).find(|name| self.restarts(name))
    }

    /// None of the others that have not served yet runs, or comes before it in the target: for services that take in one
    /// member at a time. The first `together` of the target may join at the same time.
    ///
    /// # Errors
    /// One does.
    pub fn joins_in_turn(&self, me: &str, together: usize) -> Result<(), String> {
        let place = |name: &str| self.target.iter().position(|n| n == name);
        let fellow = |name: &str| place(name).is_some_and(|at| at < together);
        let ahead = |name: &&String| {
            !self.deployed(name)
                && (self.runs(name) || place(name) < place(me))
                && !(fellow(me) && fellow(name))
        };
        self.others(me).find(ahead).map_or(Ok(()), |first| Err(format!("{first} joins first")))
    }

    /// Of those that run and are to go this one is the next: who comes last by `order`.
    ///
    /// # Errors
    /// Another one is.
    pub fn leaves_next<K: Ord>(&self, me: &str, order: impl Fn(&str) -> K) -> Result<(), String> {
        let leaving = self.instances.keys().filter(|name| self.leaves(name));
        let first = leaving.max_by_key(|name| order(name)).filter(|first| *first != me);
        first.map_or(Ok(()), |first| Err(format!("{first} leaves first")))
    }

    /// An instance has a task.
    pub fn runs(&self, instance: &str) -> bool {
        self.instances.get(instance).is_some_and(|i| i.task_id.is_some())
    }

    /// An instance serves.
    pub fn serves(&self, instance: &str) -> bool {
        self.instances.get(instance).is_some_and(InstanceStatus::is_ready)
    }

    /// An instance has served.
    pub fn deployed(&self, instance: &str) -> bool {
        self.instances.get(instance).is_some_and(|i| i.deployed)
    }

    /// A restart of an instance is due.
    pub fn restarts(&self, instance: &str) -> bool {
        self.instances.get(instance).is_some_and(|i| i.needs_restart)
    }

    /// An operator has stopped an instance.
    pub fn stopped(&self, instance: &str) -> bool {
        self.instances.get(instance).is_some_and(|i| i.phase == Phase::Stopped)
    }

    /// An instance belongs to the target.
    pub fn stays(&self, instance: &str) -> bool {
        self.target.iter().any(|name| name == instance)
    }

    /// An instance still runs and is to go.
    pub fn leaves(&self, instance: &str) -> bool {
        !self.stays(instance) && self.runs(instance)
    }

    /// `address:port` of the target's instances that serve, or of those that are to go, if no other does.
    pub fn serving(&self, port: &str) -> Vec<String> {
        let (stay, leave): (BTreeMap<_, _>, BTreeMap<_, _>) =
            self.servers(port).into_iter().partition(|(name, _)| self.stays(name));
        if stay.is_empty() { leave } else { stay }.into_values().collect()
    }

    /// `address:port` of all instances that serve, by name.
    pub fn servers(&self, port: &str) -> BTreeMap<String, String> {
        let ready = self.instances.iter().filter(|(_, instance)| instance.is_ready());
        ready.filter_map(|(name, i)| Some((name.clone(), i.placement.as_ref()?.endpoint(port)?))).collect()
    }

    /// `address:port` of each of these instances, for a task that needs them; `who` they are, for people.
    ///
    /// # Errors
    /// Some have no place yet.
    pub fn all_of<'a>(
        &self,
        who: &str,
        names: impl IntoIterator<Item = &'a String>,
        port: &str,
    ) -> Result<BTreeMap<String, String>, Wait> {
        let (mut there, mut missing) = (BTreeMap::new(), Vec::new());
        for name in names {
            match self.endpoint(name, port) {
                Some(endpoint) => drop(there.insert(name.clone(), endpoint)),
                None => missing.push(name.as_str()),
            }
        }
        let waits = || Wait::Peers(format!("{who} need places first: {}", missing.join(", ")));
        if missing.is_empty() { Ok(there) } else { Err(waits()) }
    }

    /// `address:port` of every target instance that has a place, in the target's order.
    pub fn endpoints(&self, port: &str) -> Vec<String> {
        self.target.iter().filter_map(|i| self.placement(i)?.endpoint(port)).collect()
    }

    /// `name:port` of every target instance that has a place, with its Mesos-DNS name, in the target's order.
    pub fn names(&self, port: &str) -> Vec<String> {
        let name = |i: &String| Some(format!("{}:{}", self.dns(i), self.placement(i)?.ports.get(port)?));
        self.target.iter().filter_map(name).collect()
    }

    /// Mesos-DNS name of an instance: `broker-0.demo-kafka.mesos`.
    pub fn dns(&self, instance: &str) -> String {
        format!("{instance}.{}.mesos", self.framework)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Instances that stay and instances that leave; capital letters serve.
    fn view(stay: &str, leave: &str) -> View {
        let mut view = View::default();
        for (name, port) in stay.chars().chain(leave.chars()).zip(1..) {
            let ports = [("client".to_owned(), port)].into();
            let phase = if name.is_uppercase() { Phase::Ready } else { Phase::Starting };
            let placement = Some(Placement { address: "h".into(), ports, ..Placement::default() });
            view.instances
                .insert(name.into(), InstanceStatus { phase, placement, ..InstanceStatus::default() });
        }
        view.target = stay.chars().map(String::from).collect();
        view
    }

    #[test]
    fn who_stays_is_asked_before_who_leaves() {
        assert_eq!(view("aBC", "D").serving("client"), ["h:2", "h:3"]);
        assert_eq!(view("ab", "D").serving("client"), ["h:3"]);
        assert_eq!(view("aB", "c").serving("other"), Vec::<String>::new());
        assert_eq!(view("aB", "D").servers("client").into_keys().collect::<String>(), "BD");
    }

    #[test]
    fn who_lacks_a_place_is_named() {
        let view = view("ab", "");
        let all = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            view.all_of("the first", &names, "client")
        };
        assert_eq!(all(&["a", "b"]).map(|all| all["b"].clone()), Ok("h:2".to_owned()));
        let missing = Wait::Peers("the first need places first: c, d".into());
        assert_eq!(all(&["a", "c", "d"]), Err(missing));
    }

    #[test]
    fn one_joins_and_one_leaves_at_a_time() {
        let instance = |(name, deployed): (&str, bool)| {
            let task_id = Some("t".to_owned());
            let status = InstanceStatus { name: name.into(), task_id, deployed, ..InstanceStatus::default() };
            (name.to_owned(), status)
        };
        let all = [("a", true), ("b", false), ("x-2", true), ("x-10", true)];
        let target = ["a", "b", "c"].map(str::to_owned).to_vec();
        let mut view = View { target, instances: all.map(instance).into(), ..View::default() };
        assert_eq!(view.joins_in_turn("b", 1), Ok(()));
        assert_eq!(view.joins_in_turn("c", 2), Err("b joins first".into()));
        assert_eq!(view.joins_in_turn("c", 3), Ok(()), "they found it together");
        view.instances.get_mut("b").expect("it is there").task_id = None;
        assert_eq!(view.joins_in_turn("c", 2), Err("b joins first".into()), "it comes before");
        let number = |name: &str| name.trim_start_matches("x-").parse::<u32>().ok();
        assert_eq!(view.leaves_next("x-10", number), Ok(()));
        assert_eq!(view.leaves_next("x-2", number), Err("x-10 leaves first".into()));
    }
}
