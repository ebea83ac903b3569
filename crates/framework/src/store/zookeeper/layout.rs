//! How entries lie in ZooKeeper, without I/O: which nodes a batch touches, and what fits into one transaction.
//!
//! ```text
//! <path>/schema       the layout's version
//! <path>/leader       who may write; each write checks that nobody else has written this node, and writes it
//! <path>/candidates   one ephemeral sequential node for each candidate
//! <path>/entries      a node for each entity; what is longer than a node may be goes on in NAME~1, NAME~2
//! <path>/journal      a batch that is too large for one transaction, while it is carried out
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::Change;

/// Bytes in one node, and in one transaction. ZooKeeper's `jute.maxbuffer` refuses requests of 1 MiB.
pub(super) const PIECE: usize = 256 * 1024;
const TRANSACTION: usize = 512 * 1024;
/// Bytes that an operation takes besides its name and data.
const OVERHEAD: usize = 160;

/// Entries that there are, and in how many nodes each lies.
pub(super) type Known = BTreeMap<String, usize>;

/// What happens to one node below `entries`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    Create(String, Vec<u8>),
    Set(String, Vec<u8>),
    Delete(String),
}

impl Operation {
    fn size(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Create(name, data) | Self::Set(name, data) => name.len() + data.len(),
                Self::Delete(name) => name.len(),
            }
    }
}

/// The operations of a batch, and what is known once they are carried out: entries in no nodes are gone.
pub(super) fn operations(known: &Known, changes: &[Change]) -> (Vec<Operation>, Known) {
    let mut operations = Vec::new();
    let mut next = Known::new();
    for change in changes {
        let before = next.get(&change.key).or_else(|| known.get(&change.key)).copied().unwrap_or_default();
        let pieces = change.value.as_deref().map(pieces).unwrap_or_default();
        for (part, data) in pieces.iter().enumerate() {
            let (name, data) = (node(&change.key, part), data.to_vec());
            operations.push(if part < before {
                Operation::Set(name, data)
            } else {
                Operation::Create(name, data)
            });
        }
        operations.extend((pieces.len()..before).map(|part| Operation::Delete(node(&change.key, part))));
        next.insert(change.key.clone(), pieces.len());
    }
    (operations, next)
}

/// Takes over what is known now.
pub(super) fn learn(known: &mut Known, next: Known) {
    for (key, parts) in next {
        if parts == 0 {
            known.remove(&key)
        } else {
            known.insert(key, parts)
        };
    }
}

/// In the order given, as few transactions as hold them.
pub(super) fn transactions(operations: Vec<Operation>) -> Vec<Vec<Operation>> {
    let mut all: Vec<Vec<Operation>> = Vec::new();
    let mut room = 0;
    for operation in operations {
        let size = operation.size();
        match all.last_mut() {
            Some(last) if size <= room => last.push(operation),
            _ => {
                all.push(vec![operation]);
                room = TRANSACTION;
            }
        }
        room = room.saturating_sub(size);
    }
    all
}

/// At least one piece: an empty value is a value.
pub(super) fn pieces(value: &[u8]) -> Vec<&[u8]> {
    if value.is_empty() { vec![value] } else { value.chunks(PIECE).collect() }
}

/// The node of a part of an entry.
pub(super) fn node(key: &str, part: usize) -> String {
    let plain = |byte: u8, at: usize| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && at > 0)
    };
    let mut name = String::with_capacity(key.len());
    for (at, byte) in key.bytes().enumerate() {
        if plain(byte, at) {
            name.push(char::from(byte));
        } else {
            name += &format!("%{byte:02X}");
        }
    }
    if part == 0 { name } else { format!("{name}~{part}") }
}

/// The entry and the part that a node holds; none if it is not one of ours.
pub(super) fn entry(node: &str) -> Option<(String, usize)> {
    let (name, part) = match node.split_once('~') {
        Some((name, part)) => (name, part.parse().ok()?),
        None => (node, 0),
    };
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some((String::from_utf8(bytes).ok()?, part))
}

/// A batch as the journal keeps it.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    key: std::borrow::Cow<'a, str>,
    value: Option<std::borrow::Cow<'a, str>>,
}

