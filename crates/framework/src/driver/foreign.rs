//! Frameworks of others on the same cluster: schedulers that a service runs as its tasks.

use cairn_mesos::client::{ClientError, OperatorClient};
use cairn_mesos::v1::{FrameworkId, master};

use crate::{Master, Verdict};

/// A look at the cluster that failed.
#[derive(Debug, thiserror::Error)]
#[error("the master at {master} cannot be asked: {source}")]
struct ForeignError {
    master: String,
    source: ClientError,
}

/// Frameworks of others, found by their names.
#[derive(Debug)]
pub struct Foreign {
    master: String,
    client: OperatorClient,
}

impl Foreign {
    /// Those of the cluster of `master`.
    ///
    /// # Errors
    /// When its address makes no sense.
    fn on(master: &Master) -> Result<Self, ForeignError> {
        let failed = |source| ForeignError { master: master.address.clone(), source };
        let client = master.operator().map_err(failed)?;
        Ok(Self { master: master.address.clone(), client })
    }

    fn failed(&self, source: ClientError) -> ForeignError {
        ForeignError { master: self.master.clone(), source }
    }

    /// Ids of the frameworks of that name that have not been torn down, and whether one of them is connected.
    async fn named(&self, name: &str) -> Result<(Vec<String>, bool), ForeignError> {
        let mut call = master::Call::default();
        call.set_type(master::call::Type::GetFrameworks);
        let answer = self.client.call(&call).await.map_err(|e| self.failed(e))?;
        let all = answer.get_frameworks.map(|f| f.frameworks).unwrap_or_default();
        let found: Vec<_> = all.into_iter().filter(|f| f.framework_info.name == name).collect();
        let connected = found.iter().any(|f| f.connected);
        Ok((found.into_iter().filter_map(|f| f.framework_info.id).map(|id| id.value).collect(), connected))
    }

    /// For a gate: Go once a framework of that name is connected.
    pub async fn registered(master: &Master, name: &str) -> Verdict {
        let asked = async { Self::on(master)?.named(name).await };
        match asked.await {
            Ok((_, true)) => Verdict::Go,
            Ok(_) => Verdict::Wait(format!("waits until it has registered with the master as `{name}`")),
            Err(error) => Verdict::Wait(error.to_string()),
        }
    }

    /// For a gate: tears down the frameworks of these names, with their tasks, and says Go once there is none.
    pub async fn gone(master: &Master, names: &[String]) -> Verdict {
        for name in names {
            let torn_down = async { Self::on(master)?.tear_down(name).await };
            match torn_down.await {
                Ok(true) => {}
                Ok(false) => return Verdict::Wait(format!("the framework `{name}` is being torn down")),
                Err(error) => return Verdict::Wait(error.to_string()),
            }
        }
        Verdict::Go
    }

    /// `true` once there is none.
    async fn tear_down(&self, name: &str) -> Result<bool, ForeignError> {
        let (ids, _) = self.named(name).await?;
        for id in &ids {
            tear_down(&self.client, id).await;
        }
        Ok(self.named(name).await?.0.is_empty())
    }
}

/// Asks the master to end a framework and all its tasks. What counts is that it is gone the next time one looks.
pub(super) async fn tear_down(client: &OperatorClient, id: &str) {
    let teardown = master::call::Teardown { framework_id: FrameworkId { value: id.to_owned() } };
    let mut call = master::Call { teardown: Some(teardown), ..master::Call::default() };
    call.set_type(master::call::Type::Teardown);
    if let Err(error) = client.call(&call).await {
        tracing::warn!(framework = id, %error, "it could not be torn down");
    }
}
