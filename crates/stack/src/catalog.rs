//! The frameworks that stacks may name: read and checked.

use std::collections::BTreeMap;

use cairn_units::suggest;
use serde_json::{Map, Value};

use crate::beside::{self, Beside};
use crate::described;
use crate::framework::Bound;
use crate::node::Node;
use crate::schema_check::{SchemaChecker, Subject, Unknown};
use crate::source::Sources;
use crate::{Diagnostic, FrameworkSpec, Report, Service, schema, yaml};

/// Keys that mean the same for every service, so that no framework may use them.
pub(crate) const RESERVED: [&str; 5] = ["framework", "needs", "distribution", "stack", "existing"];

/// Checked framework specs by name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    frameworks: BTreeMap<String, Framework>,
    own_check: Option<OwnCheck>,
}

/// What the program that a framework spec names has against a service.
pub type OwnCheck = fn(&Proposed<'_>) -> Vec<Mistake>;

/// A service whose options fit its framework's spec, before it is applied.
#[derive(Clone, Copy, Debug)]
pub struct Proposed<'a> {
    /// The spec.
    pub framework: &'a FrameworkSpec,
    /// Name of the stack that it belongs to.
    pub stack: &'a str,
    /// The service. Texts that refer to outputs and secrets stand as they are written; what is said of them does not count.
    pub service: &'a Service,
}

/// Something that a program does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Dotted path of the option, empty if it is about the whole.
    pub option: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// A framework spec with its schema made ready.
#[derive(Clone, Debug)]
pub(crate) struct Framework {
    pub(crate) spec: FrameworkSpec,
    pub(crate) options: SchemaChecker,
}

/// A framework spec to load.
#[derive(Clone, Debug)]
pub struct FrameworkFile<'a> {
    /// Name of the file, for reports.
    pub name: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
    /// The schema of the framework's options where a program knows it better than the file: the file then says
    /// nothing under `options`.
    pub options: Option<Map<String, Value>>,
}

/// A framework spec with the files it names.
#[derive(Clone, Debug)]
pub struct FrameworkFiles<'a> {
    /// The spec.
    pub spec: FrameworkFile<'a>,
    /// The files that [`crate::named_files`] finds in it.
    pub beside: Beside,
}

impl<'a> From<FrameworkFile<'a>> for FrameworkFiles<'a> {
    fn from(spec: FrameworkFile<'a>) -> Self {
        Self { spec, beside: Beside::new() }
    }
}

impl<'a> From<(&'a str, &'a [u8])> for FrameworkFiles<'a> {
    fn from(pair: (&'a str, &'a [u8])) -> Self {
        FrameworkFile::from(pair).into()
    }
}

impl<'a> From<(&'a str, &'a [u8])> for FrameworkFile<'a> {
    fn from((name, bytes): (&'a str, &'a [u8])) -> Self {
        Self { name, bytes, options: None }
    }
}

