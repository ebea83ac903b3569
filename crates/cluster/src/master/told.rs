//! What schedulers are told: events, as far as they are alike.

use cairn_mesos::v1::scheduler::{Event, event};

/// An event of this kind. What it says is put beside it: `Event { offers: .., ..of(event::Type::Offers) }`.
pub(crate) fn of(kind: event::Type) -> Event {
    Event { r#type: Some(kind as i32), ..Event::default() }
}

/// A sign of life.
pub(crate) fn heartbeat() -> Event {
    of(event::Type::Heartbeat)
}

/// What is wrong with a subscription, which this ends.
pub(crate) fn error(message: &str) -> Event {
    let error = event::Error { message: message.to_owned() };
    Event { error: Some(error), ..of(event::Type::Error) }
}
