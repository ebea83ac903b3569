//! Filters: what a framework does not want to be offered again for a while.

use std::collections::HashMap;
use std::time::Duration;

use super::event::Time;
use super::pool::Pool;

/// For how long a refusal holds when the framework does not say.
const DEFAULT_REFUSAL: Duration = Duration::from_secs(5);

/// The longest refusal; longer ones are cut to it.
const MAX_REFUSAL: Duration = Duration::from_secs(365 * 24 * 3600);

/// The shortest refusal of an offer that was declined whole. Offers follow events here, so without it a framework
/// that declines for no time would be asked again as fast as it can answer.
const MIN_DECLINE: Duration = Duration::from_millis(200);

/// How many filters of one role are kept for one agent; the oldest goes first.
const MAX_FILTERS: usize = 16;

/// What `Filters.refuse_seconds` means.
pub(crate) fn refusal(refuse_seconds: Option<f64>) -> Duration {
    match refuse_seconds {
        Some(seconds) if seconds >= 0.0 => {
            Duration::try_from_secs_f64(seconds).unwrap_or(MAX_REFUSAL).min(MAX_REFUSAL)
        }
        _ => DEFAULT_REFUSAL,
    }
}

/// The refusal of an offer of which nothing was used.
pub(crate) fn decline(refuse_seconds: Option<f64>) -> Duration {
    refusal(refuse_seconds).max(MIN_DECLINE)
}

#[derive(Debug, Clone)]
struct Filter {
    refused: Pool,
    until: Time,
}

/// The filters of one role of one framework, by agent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filters {
    agents: HashMap<String, Vec<Filter>>,
    /// No filter ends before.
    next: Option<Time>,
}

impl Filters {
    pub(crate) fn refuse(&mut self, agent: &str, refused: Pool, until: Time) {
        self.next = Some(self.next.map_or(until, |next| next.min(until)));
        let filters = self.agents.entry(agent.to_owned()).or_default();
        filters.retain(|old| old.until > until || !refused.contains(&old.refused));
        filters.push(Filter { refused, until });
        if filters.len() > MAX_FILTERS {
            filters.remove(0);
        }
    }

    /// Whether an offer of this would be no more than what was refused.
    pub(crate) fn blocks(&self, agent: &str, offer: &Pool, now: Time) -> bool {
        self.agents.get(agent).is_some_and(|filters| {
            filters.iter().any(|filter| filter.until > now && filter.refused.contains(offer))
        })
    }

    /// Drop what has expired; the agents where that was.
    pub(crate) fn expire(&mut self, now: Time) -> Vec<String> {
        let mut expired = Vec::new();
        if self.next.is_none_or(|next| next > now) {
            return expired;
        }
        self.agents.retain(|agent, filters| {
            let before = filters.len();
            filters.retain(|filter| filter.until > now);
            if filters.len() < before {
                expired.push(agent.clone());
            }
            !filters.is_empty()
        });
        self.next = self.agents.values().flatten().map(|filter| filter.until).min();
        expired
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn forget_agent(&mut self, agent: &str) {
        self.agents.remove(agent);
    }

    pub(crate) fn next_expiry(&self) -> Option<Time> {
        self.next
    }
}
