//! The subscription with the master, and calls to it in order.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_mesos::client::{ClientError, Masters, SchedulerClient, SchedulerEvent};
use cairn_mesos::v1::scheduler::{Call, call::Type as Kind, event};
use cairn_mesos::v1::{self, framework_info::capability::Type as Capability};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Master;
use crate::core::Event;

/// A scheduler that does not come back for so long is given up by the master: a week, longer than any repair.
const FAILOVER_SECONDS: f64 = 7.0 * 86_400.0;
/// Calls that wait to be sent; beyond that the loop waits for the master.
const CALLS: usize = 1_024;
/// How long the last calls may take.
const CLOSE: Duration = Duration::from_secs(10);

/// Who registers.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) master: Master,
    /// The same, for clients: what they find out about it they share.
    pub(crate) masters: Masters,
    pub(crate) framework: String,
    pub(crate) webui: String,
    /// Labels of the framework.
    pub(crate) labels: BTreeMap<String, String>,
}

/// A live line to the master. Dropping it detaches: the master keeps the framework's tasks.
pub(crate) struct Link {
    pub(crate) events: mpsc::Receiver<SchedulerEvent>,
    calls: mpsc::Sender<Call>,
    sender: JoinHandle<()>,
}

impl Link {
    /// Subscribes, with the id if there is one. What becomes of calls that say more than that they were taken is `told`.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub(crate) fn open(
        registration: &Registration,
        id: Option<&str>,
        told: mpsc::Sender<Event>,
    ) -> Result<Self, ClientError> {
        let info = framework_info(registration, id);
        let (client, events) =
            SchedulerClient::connect(registration.masters.clone(), info, registration.master.options())?;
        let (calls, queue) = mpsc::channel(CALLS);
        let sender = tokio::spawn(send_in_order(client, queue, told));
        Ok(Self { events, calls, sender })
    }

    /// Queues a call behind all earlier ones.
    pub(crate) async fn call(&self, call: Call) {
        // The sender ends only with the link itself.
        let _ = self.calls.send(call).await;
    }

    /// Lets the calls that are queued get through, then hangs up.
    pub(crate) async fn close(self) {
        let Self { events, calls, sender } = self;
        drop(calls);
        if tokio::time::timeout(CLOSE, sender).await.is_err() {
            tracing::warn!("the master did not take the last calls in time");
        }
        drop(events);
    }
}

/// One call after the other: a REVIVE must not overtake a DECLINE.
async fn send_in_order(client: SchedulerClient, mut queue: mpsc::Receiver<Call>, told: mpsc::Sender<Event>) {
    while let Some(call) = queue.recv().await {
        let kind = call.r#type();
        let what_came = match client.call(call).await {
            Ok(()) if kind == Kind::Teardown => Event::Left,
            Ok(()) => continue,
            Err(error) => {
                tracing::warn!(call = kind.as_str_name(), %error, "a call did not get through; its tasks will be asked about");
                Event::CallFailed
            }
        };
        if told.send(what_came).await.is_err() {
            return;
        }
    }
}

pub(crate) fn framework_info(registration: &Registration, id: Option<&str>) -> v1::FrameworkInfo {
    let capabilities = [Capability::MultiRole, Capability::ReservationRefinement, Capability::PartitionAware];
    v1::FrameworkInfo {
        user: user(),
        name: registration.framework.clone(),
        id: id.map(|value| v1::FrameworkId { value: value.to_owned() }),
        failover_timeout: Some(FAILOVER_SECONDS),
        checkpoint: Some(true),
        roles: vec![registration.framework.clone()],
        principal: Some(registration.master.principal().to_owned()),
        webui_url: Some(registration.webui.clone()),
        capabilities: capabilities
            .into_iter()
            .map(|c| v1::framework_info::Capability { r#type: Some(c as i32) })
            .collect(),
        labels: labels(&registration.labels),
        ..v1::FrameworkInfo::default()
    }
}

fn labels(labels: &BTreeMap<String, String>) -> Option<v1::Labels> {
    let label = |(key, value): (&String, &String)| v1::Label { key: key.clone(), value: Some(value.clone()) };
    (!labels.is_empty()).then(|| v1::Labels { labels: labels.iter().map(label).collect() })
}

/// The user that tasks run as: the one who runs this scheduler, whatever its environment says. Agents without the right to
/// switch ignore it; one without a name becomes none.
fn user() -> String {
    let found = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    found.map(|user| user.name).unwrap_or_default()
}

/// What a message of the subscription means for the core. `None`: nothing.
pub(crate) fn meaning(event: SchedulerEvent) -> Option<Event> {
    match event {
        SchedulerEvent::Subscribed(subscribed) => {
            Some(Event::Subscribed { framework_id: subscribed.framework_id.value })
        }
        SchedulerEvent::Disconnected { reason, retry_in } => {
            tracing::warn!(%reason, ?retry_in, "not connected to the master");
            Some(Event::Disconnected)
        }
        SchedulerEvent::Event(event) => match event.r#type() {
            event::Type::Offers => Some(Event::Offers(event.offers?.offers)),
            event::Type::Update => Some(Event::Update(Box::new(event.update?.status))),
            event::Type::Error => Some(Event::Refused(event.error?.message)),
            _ => None,
        },
    }
}
