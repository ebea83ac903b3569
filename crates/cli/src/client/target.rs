//! Which controller a command talks to.

use std::path::{Path, PathBuf};

use super::context::{self, Context};
use crate::failure::Failure;

/// What the command line says about it.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct TargetArgs {
    /// URL of the controller [default: that of the last `cairn dev`]
    #[arg(long, value_name = "URL", env = "CAIRN_CONTROLLER", hide_env_values = true)]
    pub(crate) controller: Option<String>,
    /// File with the controller's token
    #[arg(long, value_name = "FILE", env = "CAIRN_TOKEN_FILE", hide_env_values = true)]
    pub(crate) token_file: Option<PathBuf>,
}

/// A controller and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its URL, without a slash at the end.
    pub(crate) url: String,
    /// Its token.
    pub(crate) token: Option<String>,
    /// Who named it, for people.
    pub(crate) named_by: String,
    /// What to do when it does not answer.
    pub(crate) hint: String,
}

impl TargetArgs {
    /// The controller that is named: by option, by variable, or by the context file.
    ///
    /// # Errors
    /// When none is named, or a file cannot be read.
    pub(crate) fn find(&self) -> Result<Target, Failure> {
        let file = context::default_file()?;
        self.find_in(&file, Context::read(&file)?)?.ok_or_else(|| {
            Failure::hint(
                format!(
                    "no controller is named: there is no --controller, no CAIRN_CONTROLLER and no {}",
                    file.display()
                ),
                "start one with `cairn dev`",
            )
        })
    }

    /// As [`Self::find`]; `None` if no controller is named.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn find_any(&self) -> Result<Option<Target>, Failure> {
        let file = context::default_file()?;
        self.find_in(&file, Context::read(&file)?)
    }

    fn find_in(&self, file: &Path, context: Option<Context>) -> Result<Option<Target>, Failure> {
        let said = self.controller.as_deref().filter(|url| !url.is_empty()).map(url).transpose()?;
        // A token goes to the controller it belongs to and to no other.
        let context = context.filter(|c| said.as_ref().is_none_or(|said| *said == c.controller));
        let noted = context.as_ref().map(|c| c.token_file.as_path());
        let token = match (self.token_file.as_deref(), noted) {
            (Some(path), _) => Some(token(path)?),
            (None, Some(path)) => Some(token(path)?),
            (None, None) => None,
        };
        Ok(match (said, context) {
            (Some(url), _) => Some(Target {
                url,
                token,
                named_by: "--controller or CAIRN_CONTROLLER".into(),
                hint: "check the address; or start a controller with `cairn dev`".into(),
            }),
            (None, Some(context)) => Some(Target {
                url: context.controller,
                token,
                named_by: file.display().to_string(),
                hint: again(context.dev.as_deref()),
            }),
            (None, None) => None,
        })
    }
}

/// How to get a controller back that is not there any more.
fn again(dev: Option<&Path>) -> String {
    let usual = crate::paths::dev().ok();
    match dev.filter(|dir| Some(*dir) != usual.as_deref()) {
        Some(dir) => {
            format!("start one with `cairn dev`; the last one was `cairn dev --work-dir {}`", dir.display())
        }
        None => "start one with `cairn dev`".into(),
    }
}

/// The URL as it is used: with a scheme, without a slash at the end.
fn url(text: &str) -> Result<String, Failure> {
    let text = text.trim().trim_end_matches('/');
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    match reqwest::Url::parse(&url) {
        Ok(parsed) if parsed.has_host() && matches!(parsed.scheme(), "http" | "https") => Ok(url),
        _ => Err(Failure::hint(
            format!("`{text}` is not the address of a controller"),
            "for example http://127.0.0.1:7070",
        )),
    }
}

fn token(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::hint(
            format!("cannot read the controller's token from {}: {error}", path.display()),
            "name its file with --token-file; or start the controller again with `cairn dev`",
        )
    })?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(controller: Option<&str>, token_file: Option<&Path>) -> TargetArgs {
        TargetArgs { controller: controller.map(Into::into), token_file: token_file.map(Into::into) }
    }

    #[test]
    fn a_token_goes_only_to_the_controller_it_belongs_to() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "secret\n").unwrap();
        let context = Context::new("127.0.0.1:7070".parse().unwrap(), &file);
        let find =
            |args: TargetArgs| args.find_in(Path::new("/c.json"), Some(context.clone())).unwrap().unwrap();

        let noted = find(args(None, None));
        assert_eq!((noted.url.as_str(), noted.token.as_deref()), ("http://127.0.0.1:7070", Some("secret")));
        let same = find(args(Some("127.0.0.1:7070/"), None));
        assert_eq!((same.url.as_str(), same.token.as_deref()), ("http://127.0.0.1:7070", Some("secret")));
        let other = find(args(Some("http://10.0.0.1:7070"), None));
        assert_eq!((other.url.as_str(), other.token), ("http://10.0.0.1:7070", None));
        let named = find(args(Some("http://10.0.0.1:7070"), Some(&file)));
        assert_eq!(named.token.as_deref(), Some("secret"));
        assert_eq!(args(None, None).find_in(Path::new("/c.json"), None).unwrap(), None);
        assert!(args(Some("nonsense address"), None).find_in(Path::new("/c.json"), None).is_err());
    }
}
