//! Zip archives, as far as programs are packed in them: stored or deflated entries, no encryption, less than 4 GiB.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::extract::{MAX_BYTES, MAX_ENTRIES, Sharing, set_bits};
use super::uri::inside;

/// The longest comment that may stand after the directory, and the directory's end itself.
const TAIL: u64 = 65_535 + 22;
const END: [u8; 4] = *b"PK\x05\x06";
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// What stands where a number needs the larger format.
const TOO_LARGE: u32 = u32::MAX;

/// Unpacks all entries into `into`, which exists. Entries that lead outside are refused, and so are links.
pub(super) fn unpack(mut archive: File, into: &Path, sharing: Sharing) -> io::Result<()> {
    let directory = directory(&mut archive)?;
    let mut at = 0;
    let mut entries = 0;
    let mut budget = MAX_BYTES;
    while at < directory.len() {
        let (entry, next) = Entry::parse(&directory, at).ok_or_else(damaged)?;
        at = next;
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(io::Error::other(format!("it has more than {MAX_ENTRIES} entries")));
        }
        budget = budget
            .checked_sub(u64::from(entry.size))
            .ok_or_else(|| io::Error::other(format!("it unpacks to more than {MAX_BYTES} bytes")))?;
        place(&mut archive, &entry, into, sharing)
            .map_err(|error| io::Error::other(format!("entry {}: {error}", entry.name)))?;
    }
    Ok(())
}

struct Entry {
    name: String,
    encrypted: bool,
    method: u16,
    crc: u32,
    packed: u32,
    size: u32,
    /// Type and permissions as Unix has them; 0 from other systems.
    mode: u32,
    offset: u32,
}

impl Entry {
    /// The entry of the directory at `at`, and where the next one is.
    fn parse(directory: &[u8], at: usize) -> Option<(Self, usize)> {
        let head = directory.get(at..at + 46)?;
        let name_end = at + 46 + usize::from(u16_at(head, 28)?);
        let name = directory.get(at + 46..name_end)?;
        let next = name_end + usize::from(u16_at(head, 30)?) + usize::from(u16_at(head, 32)?);
        let entry = Self {
            name: String::from_utf8_lossy(name).into_owned(),
            encrypted: u16_at(head, 8)? & 1 != 0,
            method: u16_at(head, 10)?,
            crc: u32_at(head, 16)?,
            packed: u32_at(head, 20)?,
            size: u32_at(head, 24)?,
            mode: if head.get(5) == Some(&3) { u32_at(head, 38)? >> 16 } else { 0 },
            offset: u32_at(head, 42)?,
        };
        (head.starts_with(&ENTRY) && next <= directory.len()).then_some((entry, next))
    }

    fn is_link(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }
}

