//! Offers: making, withdrawing, declining them.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_mesos::v1::framework_info::capability::Type as Capability;
use cairn_mesos::v1::resource::AllocationInfo;
use cairn_mesos::v1::scheduler::{Event, call, event};
use cairn_mesos::v1::{Address, AgentId, Filters, FrameworkInfo, Offer, OfferId, Url};

use super::core::{Master, OpenOffer, framework_id};
use super::event::Time;
use super::framework::has_capability;
use super::pool::Pool;
use super::{filter, format};

impl Master {
    /// Take these resources off an agent and put them into a new offer.
    pub(crate) fn make_offer(
        &mut self,
        framework: &str,
        role: &str,
        agent_id: &str,
        resources: &Pool,
        now: Time,
    ) -> Option<Offer> {
        let id = self.new_offer_id();
        let resources = resources.allocated_to(role);
        let expires = self.timeouts.offer.map(|timeout| now + timeout);
        let agent = self.agents.get_mut(agent_id)?;
        let unavailability = self.maintenance.unavailability(agent);
        let state = self.frameworks.get_mut(framework)?;
        agent.offer_more(framework, &resources);
        let sent = Offer {
            id: OfferId { value: id.clone() },
            framework_id: framework_id(framework),
            agent_id: AgentId { value: agent_id.to_owned() },
            hostname: agent.hostname().to_owned(),
            url: Some(agent_url(agent.hostname(), &agent.ip, agent.info.port)),
            resources: format::for_framework(&state.info, resources.list()),
            attributes: agent.info.attributes.clone(),
            executor_ids: agent.executors_of(framework),
            allocation_info: shows_allocation(&state.info)
                .then(|| AllocationInfo { role: Some(role.to_owned()) }),
            domain: agent.info.domain.clone(),
            unavailability,
        };
        let open = OpenOffer {
            framework: framework.to_owned(),
            agent: agent_id.to_owned(),
            role: role.to_owned(),
            resources,
            sent: sent.clone(),
            expires,
        };
        if let Some(expires) = expires {
            self.expiries.insert((expires, id.clone()));
        }
        self.offers.insert(id, open);
        Some(sent)
    }

    pub(crate) fn send_offers(&mut self, offers: BTreeMap<String, Vec<Offer>>) {
        for (framework, offers) in offers {
            self.send_to(
                &framework,
                Event {
                    r#type: Some(event::Type::Offers as i32),
                    offers: Some(event::Offers { offers }),
                    ..Event::default()
                },
            );
        }
    }

    /// Take an offer back into the agent's free resources.
    pub(crate) fn close_offer(&mut self, offer_id: &str) -> Option<OpenOffer> {
        let offer = self.offers.remove(offer_id)?;
        if let Some(expires) = offer.expires {
            self.expiries.remove(&(expires, offer_id.to_owned()));
        }
        if let Some(agent) = self.agents.get_mut(&offer.agent) {
            agent.offer_less(&offer.framework, &offer.resources);
        }
        Some(offer)
    }

    /// Take offers back and tell their framework.
    pub(crate) fn rescind(&mut self, offer_ids: Vec<String>) {
        for id in offer_ids {
            if let Some(offer) = self.close_offer(&id) {
                let rescind = event::Rescind { offer_id: OfferId { value: id } };
                self.send_to(
                    &offer.framework,
                    Event {
                        r#type: Some(event::Type::Rescind as i32),
                        rescind: Some(rescind),
                        ..Event::default()
                    },
                );
            }
        }
    }

    fn offers_where(&self, matches: impl Fn(&OpenOffer) -> bool) -> Vec<String> {
        self.offers.iter().filter(|(_, offer)| matches(offer)).map(|(id, _)| id.clone()).collect()
    }

    /// The framework is not connected any more, or another scheduler has taken over: it is not told.
    pub(crate) fn withdraw_offers_of(&mut self, framework: &str) {
        self.withdraw_inverse_offers_of(framework);
        for id in self.offers_where(|offer| offer.framework == framework) {
            self.close_offer(&id);
        }
    }

    /// The framework has left roles for which it holds offers.
    pub(crate) fn withdraw_offers_of_lost_roles(&mut self, framework: &str) {
        let Some(state) = self.frameworks.get(framework) else { return };
        let lost =
            self.offers_where(|offer| offer.framework == framework && !state.roles.contains_key(&offer.role));
        self.rescind(lost);
    }

    pub(crate) fn rescind_offers_on(&mut self, agent: &str) {
        let gone = self.offers_where(|offer| offer.agent == agent);
        self.rescind(gone);
    }

    pub(crate) fn rescind_offers_of_role(&mut self, role: &str) {
        let held = self.offers_where(|offer| offer.role == role);
        self.rescind(held);
    }

    /// Take back what was not answered in time.
    pub(crate) fn rescind_expired_offers(&mut self, now: Time) {
        let late = self.expiries.iter().take_while(|(expires, _)| *expires <= now);
        let late = late.map(|(_, id)| id.clone()).collect();
        self.rescind(late);
    }

    pub(crate) fn decline(&mut self, framework: &str, decline: &call::Decline, now: Time) {
        let duration = filter::decline(refuse_seconds(decline.filters.as_ref()));
        for id in &decline.offer_ids {
            if self.offers.get(&id.value).is_none_or(|offer| offer.framework != framework) {
                continue;
            }
            if let Some(offer) = self.close_offer(&id.value) {
                let refused = offer.resources.unallocated();
                self.refuse(framework, &offer.role, &offer.agent, refused, duration, now);
            }
        }
    }

    /// Do not offer this again for a while.
    pub(crate) fn refuse(
        &mut self,
        framework: &str,
        role: &str,
        agent: &str,
        refused: Pool,
        duration: Duration,
        now: Time,
    ) {
        let state = self.frameworks.get_mut(framework).and_then(|framework| framework.roles.get_mut(role));
        if let Some(state) = state
            && !duration.is_zero()
        {
            state.filters.refuse(agent, refused, now + duration);
        }
    }
}

pub(crate) fn refuse_seconds(filters: Option<&Filters>) -> Option<f64> {
    filters.and_then(|filters| filters.refuse_seconds)
}

/// Frameworks without MULTI_ROLE have one role and are not told for which one an offer is.
pub(crate) fn shows_allocation(info: &FrameworkInfo) -> bool {
    has_capability(info, Capability::MultiRole)
}

/// Where the agent's API is, as offers say it.
pub(crate) fn agent_url(hostname: &str, ip: &str, port: Option<i32>) -> Url {
    Url {
        scheme: "http".to_owned(),
        address: Address {
            hostname: Some(hostname.to_owned()),
            ip: Some(ip.to_owned()),
            port: port.unwrap_or_default(),
        },
        path: Some("/slave(1)".to_owned()),
        ..Url::default()
    }
}
