//! The text of a plan, in the concise manner of OpenTofu: what stays is hidden, the last line counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::{Change, FieldChange, ServiceDiff, StackDiff, ValidatedStack};

impl StackDiff {
    /// The plan as text: changes, then a line that counts them.
    pub fn render(&self) -> String {
        if self.is_empty() {
            return format!("No changes. Stack {} is as the file says.\n", self.stack);
        }
        let mut text = String::new();
        for service in &self.services {
            render_service(service, &mut text);
        }
        for (what, fields) in [("existing services", &self.existing), ("outputs", &self.outputs)] {
            if !fields.is_empty() {
                let _ = writeln!(text, "~   {what}");
                render_fields(fields, &mut text);
                text.push('\n');
            }
        }
        let [add, change, remove] = self.counts();
        let _ = writeln!(text, "Plan: {add} to add, {change} to change, {remove} to remove.");
        text
    }

    /// How many services are added, changed and removed. A replaced one counts as added and removed.
    pub fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for service in &self.services {
            match service.change {
                Change::Added(_) => counts[0] += 1,
                Change::Changed(_) => counts[1] += 1,
                Change::Removed => counts[2] += 1,
                Change::Replaced(_) => {
                    counts[0] += 1;
                    counts[2] += 1;
                }
                Change::Unchanged => {}
            }
        }
        counts
    }
}

impl ValidatedStack {
    /// The stack as a tree: each service under what it needs. One that needs several is shown in full under the
    /// first and by name under the others.
    pub fn tree(&self) -> String {
        let mut text = format!("{}\n", self.name);
        let roots: Vec<&str> =
            self.order().iter().filter(|s| s.needs.is_empty()).map(|s| s.name.as_str()).collect();
        let mut shown = BTreeMap::new();
        self.branches(&roots, "", &mut shown, &mut text);
        text
    }

    fn branches<'a>(
        &'a self,
        names: &[&'a str],
        indent: &str,
        shown: &mut BTreeMap<&'a str, ()>,
        text: &mut String,
    ) {
        for (index, name) in names.iter().enumerate() {
            let last = index + 1 == names.len();
            let (corner, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let Some(service) = self.services.get(*name) else { continue };
            let again = shown.insert(name, ()).is_some();
            let mark = if again { " (see above)" } else { "" };
            let _ = writeln!(text, "{indent}{corner}{name} ({}){mark}", service.framework);
            if !again {
                let dependents: Vec<&str> = self.dependents(name).into_iter().collect();
                self.branches(&dependents, &format!("{indent}{below}"), shown, text);
            }
        }
    }
}

fn render_service(service: &ServiceDiff, text: &mut String) {
    let (sign, fields, remark) = match &service.change {
        Change::Added(fields) => ("+  ", fields.as_slice(), ""),
        Change::Changed(fields) => ("~  ", fields.as_slice(), ""),
        Change::Replaced(fields) => ("-/+", fields.as_slice(), " # the framework changes, so it starts anew"),
        Change::Removed => ("-  ", &[][..], " # its data is kept"),
        Change::Unchanged => return,
    };
    let _ = writeln!(text, "{sign} service {} (framework {}){remark}", service.service, service.framework);
    render_fields(fields, text);
    text.push('\n');
}

fn render_fields(fields: &[FieldChange], text: &mut String) {
    let width = fields.iter().map(|field| field.path.chars().count()).max().unwrap_or(0);
    for FieldChange { path, old, new } in fields {
        let _ = match (old, new) {
            (Some(old), Some(new)) => writeln!(text, "    ~ {path:width$} = {} -> {}", show(old), show(new)),
            (None, Some(new)) => writeln!(text, "    + {path:width$} = {}", show(new)),
            (Some(old), None) => writeln!(text, "    - {path:width$} = {} -> not set", show(old)),
            (None, None) => Ok(()),
        };
    }
}

/// References are shown bare, other texts quoted, as in the file.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) if text.starts_with("${") && text.ends_with('}') => text.clone(),
        other => other.to_string(),
    }
}
