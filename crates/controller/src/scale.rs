//! Scaling: the option that counts a service's instances, changed in the stored stack and checked like the file.

use std::collections::BTreeMap;

use cairn_framework::rest::Problem;
use cairn_stack::{Catalog, Params, ValidatedStack, check_stack};
use serde_json::{Map, Value};

use crate::apply::Wanted;
use crate::rest::Refusal;
use crate::state::StoredStack;

/// The stack with `count` instances of `service`.
///
/// # Errors
/// When there is no such service, when its framework cannot be scaled, or when a rule is against it.
pub(crate) fn scale(
    stored: &StoredStack,
    service: &str,
    count: u64,
    catalog: &Catalog,
) -> Result<Wanted, Refusal> {
    let spec = &stored.spec;
    let Some(scaled) = spec.services.get(service) else {
        return Err(no_service(spec, service).into());
    };
    let Some(option) = spec.framework(&scaled.framework, catalog).and_then(|f| f.count.clone()) else {
        let detail = format!("framework {} has no number of instances to change", scaled.framework);
        return Err(Problem::conflict("cannot-scale", detail).into());
    };
    let mut changed = spec.clone();
    if let Some(scaled) = changed.services.get_mut(service) {
        set(&mut scaled.options, &option, count.into());
    }
    let text = changed.to_spec().to_string();
    let checked = check_stack(&format!("{} scaled", spec.name), text.as_bytes(), catalog, &Params::new())?;
    let mut stack = checked.stack;
    stack.params = spec.params.clone();
    let mut notes = stored.notes.clone();
    let prefix = format!("{service}.{option} ");
    notes.retain(|note| !note.starts_with(&prefix));
    notes.push(format!("{prefix}was scaled to {count} after the file was applied"));
    Ok(Wanted { stack, bundle: stored.files(), notes, delete_data: false, secrets: BTreeMap::new() })
}

/// 404 for a service, with those there are.
pub(crate) fn no_service(spec: &ValidatedStack, service: &str) -> Problem {
    let known: Vec<&str> = spec.services.keys().map(String::as_str).collect();
    Problem::not_found("unknown-service", format!("stack {} has no service `{service}`", spec.name))
        .hint(format!("there are: {}", known.join(", ")))
}

fn set(options: &mut Value, path: &str, value: Value) {
    let mut at = options;
    for key in path.split('.') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[key];
    }
    *at = value;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{catalog, stored};

    #[test]
    fn only_the_count_changes_and_a_note_says_so() {
        let before = stored("demo");
        let wanted = scale(&before, "kafka", 5, &catalog()).unwrap();
        let mut expected = before.spec.clone();
        expected.services.get_mut("kafka").unwrap().options["brokers"] = 5.into();
        assert_eq!(wanted.stack, expected);
        assert_eq!(wanted.notes, ["kafka.brokers was scaled to 5 after the file was applied"]);
        assert_eq!(wanted.bundle.source(), before.source);
    }

    #[test]
    fn a_second_note_takes_the_place_of_the_first() {
        let mut before = stored("demo");
        before.notes = scale(&before, "kafka", 5, &catalog()).unwrap().notes;
        assert_eq!(
            scale(&before, "kafka", 4, &catalog()).unwrap().notes,
            ["kafka.brokers was scaled to 4 after the file was applied"]
        );
    }

    #[test]
    fn rules_hold_for_scaling_too() {
        let Err(Refusal::Report(report)) = scale(&stored("demo"), "zookeeper", 9, &catalog()) else {
            panic!("nine servers are refused");
        };
        assert!(report.to_string().contains("seven servers are plenty"), "{report}");
        assert!(matches!(scale(&stored("demo"), "kakfa", 1, &catalog()), Err(Refusal::Problem(_))));
    }
}
