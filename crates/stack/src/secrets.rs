//! Which secrets a spec uses and declares. Values are never here: a spec only names them.

use std::collections::{BTreeMap, BTreeSet};

use cairn_units::suggest;
use serde_json::{Map, Value, json};

use crate::bundle::resolve_name;
use crate::load::{Files, Loaded};
use crate::node::{Entry, Node};
use crate::source::{PLAIN_SECRET, Sources};
use crate::template::{Target, Template};
use crate::{Bundle, Diagnostic, Report, Span};

/// Longest name of a secret.
pub(crate) const MAX_NAME: usize = 64;
const KEYS: [&str; 2] = ["env", "file"];
const SAY_WHERE: &str = "say where its value comes from, `{ env: VARIABLE }` or `{ file: PATH }`; or set it with \
     `cairn secret set`";

/// Where a client finds the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretSource {
    /// An environment variable of the client.
    Env(String),
    /// A file of the client, relative to the spec's own folder.
    File(String),
}

/// Whether it can be the name of a secret: what may stand after the dot of a reference.
pub fn is_secret_name(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= MAX_NAME && !name.starts_with('.') && name.chars().all(fine)
}

/// The secrets of a spec with their places.
#[derive(Clone, Debug)]
pub struct SecretUses {
    sources: Sources,
    /// Every reference.
    used: Vec<(String, Span)>,
    /// What `secrets:` declares; without a source where that is wrong.
    declared: Vec<(String, Option<SecretSource>, Span)>,
}

impl SecretUses {
    pub(crate) fn new(sources: &Sources) -> Self {
        Self { sources: sources.clone(), used: Vec::new(), declared: Vec::new() }
    }

    /// Notes what is declared. A file that a nested stack names is relative to that stack, and is kept relative to the
    /// main file.
    pub(crate) fn declare(&mut self, entry: &Entry, source: Option<SecretSource>) {
        let source = source.map(|source| match source {
            SecretSource::File(path) if entry.key_span.file > 0 => SecretSource::File(
                self.relative_to_main(&resolve_name(self.sources.name(entry.key_span), &path)),
            ),
            other => other,
        });
        self.declared.push((entry.key.clone(), source, entry.value.span));
    }

    /// Where the same name is declared with another source.
    pub(crate) fn declared_otherwise(&self, name: &str) -> Option<Span> {
        let mut same =
            self.declared.iter().filter(|(declared, source, _)| declared == name && source.is_some());
        let (_, first, span) = same.next()?;
        same.any(|(_, source, _)| source != first).then_some(*span)
    }

    fn relative_to_main(&self, path: &str) -> String {
        let folder = self.sources.first_name().rsplit_once('/').map_or("", |(folder, _)| folder);
        let below = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
        below.filter(|_| !folder.is_empty()).unwrap_or(path).to_owned()
    }

    pub(crate) fn note(&mut self, name: &str, span: Span) {
        self.used.push((name.to_owned(), span));
    }

    /// Secrets that are declared, with where their values come from.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &SecretSource)> {
        self.declared.iter().filter_map(|(name, source, _)| Some((name.as_str(), source.as_ref()?)))
    }

    /// What is declared, as the `secrets:` section of a stack spec.
    pub fn to_spec(&self) -> Value {
        let section = self.sources().map(|(name, source)| {
            let source = match source {
                SecretSource::Env(variable) => json!({ "env": variable }),
                SecretSource::File(path) => json!({ "file": path }),
            };
            (name.to_owned(), source)
        });
        section.collect::<Map<_, _>>().into()
    }

    /// What is wrong, if not all secrets that the spec uses are among `known`.
    pub fn missing(&self, known: &BTreeSet<&str>) -> Option<Report> {
        let missing = self.used.iter().filter(|(name, _)| !known.contains(name.as_str()));
        let diagnostics: Vec<_> = missing.map(|(name, span)| self.unknown(name, *span, known)).collect();
        (!diagnostics.is_empty()).then(|| self.sources.report(diagnostics))
    }

    fn unknown(&self, name: &str, span: Span, known: &BTreeSet<&str>) -> Diagnostic {
        let diagnostic = Diagnostic::error("unknown-secret", format!("there is no secret `{name}`"));
        if let Some((_, _, declared)) = self.declared.iter().find(|(declared, _, _)| declared == name) {
            return diagnostic
                .label(span, "needed here")
                .label(*declared, "declared here, and its value was not sent")
                .help("apply the file with `cairn apply`, which reads the value where it is");
        }
        let set = format!(
            "set it with `cairn secret set {name}`, or declare where it comes from:\n  secrets:\n    {name}: \
             {{ env: VARIABLE }}"
        );
        let meant = suggest::nearest(name, known.iter().copied());
        diagnostic.label(span, "not known to the controller").help(match meant {
            Some(meant) => format!("did you mean `{meant}`? Or {set}"),
            None => set,
        })
    }

    /// A report on declared secrets whose values cannot be had, with the reason for each.
    pub fn unreadable(&self, reasons: &BTreeMap<String, String>) -> Report {
        let diagnostics = self.declared.iter().filter_map(|(name, _, span)| {
            let reason = reasons.get(name)?;
            let message = format!("the secret `{name}` cannot be read");
            Some(Diagnostic::error("unreadable-secret", message).label(*span, reason.as_str()))
        });
        self.sources.report(diagnostics.collect())
    }
}