/// The bytes of the central directory.
fn directory(archive: &mut File) -> io::Result<Vec<u8>> {
    let length = archive.seek(SeekFrom::End(0))?;
    archive.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    Read::by_ref(archive).take(TAIL).read_to_end(&mut tail)?;
    let end = tail.windows(4).rposition(|window| window == END).ok_or_else(damaged)?;
    let (size, offset) = (u32_at(&tail, end + 12), u32_at(&tail, end + 16));
    let (size, offset) = size.zip(offset).ok_or_else(damaged)?;
    if size == TOO_LARGE || offset == TOO_LARGE {
        return Err(io::Error::other("it is in the Zip64 format, which is not understood"));
    }
    if u64::from(offset) + u64::from(size) > length {
        return Err(damaged());
    }
    archive.seek(SeekFrom::Start(offset.into()))?;
    let mut bytes = Vec::new();
    Read::by_ref(archive).take(size.into()).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn place(archive: &mut File, entry: &Entry, into: &Path, sharing: Sharing) -> io::Result<()> {
    if entry.encrypted {
        return Err(io::Error::other("it is encrypted"));
    }
    if entry.is_link() {
        return Err(io::Error::other("it is a link; pack links in a tar archive"));
    }
    let path = inside(&entry.name).ok_or_else(|| io::Error::other("its path leads outside the sandbox"))?;
    let target = into.join(path);
    if entry.name.ends_with('/') {
        return fs::create_dir_all(target);
    }
    if let Some(above) = target.parent() {
        fs::create_dir_all(above)?;
    }
    let mut local = [0; 30];
    archive.seek(SeekFrom::Start(entry.offset.into()))?;
    archive.read_exact(&mut local)?;
    let skip = u16_at(&local, 26).zip(u16_at(&local, 28)).filter(|_| local.starts_with(&LOCAL));
    let (name, extra) = skip.ok_or_else(damaged)?;
    archive.seek(SeekFrom::Current(i64::from(name) + i64::from(extra)))?;
    let packed = Read::by_ref(archive).take(entry.packed.into());
    match fs::remove_file(&target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = File::create_new(&target)?;
    match entry.method {
        0 => copy(packed, file, entry)?,
        8 => copy(DeflateDecoder::new(packed), file, entry)?,
        other => {
            return Err(io::Error::other(format!("it is packed in a way ({other}) that is not understood")));
        }
    }
    set_bits(&target, sharing, entry.mode & 0o111 != 0)
}

/// No more than the directory announces, and nothing else.
fn copy(from: impl Read, mut to: File, entry: &Entry) -> io::Result<()> {
    let mut from = from.take(u64::from(entry.size) + 1);
    let mut sum = Crc::new();
    let mut buffer = [0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        sum.update(bytes);
        to.write_all(bytes)?;
    }
    // The sum counts modulo 2^32, and so does the size of an entry.
    if sum.amount() == entry.size && sum.sum() == entry.crc { Ok(()) } else { Err(damaged()) }
}

fn damaged() -> io::Error {
    io::Error::other("it is no Zip archive, or is damaged")
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::DeflateEncoder;

    /// An archive of files: name, content, whether it is deflated, mode.
    fn archive(files: &[(&str, &[u8], bool, u32)]) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (name, content, deflate, mode) in files {
            let mut packed = content.to_vec();
            if *deflate {
                packed.clear();
                DeflateEncoder::new(*content, Compression::default()).read_to_end(&mut packed).unwrap();
            }
            let mut sum = Crc::new();
            sum.update(content);
            let mut common = Vec::new();
            for short in [0, if *deflate { 8 } else { 0 }, 0, 0] {
                common.extend_from_slice(&u16::to_le_bytes(short));
            }
            for long in [sum.sum(), packed.len() as u32, content.len() as u32] {
                common.extend_from_slice(&long.to_le_bytes());
            }
            common.extend_from_slice(&(name.len() as u16).to_le_bytes());
            common.extend_from_slice(&[0, 0]);
            directory.extend_from_slice(&ENTRY);
            directory.extend_from_slice(&[20, 3, 20, 0]);
            directory.extend_from_slice(&common);
            directory.extend_from_slice(&[0; 6]);
            directory.extend_from_slice(&(mode << 16).to_le_bytes());
            directory.extend_from_slice(&(out.len() as u32).to_le_bytes());
            directory.extend_from_slice(name.as_bytes());
            out.extend_from_slice(&LOCAL);
            out.extend_from_slice(&[20, 0]);
            out.extend_from_slice(&common);
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(&packed);
        }
        let offset = out.len() as u32;
        out.extend_from_slice(&directory);
        out.extend_from_slice(&END);
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&(directory.len() as u32).to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out
    }

    fn unpack_bytes(bytes: &[u8]) -> (tempfile::TempDir, io::Result<()>) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.zip");
        fs::write(&file, bytes).unwrap();
        let into = dir.path().join("in");
        fs::create_dir(&into).unwrap();
        let result = unpack(File::open(file).unwrap(), &into, Sharing::Own);
        (dir, result)
    }

    #[test]
    fn stored_and_deflated_files_come_with_their_modes() {
        use std::os::unix::fs::PermissionsExt;
        let long = vec![b'x'; 200_000];
        let (dir, result) = unpack_bytes(&archive(&[
            ("a/run", b"stored", false, 0o100_755),
            ("a/long", &long, true, 0o100_644),
        ]));
        result.unwrap();
        let path = |name: &str| dir.path().join("in").join(name);
        assert_eq!(fs::read(path("a/run")).unwrap(), b"stored");
        assert_eq!(fs::read(path("a/long")).unwrap(), long);
        let mode = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a/run"), mode("a/long")), (0o755, 0o644));
    }

    #[test]
    fn what_climbs_or_links_or_lies_is_refused() {
        let content: &[u8] = b"/etc/passwd";
        for (name, mode) in [("../escape", 0o100_644), ("/abs", 0o100_644), ("link", 0o120_777)] {
            let (dir, result) = unpack_bytes(&archive(&[(name, content, false, mode)]));
            assert!(result.is_err(), "{name}");
            assert!(!dir.path().join("escape").exists() && !dir.path().join("in/link").is_symlink());
        }
        let good = archive(&[("a", content, true, 0o100_644)]);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            let _: io::Result<()> = unpack_bytes(&bad).1;
            let _: io::Result<()> = unpack_bytes(&good[..at]).1;
        }
    }
}
