//! What is kept of nested containers on disk, so that the next process of an agent knows them: a file each.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::path::Path;
use super::plan::Ground;
use super::request::Class;
use crate::agent::process::ProcessId;
use crate::whole::{self, Durability};

/// One container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) path: Path,
    pub(crate) class: Class,
    /// What it gives containers in it.
    pub(crate) ground: Ground,
    pub(crate) sandbox: PathBuf,
    /// Its first process; none until it is known.
    pub(crate) process: Option<ProcessId>,
    /// The boot of the machine in which that runs.
    pub(crate) boot: String,
    /// It has ended.
    pub(crate) end: Option<End>,
}

/// How a container has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    /// The wait status of its first process, where that is known.
    pub(crate) status: Option<i32>,
}

/// The directory of the records. It belongs to the agent's user alone.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    dir: PathBuf,
}

impl Records {
    /// Opens the directory, making it if need be.
    ///
    /// # Errors
    /// It can be neither found nor made.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }

    /// Keeps a record, in the place of what was kept of the container before.
    ///
    /// # Errors
    /// The disk says no.
    pub(crate) fn save(&self, record: &Record) -> io::Result<()> {
        let place = self.place(&record.path);
        whole::replace(&place, &serde_json::to_vec(record)?, whole::PRIVATE, Durability::Process)
    }

    /// Keeps nothing of a container any more.
    pub(crate) fn forget(&self, path: &Path) {
        if let Err(error) = fs::remove_file(self.place(path))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(container = %path, %error, "cannot forget a nested container");
        }
    }

    /// Everything that is kept. What cannot be read is told and left out: it only means that a container is not known.
    pub(crate) fn load(&self) -> Vec<Record> {
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut records = Vec::new();
        for file in files.filter(|file| file.extension().is_none()) {
            let read = fs::read(&file).and_then(|text| Ok(serde_json::from_slice(&text)?));
            match read {
                Ok(record) => records.push(record),
                Err(error) => {
                    tracing::warn!(file = %file.display(), %error, "cannot read the record of a nested container");
                }
            }
        }
        records
    }

    /// Ids may be longer together than a file's name.
    fn place(&self, path: &Path) -> PathBuf {
        let digest = Sha256::digest(path.to_string());
        self.dir.join(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::tests::path;
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::open(dir.path().join("nested")).unwrap();
        let ground = Ground {
            host: "h".into(),
            host_sandbox: "/w".into(),
            root_sandbox: "/w".into(),
            sandbox: "/w".into(),
            env: vec![("A".into(), "1".into())],
            basis: Vec::new(),
            user: String::new(),
        };
        let record = |name: &str, end| Record {
            path: path(name),
            class: Class::Own,
            ground: ground.clone(),
            sandbox: "/w/containers/a".into(),
            process: Some(ProcessId { pid: 7, start_time: 8 }),
            boot: "b".into(),
            end,
        };
        records.save(&record("h.a", None)).unwrap();
        records.save(&record("h.b", None)).unwrap();
        records.save(&record("h.a", Some(End { status: None }))).unwrap();
        records.forget(&path("h.b"));
        records.forget(&path("h.b"));
        fs::write(dir.path().join("nested/broken"), "{").unwrap();
        assert_eq!(records.load(), [record("h.a", Some(End { status: None }))]);
    }
}
