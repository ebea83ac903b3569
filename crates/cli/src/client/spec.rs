//! Stack specs as clients read them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cairn_stack::{Bundle, Checked, Content, MAX_BYTES, Params, Report, check_bundle, param_value};

use super::bundle;
use super::secrets::{self, Value as Secret};
use crate::console::Paint;
use crate::failure::Failure;
use crate::frameworks::FrameworkArgs;

/// A stack spec and what was said about it on the command line.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SpecArgs {
    /// The stack spec; `-` is stdin. May be repeated: each file is laid over those before it
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    pub(crate) files: Vec<String>,
    /// A folder outside that of the stack spec from which files may be read that it names; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) include: Vec<PathBuf>,
    /// A value for a parameter of the stack; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) params: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) frameworks: FrameworkArgs,
}

/// A stack spec's files.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) bundle: Bundle,
    params: Vec<(String, String)>,
    frameworks: FrameworkArgs,
}

impl SpecArgs {
    /// Reads the files.
    ///
    /// # Errors
    /// When one that is named on the command line cannot be read.
    pub(crate) fn read(&self) -> Result<Spec, Failure> {
        let bundle = bundle::load(&self.files, &self.include)?;
        Ok(Spec { bundle, params: self.params.clone(), frameworks: self.frameworks.clone() })
    }
}

impl Spec {
    /// Checks it against the frameworks that come with this program and those of `--frameworks`.
    ///
    /// # Errors
    /// All its mistakes; or the frameworks cannot be read.
    pub(crate) fn check(&self) -> Result<Result<Checked, Report>, Failure> {
        // The controller reads the query in the same way.
        let params: Params =
            self.params.iter().map(|(name, value)| (name.clone(), param_value(value))).collect();
        Ok(check_bundle(&self.bundle, &self.frameworks.catalog()?, &params))
    }

    /// As [`Self::check`], with the mistakes as a failure.
    ///
    /// # Errors
    /// All its mistakes, rendered.
    pub(crate) fn checked(&self) -> Result<Checked, Failure> {
        self.check()?.map_err(|report| Failure::Rendered(report.render(Paint::stderr().is_on())))
    }

    /// What no controller needs to be asked: files that are no specs whatever the frameworks are.
    ///
    /// # Errors
    /// Why they are none.
    pub(crate) fn sendable(&self) -> Result<(), Failure> {
        let several = self.bundle.has_several();
        let unfit = |content: &Content| match content {
            Content::Text(bytes) => bytes.len() > MAX_BYTES || several && std::str::from_utf8(bytes).is_err(),
            Content::Absent(_) => false,
        };
        if self.bundle.files.values().any(unfit) { self.checked().map(|_| ()) } else { Ok(()) }
    }

    /// Values of the secrets that it declares, read from where it says.
    ///
    /// # Errors
    /// All that cannot be read, each with its place.
    pub(crate) fn secrets(&self) -> Result<BTreeMap<String, Secret>, Failure> {
        secrets::declared(&self.bundle)
    }

    /// Environment variables that it declares to hold secrets.
    pub(crate) fn secret_variables(&self) -> Vec<String> {
        secrets::variables(&self.bundle)
    }

    /// The query of a request that sends it.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let name = self.bundle.main.first().cloned().unwrap_or_default();
        let params = self.params.iter().map(|(name, value)| (format!("param.{name}"), value.clone()));
        std::iter::once(("file".to_owned(), name)).chain(params).collect()
    }

    /// The body of a request that sends it, and its type: one file as it is, several as JSON.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which cannot be.
    pub(crate) fn body(&self) -> Result<(&'static str, Vec<u8>), Failure> {
        if self.bundle.has_several() {
            let json = serde_json::to_vec(&self.bundle);
            let failed = |error| Failure::new(format!("cannot write the stack's files as JSON: {error}"));
            return Ok((cairn_controller::BUNDLE, json.map_err(failed)?));
        }
        let only = self.bundle.files.values().next();
        let bytes = match only {
            Some(Content::Text(bytes)) => bytes.clone(),
            Some(Content::Absent(_)) | None => Vec::new(),
        };
        Ok(("application/yaml", bytes))
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_pairs() {
        assert_eq!(pair("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert!(pair("a").is_err() && pair("=b").is_err());
    }
}
