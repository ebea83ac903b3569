//! Names that each cluster gives anew (ids, uuids, places, times): which of ours stands for which of the recording's.

use std::collections::BTreeMap;

use serde_json::Value;

/// Fields whose values differ from cluster to cluster and mean nothing beyond themselves.
const INCIDENTAL: [&str; 38] = [
    "address",
    "build_date",
    "build_time",
    "build_user",
    "capabilities",
    "command",
    "cpus_system_time_secs",
    "cpus_user_time_secs",
    "elected_time",
    "estimated_drain_start_time",
    "executor_pid",
    "flags",
    "git_sha",
    "git_tag",
    "leader",
    "master_hostname",
    "mem_rss_bytes",
    "mode",
    "mtime",
    "nlink",
    "offers",
    "offset",
    "size",
    "start_time",
    "hostname",
    "ip",
    "ip_address",
    "message",
    "pid",
    "port",
    "registered_time",
    "reregistered_time",
    "timestamp",
    "unreachable_time",
    "unregistered_time",
    "url",
    "version",
    "attributes",
];
/// What Mesos says of how it was built, which is not for others to say.
const BUILD: [&str; 6] = ["build_date", "build_time", "build_user", "git_sha", "git_tag", "master_hostname"];
/// Lists whose order means nothing.
const UNORDERED: [&str; 16] = [
    "agents",
    "completed_executors",
    "completed_frameworks",
    "completed_tasks",
    "executor_ids",
    "executors",
    "framework_ids",
    "frameworks",
    "launched_tasks",
    "roles",
    "slave_ids",
    "slaves",
    "statuses",
    "tasks",
    "unreachable_tasks",
    "containers",
];
/// Texts of messages that existing programs match.
const KEPT_MESSAGES: [&str; 5] = [
    "Command exited with status",
    "Command terminated with signal",
    "Framework has been removed",
    "Framework failed over",
    "Executor terminated",
];

/// Our name for each of the recording's names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    ours: BTreeMap<String, Vec<String>>,
}

impl Names {
    /// Notes that ours stands for theirs.
    pub(crate) fn bind(&mut self, theirs: &str, ours: Vec<String>) {
        self.ours.insert(theirs.to_owned(), ours);
    }

    /// Ours, of what the recording calls something that ends so.
    pub(crate) fn ending(&self, end: &str) -> Option<&str> {
        let (_, ours) = self.ours.iter().find(|(theirs, _)| theirs.ends_with(end))?;
        ours.first().map(String::as_str)
    }

    /// Another of ours stands for what this one stood for.
    pub(crate) fn replace(&mut self, old: &str, new: &str) {
        for ours in self.ours.values_mut().flatten().filter(|ours| *ours == old) {
            new.clone_into(ours);
        }
    }

