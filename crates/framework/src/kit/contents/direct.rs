//! Things that no option declares: they belong to whoever makes them, and are made, changed and deleted in the service itself.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::Value;

use super::{Contents, Kind};
use crate::Published;
use crate::kit::Nodes;
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

    /// Over what they can be spread, where they can.
    fn spreads(&self) -> Option<Spreads> {
        None
    }

    /// Spreads those of these names evenly over nodes, which `over` names, all without it, with so many copies (`replication`), as
    /// many as they have without that. It goes on by itself; what moves.
    ///
    /// # Errors
    /// One is declared with other copies, or why the service moves nothing.
    async fn spread(
        &self,
        published: &Published,
        names: &BTreeSet<String>,
        over: Option<&str>,
        copies: Option<u32>,
    ) -> Refused<Vec<Value>> {
        let _ = (published, names, over, copies);
        Ok(Vec::new())
    }

    /// What moves right now.
    ///
    /// # Errors
    /// The service cannot be asked.
    async fn moving(&self, published: &Published) -> Refused<Vec<Move>> {
        let _ = published;
        Ok(Vec::new())
    }
}

/// Things that lie on nodes, and can be spread over them anew.
#[derive(Debug, Clone, Copy)]
pub struct Spreads {
    /// The nodes. Under their name one says, by their ids, where something is made or what it is spread over.
    pub over: Nodes,
    /// The resource that shows how far that is.
    pub watch: &'static str,
}

/// Something that moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Of what.
    pub of: String,
    /// From where to where, for people.
    pub how: String,
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