/// # Errors
/// A value that is no text; what is stored is JSON.
pub(super) fn write_journal(changes: &[Change]) -> Result<Vec<u8>, String> {
    let text = |value: &'_ Vec<u8>| {
        std::str::from_utf8(value)
            .map(|t| t.to_owned().into())
            .map_err(|e| format!("a value is no text: {e}"))
    };
    let written = changes.iter().map(|change| {
        let value = change.value.as_ref().map(text).transpose()?;
        Ok(Written { key: change.key.as_str().into(), value })
    });
    let written: Vec<Written<'_>> = written.collect::<Result<_, String>>()?;
    serde_json::to_vec(&written).map_err(|e| e.to_string())
}

/// # Errors
/// What is not as [`write_journal`] wrote it.
pub(super) fn read_journal(bytes: &[u8]) -> Result<Vec<Change>, String> {
    let written: Vec<Written<'_>> =
        serde_json::from_slice(bytes).map_err(|e| format!("its journal is damaged: {e}"))?;
    let change = |w: Written<'_>| Change {
        key: w.key.into_owned(),
        value: w.value.map(|text| text.into_owned().into_bytes()),
    };
    Ok(written.into_iter().map(change).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: Vec<u8>) -> Change {
        Change { key: key.into(), value: Some(value) }
    }

    #[test]
    fn every_key_has_a_node_of_its_own() {
        for key in ["framework", "instance/web-0", ".", "..", "a~1", "ä%", "fact/x y", "a.b"] {
            let name = node(key, 0);
            assert!(!name.contains('/') && name != "." && name != ".." && !name.contains('~'), "{name}");
            assert_eq!(entry(&name), Some((key.to_owned(), 0)));
            assert_eq!(entry(&node(key, 3)), Some((key.to_owned(), 3)));
        }
        assert_eq!(node("instance/web-0", 0), "instance%2Fweb-0");
        for strange in ["%", "%4", "%zz", "a~b", "%FF"] {
            assert_eq!(entry(strange), None, "{strange}");
        }
    }

    #[test]
    fn a_batch_creates_sets_and_deletes_what_it_must() {
        let mut known = Known::from([("a".to_owned(), 1), ("b".to_owned(), 3)]);
        let changes = [
            put("a", b"1".to_vec()),
            put("b", vec![b'x'; PIECE + 1]),
            put("c", Vec::new()),
            put("c", b"2".to_vec()),
            Change { key: "c".into(), value: None },
            Change { key: "d".into(), value: None },
        ];
        let (operations, next) = operations(&known, &changes);
        let text = |o: &Operation| match o {
            Operation::Create(name, data) => format!("create {name} {}", data.len()),
            Operation::Set(name, data) => format!("set {name} {}", data.len()),
            Operation::Delete(name) => format!("delete {name}"),
        };
        let texts: Vec<_> = operations.iter().map(text).collect();
        let expected = [
            "set a 1",
            &format!("set b {PIECE}"),
            "set b~1 1",
            "delete b~2",
            "create c 0",
            "set c 1",
            "delete c",
        ];
        assert_eq!(texts, expected);
        learn(&mut known, next);
        assert_eq!(known, Known::from([("a".to_owned(), 1), ("b".to_owned(), 2)]));
    }

    #[test]
    fn no_transaction_is_larger_than_a_request_may_be() {
        let changes: Vec<_> = (0..40).map(|n| put(&format!("k{n}"), vec![b'x'; n * 10_000])).collect();
        let (operations, _) = operations(&Known::new(), &changes);
        let transactions = transactions(operations.clone());
        assert!(transactions.len() > 1);
        for transaction in &transactions {
            assert!(transaction.iter().map(Operation::size).sum::<usize>() <= TRANSACTION);
        }
        assert_eq!(transactions.concat(), operations, "nothing is lost and the order is kept");
    }

    #[test]
    fn a_journal_is_read_as_it_was_written() {
        let changes = vec![put("a", b"{\"x\":1}".to_vec()), Change { key: "b/c".into(), value: None }];
        assert_eq!(read_journal(&write_journal(&changes).unwrap()).unwrap(), changes);
        assert!(write_journal(&[put("a", vec![0xff])]).is_err());
        assert!(read_journal(b"[{").is_err());
    }
}
