//! The REST of one service's own scheduler, through the controller.

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::names::ServiceName;
use super::rest::{Client, Query};
use crate::console;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Format;

/// A scheduler to talk to.
pub(crate) struct Scheduler {
    pub(crate) client: Client,
    pub(crate) service: ServiceName,
    pub(crate) format: Format,
}

impl Scheduler {
    /// Asks for what is below `/v1/`.
    ///
    /// # Errors
    /// When it is refused, or nobody answers.
    pub(crate) async fn get(&self, path: &str, query: Query<'_>) -> Result<Value, Failure> {
        Ok(self.client.get(&self.service.path(&format!("proxy/v1/{path}")), query).await?)
    }

    /// Changes what is below `/v1/`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        query: Query<'_>,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        Ok(self.client.send(method, &self.service.path(&format!("proxy/v1/{path}")), query, body).await?)
    }

    /// Makes a change and says that it is on its way.
    pub(crate) async fn change(
        &self,
        method: Method,
        path: &str,
        query: Query<'_>,
        body: Option<&Value>,
    ) -> Outcome {
        let answer = self.send(method, path, query, body).await?;
        if self.format.is_data() {
            return self.format.emit(&answer, Value::to_string);
        }
        let stack = &self.service.stack;
        match answer["changed"].as_bool() {
            Some(false) => console::say("nothing changes"),
            Some(true) => console::say(&format!("accepted; watch it with `cairn status {stack} --watch`")),
            None => console::say("done"),
        }
        Ok(Exit::Done)
    }

    /// Shows an answer: as data the whole of it, for people what is known of it.
    pub(crate) fn show<T: DeserializeOwned>(
        &self,
        answer: &Value,
        text: impl FnOnce(&T) -> String,
    ) -> Outcome {
        let known = known(answer)?;
        self.format.emit(answer, |_| text(&known))
    }
}

/// What is known of an answer.
///
/// # Errors
/// When it is of another form.
pub(crate) fn known<T: DeserializeOwned>(answer: &Value) -> Result<T, Failure> {
    T::deserialize(answer)
        .map_err(|error| Failure::new(format!("the scheduler's answer cannot be read: {error}")))
}
