//! The sandboxes of an agent, laid out as Mesos does: `slaves/S/frameworks/F/executors/E/runs/latest`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cairn_task::{Followed, matches};

/// A file in the sandbox of a task that follows others.
const MARK: &str = ".cairn-follows";
/// So many files are followed at most.
const MOST: usize = 10_000;
/// A file name can be no longer.
const NAME_MAX: usize = 255;

/// A framework, as the agent knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
}

/// `…/slaves/S/frameworks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root(PathBuf);

/// Says that the task in this sandbox follows others, for those who look at it.
pub(crate) fn mark(sandbox: &Path) -> io::Result<()> {
    fs::write(sandbox.join(MARK), "")
}

impl Root {
    /// The root above a sandbox, if the path has the layout of Mesos.
    pub(crate) fn of(sandbox: &Path) -> Option<Self> {
        let above = |path: &Path, name: &str| {
            let parent = path.parent()?;
            (parent.file_name()? == name).then(|| parent.to_owned())
        };
        let runs = above(sandbox, "runs")?;
        let executors = above(runs.parent()?, "executors")?;
        above(executors.parent()?, "frameworks").map(Self)
    }

    /// Ids of the frameworks that have sandboxes here, sorted.
    pub(crate) fn frameworks(&self) -> Vec<String> {
        directories(&self.0).collect()
    }

    /// The framework whose sandbox a path leads into.
    pub(crate) fn framework_of(&self, path: &Path) -> Option<String> {
        let below = path.strip_prefix(&self.0).ok()?;
        Some(below.components().next()?.as_os_str().to_str()?.to_owned())
    }

    /// The files that are to be followed, by the names of their links. `own` is left out, and so is whoever follows.
    pub(crate) fn find(
        &self,
        select: &[Followed],
        named: &BTreeMap<String, Named>,
        own: &Path,
    ) -> BTreeMap<String, PathBuf> {
        let mut found = BTreeMap::new();
        // The newest first: of two of the same name, the one that lives now counts.
        for (id, framework) in named.iter().rev() {
            for followed in select.iter().filter(|f| f.admits(&framework.name, &framework.labels)) {
                let executors = self.0.join(id).join("executors");
                for executor in directories(&executors).filter(|e| matches(&followed.executor, e)) {
                    let Some(sandbox) = latest(&executors.join(&executor)) else { continue };
                    if sandbox == own || sandbox.join(MARK).exists() {
                        continue;
                    }
                    for (file, path) in files(&sandbox, &followed.files) {
                        let name = link_name(&framework.name, &executor, &file);
                        if name.len() <= NAME_MAX && found.len() < MOST {
                            found.entry(name).or_insert(path);
                        }
                    }
                }
            }
        }
        found
    }
}

/// The newest run of an executor. Only the last part of the link is believed: it stays where it should be.
fn latest(executor: &Path) -> Option<PathBuf> {
    let runs = executor.join("runs");
    let target = fs::read_link(runs.join("latest")).ok()?;
    let run = runs.join(target.file_name()?);
    is_directory(&run).then_some(run)
}

/// Files of a sandbox that fit one of the patterns, with their paths from there. Links are not followed, so nothing
/// outside is found.
fn files(sandbox: &Path, patterns: &[String]) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for pattern in patterns {
        let parts: Vec<&str> = pattern.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
        descend(sandbox, "", &parts, &mut found);
    }
    found
}

fn descend(at: &Path, name: &str, parts: &[&str], found: &mut BTreeMap<String, PathBuf>) {
    let Some((first, rest)) = parts.split_first() else { return };
    let named = |entry: &str| if name.is_empty() { entry.to_owned() } else { format!("{name}/{entry}") };
    let wanted = |entry: &str| entry != MARK && !entry.starts_with("..") && matches(first, entry);
    if rest.is_empty() {
        let is_file = |n: &String| fs::symlink_metadata(at.join(n)).is_ok_and(|m| m.is_file());
        let files = entries(at).filter(|n| wanted(n) && is_file(n));
        found.extend(files.map(|n| (named(&n), at.join(&n))));
    } else {
        for entry in directories(at).filter(|n| wanted(n)) {
            descend(&at.join(&entry), &named(&entry), rest, found);
        }
    }
}

