//! Secrets that sing: a value planted where it belongs is looked for wherever else it may have got to, in every form that
//! programs give to texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Values in all forms that they are looked for in, by the first eight bytes of each form.
pub struct Canaries {
    forms: BTreeMap<u64, Vec<Vec<u8>>>,
    /// Whether some form has these two bytes at the end of its first eight: most bytes need no further look.
    near: Vec<bool>,
}

impl Canaries {
    /// The forms of values, each of at least eight bytes.
    pub fn new(values: &[&str]) -> Self {
        let mut found = Self { forms: BTreeMap::new(), near: vec![false; 1 << 16] };
        for form in values.iter().flat_map(|value| forms(value)) {
            let Some(head) = form.first_chunk::<8>().map(|head| u64::from_be_bytes(*head)) else { continue };
            found.near[usize::from(head as u16)] = true;
            found.forms.entry(head).or_default().push(form);
        }
        found
    }

    /// Whether one of them is in there.
    pub fn sing_in(&self, bytes: &[u8]) -> bool {
        let mut rolled = 0_u64;
        bytes.iter().enumerate().any(|(end, byte)| {
            rolled = rolled << 8 | u64::from(*byte);
            self.near[usize::from(rolled as u16)] && end >= 7 && self.starts(rolled, &bytes[end - 7..])
        })
    }

    fn starts(&self, head: u64, bytes: &[u8]) -> bool {
        self.forms.get(&head).is_some_and(|forms| forms.iter().any(|form| bytes.starts_with(form)))
    }

    /// Files below a folder that hold one, links not followed. Those that are left out: a file that only its owner may
    /// read and that `allowed` admits.
    pub fn files(&self, folder: &Path, allowed: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let Ok(entries) = fs::read_dir(folder) else { return found };
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            if meta.is_dir() {
                found.extend(self.files(&path, allowed));
            } else if meta.is_file() && !is_fetched(&path) && !(meta.mode() & 0o077 == 0 && allowed(&path)) {
                let name = path.as_os_str().as_encoded_bytes();
                if self.sing_in(name) || fs::read(&path).is_ok_and(|bytes| self.sing_in(&bytes)) {
                    found.push(path);
                }
            }
        }
        found
    }

    /// What of a process shows one to others: its command line or its environment.
    pub fn process(&self, pid: i32) -> Option<PathBuf> {
        let parts = ["cmdline", "environ"].map(|part| Path::new("/proc").join(pid.to_string()).join(part));
        parts.into_iter().find(|part| fs::read(part).is_ok_and(|bytes| self.sing_in(&bytes)))
    }
}

/// A value as it is, in hex, in URLs, in JSON, in JSON within JSON, and in base64 wherever it begins.
fn forms(value: &str) -> BTreeSet<Vec<u8>> {
    let bytes = value.as_bytes();
    let quoted = |text: &str| {
        let json = serde_json::Value::from(text).to_string();
        json[1..json.len() - 1].to_owned()
    };
    let json = quoted(value);
    let twice = quoted(&json);
    let texts = [hex(bytes), hex(bytes).to_uppercase(), json.clone(), twice];
    let urls = ["", "-._~", "-._~!*'()", "/-._~"].map(|keep| percent(bytes, keep));
    let encoded = [bytes, json.as_bytes()]
        .map(|inner| (0..3).flat_map(|offset| base64(inner, offset)).collect::<Vec<_>>());
    let texts = texts.into_iter().chain(urls).map(String::into_bytes);
    texts.chain(encoded.into_iter().flatten()).chain([bytes.to_vec()]).collect()
}

/// Programs and archives are as they were fetched, and large.
fn is_fetched(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let named = |name: &str| path.iter().any(|part| part == name);
    named("cairn") || named("cache") || matches!(extension, Some("jar" | "tar"))
}

/// Base64 of the bytes where they begin `offset` bytes after a multiple of three, without the characters that their
/// neighbours have a part in.
fn base64(bytes: &[u8], offset: usize) -> Vec<Vec<u8>> {
    let padded = [vec![0; offset], bytes.to_vec()].concat();
    let own = |text: String| {
        let first = (offset * 8).div_ceil(6);
        let last = padded.len() * 8 / 6;
        text.get(first..last).unwrap_or_default().as_bytes().to_vec()
    };
    vec![own(STANDARD_NO_PAD.encode(&padded)), own(URL_SAFE_NO_PAD.encode(&padded))]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn percent(bytes: &[u8], keep: &str) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let c = char::from(*byte);
        if c.is_ascii_alphanumeric() || keep.contains(c) {
            text.push(c);
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_in_every_form_and_nothing_else_is() {
        let canaries = Canaries::new(&["p\"w/é+x"]);
        let encode = |text: &str| STANDARD_NO_PAD.encode(text);
        for shown in [
            "key=p\"w/é+x;",
            r#"{"key":"p\"w/é+x"}"#,
            "?key=p%22w%2F%C3%A9%2Bx&",
            "7022772fc3a92b78",
            &encode("p\"w/é+x and more"),
            &encode("1p\"w/é+x and more"),
            &encode("12p\"w/é+x"),
        ] {
            assert!(canaries.sing_in(shown.as_bytes()), "{shown}");
        }
        assert!(!canaries.sing_in(b"key=p\"w/e+x;"));
    }
}
