//! Weights and quota of roles, as operators set them.

use std::collections::BTreeMap;

use cairn_mesos::resources::Resources;
use cairn_mesos::v1::master::{call, response};
use cairn_mesos::v1::quota::{QuotaConfig, QuotaInfo, QuotaRequest, QuotaStatus};
use cairn_mesos::v1::value::Scalar;
use cairn_mesos::v1::{Resource, WeightInfo};

use crate::master::allocator::Quota;
use crate::master::core::Master;
use crate::master::event::Reply;
use crate::master::framework_check::check_role;

/// How roles share the cluster beyond what is fair. The registry keeps it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sharing {
    /// Roles whose weight is not 1.
    pub(crate) weights: BTreeMap<String, f64>,
    pub(crate) quotas: BTreeMap<String, Quota>,
}

impl Sharing {
    pub(crate) fn weight(&self, role: &str) -> f64 {
        self.weights.get(role).copied().unwrap_or(1.0)
    }

    pub(crate) fn weight_infos(&self) -> Vec<WeightInfo> {
        let info = |(role, weight): (&String, &f64)| WeightInfo { weight: *weight, role: Some(role.clone()) };
        self.weights.iter().map(info).collect()
    }

    pub(crate) fn quota_configs(&self) -> Vec<QuotaConfig> {
        let config = |(role, quota): (&String, &Quota)| QuotaConfig {
            role: role.clone(),
            guarantees: scalars(&quota.guarantees),
            limits: scalars(&quota.limits),
        };
        self.quotas.iter().map(config).collect()
    }

    /// What the registry held.
    pub(crate) fn recovered(weights: Vec<WeightInfo>, quotas: Vec<QuotaConfig>) -> Self {
        let weights =
            weights.into_iter().map(|info| (info.role.clone().unwrap_or_default(), info.weight)).collect();
        let quotas = quotas.into_iter().map(|config| (config.role.clone(), quota(&config))).collect();
        Self { weights, quotas }
    }

    pub(super) fn show_quota(&self) -> response::GetQuota {
        let with_guarantee = self.quotas.iter().filter(|(_, quota)| !quota.guarantees.is_empty());
        let info = |(role, quota): (&String, &Quota)| QuotaInfo {
            role: Some(role.clone()),
            principal: None,
            guarantee: quota.guarantees.iter().map(|(name, amount)| resource(name, *amount)).collect(),
        };
        let infos = with_guarantee.map(info).collect();
        response::GetQuota { status: QuotaStatus { infos, configs: self.quota_configs() } }
    }
}

fn resource(name: &str, amount: f64) -> Resource {
    Resources::scalar(name, amount).iter().next().unwrap_or_default()
}

fn scalars(amounts: &BTreeMap<String, f64>) -> BTreeMap<String, Scalar> {
    amounts.iter().map(|(name, value)| (name.clone(), Scalar { value: *value })).collect()
}

fn amounts(scalars: &BTreeMap<String, Scalar>) -> BTreeMap<String, f64> {
    scalars.iter().map(|(name, scalar)| (name.clone(), scalar.value)).collect()
}

fn quota(config: &QuotaConfig) -> Quota {
    Quota { guarantees: amounts(&config.guarantees), limits: amounts(&config.limits) }
}

/// A quota that makes sense by itself.
fn check(config: &QuotaConfig) -> Result<(), String> {
    check_role(&config.role).map_err(|problem| format!("Invalid role: {problem}"))?;
    if config.role == "*" {
        return Err("Quota cannot be set for the role '*'".to_owned());
    }
    for (name, scalar) in config.guarantees.iter().chain(&config.limits) {
        if !scalar.value.is_finite() || scalar.value < 0.0 {
            return Err(format!("Invalid amount of '{name}' for role '{}': {}", config.role, scalar.value));
        }
    }
    for (name, guarantee) in &config.guarantees {
        if config.limits.get(name).is_some_and(|limit| limit.value < guarantee.value) {
            return Err(format!("The guarantee of '{name}' for role '{}' exceeds its limit", config.role));
        }
    }
    Ok(())
}

