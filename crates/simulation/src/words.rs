//! Short lines for the trace.

use cairn_framework::Command;
use cairn_framework::core::Event;
use cairn_mesos::v1::offer::operation::Type;
use cairn_mesos::v1::scheduler::{Call, call};

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
            operations.collect::<Vec<_>>().join(", ")
        }),
        call::Type::Kill => call.kill.as_ref().map(|k| k.task_id.value.clone()),
        call::Type::Decline => call
            .decline
            .as_ref()
            .and_then(|d| d.filters.as_ref()?.refuse_seconds)
            .map(|seconds| format!("for {seconds} s")),
        call::Type::Reconcile => call.reconcile.as_ref().map(|r| format!("{} tasks", r.tasks.len())),
        call::Type::Acknowledge => call.acknowledge.as_ref().map(|a| a.task_id.value.clone()),
        _ => None,
    };
    format!("{} {}", call.r#type().as_str_name(), what.unwrap_or_default())
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

/// An event, unless it says nothing.
pub(crate) fn event(event: &Event) -> Option<String> {
    Some(match event {
        Event::Tick => return None,
        Event::Offers(offers) => {
            format!("{} offers", offers.len())
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
