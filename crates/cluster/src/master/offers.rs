//! Offers: making, withdrawing, declining them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cairn_mesos::v1::framework_info::capability::Type as Capability;
use cairn_mesos::v1::resource::AllocationInfo;
use cairn_mesos::v1::scheduler::{Event, call, event};
use cairn_mesos::v1::{Address, AgentId, Filters, FrameworkInfo, Offer, OfferId, Url};

use super::allocator::Grant;
use super::core::{Master, framework_id};
use super::event::Time;
use super::framework::has_capability;
use super::open_offers::OpenOffer;
use super::pool::Pool;
use super::told::of;
use super::{format, refusal};

impl Master {
    /// Take what is granted off an agent and put it into a new offer.
    pub(crate) fn make_offer(&mut self, grant: Grant, now: Time) -> Option<Offer> {
        let Grant { framework, role, agent, resources } = grant;
        let id = self.new_offer_id();
        let expires = self.timeouts.offer.map(|timeout| now + timeout);
        let open = OpenOffer { framework, agent, role, resources, expires };
        let shown = self.shown_offer(&id, &open)?;
        self.agents.offer(&open.agent, &open.resources);
        self.offers.insert(&id, open);
        Some(shown)
    }

    /// An offer as its framework is shown it.
    pub(crate) fn shown_offer(&self, id: &str, offer: &OpenOffer) -> Option<Offer> {
        let OpenOffer { framework, agent: agent_id, role, resources, .. } = offer;
        let info = &self.frameworks.get(&**framework)?.info;
        let agent = self.agents.get(agent_id)?;
        Some(Offer {
            framework_id: framework_id(framework),
            agent_id: AgentId { value: agent_id.to_string() },
            hostname: agent.hostname().to_owned(),
            url: Some(agent_url(agent.hostname(), &agent.ip, agent.info.port)),
            resources: format::for_framework(info, resources.list_allocated_to(role)),
            attributes: agent.info.attributes.clone(),
            executor_ids: agent.executors_of(framework),
            allocation_info: shows_allocation(info).then(|| AllocationInfo { role: Some(role.clone()) }),
            domain: agent.info.domain.clone(),
            unavailability: self.maintenance.unavailability(agent),
            id: OfferId { value: id.to_owned() },
        })
    }

    pub(crate) fn send_offers(&mut self, offers: BTreeMap<Arc<str>, Vec<Offer>>) {
        for (framework, offers) in offers {
            if let Some(known) = self.frameworks.get_mut(&*framework) {
                known.tally.sent += offers.len() as u64;
            }
            let offers = event::Offers { offers };
            self.send_to(&framework, Event { offers: Some(offers), ..of(event::Type::Offers) });
        }
    }

    /// Take an offer back into the agent's free resources.
    pub(crate) fn close_offer(&mut self, offer_id: &str) -> Option<OpenOffer> {
        let offer = self.offers.remove(offer_id)?;
        if let Some(agent) = self.agents.get_mut(&offer.agent) {
            agent.offer_less(&offer.framework, &offer.role, &offer.resources);
        }
        Some(offer)
    }

    /// Take offers back and tell their framework.
    pub(crate) fn rescind(&mut self, offer_ids: Vec<Arc<str>>) {
        for id in offer_ids {
            if let Some(offer) = self.close_offer(&id) {
                if let Some(known) = self.frameworks.get_mut(&*offer.framework) {
                    known.tally.rescinded += 1;
                }
                let rescind = event::Rescind { offer_id: OfferId { value: id.to_string() } };
                let event = Event { rescind: Some(rescind), ..of(event::Type::Rescind) };
                self.send_to(&offer.framework, event);
            }
        }
    }

    /// The framework is not connected any more, or another scheduler has taken over: it is not told.
    pub(crate) fn withdraw_offers_of(&mut self, framework: &str) {
        self.withdraw_inverse_offers_of(framework);
        for id in self.offers.ids_of(framework) {
            self.close_offer(&id);
        }
    }

    /// The framework has left roles for which it holds offers.
    pub(crate) fn withdraw_offers_of_lost_roles(&mut self, framework: &str) {
        let Some(state) = self.frameworks.get(framework) else { return };
        let is_lost =
            |id: &Arc<str>| self.offers.get(id).is_some_and(|offer| !state.roles.contains_key(&offer.role));
        let lost = self.offers.ids_of(framework).into_iter().filter(is_lost).collect();
        self.rescind(lost);
    }

    pub(crate) fn rescind_offers_on(&mut self, agent: &str) {
        self.rescind(self.offers.ids_on(agent));
    }

    pub(crate) fn rescind_offers_of_role(&mut self, role: &str) {
        self.rescind(self.offers.ids_where(|offer| offer.role == role));
    }

    /// Take back what was not answered in time.
    pub(crate) fn rescind_expired_offers(&mut self, now: Time) {
        self.rescind(self.offers.ids_expired(now));
    }

    pub(crate) fn decline(&mut self, framework: &str, decline: &call::Decline, now: Time) {
        let duration = refusal::of_whole(refuse_seconds(decline.filters.as_ref()));
        for id in &decline.offer_ids {
            if self.offers.get(&id.value).is_none_or(|offer| &*offer.framework != framework) {
                continue;
            }
            if let Some(offer) = self.close_offer(&id.value) {
                if let Some(known) = self.frameworks.get_mut(framework) {
                    known.tally.declined += 1;
                }
                self.refuse(framework, &offer.role, &offer.agent, offer.resources, duration, now);
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
        let known =
            self.frameworks.get(framework).is_some_and(|framework| framework.roles.contains_key(role));
        if known
            && !duration.is_zero()
            && let Some(agent) = self.agents.key(agent)
        {
            let seeker = self.sorter.leaf(role, framework);
            self.filters.refuse(seeker, &agent, refused, now + duration);
        }
    }

    /// What the framework has refused so far does not count any more.
    pub(crate) fn forget_refusals_of(&mut self, framework: &str) {
        let roles = self.frameworks.get(framework).into_iter().flat_map(|known| known.roles.keys());
        for role in roles {
            self.filters.clear_of(&self.sorter, role, framework);
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
