//! What holds for all services together once nested stacks are laid flat: paths, names on the cluster, frameworks.

use std::collections::BTreeMap;

use super::Checker;
use super::scope::{Found, ScopeId};
use crate::catalog::Framework;
use crate::load::{Loaded, inline};
use crate::node::Entry;
use crate::{Diagnostic, FrameworkSpec, Service, Span, name};

impl<'a> Checker<'a> {
    /// No service is within another one, and no two have the same name on the cluster.
    pub(super) fn check_paths(&mut self, stack: &str) {
        let mut paths: BTreeMap<String, Span> = BTreeMap::new();
        let mut names: BTreeMap<String, (String, Span)> = BTreeMap::new();
        for Found { path, entry, .. } in &self.services {
            if let Some(first) = paths.insert(path.clone(), entry.key_span) {
                let message = format!("there are two services `{path}`");
                self.diagnostics.push(
                    Diagnostic::error("name-taken", message).label(entry.key_span, "").label(first, ""),
                );
                continue;
            }
            let taken = name::framework_name(stack, path);
            if let Some((other, first)) = names.insert(taken.clone(), (path.clone(), entry.key_span)) {
                let message = format!("`{path}` and `{other}` would both be called `{taken}` on the cluster");
                self.diagnostics.push(
                    Diagnostic::error("name-taken", message)
                        .label(entry.key_span, "")
                        .label(first, "the same name")
                        .help("rename one of the two"),
                );
            }
        }
        for (path, span) in &paths {
            let within = path.match_indices('/').find_map(|(at, _)| paths.get_key_value(&path[..at]));
            if let Some((outer, first)) = within {
                let message = format!("`{path}` lies within `{outer}`, which is a service");
                self.diagnostics.push(
                    Diagnostic::error("name-taken", message)
                        .label(*span, "")
                        .label(*first, "a service")
                        .help("the part before a `/` is the name of a group of services: choose another one"),
                );
            }
        }
    }

    /// The framework of a service that the stack itself brings along: from a file, or written into it.
    pub(super) fn own_framework(&self, service: &Entry) -> Option<&'a Framework> {
        match self.files.frameworks.get(&self.own_key(service)?)? {
            Loaded::Ready(framework) => Some(framework),
            Loaded::Broken | Loaded::Absent(_) => None,
        }
    }

    /// Whether it names a framework of the stack's own whose mistakes have been told.
    pub(super) fn is_broken(&self, service: &Entry) -> bool {
        let loaded = self.own_key(service).and_then(|key| self.files.frameworks.get(&key));
        matches!(loaded, Some(Loaded::Broken))
    }

    fn own_key(&self, service: &Entry) -> Option<String> {
        let (file, written) = self.files.named(service, "framework")?;
        if crate::bundle::is_path(written) {
            return Some(file);
        }
        let span = service.value.entry("framework")?.value.span;
        let key = inline(self.files.sources.name(span), written);
        // With overlays, it may stand in another one of the main files.
        let anywhere = || {
            let suffix = format!("#{written}");
            self.files.frameworks.keys().find(|key| key.ends_with(&suffix)).cloned()
        };
        if self.files.frameworks.contains_key(&key) { Some(key) } else { anywhere() }
    }

    /// Frameworks that the stack brings along.
    pub(super) fn own_specs(&self) -> impl Iterator<Item = &'a FrameworkSpec> + use<'a> {
        let files = self.files;
        files.frameworks.values().filter_map(|loaded| match loaded {
            Loaded::Ready(framework) => Some(&framework.spec),
            Loaded::Broken | Loaded::Absent(_) => None,
        })
    }

    /// Frameworks of one's own must not be mistaken for others, and those that are written into the stack have the
    /// name that they stand under.
    pub(super) fn check_frameworks(&mut self, scope: ScopeId) {
        for entry in self.section(scope, "frameworks") {
            if entry.value.entries().is_none() {
                let message = format!("the framework `{}` must be a map: a framework spec", entry.key);
                let label = format!("this is {}", entry.value.describe());
                self.error(
                    Diagnostic::error("wrong-type", message)
                        .label(entry.value.span, label)
                        .help("a spec in a file of its own is named by the service: `framework: ./FILE`"),
                );
                continue;
            }
            let key = inline(self.files.sources.name(entry.key_span), &entry.key);
            let Some(Loaded::Ready(framework)) = self.files.frameworks.get(&key) else { continue };
            if framework.spec.framework != entry.key {
                let span = entry.value.entry("framework").map_or(entry.key_span, |name| name.value.span);
                let message =
                    format!("the framework `{}` stands under another name", framework.spec.framework);
                self.error(
                    Diagnostic::error("other-name", message)
                        .label(span, "")
                        .label(entry.key_span, "not this one"),
                );
            }
            self.check_not_taken(&framework.spec, entry.key_span);
        }
        for entry in self.section(scope, "services") {
            if let Some((_, span)) = self.framework_file(entry)
                && let Some(framework) = self.own_framework(entry)
            {
                self.check_not_taken(&framework.spec, span);
            }
        }
    }

    fn check_not_taken(&mut self, spec: &FrameworkSpec, span: Span) {
        let name = &spec.framework;
        let differs = |other: &&FrameworkSpec| other.framework == *name && *other != spec;
        let message = if self.catalog.get(name).filter(differs).is_some() {
            format!("there is a framework `{name}` already, and it is another one")
        } else if self.own_specs().any(|other| differs(&other)) {
            format!("the stack brings along two different frameworks `{name}`")
        } else {
            return;
        };
        self.error(
            Diagnostic::error("duplicate-framework", message)
                .label(span, "the same name")
                .help("give it another name: `framework:` in its spec"),
        );
    }

    /// Specs of the frameworks that services use and that are not in the catalog.
    pub(super) fn own_frameworks(&self, services: &[Service]) -> BTreeMap<String, FrameworkSpec> {
        let used = |spec: &&FrameworkSpec| {
            self.catalog.get(&spec.framework).is_none()
                && services.iter().any(|s| s.framework == spec.framework)
        };
        self.own_specs().filter(used).map(|spec| (spec.framework.clone(), spec.clone())).collect()
    }
}
