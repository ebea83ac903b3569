//! What is changed in a cluster so that a broker can go or come.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Client, ClientError, Evacuation, evacuation};

/// What has to be done first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The broker gives its partitions to these.
    Evacuate(i32, BTreeSet<i32>),
    /// The broker leads again what it led. Kafka would leave that to the others for up to five minutes.
    Lead(BTreeMap<String, Vec<i32>>),
    /// The cluster forgets the broker.
    Unregister(i32),
}

/// What an act has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// That was all.
    Through,
    /// The cluster is to be looked at again.
    Again,
    /// It goes on by itself; how far it is.
    Begun(String),
    /// It cannot be done.
    Never(String),
}

impl Act {
    /// Does it, through any of these endpoints.
    ///
    /// # Errors
    /// As Kafka says, partitions are moving that an evacuation would have to plan with, or the brokers are too few for one.
    pub async fn perform(&self, through: &[String]) -> Result<Done, ClientError> {
        let mut client = Client::connect(through).await?;
        match self {
            Self::Evacuate(leaving, staying) => client.evacuate(*leaving, staying).await,
            // Only a matter of even load, so that it fails is not told to anybody but the log.
            Self::Lead(led) => {
                if let Err(error) = client.elect_preferred(led).await {
                    tracing::debug!(%error, "leaderships stay where they are for now");
                }
                Ok(Done::Through)
            }
            Self::Unregister(broker) => client.unregister(*broker).await.map(|()| Done::Through),
        }
    }
}

impl Client {
    /// Begins the next moves that make a broker get rid of its partitions, from what stands still.
    async fn evacuate(&mut self, leaving: i32, staying: &BTreeSet<i32>) -> Result<Done, ClientError> {
        let (cluster, ongoing) = self.steady().await?;
        Ok(match evacuation(&cluster, &ongoing, leaving, staying) {
            Evacuation::Done => Done::Again,
            Evacuation::Wait(reason) => Done::Begun(reason),
            Evacuation::Move(moves, how) => {
                self.reassign(&moves).await?;
                Done::Begun(how)
            }
            Evacuation::TooFew(few) => return Err(few.into()),
            Evacuation::Refuse(reason) => Done::Never(reason),
        })
    }
}
