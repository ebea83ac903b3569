//! Short lines for the trace.

use std::collections::BTreeMap;

use cairn_framework::Command;
use cairn_framework::core::Event;
use cairn_mesos::v1::offer::operation::Type;
use cairn_mesos::v1::scheduler::{Call, call};
use cairn_mesos::v1::{Offer, OfferId};

/// A call, with what it is about.
pub(crate) fn call(call: &Call) -> String {
    let what = match call.r#type() {
        call::Type::Accept => call.accept.as_ref().map(|accept| {
            let operations = accept.operations.iter().map(|o| match o.r#type() {
                Type::Launch => {
                    let tasks = o.launch.iter().flat_map(|l| &l.task_infos);
                    tasks.map(|t| format!("LAUNCH {}", t.task_id.value)).collect::<Vec<_>>().join(" ")
                }
                other => other.as_str_name().to_owned(),
            });
            format!("{}: {}", ids(&accept.offer_ids), operations.collect::<Vec<_>>().join(", "))
        }),
        call::Type::Kill => call.kill.as_ref().map(|k| k.task_id.value.clone()),
        call::Type::Decline => call.decline.as_ref().and_then(|decline| {
            let seconds = decline.filters.as_ref()?.refuse_seconds?;
            Some(format!("{} for {seconds} s", ids(&decline.offer_ids)))
        }),
        call::Type::Reconcile => call.reconcile.as_ref().map(|r| format!("{} tasks", r.tasks.len())),
        call::Type::Acknowledge => call.acknowledge.as_ref().map(|a| a.task_id.value.clone()),
        _ => None,
    };
    format!("{} {}", call.r#type().as_str_name(), what.unwrap_or_default())
}

fn ids(offers: &[OfferId]) -> String {
    offers.iter().map(|id| id.value.as_str()).collect::<Vec<_>>().join(" ")
}

/// A request; of a controller's configuration, no more than that it is one.
pub(crate) fn command(command: &Command) -> String {
    match command {
        Command::Configure { config, expected } if config.options.get("stacks").is_some() => {
            format!("other stacks than generation {expected:?}")
        }
        other => format!("{other:?}"),
    }
}

/// An offer: of which agent, and what is reserved in it, by instance.
fn offer(offer: &Offer) -> String {
    let mut held: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for resource in &offer.resources {
        let volume = resource.disk.as_ref().and_then(|d| d.persistence.as_ref()).map(|p| p.id.clone());
        if let Some(instance) = crate::acts::label(resource, "instance") {
            held.entry(instance).or_default().push(volume.unwrap_or_else(|| resource.name.clone()));
        }
    }
    let held: Vec<String> = held.iter().map(|(name, what)| format!("{name}: {}", what.join(" "))).collect();
    format!("{} on {} [{}]", offer.id.value, offer.hostname, held.join(", "))
}

/// An event, unless it says nothing.
pub(crate) fn event(event: &Event) -> Option<String> {
    Some(match event {
        Event::Tick => return None,
        Event::Offers(offers) => {
            let offers: Vec<String> = offers.iter().map(offer).collect();
            format!("offers: {}", offers.join("; "))
        }
        Event::Update(status) => {
            let healthy = status.healthy.map(|h| format!(" healthy={h}")).unwrap_or_default();
            let reason = if status.reason.is_some() { status.reason().as_str_name() } else { "" };
            format!("{} {}{healthy} {reason}", status.task_id.value, status.state().as_str_name())
        }
        other => {
            let mut text = format!("{other:?}");
            text.truncate(160);
            text
        }
    })
}
