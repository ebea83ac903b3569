//! For whoever stands in the driver's place: how a scheduler registers, and what the master's messages mean for its core.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_mesos::client::SchedulerEvent;
use cairn_mesos::v1::FrameworkInfo;
use tokio::sync::{mpsc, watch};

use crate::core::Event;
use crate::driver::link::{self, Registration};
use crate::{Config, Handle, Master, Published, RunError};

/// What a scheduler of this name says of itself when it subscribes, with the id if it has one.
///
/// # Errors
/// The master's address makes no sense.
pub fn framework_info(framework: &str, master: &str, id: Option<&str>) -> Result<FrameworkInfo, RunError> {
    let master = Master::from(master);
    let registration = Registration {
        masters: master.masters()?,
        master,
        framework: framework.to_owned(),
        webui: String::new(),
        labels: BTreeMap::new(),
    };
    Ok(link::framework_info(&registration, id))
}

/// What a status says of an instance that lacks nothing but an offer.
pub const WAITS_FOR_OFFER: &str = crate::core::WAITS_FOR_OFFER;

/// Fills in the secrets of what a store holds from the configuration file of this start; `names` are options that are
/// secrets whatever the file says.
///
/// # Errors
/// The key that cannot be read.
pub fn reveal(
    entries: &mut BTreeMap<String, Vec<u8>>,
    given: &Config,
    names: &[&str],
) -> Result<(), crate::Problem> {
    crate::core::reveal(entries, given, names)
}

/// What a message of the subscription means for the core. `None`: nothing.
pub fn meaning(event: SchedulerEvent) -> Option<Event> {
    link::meaning(event)
}

/// A handle to no scheduler: it shows `published`, and what it is asked for is refused.
pub fn handle(published: Published) -> Handle {
    let (requests, _) = mpsc::channel(1);
    let (_, published) = watch::channel(Arc::new(published));
    Handle { requests, published, board: Arc::default(), lateness: Arc::default() }
}
