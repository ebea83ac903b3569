//! For whoever stands in the place of the driver, of REST and of the watchers: the controller's decisions, one by one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cairn_framework::store::Place;
use cairn_framework::{Ask, Config, Master, Service, Verdict, View};
use cairn_stack::{Bundle, Catalog, Params, check_stack};
use serde_json::Value;

use crate::apply::{self, Wanted};
use crate::outside::Outside;
use crate::rest::Refusal;
use crate::secrets::{Key, Vault};
use crate::service::{Controller, ControllerError, Shared};
use crate::settings::Settings;
use crate::state::Options;
use crate::token::Secret;
use crate::{scale, service};

pub use crate::planted::Bug;
pub use crate::watch::{Following, unwatched, wanted};

/// A controller without a process.
#[derive(Debug, Clone)]
pub struct Simulated(Controller);

/// The configuration that a request leads to, and what whoever asked is shown; `None`: it changes nothing.
pub type Changed = Result<(Option<Config>, String), String>;

impl Simulated {
    /// With these frameworks, and the states of child schedulers below `states`.
    ///
    /// # Errors
    /// When there is no HTTP client to be had.
    pub fn new(catalog: Catalog, master: &str, states: Place) -> Result<Self, ControllerError> {
        let no_key = || ControllerError::Secret {
            path: PathBuf::new(),
            source: std::io::Error::other("no key can be derived"),
        };
        let settings = Settings {
            master: Master::from(master),
            advertise: "127.0.0.1:9".into(),
            states,
            dist: PathBuf::new(),
            catalog,
            vault: Vault { key: Key::derived("simulated").ok_or_else(no_key)?, path: PathBuf::new() },
            key: Secret::new("simulated"),
        };
        Ok(Self(Controller(Arc::new(Shared::new(settings, Secret::new("simulated"))?))))
    }

    /// The service that its core runs.
    pub fn service(&self) -> Arc<dyn Service> {
        Arc::new(self.0.clone())
    }

    /// As [`Service::gate`].
    pub async fn gate(&self, outside: &dyn Outside, ask: &Ask) -> Verdict {
        self.0.judge(outside, ask).await
    }

    /// Applies the text of a stack file, with these values of its secrets.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn apply(
        &self,
        config: &Config,
        view: &View,
        text: &str,
        secrets: BTreeMap<String, Secret>,
        delete_data: bool,
    ) -> Changed {
        let settings = &self.0.0.settings;
        let checked = check_stack("stack.yaml", text.as_bytes(), &settings.catalog, &Params::new())
            .map_err(|report| report.to_string())?;
        let wanted = Wanted {
            stack: checked.stack,
            bundle: Bundle::single("stack.yaml", text),
            notes: Vec::new(),
            delete_data,
            secrets,
        };
        self.want(config, view, wanted)
    }

    /// Changes the number of a service's instances.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn scale(&self, config: &Config, view: &View, stack: &str, service: &str, count: u64) -> Changed {
        let options = read(config)?;
        let stored = options.stacks.get(stack).ok_or("there is no such stack")?;
        let wanted = scale::scale(stored, service, count, &self.0.0.settings.catalog).map_err(words)?;
        self.want(config, view, wanted)
    }

    fn want(&self, config: &Config, view: &View, wanted: Wanted) -> Changed {
        let settings = &self.0.0.settings;
        let applied = apply::want(settings, &read(config)?, view, wanted, 0).map_err(words)?;
        let (options, plan) = applied;
        let shown = serde_json::to_string(&plan).unwrap_or_default();
        Ok((options.map(|options| changed(config, &options)), shown))
    }

    /// Has a stack taken down.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn destroy(&self, config: &Config, stack: &str, delete_data: bool) -> Changed {
        let options = read(config)?;
        let going = apply::destroy(&options, stack, delete_data).map_err(words)?;
        Ok(((going != options).then(|| changed(config, &going)), String::new()))
    }

    /// What the controller changes by itself: it drops what is gone.
    pub fn tidied(&self, config: &Config, view: &View) -> Option<Config> {
        let options = read(config).ok().filter(service::leaves)?;
        apply::tidy(&options, view).map(|tidied| changed(config, &tidied))
    }
}

fn read(config: &Config) -> Result<Options, String> {
    Options::read(&config.options).map_err(|e| e.to_string())
}

fn changed(config: &Config, options: &Options) -> Config {
    // Options are maps with names as keys: they can always be written.
    Config { options: serde_json::to_value(options).unwrap_or(Value::Null).into(), ..config.clone() }
}

fn words(refusal: Refusal) -> String {
    match refusal {
        Refusal::Problem(problem) => problem.detail,
        Refusal::Report(report) => report.to_string(),
    }
}
