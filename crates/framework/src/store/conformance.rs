//! What every store must do, as tests that each of them runs.

use std::collections::BTreeMap;

use super::{Change, SCHEMA, Store, StoreError};

/// A place of its own for a state, and how the state is opened there.
pub(super) trait Bench {
    type Store: Store;

    fn new() -> Self;
    fn open(&self) -> Result<Self::Store, StoreError>;
    fn close(&self, store: Self::Store);
    /// As a program of another version would have left it.
    fn write_schema(&self, schema: &str);
    fn schema(&self) -> String;
}

/// The tests, for one kind of store.
macro_rules! tests {
    ($bench:ty $(, $ignored:meta)?) => {
        $crate::store::conformance::tests!(@each $bench, [$($ignored)?],
            what_was_applied_is_there_after_reopening
            the_last_change_of_a_key_counts
            a_key_may_hold_anything
            values_and_batches_may_be_large
            random_batches_leave_what_they_say
            a_newer_schema_is_refused
            an_older_schema_is_taken_over
        );
    };
    (@each $bench:ty, $ignored:tt, $($name:ident)*) => {
        $($crate::store::conformance::tests!(@one $bench, $ignored, $name);)*
    };
    (@one $bench:ty, [$($ignored:meta)?], $name:ident) => {
        #[test]
        $(#[$ignored])?
        fn $name() {
            $crate::store::conformance::$name(&<$bench as $crate::store::conformance::Bench>::new());
        }
    };
}
pub(super) use tests;

pub(super) fn put(key: &str, value: &str) -> Change {
    Change { key: key.into(), value: Some(value.as_bytes().to_vec()) }
}

pub(super) fn remove(key: &str) -> Change {
    Change { key: key.into(), value: None }
}

type Entries = BTreeMap<String, Vec<u8>>;

fn reopened<B: Bench>(bench: &B) -> Entries {
    let store = bench.open().unwrap();
    let entries = store.load().unwrap();
    bench.close(store);
    entries
}

fn entries(changes: &[Change]) -> Entries {
    let mut entries = Entries::new();
    carry_out(&mut entries, changes);
    entries
}

fn carry_out(entries: &mut Entries, changes: &[Change]) {
    for change in changes {
        match &change.value {
            Some(value) => entries.insert(change.key.clone(), value.clone()),
            None => entries.remove(&change.key),
        };
    }
}

/// Applies the batches in one life, and gives what the next one finds.
fn after<B: Bench>(bench: &B, batches: &[&[Change]]) -> Entries {
    let store = bench.open().unwrap();
    for batch in batches {
        store.apply(batch).unwrap();
    }
    let entries = store.load().unwrap();
    bench.close(store);
    assert_eq!(reopened(bench), entries, "a new life finds what the old one saw");
    entries
}

pub(super) fn what_was_applied_is_there_after_reopening<B: Bench>(bench: &B) {
    assert!(reopened(bench).is_empty(), "a new state is empty");
    let found = after(bench, &[&[put("a", "1"), put("b", "2")], &[remove("a")], &[]]);
    assert_eq!(found, entries(&[put("b", "2")]));
}

pub(super) fn the_last_change_of_a_key_counts<B: Bench>(bench: &B) {
    let found = after(
        bench,
        &[
            &[put("a", "1"), put("a", "2"), put("b", "1"), remove("b")],
            &[remove("a"), put("a", "3"), remove("none")],
        ],
    );
    assert_eq!(found, entries(&[put("a", "3")]));
}

pub(super) fn a_key_may_hold_anything<B: Bench>(bench: &B) {
    let keys = ["instance/web-0", ".", "..", "a~1", "a/b/c", "ä%2F x", "schemas", &"long".repeat(50)];
    let batch: Vec<_> = keys.iter().map(|key| put(key, "{}")).chain([put("empty", "")]).collect();
    assert_eq!(after(bench, &[&batch]), entries(&batch));
}

pub(super) fn values_and_batches_may_be_large<B: Bench>(bench: &B) {
    let large = |n: usize| put(&format!("large/{n}"), &"x".repeat(n * 700_000));
    let many =
        (0..3_000).map(|n| put(&format!("instance/web-{n}"), &format!("{{\"n\":\"{}\"}}", "y".repeat(300))));
    let first: Vec<_> = (0..4).map(large).chain(many).collect();
    let second: Vec<_> =
        vec![put("large/3", "short"), remove("large/2"), put("large/0", &"z".repeat(2_000_000))];
    let mut expected = entries(&first);
    carry_out(&mut expected, &second);
    let found = after(bench, &[&first, &second]);
    assert!(found == expected, "{} entries, {} expected", found.len(), expected.len());
}

/// Pseudo-random, the same for a seed: xorshift.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

pub(super) fn random_batches_leave_what_they_say<B: Bench>(bench: &B) {
    let mut seed = 0x5eed;
    let mut expected = Entries::new();
    for _ in 0..6 {
        let store = bench.open().unwrap();
        assert_eq!(store.load().unwrap(), expected);
        for _ in 0..15 {
            let batch: Vec<_> = (0..next(&mut seed) % 8)
                .map(|_| {
                    let key = format!("instance/i-{}", next(&mut seed) % 20);
                    let value = format!("{}", next(&mut seed));
                    if next(&mut seed).is_multiple_of(3) { remove(&key) } else { put(&key, &value) }
                })
                .collect();
            store.apply(&batch).unwrap();
            carry_out(&mut expected, &batch);
        }
        bench.close(store);
    }
    assert_eq!(reopened(bench), expected);
}

pub(super) fn a_newer_schema_is_refused<B: Bench>(bench: &B) {
    after(bench, &[&[put("a", "1")]]);
    for newer in [(SCHEMA + 1).to_string(), "next".to_owned()] {
        bench.write_schema(&newer);
        let Err(error) = bench.open() else { panic!("a state of schema {newer} was opened") };
        assert!(matches!(error, StoreError::Newer { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("newer program") && text.contains(&newer) && text.contains("start that version"),
            "{text}"
        );
        assert_eq!(bench.schema(), newer, "it is left as it was");
    }
}

pub(super) fn an_older_schema_is_taken_over<B: Bench>(bench: &B) {
    after(bench, &[&[put("a", "1")]]);
    bench.write_schema("1");
    assert_eq!(reopened(bench), entries(&[put("a", "1")]));
    assert_eq!(bench.schema(), SCHEMA.to_string());
}
