//! Things that no option declares: they belong to whoever makes them, and are made, changed and deleted in the service itself.

use async_trait::async_trait;
use serde_json::Value;

use super::{Contents, Kind};
use crate::Published;
use crate::rest::{Problem, Refused};

/// What can be done to things in the service itself.
#[async_trait]
pub trait Direct: Send + Sync {
    /// Those of these names in detail, each an object with its `name`.
    ///
    /// # Errors
    /// The service cannot be asked.
    async fn described(&self, published: &Published, which: &Names<'_>) -> Refused<Vec<Value>>;

    /// Makes one of this name; what is answered.
    ///
    /// # Errors
    /// What is wrong with it, or why the service refuses.
    async fn make(&self, published: &Published, name: &str, body: Value) -> Refused<Value>;

    /// Changes one; null resets. Of a declared one only what its declaration cannot bring about: that something goes back to
    /// its default. Whether it still goes on.
    ///
    /// # Errors
    /// What is wrong with the patch, or why the service refuses.
    async fn change(&self, published: &Published, name: &str, patch: &Value, declared: bool)
    -> Refused<bool>;

    /// Deletes one with all that is in it.
    ///
    /// # Errors
    /// Why the service refuses.
    async fn delete(&self, published: &Published, name: &str) -> Refused<()>;
}

/// Tells which names are meant.
pub type Names<'a> = dyn Fn(&str) -> bool + Send + Sync + 'a;

impl Kind {
    /// Whether the options declare one of this name.
    pub(crate) fn declares(&self, published: &Published, name: &str) -> bool {
        self.declaration(&published.config, name).is_some()
    }

    /// When only its declaration can be changed.
    pub(crate) fn kept(&self, name: &str, why: &str, hint: &str) -> Problem {
        let Self { one, many, .. } = self;
        let problem =
            Problem::conflict(&format!("{one}-declared"), format!("{one} {name} is declared {why}"));
        problem.hint(format!("{hint}: /v1/{many}/{name}"))
    }
}

/// Deletes one that is not declared.
pub(crate) async fn delete(
    contents: &dyn Contents,
    direct: &dyn Direct,
    published: &Published,
    name: &str,
) -> Refused<()> {
    let kind = contents.kind();
    if contents.show(published, kind.named(name)?).await?.is_null() {
        return Err(kind.unknown(name));
    }
    if kind.declares(published, name) {
        let hint = "take it out of the stack file, or declare it no more, and then delete it: DELETE with ?keep=true";
        return Err(kind.kept(name, "and would be made again", hint));
    }
    direct.delete(published, name).await
}
