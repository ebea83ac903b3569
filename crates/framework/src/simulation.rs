//! For whoever stands in the driver's place: how a scheduler registers, and what the master's messages mean for its core.

use std::collections::BTreeMap;

use cairn_mesos::client::SchedulerEvent;
use cairn_mesos::v1::FrameworkInfo;

use crate::RunError;
use crate::core::Event;
use crate::driver::link::{self, Registration};
use crate::driver::start::PRINCIPAL;

/// What a scheduler of this name says of itself when it subscribes, with the id if it has one.
///
/// # Errors
/// The master's address makes no sense.
pub fn framework_info(framework: &str, master: &str, id: Option<&str>) -> Result<FrameworkInfo, RunError> {
    let registration = Registration {
        masters: master.parse()?,
        framework: framework.to_owned(),
        principal: PRINCIPAL.into(),
        webui: String::new(),
        labels: BTreeMap::new(),
    };
    Ok(link::framework_info(&registration, id))
}

/// What a message of the subscription means for the core. `None`: nothing.
pub fn meaning(event: SchedulerEvent) -> Option<Event> {
    link::meaning(event)
}

/// The principal of reservations.
pub fn principal() -> &'static str {
    PRINCIPAL
}
