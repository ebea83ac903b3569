//! Which nested containers there are, and what may happen to them: decided without doing anything.

use std::collections::BTreeMap;

use super::denied::Denied;
use super::path::Path;
use super::request::Class;

/// So many may run at a time on one agent.
const MOST_LIVE: usize = 1024;
/// So many that have ended are remembered of one host, the latest; each is a few hundred bytes.
const MOST_ENDED: usize = 1000;

/// How far a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is being started.
    Starting,
    /// It runs.
    Running,
    /// It has ended, with the wait status of its first process where that is known.
    Ended(Option<i32>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    class: Class,
    /// The task's or executor's container that it is in.
    host: String,
    stage: Stage,
    /// It is to end as soon as it can.
    doomed: bool,
    /// Nobody will ask for it any more: its host is gone.
    forgotten: bool,
    /// Counts up, over all of them.
    number: u64,
}

impl Entry {
    fn is_live(&self) -> bool {
        !matches!(self.stage, Stage::Ended(_))
    }
}

/// All nested containers of an agent.
#[derive(Debug, Default)]
pub(crate) struct Book {
    entries: BTreeMap<Path, Entry>,
    last: u64,
}

/// Whether a launch has to be carried out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// It has to.
    New,
    /// There is such a container already.
    Already,
}

/// What follows from the end of hosts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Gone {
    /// These run and are to end.
    pub(crate) ending: Vec<Path>,
    /// These had ended, and are forgotten.
    pub(crate) forgotten: Vec<Path>,
}

impl Book {
    /// Keeps the place of a container that is about to be started.
    ///
    /// # Errors
    /// Its parent ends or has ended, or there are too many.
    pub(crate) fn reserve(&mut self, path: &Path, class: Class) -> Result<Reserved, Denied> {
        if self.entries.get(path).is_some_and(Entry::is_live) {
            return Ok(Reserved::Already);
        }
        let Some(parent) = path.parent() else { return Err(Denied::not_found(path)) };
        let host = match self.entries.get(&parent) {
            Some(above) if !above.is_live() => return Err(no_parent(&parent)),
            Some(above) if above.doomed => {
                return Err(Denied::Bad(format!("Parent container {parent} is in 'DESTROYING' state")));
            }
            Some(above) => above.host.clone(),
            None => parent.name().to_owned(),
        };
        if self.entries.values().filter(|entry| entry.is_live()).count() >= MOST_LIVE {
            let why =
                format!("{MOST_LIVE} nested containers run on this agent, and more may not; end some first");
            return Err(Denied::Bad(why));
        }
        self.insert(path.clone(), class, host, Stage::Starting);
        Ok(Reserved::New)
    }

    /// Takes up a container from an earlier agent process.
    pub(crate) fn recover(&mut self, path: Path, class: Class, host: String, stage: Stage) {
        self.insert(path, class, host, stage);
    }

    fn insert(&mut self, path: Path, class: Class, host: String, stage: Stage) {
        self.last += 1;
        let entry = Entry { class, host, stage, doomed: false, forgotten: false, number: self.last };
        self.entries.insert(path, entry);
    }

    /// It could not be started.
    pub(crate) fn failed(&mut self, path: &Path) {
        self.entries.remove(path);
    }

    /// It runs. Whether it may: somebody may have wanted its end meanwhile.
    pub(crate) fn started(&mut self, path: &Path) -> bool {
        let Some(entry) = self.entries.get_mut(path) else { return false };
        entry.stage = Stage::Running;
        !entry.doomed
    }

    /// It has ended. Gives the containers in it, which are to end, too, and those that are forgotten.
    pub(crate) fn ended(&mut self, path: &Path, status: Option<i32>) -> Gone {
        let mut gone = Gone::default();
        let Some(entry) = self.entries.get_mut(path) else { return gone };
        entry.stage = Stage::Ended(status);
        let host = entry.host.clone();
        if entry.forgotten {
            self.entries.remove(path);
            gone.forgotten.push(path.clone());
        }
        gone.ending = self.doom(path);
        gone.forgotten.extend(self.forget_oldest(&host));
        gone
    }

    fn forget_oldest(&mut self, host: &str) -> Option<Path> {
        let ended = self.entries.iter().filter(|(_, entry)| entry.host == host && !entry.is_live());
        let (count, oldest) = (ended.clone().count(), ended.min_by_key(|(_, entry)| entry.number));
        let oldest = oldest.filter(|_| count > MOST_ENDED).map(|(path, _)| path.clone())?;
        self.entries.remove(&oldest);
        Some(oldest)
    }

    /// A container is to end, with all in it: gives those that run.
    pub(crate) fn doom(&mut self, path: &Path) -> Vec<Path> {
        let within = |(at, entry): &(&Path, &mut Entry)| at.is_within(path) && entry.is_live();
        let mut doomed = Vec::new();
        for (at, entry) in self.entries.iter_mut().filter(within) {
            entry.doomed = true;
            doomed.push(at.clone());
        }
        doomed
    }

