//! Stack specs as clients read them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use cairn_stack::{Checked, MAX_BYTES, Params, Report, check_stack};
use serde_json::Value;

use super::secrets::{self, Value as Secret};
use crate::console::Paint;
use crate::failure::Failure;
use crate::frameworks::FrameworkArgs;

/// Much more than a spec may have, so that the true size of what is too large is told; less than hurts.
const READ_AT_MOST: u64 = 64 * 1024 * 1024;

/// A stack spec and what was said about it on the command line.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SpecArgs {
    /// The stack spec; `-` is stdin
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: String,
    /// A value for a parameter of the stack; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) params: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) frameworks: FrameworkArgs,
}

/// A stack spec's bytes.
#[derive(Debug)]
pub(crate) struct Spec {
    /// Name of the file, as reports show it.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    params: Vec<(String, String)>,
    frameworks: FrameworkArgs,
}

impl SpecArgs {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(&self) -> Result<Spec, Failure> {
        let (name, bytes) = match self.file.as_str() {
            "-" => ("<stdin>".to_owned(), limited(std::io::stdin().lock())),
            path => (path.to_owned(), std::fs::File::open(Path::new(path)).and_then(limited)),
        };
        let bytes = bytes.map_err(|error| {
            Failure::hint(
                format!("cannot read {name}: {error}"),
                "name a stack spec with -f FILE, or `-f -` for stdin",
            )
        })?;
        Ok(Spec { name, bytes, params: self.params.clone(), frameworks: self.frameworks.clone() })
    }
}

impl Spec {
    /// Checks it against the frameworks that come with this program and those of `--frameworks`.
    ///
    /// # Errors
    /// All its mistakes; or the frameworks cannot be read.
    pub(crate) fn check(&self) -> Result<Result<Checked, Report>, Failure> {
        let params: Params = self.params.iter().map(|(name, value)| (name.clone(), scalar(value))).collect();
        Ok(check_stack(&self.name, &self.bytes, &self.frameworks.catalog()?, &params))
    }

    /// As [`Self::check`], with the mistakes as a failure.
    ///
    /// # Errors
    /// All its mistakes, rendered.
    pub(crate) fn checked(&self) -> Result<Checked, Failure> {
        self.check()?.map_err(|report| Failure::Rendered(report.render(Paint::stderr().is_on())))
    }

    /// What no controller needs to be asked: a file that is no spec whatever the frameworks are.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn sendable(&self) -> Result<(), Failure> {
        if self.bytes.len() > MAX_BYTES { self.checked().map(|_| ()) } else { Ok(()) }
    }

    /// Values of the secrets that it declares, read from where it says.
    ///
    /// # Errors
    /// All that cannot be read, each with its place.
    pub(crate) fn secrets(&self) -> Result<BTreeMap<String, Secret>, Failure> {
        secrets::declared(&self.name, &self.bytes, &secrets::folder_of(&self.name))
    }

    /// The query of a request that sends it.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let params = self.params.iter().map(|(name, value)| (format!("param.{name}"), value.clone()));
        std::iter::once(("file".to_owned(), self.name.clone())).chain(params).collect()
    }
}

fn limited(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(READ_AT_MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".into()),
    }
}

/// Numbers and truth values as such, all else as text; the controller reads the query in the same way.
fn scalar(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_pairs() {
        assert_eq!(pair("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert!(pair("a").is_err() && pair("=b").is_err());
        assert_eq!(scalar("3"), Value::from(3));
        assert_eq!(scalar("true"), Value::from(true));
        assert_eq!(scalar("[1]"), Value::from("[1]"));
    }
}
