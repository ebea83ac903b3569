//! What time alone brings about.

use super::agent::AgentState;
use super::core::{Master, Unreachable};
use super::event::Time;
use super::framework::Connection;
use super::told::heartbeat;

impl Master {
    /// When [`super::Input::Timer`] is due next. `None`: not before something else happens.
    pub fn next_deadline(&self) -> Option<Time> {
        let connections = self.frameworks.values().map(|framework| match &framework.connection {
            Connection::Connected { next_heartbeat, .. } => *next_heartbeat,
            Connection::Disconnected { deadline } => *deadline,
        });
        let filters = self.filters.next_expiry();
        let agents = self.agents.values().filter_map(|agent| match agent.state {
            AgentState::Connected(_) => None,
            AgentState::Disconnected { deadline } => Some(deadline),
        });
        let recovered = self.recovered.values().map(|agent| agent.deadline);
        let offers = self.offers.next_expiry();
        let watchers = self.watchers.next_heartbeat().into_iter().chain(self.maintenance.next_question());
        connections.chain(watchers).chain(filters).chain(agents).chain(recovered).chain(offers).min()
    }

    pub(crate) fn timer(&mut self, now: Time) {
        self.send_heartbeats(now);
        self.send_watch_heartbeats(now);
        self.expire_frameworks(now);
        self.expire_agents(now);
        self.rescind_expired_offers(now);
        self.ask_to_leave(now);
        for (agent, seekers) in self.filters.expire(now) {
            if let Some(agent) = self.agents.get_mut(&agent) {
                seekers.into_iter().for_each(|seeker| agent.doubt(seeker));
            }
        }
    }

    fn send_heartbeats(&mut self, now: Time) {
        let interval = self.timeouts.heartbeat;
        let mut due = Vec::new();
        for framework in self.frameworks.values_mut() {
            if let Connection::Connected { stream, next_heartbeat, .. } = &mut framework.connection
                && *next_heartbeat <= now
            {
                *next_heartbeat = now + interval;
                due.push(*stream);
            }
        }
        for stream in due {
            self.send(stream, heartbeat());
        }
    }

    /// Frameworks that were away for longer than they asked for.
    fn expire_frameworks(&mut self, now: Time) {
        let late = self.frameworks.iter().filter(|(_, framework)| {
            matches!(framework.connection, Connection::Disconnected { deadline } if deadline <= now)
        });
        for id in late.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.remove_framework(&id, now);
        }
    }

    fn expire_agents(&mut self, now: Time) {
        let late = self.agents.iter().filter(
            |(_, agent)| matches!(agent.state, AgentState::Disconnected { deadline } if deadline <= now),
        );
        for id in late.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.mark_unreachable(&id, now);
        }
        let missing = self.recovered.extract_if(.., |_, agent| agent.deadline <= now);
        let missing: Vec<_> = missing.collect();
        for (id, agent) in missing {
            self.unreachable.insert(id, Unreachable { info: agent.info, since: now, total: None });
        }
    }
}