fn link_name(framework: &str, executor: &str, file: &str) -> String {
    let plain = |text: &str| -> String {
        let odd = |c: char| !(c.is_alphanumeric() || "._-".contains(c));
        text.chars().map(|c| if odd(c) { '_' } else { c }).collect()
    };
    let file: Vec<String> = file.split('/').map(plain).collect();
    format!("{}~{}~{}", plain(framework), plain(executor), file.join("~"))
}

/// Names of what lies in a directory, sorted; none if it cannot be read.
fn entries(path: &Path) -> impl Iterator<Item = String> {
    let read = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = read.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    names.into_iter()
}

fn directories(path: &Path) -> impl Iterator<Item = String> {
    entries(path).filter(move |name| is_directory(&path.join(name)))
}

/// A directory and no link to one.
fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|m| m.is_dir())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An agent's directory with sandboxes.
    pub(crate) struct Agent(tempfile::TempDir);

    impl Agent {
        pub(crate) fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        pub(crate) fn sandbox(&self, framework: &str, executor: &str, files: &[&str]) -> PathBuf {
            let runs = self.0.path().join("slaves/S0/frameworks").join(framework);
            let runs = runs.join("executors").join(executor).join("runs");
            let sandbox = runs.join("c1");
            for file in files {
                let path = sandbox.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "x\n").unwrap();
            }
            fs::create_dir_all(&sandbox).unwrap();
            let _ = std::os::unix::fs::symlink(&sandbox, runs.join("latest"));
            sandbox
        }
    }

    pub(crate) fn named(name: &str, service: &str) -> Named {
        let labels = [("stack", "logs"), ("service", service)];
        Named { name: name.into(), labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into() }
    }

    pub(crate) fn follow(service: &str, files: &[&str]) -> Vec<Followed> {
        let labels = [("stack", "logs"), ("service", service)];
        vec![Followed {
            labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            executor: "*".into(),
            files: files.iter().map(|f| (*f).to_owned()).collect(),
            ..Followed::default()
        }]
    }

    #[test]
    fn files_of_selected_tasks_are_found_by_speaking_names() {
        let agent = Agent::new();
        let own = agent.sandbox("F9", "agent-0.u9", &["stdout"]);
        agent.sandbox(
            "F1",
            "broker-0.u1",
            &["stdout", "stderr", "logs/a.log", "logs/b.txt", "logs/deep/c.log"],
        );
        agent.sandbox("F2", "server-1.u2", &["stdout"]);
        let other = agent.sandbox("F1", "agent-7.u7", &["stdout"]);
        mark(&other).unwrap();
        let root = Root::of(&own).unwrap();
        let all = [("F1", "kafka"), ("F2", "zookeeper"), ("F9", "shipper")];
        let names = all.map(|(id, s)| (id.to_owned(), named(&format!("logs-{s}"), s))).into();
        let find = |s: &str| {
            let found = root.find(&follow(s, &["stdout", "logs/*.log"]), &names, &own);
            found.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(find("kafka"), ["logs-kafka~broker-0.u1~logs~a.log", "logs-kafka~broker-0.u1~stdout"]);
        assert_eq!(find("*").len(), 3, "neither itself nor another that follows: {:?}", find("*"));
        assert_eq!(root.frameworks(), ["F1", "F2", "F9"]);
    }

    #[test]
    fn nothing_outside_of_the_sandboxes_is_found() {
        let agent = Agent::new();
        let own = agent.sandbox("F9", "agent-0.u9", &[]);
        let sandbox = agent.sandbox("F1", "broker-0.u1", &["stdout"]);
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.log"), "x").unwrap();
        std::os::unix::fs::symlink(outside.path(), sandbox.join("logs")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret.log"), sandbox.join("secret.log")).unwrap();
        let runs = agent.sandbox("F1", "broker-1.u2", &[]).parent().unwrap().to_owned();
        fs::remove_file(runs.join("latest")).unwrap();
        std::os::unix::fs::symlink(outside.path(), runs.join("latest")).unwrap();
        let root = Root::of(&own).unwrap();
        let names = [("F1".to_owned(), named("logs-kafka", "kafka"))].into();
        let patterns = ["*", "logs/*.log", "../*", "../../../*/runs/c1/*"];
        let found = root.find(&follow("*", &patterns), &names, &own);
        assert_eq!(found.into_keys().collect::<Vec<_>>(), ["logs-kafka~broker-0.u1~stdout"]);
        assert!(Root::of(outside.path()).is_none());
    }
}