impl Master {
    pub(super) fn show_weights(&self) -> Option<response::GetWeights> {
        let weight_infos = self.sharing.weight_infos();
        (!weight_infos.is_empty()).then_some(response::GetWeights { weight_infos })
    }

    pub(super) fn update_weights(&mut self, infos: Vec<WeightInfo>) -> Result<Reply, Reply> {
        for info in &infos {
            let role = info.role.as_deref().unwrap_or_default();
            check_role(role).map_err(|problem| {
                let text = format!("Failed to validate update weights request JSON: Invalid role: {problem}");
                Reply::bad_request(text)
            })?;
            if !info.weight.is_finite() || info.weight <= 0.0 {
                return Err(Reply::bad_request(format!(
                    "Failed to validate update weights request JSON for role '{role}': Invalid weight '{}': \
                     Weights must be positive",
                    info.weight
                )));
            }
        }
        for info in infos {
            let role = info.role.unwrap_or_default();
            let changed = (self.sharing.weight(&role) - info.weight).abs() > f64::EPSILON;
            self.sharing.weights.insert(role.clone(), info.weight);
            if changed {
                // What the role was offered by its old weight goes to whoever is next by the new one.
                self.rescind_offers_of_role(&role);
            }
        }
        self.persist();
        self.attention.everybody();
        Ok(Reply::Ok)
    }

    pub(super) fn update_quota(&mut self, call: call::UpdateQuota) -> Result<Reply, Reply> {
        for config in &call.quota_configs {
            check(config).map_err(|problem| Reply::bad_request(format!("Invalid QuotaConfig: {problem}")))?;
        }
        if !call.force() {
            self.check_capacity(&call.quota_configs)?;
        }
        for config in call.quota_configs {
            let quota = quota(&config);
            if quota == Quota::default() {
                self.sharing.quotas.remove(&config.role);
            } else {
                self.sharing.quotas.insert(config.role, quota);
            }
        }
        self.persist();
        // Offers that were made without it are asked back, so that it holds from now on.
        if !self.sharing.quotas.is_empty() {
            self.rescind_offers_beyond_quota();
        }
        self.attention.everybody();
        Ok(Reply::Ok)
    }

    /// Guarantees that the whole cluster cannot keep are a mistake, unless they are forced.
    fn check_capacity(&self, configs: &[QuotaConfig]) -> Result<(), Reply> {
        let mut guarantees = self.sharing.quotas.clone();
        guarantees.extend(configs.iter().map(|config| (config.role.clone(), quota(config))));
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        for (name, amount) in guarantees.values().flat_map(|quota| &quota.guarantees) {
            *sums.entry(name).or_default() += amount;
        }
        for (name, sum) in sums {
            let capacity: f64 = self.agents.values().map(|agent| agent.total().scalar(name)).sum();
            if sum > capacity {
                return Err(Reply::bad_request(format!(
                    "Invalid QuotaConfig: the guarantees of '{name}' come to {sum}, and the cluster has {capacity}; \
                     use the force flag to set them all the same"
                )));
            }
        }
        Ok(())
    }

    /// The older form: guarantee and limit in one.
    pub(super) fn set_quota(&mut self, request: &QuotaRequest) -> Result<Reply, Reply> {
        let role = request.role().to_owned();
        if self.sharing.quotas.contains_key(&role) {
            let text = format!("Quota is already set for role '{role}'");
            return Err(Reply::bad_request(text));
        }
        let mut amounts = BTreeMap::new();
        for resource in &request.guarantee {
            let value = resource.scalar.as_ref().map_or(0.0, |scalar| scalar.value);
            amounts.insert(resource.name.clone(), Scalar { value });
        }
        let config = QuotaConfig { role, guarantees: amounts.clone(), limits: amounts };
        self.update_quota(call::UpdateQuota { force: request.force, quota_configs: vec![config] })
    }

    pub(super) fn remove_quota(&mut self, role: &str) -> Result<Reply, Reply> {
        if self.sharing.quotas.remove(role).is_none() {
            return Err(Reply::bad_request(format!("Quota is not set for role '{role}'")));
        }
        self.persist();
        self.attention.everybody();
        Ok(Reply::Ok)
    }
}
