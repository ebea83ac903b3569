//! Changes to which nodes there are and how they differ, in the options as they were written.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{MOST, Nodes, idle};
use crate::View;
use crate::kit::Ids;
use crate::kit::options::merge;
use crate::rest::{Problem, Refused};

impl Nodes {
    /// Grows with the lowest free ids, shrinks from the highest.
    ///
    /// # Errors
    /// 400 for a number that cannot be.
    pub fn resize(&self, options: &mut Value, view: &View, count: u32) -> Refused<()> {
        if count == 0 || count > MOST {
            let message = format!("there are from 1 to {MOST} {}, not {count}", self.many);
            return Err(Problem::bad_request(message).hint("destroy the service to get rid of all"));
        }
        let mut ids = self.target(view);
        while ids.len() > count as usize {
            ids.pop_last();
        }
        while ids.len() < count as usize {
            ids.insert(self.free_id(options, &ids));
        }
        self.set_ids(options, &ids)
    }

    /// Adds a node, with the lowest free id if none is wanted, and what is different about it.
    ///
    /// # Errors
    /// 409 if there is one with this id.
    pub fn add(&self, options: &mut Value, view: &View, id: Option<u32>, fields: &Value) -> Refused<u32> {
        let mut ids = self.target(view);
        let id = id.unwrap_or_else(|| self.free_id(options, &ids));
        if idle(options).contains(&id) || !ids.insert(id) {
            let message = format!("there is a {} {id} already", self.one);
            return Err(Problem::conflict(&format!("{}-exists", self.one), message)
                .hint("leave `id` out to take the next free one"));
        }
        self.set_ids(options, &ids)?;
        if fields.as_object().is_some_and(|f| !f.is_empty()) {
            self.patch_each(options, &[id].into(), fields)?;
        }
        Ok(id)
    }

    fn free_id(&self, options: &Value, used: &BTreeSet<u32>) -> u32 {
        let idle = idle(options);
        (self.first..).find(|id| !used.contains(id) && !idle.contains(id)).unwrap_or(self.first)
    }

    /// Takes nodes out.
    ///
    /// # Errors
    /// 409 if none would be left, or these cannot leave.
    pub fn remove(&self, options: &mut Value, view: &View, leaving: &BTreeSet<u32>) -> Refused<()> {
        let staying: BTreeSet<u32> = self.target(view).difference(leaving).copied().collect();
        if staying.is_empty() {
            let problem =
                Problem::conflict(&format!("last-{}", self.many), format!("no {} would be left", self.one));
            return Err(problem.hint("destroy the service to get rid of all"));
        }
        self.set_ids(options, &staying)?;
        let idle = idle(options).difference(leaving).copied().collect();
        Self::set_idle(options, &idle);
        if let Some(overrides) = options.get_mut("overrides").and_then(Value::as_object_mut) {
            overrides.retain(|key, _| !leaving.iter().any(|id| id.to_string() == *key));
        }
        tidy(options);
        Ok(())
    }

    /// Lets nodes run that were only configured so far. Others are left as they are.
    ///
    /// # Errors
    /// 409 if their ids leave gaps where there may be none.
    pub fn wake(&self, options: &mut Value, view: &View, ids: &BTreeSet<u32>) -> Refused<()> {
        let (waking, staying): (BTreeSet<u32>, BTreeSet<u32>) =
            idle(options).into_iter().partition(|id| ids.contains(id));
        if waking.is_empty() {
            return Ok(());
        }
        Self::set_idle(options, &staying);
        self.set_ids(options, &self.target(view).union(&waking).copied().collect())
    }

    /// Which nodes are configured but not to run yet; none is written as no option.
    pub fn set_idle(options: &mut Value, ids: &BTreeSet<u32>) {
        match options {
            Value::Object(fields) if ids.is_empty() => drop(fields.remove("idle")),
            _ => options["idle"] = json!(ids),
        }
    }