/// The secrets that the texts of a value refer to.
pub fn secret_names(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    walk(value, "", &mut |_, found| names.extend(found));
    names
}

/// JSON pointers of the texts of a value that refer to secrets.
pub fn secret_places(value: &Value) -> Vec<String> {
    let mut places = Vec::new();
    walk(value, "", &mut |place, _| places.push(place.to_owned()));
    places
}

fn walk(value: &Value, at: &str, found: &mut impl FnMut(&str, Vec<String>)) {
    match value {
        Value::String(text) => {
            let Ok(template) = Template::parse(text) else { return };
            let secrets = template.references().filter(|r| r.target() == Target::Secret);
            let names: Vec<String> = secrets.map(|r| r.name.clone()).collect();
            if !names.is_empty() {
                found(at, names);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                walk(item, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The secrets that a stack spec and its nested stacks declare, read without knowing the frameworks: for a client, which
/// has their values while only the controller has the frameworks. `None` for what is no stack spec, which the controller
/// tells.
pub fn declared_secrets(bundle: &Bundle) -> Option<SecretUses> {
    let files = Files::load(bundle, &mut Vec::new());
    let mut uses = SecretUses::new(&files.sources);
    let nested = files.stacks.values().filter_map(|stack| match stack {
        Loaded::Ready(node) => Some(node),
        Loaded::Broken | Loaded::Absent(_) => None,
    });
    for root in std::iter::once(files.root.as_ref()?).chain(nested) {
        for (entry, read) in declared(root) {
            uses.declare(entry, read.ok());
        }
    }
    Some(uses)
}

/// What stands under `secrets:`, each with where its value comes from or what is wrong with that.
pub(crate) fn declared(root: &Node) -> impl Iterator<Item = (&Entry, Result<SecretSource, Box<Diagnostic>>)> {
    let entries = root.entry("secrets").and_then(|section| section.value.entries()).unwrap_or_default();
    entries.iter().map(|entry| (entry, read_source(entry)))
}

fn read_source(entry: &Entry) -> Result<SecretSource, Box<Diagnostic>> {
    let Some(parts) = entry.value.entries() else {
        let message = format!("the secret `{}` stands in the file itself", entry.key);
        let label = "what is shown and kept is no place for a secret";
        let diagnostic = Diagnostic::error(PLAIN_SECRET, message).label(entry.value.span, label);
        return Err(Box::new(diagnostic.help(SAY_WHERE)));
    };
    if let Some(part) = parts.iter().find(|part| !KEYS.contains(&part.key.as_str())) {
        let diagnostic = Diagnostic::error("unknown-key", format!("a secret has no key `{}`", part.key));
        let help = suggest::hint(&part.key, "keys", KEYS);
        return Err(Box::new(diagnostic.label(part.key_span, "unknown key").maybe_help(help)));
    }
    let [part] = parts else {
        let message = format!("the secret `{}` needs exactly one source", entry.key);
        return Err(Box::new(
            Diagnostic::error("wrong-type", message).label(entry.key_span, "").help(SAY_WHERE),
        ));
    };
    match (part.key.as_str(), part.value.text().filter(|text| !text.is_empty())) {
        ("env", Some(name)) => Ok(SecretSource::Env(name.to_owned())),
        (_, Some(path)) => Ok(SecretSource::File(path.to_owned())),
        (key, None) => {
            let diagnostic = Diagnostic::error("wrong-type", format!("`{key}` must be a text"));
            Err(Box::new(diagnostic.label(part.value.span, "this is none").help(SAY_WHERE)))
        }
    }
}
