//! The store on disk against the end of its process at any moment, and against writes that a power loss has cut.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::conformance::{put, remove};
use super::{Change, SledStore, Store};

/// Where the writer of [`killed_at_any_moment`] works.
const DIRECTORY: &str = "CAIRN_CRASH_TEST";
/// What a disk writes whole.
const SECTOR: usize = 512;

type Entries = BTreeMap<String, Vec<u8>>;

/// Batches of several keys, some of which go, so that half a batch can be told from a whole one.
fn batch(n: u32) -> Vec<Change> {
    let filler = "x".repeat((n as usize * 37) % 900);
    let mut batch =
        vec![put("n", &n.to_string()), put(&format!("instance/i-{}", n % 7), &format!("{n}:{filler}"))];
    if n % 3 == 2 {
        batch.push(remove(&format!("instance/i-{}", (n + 3) % 7)));
    }
    batch.push(put("last", &n.to_string()));
    batch
}

/// What there is after so many batches.
fn after(batches: u32) -> Entries {
    let mut entries = Entries::new();
    for change in (0..batches).flat_map(batch) {
        match change.value {
            Some(value) => entries.insert(change.key, value),
            None => entries.remove(&change.key),
        };
    }
    entries
}

/// The number of batches after which a store is as it was found.
fn found(directory: &Path) -> Option<u32> {
    let entries = SledStore::open(directory).and_then(|store| store.load()).unwrap();
    let n = entries.get("n").map_or(0, |n| std::str::from_utf8(n).unwrap().parse::<u32>().unwrap() + 1);
    (entries == after(n)).then_some(n)
}

/// Not a test: the process that is killed, see below.
#[test]
#[ignore = "the other half of killed_at_any_moment"]
fn writer() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let store = SledStore::open(Path::new(&directory)).unwrap();
    let begin = store
        .load()
        .unwrap()
        .get("n")
        .map_or(0, |n| std::str::from_utf8(n).unwrap().parse::<u32>().unwrap() + 1);
    for n in begin.. {
        store.apply(&batch(n)).unwrap();
        println!("\nwritten {n}");
    }
}

#[test]
fn killed_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = 0;
    for round in 0..40_u64 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::crash::writer", "--ignored", "--nocapture"])
            .env(DIRECTORY, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let mut acknowledged = before;
        let mut hear = |lines: &mut dyn Iterator<Item = std::io::Result<String>>, wanted: u32| {
            for line in lines.map_while(Result::ok) {
                if let Some(n) = line.strip_prefix("written ") {
                    acknowledged = n.parse::<u32>().unwrap() + 1;
                    if acknowledged >= wanted {
                        break;
                    }
                }
            }
            acknowledged
        };
        hear(&mut lines, before + 1 + u32::try_from(round % 5).unwrap());
        // Somewhere within the next write: a few microseconds more in each round.
        std::thread::sleep(Duration::from_micros(round * 61 % 1_500));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let heard = hear(&mut lines, u32::MAX);
        let now =
            found(folder.path()).unwrap_or_else(|| panic!("round {round}: no batch ends in this state"));
        // The last word may have been on its way to the pipe.
        assert!(now == heard || now == heard + 1, "round {round}: {now} batches, {heard} were acknowledged");
        before = now;
    }
    assert!(before > 40);
}

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut ahead = vec![directory.to_owned()];
    while let Some(next) = ahead.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                ahead.push(entry.path());
            } else {
                all.insert(
                    entry.path().strip_prefix(directory).unwrap().to_owned(),
                    fs::read(entry.path()).unwrap(),
                );
            }
        }
    }
    all
}

fn write(directory: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    for (path, bytes) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// `old` with those sectors of `new` that `arrived` says.
fn torn(old: &[u8], new: &[u8], changed: &[usize], arrived: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut bytes = old.to_vec();
    for (at, sector) in changed.iter().enumerate().filter(|(at, _)| arrived(*at)) {
        let _ = at;
        let range = sector * SECTOR..new.len().min((sector + 1) * SECTOR);
        if bytes.len() < range.end {
            bytes.resize(range.end, 0);
        }
        bytes[range.clone()].copy_from_slice(&new[range]);
    }
    bytes
}

#[test]
fn torn_writes_leave_one_batch_or_the_other() {
    let mut tried = 0;
    for batches in [1, 2, 5, 20] {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(folder.path()).unwrap();
        (0..batches).for_each(|n| store.apply(&batch(n)).unwrap());
        let old = files(folder.path());
        store.apply(&batch(batches)).unwrap();
        let new = files(folder.path());
        drop(store);
        let changed: Vec<_> = new.keys().filter(|path| old.get(*path) != new.get(*path)).cloned().collect();
        assert!(!changed.is_empty());
        for path in changed {
            let (before, after) = (old.get(&path).cloned().unwrap_or_default(), &new[&path]);
            let sector =
                |bytes: &[u8], n: usize| bytes.get(n * SECTOR..).map(|b| b[..b.len().min(SECTOR)].to_vec());
            let sectors: Vec<_> = (0..after.len().div_ceil(SECTOR))
                .filter(|n| sector(&before, *n) != sector(after, *n))
                .collect();
            // The first ones have arrived, the last ones, all but one, one alone.
            let count = sectors.len();
            let mut tears: Vec<Vec<u8>> = Vec::new();
            for cut in 0..=count {
                tears.push(torn(&before, after, &sectors, |at| at < cut));
                tears.push(torn(&before, after, &sectors, |at| at >= cut));
                tears.push(torn(&before, after, &sectors, |at| at == cut));
                tears.push(torn(&before, after, &sectors, |at| at != cut));
            }
            for tear in tears {
                let place = tempfile::tempdir().unwrap();
                let mut all = old.clone();
                all.insert(path.clone(), tear);
                write(place.path(), &all);
                let now = found(place.path()).expect("no batch ends in this state");
                assert!(now == batches || now == batches + 1, "{now} after {batches}");
                tried += 1;
            }
        }
    }
    assert!(tried > 10, "{tried}");
}

/// What is no state, or half of one, is refused in words.
#[test]
fn a_damaged_file_is_an_error_or_an_older_state_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    (0..30).for_each(|n| store.apply(&batch(n)).unwrap());
    drop(store);
    let whole = files(folder.path());
    let mut seed = 7_u64;
    for _ in 0..60 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let place = tempfile::tempdir().unwrap();
        let mut all = whole.clone();
        let db = all.get_mut(Path::new("db")).unwrap();
        let at = usize::try_from(seed >> 33).unwrap() % db.len();
        if seed.is_multiple_of(2) {
            db.truncate(at)
        } else {
            db[at] ^= 0x55
        }
        write(place.path(), &all);
        let opened = SledStore::open(place.path()).and_then(|store| store.load());
        if let Ok(entries) = opened {
            let n =
                entries.get("n").map_or(0, |n| std::str::from_utf8(n).unwrap().parse::<u32>().unwrap() + 1);
            assert_eq!(entries, after(n), "a damaged file gives no state that never was");
        }
    }
}
