//! A directory of symbolic links, made to be as it should.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::sandboxes::{Named, Root};

/// Name under which a link is made before it takes its place. Programs that watch the directory leave out such names.
const NEW: &str = ".new";

/// Makes the links of `directory` those of `found`. One that is not among them goes when its file has gone, or when it
/// is known that its framework is not followed; as long as nobody knows whose it is, it stays.
pub(super) fn keep(
    directory: &Path,
    found: &BTreeMap<String, PathBuf>,
    root: &Root,
    named: &BTreeMap<String, Named>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let Ok(target) = fs::read_link(&path) else { continue };
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let whose = root.framework_of(&target);
        let known = whose.as_ref().is_none_or(|id| named.contains_key(id));
        if !found.contains_key(name) && (known || !target.exists()) {
            fs::remove_file(&path)?;
        }
    }
    for (name, target) in found {
        let path = directory.join(name);
        if fs::read_link(&path).is_ok_and(|t| t == *target) {
            continue;
        }
        let new = directory.join(NEW);
        let _ = fs::remove_file(&new);
        symlink(target, &new)?;
        fs::rename(&new, &path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::sandboxes::tests::{Agent, follow, named};

    #[test]
    fn links_come_with_files_and_go_with_sandboxes() {
        let agent = Agent::new();
        let own = agent.sandbox("F9", "agent-0.u9", &[]);
        let first = agent.sandbox("F1", "broker-0.u1", &["stdout"]);
        let root = Root::of(&own).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("notes"), "not a link: left alone").unwrap();
        let known = BTreeMap::from([("F1".to_owned(), named("logs-kafka", "kafka"))]);
        let look = |named: &BTreeMap<String, Named>, service: &str| {
            let found = root.find(&follow(service, &["std*"]), named, &own);
            keep(directory.path(), &found, &root, named).unwrap();
            let names = fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name());
            let mut names: Vec<String> = names.filter_map(|n| n.into_string().ok()).collect();
            names.sort();
            names
        };
        let link = "logs-kafka~broker-0.u1~stdout";
        assert_eq!(look(&known, "*"), [link, "notes"]);
        assert_eq!(fs::read_to_string(directory.path().join(link)).unwrap(), "x\n");
        agent.sandbox("F1", "broker-0.u2", &["stdout"]);
        assert_eq!(look(&known, "*"), [link, "logs-kafka~broker-0.u2~stdout", "notes"]);
        assert_eq!(look(&BTreeMap::new(), "*").len(), 3, "whose they are is not known: they stay");
        fs::remove_dir_all(first).unwrap();
        assert_eq!(look(&BTreeMap::new(), "*"), ["logs-kafka~broker-0.u2~stdout", "notes"]);
        assert_eq!(look(&known, "zookeeper"), ["notes"], "it is not followed any more");
    }
}