impl Catalog {
    /// Reads framework specs: pairs of a file's name and its bytes, [`FrameworkFile`]s, or
    /// [`FrameworkFiles`].
    ///
    /// # Errors
    /// A report for each file that has errors.
    pub fn load<'a>(
        files: impl IntoIterator<Item = impl Into<FrameworkFiles<'a>>>,
    ) -> Result<Self, Vec<Report>> {
        let mut catalog = Self::default();
        let mut origins: BTreeMap<String, String> = BTreeMap::new();
        let mut reports = Vec::new();
        for file in files {
            let file: FrameworkFiles<'a> = file.into();
            let name = file.spec.name;
            match read(file).and_then(|read| unique(read, &mut origins, name)) {
                Ok(framework) => {
                    catalog.frameworks.insert(framework.spec.framework.clone(), framework);
                }
                Err(report) => reports.push(report),
            }
        }
        if reports.is_empty() { Ok(catalog) } else { Err(reports) }
    }

    /// The same, where programs are asked about the services that they would run, those of frameworks that come with a stack
    /// included.
    #[must_use]
    pub fn with_own_check(self, check: OwnCheck) -> Self {
        Self { own_check: Some(check), ..self }
    }

    pub(crate) fn own_check(&self) -> Option<OwnCheck> {
        self.own_check
    }

    /// The framework of that name.
    pub fn get(&self, name: &str) -> Option<&FrameworkSpec> {
        self.frameworks.get(name).map(|framework| &framework.spec)
    }

    /// All frameworks by name.
    pub fn iter(&self) -> impl Iterator<Item = &FrameworkSpec> {
        self.frameworks.values().map(|framework| &framework.spec)
    }

    /// Outputs of an interface, over all frameworks that offer it; `None` if no framework offers or needs it.
    pub(crate) fn interface<'a>(
        &'a self,
        name: &str,
        more: impl Iterator<Item = &'a FrameworkSpec>,
    ) -> Option<Vec<&'a str>> {
        let mut outputs = Vec::new();
        let mut known = false;
        for spec in self.iter().chain(more) {
            known |= spec.needs.values().any(|need| need.interface == name);
            if let Some(offer) = spec.offers.get(name) {
                known = true;
                outputs.extend(offer.outputs.iter().map(String::as_str));
            }
        }
        outputs.sort_unstable();
        outputs.dedup();
        known.then_some(outputs)
    }

    pub(crate) fn framework(&self, name: &str) -> Option<&Framework> {
        self.frameworks.get(name)
    }
}

type Read = (Sources, Node, Framework);

/// Two frameworks cannot have the same name.
fn unique(read: Read, origins: &mut BTreeMap<String, String>, file: &str) -> Result<Framework, Report> {
    let (sources, node, framework) = read;
    let name = &framework.spec.framework;
    let Some(first) = origins.insert(name.clone(), file.to_owned()) else { return Ok(framework) };
    let span = node.locate(&["framework"]).node.span;
    let message = format!("{first} describes a framework `{name}` already");
    Err(sources.report(vec![Diagnostic::error("duplicate-framework", message).label(span, "the same name")]))
}

fn read(file: FrameworkFiles<'_>) -> Result<Read, Report> {
    let mut sources = Sources::default();
    let mut diagnostics = Vec::new();
    let node = match sources.add(file.spec.name, file.spec.bytes) {
        Ok(source) => yaml::parse(source, &mut diagnostics),
        Err(diagnostic) => return Err(sources.report(vec![diagnostic])),
    };
    let Some(node) = node else { return Err(sources.report(diagnostics)) };
    match read_node(&sources, &node, node.to_json(), file.spec.options, &file.beside, &mut diagnostics) {
        Some(framework) if diagnostics.is_empty() => Ok((sources, node, framework)),
        _ => Err(sources.report(diagnostics)),
    }
}

