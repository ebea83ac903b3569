//! Quota: what roles are promised, and what they may have at most.

use std::collections::BTreeMap;

use super::amounts::Amounts;

/// What one role is promised and limited to, by the names of resources.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Quota {
    pub(crate) guarantees: BTreeMap<String, f64>,
    /// What is not named is not limited.
    pub(crate) limits: BTreeMap<String, f64>,
}

/// How the quotas stand while offers are made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    roles: BTreeMap<String, Entry>,
    /// What is free and reserved for nobody, on all agents.
    free: Amounts,
}

#[derive(Debug, Clone)]
struct Entry {
    guarantee: Amounts,
    limit: Amounts,
    consumed: Amounts,
}

impl Entry {
    /// What of the guarantee is still to be had.
    fn owed(&self) -> Amounts {
        let mut owed = self.guarantee;
        owed.subtract(&self.consumed);
        owed.raise(&Amounts::default());
        owed
    }
}

/// Whether `role` is `above`, or below it.
fn is_within(role: &str, above: &str) -> bool {
    role.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Ledger {
    /// `consumed` says what a role has: used, offered, or reserved for it.
    pub(crate) fn new(
        quotas: &BTreeMap<String, Quota>,
        free: Amounts,
        mut consumed: impl FnMut(&str) -> Amounts,
    ) -> Self {
        let entry = |(role, quota): (&String, &Quota)| {
            let guarantee = Amounts::named(&quota.guarantees, 0);
            let limit = Amounts::named(&quota.limits, i64::MAX);
            (role.clone(), Entry { guarantee, limit, consumed: consumed(role) })
        };
        Self { roles: quotas.iter().map(entry).collect(), free }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }

    /// Whether the role has not got all it was promised.
    pub(crate) fn is_owed(&self, role: &str) -> bool {
        self.roles.iter().any(|(above, entry)| is_within(role, above) && entry.owed().any_positive())
    }

    /// The most of what is free that the role may be offered: what it is promised, and beyond that what others are not.
    pub(crate) fn allowed(&self, role: &str) -> Amounts {
        let mut left = self.free;
        let mut owed = Amounts::default();
        let mut limit = Amounts::of(|_| i64::MAX);
        for (above, entry) in &self.roles {
            if is_within(role, above) {
                owed.raise(&entry.owed());
                let mut room = entry.limit;
                room.subtract(&entry.consumed);
                limit.cap(&room);
            } else {
                left.subtract(&entry.owed());
            }
        }
        left.raise(&owed);
        left.raise(&Amounts::default());
        left.cap(&limit);
        left
    }

    /// The role is offered this much of what was free.
    pub(crate) fn spend(&mut self, role: &str, amounts: &Amounts) {
        self.free.subtract(amounts);
        for (_, entry) in self.roles.iter_mut().filter(|(above, _)| is_within(role, above)) {
            entry.consumed.add(amounts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(cpus: i64, mem: i64) -> Amounts {
        Amounts::of(|name| match name {
            "cpus" => cpus,
            "mem" => mem,
            _ => 0,
        })
    }

    fn map(cpus: f64, mem: f64) -> BTreeMap<String, f64> {
        [("cpus".to_owned(), cpus), ("mem".to_owned(), mem)].into()
    }

    fn ledger(free: Amounts) -> Ledger {
        let quota = Quota { guarantees: map(2.0, 500.0), limits: map(2.0, 500.0) };
        Ledger::new(&[("b".to_owned(), quota)].into(), free, |_| Amounts::default())
    }

    #[test]
    fn nobody_else_gets_what_is_promised() {
        let mut ledger = ledger(amounts(6_000, 6_000_000));
        assert_eq!(ledger.allowed("a"), amounts(4_000, 5_500_000));
        assert_eq!(ledger.allowed("b/below"), amounts(2_000, 500_000));
        assert!(ledger.is_owed("b") && !ledger.is_owed("bb"));
        ledger.spend("b", &amounts(500, 100_000));
        assert_eq!(ledger.allowed("b"), amounts(1_500, 400_000));
        assert_eq!(ledger.allowed("a"), amounts(4_000, 5_500_000));
        ledger.spend("a", &amounts(4_000, 0));
        assert_eq!(ledger.allowed("a"), amounts(0, 5_500_000));
    }

    #[test]
    fn a_limit_holds_even_when_everything_is_free() {
        let quota = Quota { guarantees: BTreeMap::new(), limits: [("cpus".to_owned(), 1.0)].into() };
        let ledger =
            Ledger::new(&[("a".to_owned(), quota)].into(), amounts(8_000, 8_000), |_| amounts(900, 0));
        assert_eq!(ledger.allowed("a"), amounts(100, 8_000));
        assert!(!ledger.is_owed("a"));
    }

    #[test]
    fn a_promise_is_kept_even_when_others_are_promised_more_than_there_is() {
        let quota = || Quota { guarantees: map(4.0, 0.0), limits: BTreeMap::new() };
        let quotas = [("a".to_owned(), quota()), ("b".to_owned(), quota())].into();
        let ledger = Ledger::new(&quotas, amounts(3_000, 0), |_| Amounts::default());
        assert_eq!(ledger.allowed("a"), amounts(4_000, 0));
        assert_eq!(ledger.allowed("c"), amounts(0, 0));
    }
}