    /// Which nodes should run, in the shortest way to write it.
    fn set_ids(&self, options: &mut Value, ids: &BTreeSet<u32>) -> Refused<()> {
        let plain = ids.iter().copied().eq((self.first..).take(ids.len()));
        if !plain && !self.gaps {
            let message = format!("only the last {} can leave: their ids have no gaps", self.many);
            return Err(Problem::conflict("ids-without-gaps", message)
                .hint(format!("PUT /v1/{} {{\"count\": n}} takes the last ones out", self.many)));
        }
        options[self.count] = json!(ids.len());
        match options {
            Value::Object(fields) if plain => drop(fields.remove("ids")),
            _ => options["ids"] = json!(ids),
        }
        Ok(())
    }

    /// Merges fields into what is set for `chosen` nodes; null resets. If `ids` means everybody, they become what holds for
    /// all, those to come too, and what was special about single nodes in these points ends.
    ///
    /// # Errors
    /// 400 for fields that nodes do not have.
    pub fn patch(
        &self,
        options: &mut Value,
        ids: &Ids,
        chosen: &BTreeSet<u32>,
        fields: &Value,
    ) -> Refused<()> {
        if !ids.is_everybody() {
            return self.patch_each(options, chosen, fields);
        }
        let names = self.fields(fields)?;
        merge(options, fields);
        let own = options.get_mut("overrides").and_then(Value::as_object_mut).into_iter();
        for (_, own) in own.flatten() {
            if let Some(own) = own.as_object_mut() {
                own.retain(|key, _| !names.contains_key(key));
            }
        }
        tidy(options);
        Ok(())
    }

    /// Merges fields into what is set for each of these nodes; null resets.
    ///
    /// # Errors
    /// 400 for fields that nodes do not have.
    pub fn patch_each(&self, options: &mut Value, ids: &BTreeSet<u32>, fields: &Value) -> Refused<()> {
        self.fields(fields)?;
        for id in ids {
            let mut all = options.get("overrides").cloned().unwrap_or_else(|| json!({}));
            merge(&mut all[id.to_string()], fields);
            options["overrides"] = all;
        }
        tidy(options);
        Ok(())
    }

    fn fields<'a>(&self, patch: &'a Value) -> Refused<&'a Map<String, Value>> {
        let known = match self.overrides {
            [] => format!("{} are all alike; PUT /v1/config changes them", self.many),
            names => format!("fields: {}", names.join(", ")),
        };
        let Value::Object(fields) = patch else {
            return Err(Problem::bad_request("the body is not a JSON object").hint(known));
        };
        match fields.keys().find(|key| !self.overrides.contains(&key.as_str())) {
            Some(key) => {
                Err(Problem::bad_request(format!("{} have no field `{key}`", self.many)).hint(known))
            }
            None => Ok(fields),
        }
    }
}