    /// Only hosts that are alive may have containers in them.
    pub(crate) fn keep(&mut self, is_alive: impl Fn(&str) -> bool) -> Gone {
        let mut gone = Gone::default();
        for (path, entry) in &mut self.entries {
            if entry.forgotten || is_alive(&entry.host) {
                continue;
            }
            (entry.forgotten, entry.doomed) = (true, true);
            let list = if entry.is_live() { &mut gone.ending } else { &mut gone.forgotten };
            list.push(path.clone());
        }
        self.entries.retain(|_, entry| entry.is_live() || !entry.forgotten);
        gone
    }

    /// One that has ended is asked for no more. Whether there was such a one.
    ///
    /// # Errors
    /// It has not ended.
    pub(crate) fn remove(&mut self, path: &Path) -> Result<bool, Denied> {
        if self.entries.get(path).is_some_and(Entry::is_live) {
            return Err(Denied::Failed("Nested container has not terminated yet".to_owned()));
        }
        Ok(self.entries.remove(path).is_some())
    }

    /// How far a container is; `None` if there is none.
    pub(crate) fn stage(&self, path: &Path) -> Option<Stage> {
        self.entries.get(path).map(|entry| entry.stage)
    }

    /// The conversations that run.
    pub(crate) fn sessions(&self) -> Vec<Path> {
        let session = |entry: &Entry| entry.class == Class::Session && entry.is_live();
        self.entries.iter().filter(|(_, entry)| session(entry)).map(|(path, _)| path.clone()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

pub(crate) fn no_parent(parent: &Path) -> Denied {
    Denied::Bad(format!("Parent container {parent} does not exist"))
}

#[cfg(test)]
mod tests {
    use super::super::path::tests::path;
    use super::*;

    fn book(running: &[&str]) -> Book {
        let mut book = Book::default();
        for name in running {
            assert_eq!(book.reserve(&path(name), Class::Own), Ok(Reserved::New));
            assert!(book.started(&path(name)));
        }
        book
    }

    #[test]
    fn a_container_is_started_once_and_again_when_it_has_ended() {
        let mut book = book(&["h.a"]);
        assert_eq!(book.reserve(&path("h.a"), Class::Own), Ok(Reserved::Already));
        book.ended(&path("h.a"), Some(256));
        assert_eq!(book.stage(&path("h.a")), Some(Stage::Ended(Some(256))));
        assert_eq!(book.reserve(&path("h.a"), Class::Own), Ok(Reserved::New));
        book.failed(&path("h.a"));
        assert_eq!(book.stage(&path("h.a")), None);
    }

    #[test]
    fn what_is_in_a_container_ends_with_it() {
        let mut book = book(&["h.a", "h.a.b", "h.a.b.c", "h.x"]);
        assert_eq!(book.ended(&path("h.a"), None).ending, [path("h.a.b"), path("h.a.b.c")]);
        let refused = |book: &mut Book, name: &str| match book.reserve(&path(name), Class::Own) {
            Err(Denied::Bad(why)) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&mut book, "h.a.d"), "Parent container h.a does not exist");
        assert_eq!(refused(&mut book, "h.a.b.d"), "Parent container h.a.b is in 'DESTROYING' state");
        assert_eq!(book.reserve(&path("h.x.d"), Class::Own), Ok(Reserved::New));
    }

    #[test]
    fn with_a_host_goes_all_that_was_in_it() {
        let mut book = book(&["h.a", "h.b", "i.a"]);
        book.ended(&path("h.b"), Some(0));
        let gone = book.keep(|host| host == "i");
        assert_eq!(gone, Gone { ending: vec![path("h.a")], forgotten: vec![path("h.b")] });
        assert_eq!(book.keep(|host| host == "i"), Gone::default(), "it is told once");
        assert_eq!(book.ended(&path("h.a"), Some(9)).forgotten, [path("h.a")]);
        assert_eq!((book.stage(&path("h.a")), book.stage(&path("i.a"))), (None, Some(Stage::Running)));
    }

    #[test]
    fn what_is_to_end_while_it_starts_does_not_run() {
        let mut book = Book::default();
        book.reserve(&path("h.a"), Class::Session).unwrap();
        assert_eq!(book.sessions(), [path("h.a")]);
        assert_eq!(book.doom(&path("h.a")), [path("h.a")]);
        assert!(!book.started(&path("h.a")));
    }

    #[test]
    fn only_what_has_ended_is_removed() {
        let mut book = book(&["h.a"]);
        assert!(matches!(book.remove(&path("h.a")), Err(Denied::Failed(_))));
        book.ended(&path("h.a"), None);
        assert_eq!((book.remove(&path("h.a")), book.remove(&path("h.a"))), (Ok(true), Ok(false)));
        assert!(book.is_empty());
    }

    #[test]
    fn neither_those_that_run_nor_those_that_ended_are_unbounded() {
        let mut book = Book::default();
        for number in 0..=MOST_ENDED {
            let path = path(&format!("h.{number}"));
            book.reserve(&path, Class::Session).unwrap();
            let gone = book.ended(&path, Some(0));
            assert_eq!(gone.forgotten.len(), usize::from(number == MOST_ENDED));
        }
        assert_eq!((book.stage(&path("h.0")), book.stage(&path("h.1"))), (None, Some(Stage::Ended(Some(0)))));
        for number in 0..MOST_LIVE {
            book.reserve(&path(&format!("i.{number}")), Class::Own).unwrap();
        }
        assert!(matches!(book.reserve(&path("j.a"), Class::Own), Err(Denied::Bad(_))));
    }
}
