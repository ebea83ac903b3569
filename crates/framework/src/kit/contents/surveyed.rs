//! Things that a look at a cluster shows, and that are kept as declared with everything else of it: see
//! [`Clustered::settled`].

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Contents, Kept, Kind};
use crate::kit::Clustered;
use crate::rest::{Problem, Refused};
use crate::{Config, Published, View};

/// Things of one kind, as the cluster shows them.
#[derive(Debug)]
pub struct Surveyed<C: Clustered + 'static> {
    /// What they are called.
    pub kind: Kind,
    /// The service.
    pub cluster: &'static C,
    /// All that there are, by name.
    pub there: fn(&C::Survey) -> BTreeMap<String, Value>,
}

impl<C: Clustered> Surveyed<C> {
    async fn all(&self, published: &Published) -> Refused<BTreeMap<String, Value>> {
        let options = published.config.read::<C::Options>().map_err(Problem::invalid)?;
        let survey = self.cluster.survey(&published.view, &options).await;
        survey.map(|survey| (self.there)(&survey)).map_err(Problem::unavailable)
    }
}

#[async_trait]
impl<C: Clustered> Contents for Surveyed<C> {
    fn kind(&self) -> &Kind {
        &self.kind
    }

    async fn list(&self, published: &Published) -> Refused<Value> {
        Ok(json!({ self.kind.many: self.all(published).await? }))
    }

    async fn show(&self, published: &Published, name: &str) -> Refused<Value> {
        let there = self.all(published).await?.remove(name);
        let declared = self.kind.declaration(&published.config, name);
        Ok(match (&declared, &there) {
            (None, None) => Value::Null,
            _ => json!({ "name": name, "declared": declared, "there": there }),
        })
    }

    async fn keep(&self, _: &Config, _: &View, _: &mut Kept) {}
}
