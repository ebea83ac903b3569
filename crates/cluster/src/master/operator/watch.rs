//! The event stream of operators: SUBSCRIBE of the operator API.

use std::collections::BTreeMap;

use cairn_mesos::v1::master::response::get_frameworks;
use cairn_mesos::v1::master::{Event, event};
use cairn_mesos::v1::{AgentId, Task, TaskStatus, TimeInfo};

use crate::master::core::{Master, framework_id};
use crate::master::event::{Effect, StreamKey, Time};
use crate::master::framework::Framework;

/// Who watches, and when each is to hear the next heartbeat.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watchers(BTreeMap<StreamKey, Time>);

impl Watchers {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn next_heartbeat(&self) -> Option<Time> {
        self.0.values().min().copied()
    }

    /// The watcher is gone; whether it was one.
    pub(crate) fn remove(&mut self, stream: StreamKey) -> bool {
        self.0.remove(&stream).is_some()
    }
}

fn of(kind: event::Type) -> Event {
    Event { r#type: Some(kind as i32), ..Event::default() }
}

impl Master {
    /// An operator begins to watch: the whole state, then what changes.
    pub(crate) fn watch(&mut self, stream: StreamKey, now: Time) {
        let interval = self.timeouts.heartbeat;
        let subscribed = event::Subscribed {
            get_state: Some(self.show_state()),
            heartbeat_interval_seconds: Some(interval.as_secs_f64()),
        };
        let subscribed = Event { subscribed: Some(subscribed), ..of(event::Type::Subscribed) };
        for event in [subscribed, of(event::Type::Heartbeat)] {
            self.effect(Effect::Publish { stream, event: Box::new(event) });
        }
        self.watchers.0.insert(stream, now + interval);
    }

    pub(crate) fn send_watch_heartbeats(&mut self, now: Time) {
        let interval = self.timeouts.heartbeat;
        let due: Vec<StreamKey> =
            self.watchers.0.iter().filter(|(_, at)| **at <= now).map(|(stream, _)| *stream).collect();
        for stream in due {
            self.watchers.0.insert(stream, now + interval);
            self.effect(Effect::Publish { stream, event: Box::new(of(event::Type::Heartbeat)) });
        }
    }

    /// Tell all watchers; the event is made only if there are any.
    fn publish(&mut self, event: impl FnOnce(&Self) -> Option<Event>) {
        if self.watchers.0.is_empty() {
            return;
        }
        let Some(event) = event(self) else { return };
        for stream in self.watchers.0.keys().copied().collect::<Vec<_>>() {
            self.effect(Effect::Publish { stream, event: Box::new(event.clone()) });
        }
    }

    pub(crate) fn publish_task(&mut self, task: &Task) {
        self.publish(|_| {
            let task_added = Some(event::TaskAdded { task: task.clone() });
            Some(Event { task_added, ..of(event::Type::TaskAdded) })
        });
    }

    /// A task changed; `state` is the one it is in by now.
    pub(crate) fn publish_update(&mut self, framework: &str, status: &TaskStatus, state: i32) {
        self.publish(|_| {
            let updated =
                event::TaskUpdated { framework_id: framework_id(framework), status: status.clone(), state };
            Some(Event { task_updated: Some(updated), ..of(event::Type::TaskUpdated) })
        });
    }

    pub(crate) fn publish_agent(&mut self, id: &str) {
        self.publish(|master| {
            let agent = master.agents.get(id)?;
            let agent_added = Some(event::AgentAdded { agent: master.show_agent(id, agent) });
            Some(Event { agent_added, ..of(event::Type::AgentAdded) })
        });
    }

    pub(crate) fn publish_agent_removed(&mut self, id: &str) {
        self.publish(|_| {
            let agent_removed = Some(event::AgentRemoved { agent_id: AgentId { value: id.to_owned() } });
            Some(Event { agent_removed, ..of(event::Type::AgentRemoved) })
        });
    }

    /// A framework came (`new`), or says something else of itself now.
    pub(crate) fn publish_framework(&mut self, id: &str, new: bool) {
        self.publish(|master| {
            let shown = master.show_framework(id, master.frameworks.get(id)?);
            // As Mesos tells it: without constraints, and with a time that has not come.
            let unregistered_time = Some(TimeInfo { nanoseconds: 0 });
            let framework = get_frameworks::Framework { unregistered_time, offer_constraints: None, ..shown };
            Some(if new {
                let framework_added = Some(event::FrameworkAdded { framework });
                Event { framework_added, ..of(event::Type::FrameworkAdded) }
            } else {
                let framework_updated = Some(event::FrameworkUpdated { framework });
                Event { framework_updated, ..of(event::Type::FrameworkUpdated) }
            })
        });
    }

    pub(crate) fn publish_framework_removed(&mut self, framework: &Framework) {
        self.publish(|_| {
            let removed = event::FrameworkRemoved { framework_info: framework.info.clone() };
            Some(Event { framework_removed: Some(removed), ..of(event::Type::FrameworkRemoved) })
        });
    }
}