/// A framework spec from what was read of a file; `None` if it has mistakes, which are told.
pub(crate) fn read_spec(
    sources: &Sources,
    node: &Node,
    value: Value,
    beside: &Beside,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Framework> {
    let mut found = Vec::new();
    let framework = read_node(sources, node, value, None, beside, &mut found);
    let sound = found.is_empty();
    diagnostics.extend(found);
    framework.filter(|_| sound)
}

fn read_node(
    sources: &Sources,
    node: &Node,
    value: Value,
    options: Option<Map<String, Value>>,
    beside: &Beside,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Framework> {
    let subject = Subject {
        sources,
        node,
        value: &value,
        key_span: node.span,
        unknown: &Unknown::default(),
        noun: "key",
        owner: "a framework spec".to_owned(),
        other_keys: Vec::new(),
    };
    match SchemaChecker::new(schema::framework()) {
        Ok(checker) => {
            diagnostics.extend(checker.check(&subject).into_iter().map(|violation| violation.diagnostic))
        }
        Err((why, _)) => diagnostics.push(Diagnostic::error("bad-schema", why)),
    }
    if !diagnostics.is_empty() {
        return None;
    }
    let mut spec: FrameworkSpec = match serde_json::from_value(value) {
        Ok(spec) => spec,
        Err(error) => {
            diagnostics.push(Diagnostic::error("bad-framework", error.to_string()));
            return None;
        }
    };
    if let Some(options) = options {
        spec.options = options;
    }
    let checker = options_checker(&spec, node, diagnostics);
    Consistency { spec: &spec, node, diagnostics }.check();
    if let Some(definition) = &mut spec.service {
        diagnostics.extend(beside::fill_in(definition, node, beside));
    }
    if let Some(definition) = &spec.service {
        diagnostics.extend(described::check(sources, node, &spec, definition));
    }
    Some(Framework { options: checker?, spec })
}

/// The schema of a framework's options, closed: an option that is not in it is unknown.
fn options_checker(
    spec: &FrameworkSpec,
    node: &Node,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<SchemaChecker> {
    let mut schema = spec.options.clone();
    schema.entry("type").or_insert_with(|| "object".into());
    schema.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    schema.entry("additionalProperties").or_insert(Value::Bool(false));
    match SchemaChecker::new(Value::Object(schema)) {
        Ok(checker) => Some(checker),
        Err((why, path)) => {
            let path: Vec<String> = std::iter::once("options".to_owned()).chain(path).collect();
            diagnostics.push(
                Diagnostic::error("bad-schema", "`options` is not a JSON Schema")
                    .label(node.locate(&path).node.span, why),
            );
            None
        }
    }
}

/// The checks of a framework spec that its schema cannot express.
struct Consistency<'a> {
    spec: &'a FrameworkSpec,
    node: &'a Node,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Consistency<'_> {
    fn check(&mut self) {
        let spec = self.spec;
        if spec.service.is_none() && self.node.entry("scheduler").is_none() {
            let message = "a framework spec needs the key `scheduler`, or a `service` section";
            self.diagnostics.push(
                Diagnostic::error("missing-key", message)
                    .label(self.node.span, "neither is set")
                    .help("write `scheduler: { command: PROGRAM }`, or describe the tasks under `service:`"),
            );
        }
        if let Some(count) = &spec.count {
            self.option(count, &["count"]);
        }
        for name in spec.option_names().map(str::to_owned).collect::<Vec<_>>() {
            self.not_reserved(&name, &["options", "properties", &name]);
        }
        for (name, need) in &spec.needs {
            self.not_reserved(name, &["needs", name]);
            if spec.option(name).is_some() {
                let span = self.node.locate(&["needs", name]).key_span();
                let message = format!("`{name}` is both an option and a need");
                self.diagnostics
                    .push(Diagnostic::error("ambiguous-key", message).label(span, "also an option"));
            }
            for option in need.when.keys() {
                self.option(option, &["needs", name, "when", option]);
            }
        }
        for (index, rule) in spec.rules.iter().enumerate() {
            let index = index.to_string();
            self.option(&rule.at, &["rules", &index, "at"]);
            for (key, bound) in [("at_most", &rule.at_most), ("at_least", &rule.at_least)] {
                if let Some(Bound::Option(path)) = bound {
                    self.option(path, &["rules", &index, key]);
                }
            }
            for option in rule.when.keys() {
                self.option(option, &["rules", &index, "when", option]);
            }
        }
    }

    /// A path of options must start with an option that there is.
    fn option(&mut self, path: &str, at: &[&str]) {
        let name = path.split('.').next().unwrap_or_default();
        if self.spec.option(name).is_none() {
            let diagnostic = Diagnostic::error("unknown-option", format!("there is no option `{name}`"))
                .label(self.node.locate(at).node.span, "not among the properties of `options`")
                .maybe_help(suggest::hint(name, "options", self.spec.option_names()));
            self.diagnostics.push(diagnostic);
        }
    }

    fn not_reserved(&mut self, name: &str, at: &[&str]) {
        if RESERVED.contains(&name) {
            let message = format!("`{name}` means the same for every service");
            let span = self.node.locate(at).key_span();
            let diagnostic = Diagnostic::error("reserved-name", message).label(span, "choose another name");
            self.diagnostics.push(diagnostic);
        }
    }
}