/// What is empty is not written.
fn tidy(options: &mut Value) {
    let Value::Object(fields) = options else { return };
    let Some(Value::Object(overrides)) = fields.get_mut("overrides") else { return };
    for own in overrides.values_mut().filter_map(Value::as_object_mut) {
        own.retain(|_, value| value.as_object().is_none_or(|v| !v.is_empty()));
    }
    overrides.retain(|_, own| own.as_object().is_none_or(|o| !o.is_empty()));
    if overrides.is_empty() {
        fields.remove("overrides");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: Nodes =
        Nodes { gaps: true, overrides: &["cpus", "heap", "options"], ..Nodes::new("broker", "brokers") };
    const DENSE: Nodes = Nodes { first: 1, ..Nodes::new("server", "servers") };

    fn view(nodes: Nodes, ids: &[u32]) -> View {
        View { target: ids.iter().map(|id| nodes.instance(*id)).collect(), ..View::default() }
    }

    #[test]
    fn sizes_are_written_the_short_way() {
        let mut options = json!({ "brokers": 3, "topics": { "a": {} } });
        NODES.resize(&mut options, &view(NODES, &[0, 1, 2]), 5).unwrap();
        assert_eq!(options, json!({ "brokers": 5, "topics": { "a": {} } }));
        let mut options = json!({ "brokers": 2, "ids": [0, 2] });
        NODES.resize(&mut options, &view(NODES, &[0, 2]), 3).unwrap();
        assert_eq!(options, json!({ "brokers": 3 }), "the free id between is taken");
        assert_eq!(NODES.resize(&mut options, &view(NODES, &[0]), 0).unwrap_err().status, 400);
    }

    #[test]
    fn removal_leaves_gaps_where_there_may_be_some() {
        let mut options = json!({ "brokers": 3, "overrides": { "1": { "cpus": 2.0 } }, "idle": [1, 7] });
        NODES.remove(&mut options, &view(NODES, &[0, 1, 2]), &[1].into()).unwrap();
        assert_eq!(options, json!({ "brokers": 2, "ids": [0, 2], "idle": [7] }));
        let none = NODES.remove(&mut options, &view(NODES, &[0, 2]), &[0, 2].into()).unwrap_err();
        assert_eq!(none.kind, "last-brokers");
        let three = view(DENSE, &[1, 2, 3]);
        let mut options = json!({ "servers": 3 });
        assert_eq!(DENSE.remove(&mut options, &three, &[1].into()).unwrap_err().kind, "ids-without-gaps");
        DENSE.remove(&mut options, &three, &[2, 3].into()).unwrap();
        assert_eq!(options, json!({ "servers": 1 }));
    }

    #[test]
    fn a_node_is_added_with_the_lowest_free_id() {
        let mut options = json!({ "idle": [1] });
        let body = json!({ "cpus": 2 });
        assert_eq!(NODES.add(&mut options, &view(NODES, &[0]), None, &body).unwrap(), 2);
        assert_eq!(
            options,
            json!({ "brokers": 2, "ids": [0, 2], "idle": [1], "overrides": { "2": { "cpus": 2 } } })
        );
        for taken in [0, 1] {
            let again = NODES.add(&mut options, &view(NODES, &[0]), Some(taken), &json!({})).unwrap_err();
            assert_eq!(again.kind, "broker-exists");
        }
        NODES.wake(&mut options, &view(NODES, &[0, 2]), &[0, 1].into()).unwrap();
        assert_eq!(options, json!({ "brokers": 3, "overrides": { "2": { "cpus": 2 } } }));
    }

    #[test]
    fn patches_are_for_single_nodes_and_null_resets() {
        let one: Ids = "1".parse().unwrap();
        let mut options = json!({ "overrides": { "1": { "cpus": 2.0, "options": { "b": 2 } } } });
        let body = json!({ "heap": "1GiB", "options": { "a": 1, "b": null } });
        NODES.patch(&mut options, &one, &[1].into(), &body).unwrap();
        assert_eq!(
            options["overrides"],
            json!({ "1": { "cpus": 2.0, "heap": "1GiB", "options": { "a": 1 } } })
        );
        let reset = json!({ "cpus": null, "heap": null, "options": { "a": null } });
        NODES.patch(&mut options, &one, &[1].into(), &reset).unwrap();
        assert_eq!(options, json!({}));
    }

    #[test]
    fn a_patch_for_everybody_is_for_those_to_come_too() {
        let everybody: Ids = "*".parse().unwrap();
        let mut options =
            json!({ "overrides": { "0": { "cpus": 1 }, "1": { "cpus": 2.0, "heap": "1GiB" } } });
        NODES.patch(&mut options, &everybody, &[0, 1].into(), &json!({ "cpus": 1.5 })).unwrap();
        assert_eq!(options, json!({ "cpus": 1.5, "overrides": { "1": { "heap": "1GiB" } } }));
    }

    #[test]
    fn unknown_fields_are_refused() {
        let told =
            |nodes: Nodes, body: Value| nodes.patch_each(&mut json!({}), &[1].into(), &body).unwrap_err();
        assert_eq!(told(NODES, json!({ "cpu": 1 })).detail, "brokers have no field `cpu`");
        assert_eq!(told(NODES, json!([])).status, 400);
        assert!(told(DENSE, json!({ "cpus": 1 })).hint.unwrap().contains("all alike"));
    }
}
