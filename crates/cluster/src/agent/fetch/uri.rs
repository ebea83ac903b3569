//! What is fetched into a sandbox.

use std::path::{Component, Path, PathBuf};

use super::FetchError;

/// Query parameter that carries the checksum of the content.
const SHA256: &str = "sha256";

/// One URI of a command, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchUri {
    /// As the framework wrote it.
    pub(crate) value: String,
    pub(crate) source: Source,
    /// Lower-case hex SHA-256 that the content must have.
    pub(crate) sha256: Option<String>,
    /// Name below the sandbox.
    pub(crate) output: PathBuf,
    /// Set the executable bits; such a file is not extracted.
    pub(crate) executable: bool,
    /// Unpack it into the sandbox, if its name says that it is an archive.
    pub(crate) archive: Option<Archive>,
    /// Keep it for the next sandbox that wants the same URI.
    pub(crate) cache: bool,
}

/// Where the content comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Http,
    File(PathBuf),
}

/// Archive formats, told by the name as Mesos does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Archive {
    Tar,
    TarGz,
    TarBz2,
    TarXz,
    /// One file, packed.
    Gz,
    Zip,
}

/// Endings of names, the longer ones first.
const ARCHIVES: [(&str, Archive); 9] = [
    (".tar", Archive::Tar),
    (".tar.gz", Archive::TarGz),
    (".tgz", Archive::TarGz),
    (".tar.bz2", Archive::TarBz2),
    (".tbz2", Archive::TarBz2),
    (".tar.xz", Archive::TarXz),
    (".txz", Archive::TarXz),
    (".gz", Archive::Gz),
    (".zip", Archive::Zip),
];

impl FetchUri {
    /// Whether it comes from elsewhere, not from a file of this machine.
    pub(crate) fn is_http(&self) -> bool {
        self.source == Source::Http
    }

    /// Parses a URI and what the command says about it.
    ///
    /// # Errors
    /// A scheme that is not `http`, `https`, `file` or an absolute path, a checksum that is none, or an output path
    /// that would leave the sandbox.
    pub fn parse(
        value: &str,
        executable: bool,
        extract: bool,
        cache: bool,
        output_file: Option<&str>,
    ) -> Result<Self, FetchError> {
        let refuse = |reason: &str| FetchError::Uri { uri: value.to_owned(), reason: reason.to_owned() };
        let (address, query) = value.split_once('?').unwrap_or((value, ""));
        let source = source(address)
            .ok_or_else(|| refuse("only http://, https://, file:// and absolute paths can be fetched"))?;
        let sha256 = match query.split('&').find_map(|p| p.split_once('=').filter(|(k, _)| *k == SHA256)) {
            Some((_, sum)) => {
                Some(checksum(sum).ok_or_else(|| refuse("sha256 must be 64 hexadecimal digits"))?)
            }
            None => None,
        };
        let name = address.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let output = inside(output_file.unwrap_or(name))
            .ok_or_else(|| refuse("its file name or output_file would lie outside the sandbox"))?;
        let archive = if extract && !executable { archive(name, &output) } else { None };
        Ok(Self { value: value.to_owned(), source, sha256, output, executable, archive, cache })
    }
}

fn source(address: &str) -> Option<Source> {
    if address.starts_with("http://") || address.starts_with("https://") {
        return Some(Source::Http);
    }
    let path = Path::new(address.strip_prefix("file://").unwrap_or(address));
    path.is_absolute().then(|| Source::File(path.to_owned()))
}

fn checksum(text: &str) -> Option<String> {
    let valid = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    valid.then(|| text.to_ascii_lowercase())
}

fn archive(name: &str, output: &Path) -> Option<Archive> {
    let output = output.to_string_lossy();
    [name, &output].iter().find_map(|name| {
        ARCHIVES.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, archive)| *archive)
    })
}

/// `path` as a path that stays below wherever it is joined to; none when it does not.
pub(crate) fn inside(path: impl AsRef<Path>) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.as_ref().components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    let name = out.as_os_str();
    (!name.is_empty() && !name.as_encoded_bytes().contains(&0)).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<FetchUri, FetchError> {
        FetchUri::parse(value, false, true, false, None)
    }

    #[test]
    fn name_checksum_and_format_come_from_the_uri() {
        let sum = "AB".repeat(32);
        let uri = parse(&format!("http://h:1/v1/artifacts/kafka.tar.gz?x=1&sha256={sum}")).unwrap();
        assert_eq!(uri.output, Path::new("kafka.tar.gz"));
        assert_eq!(uri.sha256, Some("ab".repeat(32)));
        assert_eq!(uri.archive, Some(Archive::TarGz));
    }

    #[test]
    fn what_is_executable_is_not_extracted() {
        let uri = FetchUri::parse("/a/run.tar", true, true, false, None).unwrap();
        assert_eq!((uri.archive, uri.source), (None, Source::File("/a/run.tar".into())));
    }

    #[test]
    fn refuses_what_would_leave_the_sandbox() {
        for output in ["../x", "/etc/passwd", ""] {
            let result = FetchUri::parse("http://h/x", false, false, false, Some(output));
            assert!(result.is_err(), "{output}");
        }
        assert!(parse("http://h/..").is_err());
        assert!(parse("hdfs://h/x").is_err());
        assert!(parse("relative").is_err());
        assert!(parse("/x?sha256=12").is_err());
    }
}