    /// What a request of the recording has to say here. A list of offers may get longer: what Mesos put into one offer
    /// may have come in two.
    pub(crate) fn translate(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match self.ours.get(text).and_then(|ours| ours.first()) {
                Some(ours) => ours.clone().into(),
                None => self.within(text).into(),
            },
            Value::Array(items) => Value::Array(items.iter().flat_map(|item| self.several(item)).collect()),
            Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), self.translate(v))).collect(),
            other => other.clone(),
        }
    }

    fn several(&self, item: &Value) -> Vec<Value> {
        let theirs = item.as_object().filter(|o| o.len() == 1).and_then(|o| o.get("value")?.as_str());
        match theirs.and_then(|theirs| self.ours.get(theirs)) {
            Some(ours) => ours.iter().map(|id| serde_json::json!({ "value": id })).collect(),
            None => vec![self.translate(item)],
        }
    }

    /// A text that is not JSON here and holds ids all the same.
    pub(crate) fn within(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // The longest first: an id begins with that of its master.
        for (theirs, ours) in
            self.ours.iter().rev().filter(|(theirs, _)| theirs.len() > 30 || theirs.starts_with('$'))
        {
            if let [ours] = &ours[..] {
                text = text.replace(theirs, ours);
            }
        }
        text
    }

    /// Whether ours can be what the recording has, with what is known of names; learns the names it takes for that.
    ///
    /// # Errors
    /// The first place where the two differ.
    pub(crate) fn unify(&mut self, theirs: &Value, ours: &Value) -> Result<(), String> {
        let mut learned = self.clone();
        learned.same("", "", theirs, ours)?;
        *self = learned;
        Ok(())
    }

    fn same(&mut self, path: &str, key: &str, theirs: &Value, ours: &Value) -> Result<(), String> {
        // What a role has on offer at a moment depends on how fast offers are made.
        if path.starts_with(".get_roles.roles") && key == "resources" {
            return Ok(());
        }
        let listed = theirs.is_array() && ours.is_array();
        if listed && (key.ends_with("resources") || key.ends_with("resources_full")) {
            return resources(path, theirs, ours);
        }
        // The state a task is in by now: where tasks end sooner, it is further.
        if path == ".task_updated.state" {
            return Ok(());
        }
        if key == "metrics" {
            return crate::metrics::compare(self, theirs, ours);
        }
        match (theirs, ours) {
            (Value::Object(a), Value::Object(b)) => {
                // When exactly the agent was asked about a nested container decides whether these are known.
                let nested = a.get("container_id").is_some_and(|id| id.get("parent").is_some());
                // As when exactly an offer was made decides which executors are still there.
                let held = path.starts_with(".get_roles.roles");
                let may_lack = |name: &str| {
                    name == "executor_ids"
                        || (held && name == "resources")
                        || (nested && ["network_infos", "executor_pid"].contains(&name))
                };
                for (name, value) in a {
                    let at = format!("{path}.{name}");
                    match b.get(name) {
                        Some(_) if incidental(name, value) => {}
                        Some(other) => self.same(&at, name, value, other)?,
                        None if name == "capabilities"
                            || may_lack(name)
                            || BUILD.contains(&name.as_str()) => {}
                        None => return Err(format!("{at} is missing, Mesos has {value}")),
                    }
                }
                match b.keys().find(|k| !a.contains_key(*k) && k.as_str() != "message" && !may_lack(k)) {
                    Some(more) => Err(format!("{path}.{more} is {}, Mesos has none", b[more])),
                    None => Ok(()),
                }
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() && UNORDERED.contains(&key) => {
                self.same_set(path, a, b)
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
                .iter()
                .zip(b)
                .enumerate()
                .try_for_each(|(n, (a, b))| self.same(&format!("{path}[{n}]"), "", a, b)),
            (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => Ok(()),
            (Value::String(a), Value::String(b)) => self.text(path, key, a, b),
            (a, b) if a == b => Ok(()),
            (a, b) => Err(format!("{path} is {b}, Mesos has {a}")),
        }
    }

    /// Each of theirs is one of ours, whatever the order.
    fn same_set(&mut self, path: &str, theirs: &[Value], ours: &[Value]) -> Result<(), String> {
        let mut left: Vec<&Value> = ours.iter().collect();
        for (n, one) in theirs.iter().enumerate() {
            let mut why = String::new();
            let found = left.iter().position(|other| {
                let mut learned = self.clone();
                match learned.same(&format!("{path}[{n}]"), "", one, other) {
                    Ok(()) => {
                        *self = learned;
                        true
                    }
                    Err(reason) => {
                        why = reason;
                        false
                    }
                }
            });
            left.remove(found.ok_or(why)?);
        }
        Ok(())
    }

    fn text(&mut self, path: &str, key: &str, theirs: &str, ours: &str) -> Result<(), String> {
        match self.ours.get(theirs).cloned() {
            Some(known) if known.iter().any(|k| k == ours) => Ok(()),
            Some(known) => Err(format!("{path} is {ours}, and so far {known:?} stood for Mesos's {theirs}")),
            None if generated(theirs) || key == "uuid" => {
                self.bind(theirs, vec![ours.to_owned()]);
                Ok(())
            }
            None if theirs == ours || self.within(theirs) == ours => Ok(()),
            None if self.path(theirs, ours) => Ok(()),
            None => Err(format!("{path} is `{ours}`, Mesos has `{theirs}`")),
        }
    }

    /// Whether these are paths that differ only in ids; learns those.
    fn path(&mut self, theirs: &str, ours: &str) -> bool {
        let work_dir = self.ours.get("$WORKDIR").and_then(|ours| ours.first());
        let theirs = work_dir.map_or_else(|| theirs.to_owned(), |dir| theirs.replacen("$WORKDIR", dir, 1));
        let (a, b): (Vec<&str>, Vec<&str>) = (theirs.split('/').collect(), ours.split('/').collect());
        if a.len() < 2 || a.len() != b.len() {
            return false;
        }
        let mut learned = self.clone();
        let same = a.iter().zip(&b).all(|(a, b)| learned.text("", "", a, b).is_ok());
        if same {
            *self = learned;
        }
        same
    }
}

fn incidental(name: &str, value: &Value) -> bool {
    let kept = |text: &str| KEPT_MESSAGES.iter().any(|kept| text.starts_with(kept));
    INCIDENTAL.contains(&name) && !value.as_str().is_some_and(kept)
}

/// An id with the master's uuid in it, a uuid, or 16 bytes in base64.
fn generated(text: &str) -> bool {
    let head = text.get(..36).unwrap_or_default();
    let uuid = head.len() == 36
        && head
            .char_indices()
            .all(|(at, c)| if [8, 13, 18, 23].contains(&at) { c == '-' } else { c.is_ascii_hexdigit() });
    uuid || (text.len() == 24 && text.ends_with("=="))
}

/// Resources are a set: equal ones are added up before they are compared.
fn resources(path: &str, theirs: &Value, ours: &Value) -> Result<(), String> {
    let (a, b) = (sum(std::slice::from_ref(theirs)), sum(std::slice::from_ref(ours)));
    if a == b { Ok(()) } else { Err(format!("{path} is {b:?}, Mesos has {a:?}")) }
}

/// What lists of resources come to: amounts in thousandths, ranges joined, by everything else that a resource says.
pub(crate) fn sum(lists: &[Value]) -> BTreeMap<String, String> {
    let mut scalars: BTreeMap<String, i64> = BTreeMap::new();
    let mut ranges: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    let mut sets: BTreeMap<String, String> = BTreeMap::new();
    for resource in lists.iter().filter_map(Value::as_array).flatten() {
        let mut key: BTreeMap<&String, &Value> = resource.as_object().into_iter().flatten().collect();
        let (scalar, range, set) = ["scalar", "ranges", "set"].map(|k| key.remove(&k.to_owned())).into();
        let key: Vec<String> =
            key.into_iter().map(|(name, value)| format!("{name}={}", canonical(value))).collect();
        let key = key.join(" ");
        if let Some(value) = scalar.and_then(|s| s["value"].as_f64()) {
            let thousandths = (value * 1000.0).round() as i64;
            *scalars.entry(key).or_default() += thousandths;
        } else if let Some(found) = range.and_then(|r| r["range"].as_array()) {
            let pair = |r: &Value| Some((r["begin"].as_u64()?, r["end"].as_u64()?));
            ranges.entry(key).or_default().extend(found.iter().filter_map(pair));
        } else if let Some(set) = set {
            sets.insert(key, set.to_string());
        }
    }
    let amounts = scalars.into_iter().map(|(k, v)| (k, v.to_string()));
    amounts.chain(ranges.into_iter().map(|(k, v)| (k, format!("{:?}", joined(v))))).chain(sets).collect()
}

/// The same text for the same value, in whichever order its keys came.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, String> = map.iter().map(|(k, v)| (k, canonical(v))).collect();
            format!("{sorted:?}")
        }
        Value::Array(items) => format!("{:?}", items.iter().map(canonical).collect::<Vec<_>>()),
        other => other.to_string(),
    }
}

fn joined(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut out: Vec<(u64, u64)> = Vec::new();
    for (begin, end) in ranges {
        match out.last_mut() {
            Some(last) if begin <= last.1 + 1 => last.1 = last.1.max(end),
            _ => out.push((begin, end)),
        }
    }
    out
}
