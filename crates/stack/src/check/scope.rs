//! Stacks within stacks: each use of a stack file is a scope of its own, with its own names.

use std::collections::BTreeMap;

use cairn_units::suggest;

use super::fill::Piece;
use super::params::Param;
use super::{Checker, ServiceId};
use crate::catalog::Framework;
use crate::load::Loaded;
use crate::node::{Entry, Node};
use crate::{Diagnostic, Span};

/// Most services of a stack, those of nested stacks included; and most nested stacks.
pub(super) const MAX_SERVICES: usize = 1_000;

/// Number of a scope; 0 is the stack itself.
pub(super) type ScopeId = usize;

/// One use of a stack file.
pub(super) struct Scope<'a> {
    /// What stands before the names of its services: nothing, or `kafka/`.
    pub(super) prefix: String,
    pub(super) root: &'a Node,
    /// The service that it stands for, and the scope of that.
    pub(super) used_by: Option<(ScopeId, &'a Entry)>,
    /// What stands under `services:`.
    pub(super) items: BTreeMap<&'a str, Item<'a>>,
    pub(super) params: BTreeMap<&'a str, Param<'a>>,
    pub(super) outputs: BTreeMap<&'a str, Lazy>,
}

/// Something that is worked out when it is asked for.
#[derive(Clone, Debug)]
pub(super) enum Lazy {
    Pending,
    /// It is being worked out: who asks for it now asks in a circle.
    Busy,
    Done(Piece),
}

/// An entry under `services:`.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) entry: &'a Entry,
    pub(super) what: What,
}

/// What an entry under `services:` stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A service to launch.
    Service(ServiceId),
    /// A stack; `None` if its file is not to be had, which has been told.
    Stack(Option<ScopeId>),
    /// A service that exists already.
    Existing,
}

/// A service to launch, in whatever scope.
pub(super) struct Found<'a> {
    /// Its path: `zookeeper`, or `kafka/zookeeper`.
    pub(super) path: String,
    pub(super) scope: ScopeId,
    pub(super) entry: &'a Entry,
    pub(super) framework: Option<&'a Framework>,
}

impl<'a> Checker<'a> {
    /// Opens a scope and those within it. `chain` are the files that led here, with the places that name them.
    pub(super) fn open(
        &mut self,
        root: &'a Node,
        prefix: &str,
        used_by: Option<(ScopeId, &'a Entry)>,
        chain: &mut Vec<(String, Span)>,
    ) -> ScopeId {
        let scope = self.scopes.len();
        self.scopes.push(Scope {
            prefix: prefix.to_owned(),
            root,
            used_by,
            items: BTreeMap::new(),
            params: BTreeMap::new(),
            outputs: BTreeMap::new(),
        });
        for entry in self.section(scope, "outputs") {
            self.scopes[scope].outputs.insert(&entry.key, Lazy::Pending);
        }
        for entry in self.section(scope, "services") {
            let path = format!("{prefix}{}", entry.key);
            let what = if entry.value.entry("stack").is_some() {
                What::Stack(self.nested(scope, entry, &path, chain))
            } else if entry.value.entry("existing").is_some() {
                What::Existing
            } else {
                What::Service(self.found(scope, entry, path))
            };
            self.scopes[scope].items.insert(&entry.key, Item { entry, what });
        }
        scope
    }

    fn found(&mut self, scope: ScopeId, entry: &'a Entry, path: String) -> ServiceId {
        if self.services.len() >= MAX_SERVICES {
            self.too_many(entry.key_span);
        }
        let framework = self.framework_of(entry);
        self.services.push(Found { path, scope, entry, framework });
        self.services.len() - 1
    }

    /// Stacks that use others several times multiply.
    fn too_many(&mut self, span: Span) {
        if self.diagnostics.iter().any(|told| told.code == "too-many-services") {
            return;
        }
        let message = format!("the stack has more than {MAX_SERVICES} services");
        self.error(
            Diagnostic::error("too-many-services", message)
                .label(span, "more than there may be")
                .help("nested stacks count with all their services: split the stack into several"),
        );
    }

    /// The scope of a nested stack; `None` if it cannot be opened, which is told.
    fn nested(
        &mut self,
        scope: ScopeId,
        entry: &'a Entry,
        path: &str,
        chain: &mut Vec<(String, Span)>,
    ) -> Option<ScopeId> {
        let written = entry.value.entry("stack")?;
        let Some((file, text)) = self.files.named(entry, "stack") else {
            let label = format!("this is {}", written.value.describe());
            let message = "`stack` must be a text: the name of a stack's file";
            self.error(
                Diagnostic::error("wrong-type", message)
                    .label(written.value.span, label)
                    .help("for example `stack: ./kafka.yaml`"),
            );
            return None;
        };
        if chain.iter().any(|(above, _)| *above == file) {
            self.recursion(&file, written.value.span, chain);
            return None;
        }
        if self.services.len().max(self.scopes.len()) >= MAX_SERVICES {
            self.too_many(written.value.span);
            return None;
        }
        let files = self.files;
        match files.stacks.get(&file) {
            Some(Loaded::Ready(root)) if root.entries().is_some() => {
                chain.push((file, written.value.span));
                let opened = self.open(root, &format!("{path}/"), Some((scope, entry)), chain);
                chain.pop();
                Some(opened)
            }
            Some(Loaded::Ready(root)) => {
                let message = format!("{text} is no stack: a stack spec is a map");
                self.error(
                    Diagnostic::error("not-a-stack", message)
                        .label(root.span, format!("this is {}", root.describe()))
                        .label(written.value.span, "used here as a stack"),
                );
                None
            }
            Some(Loaded::Absent(why)) => {
                self.missing_file(&file, why, written.value.span);
                None
            }
            Some(Loaded::Broken) | None => None,
        }
    }

    /// A file that is named and that nobody has.
    pub(super) fn missing_file(&mut self, file: &str, why: &str, span: Span) {
        let folder = file.rsplit_once('/').map_or(".", |(folder, _)| folder);
        let known: Vec<&str> =
            self.files.stacks.keys().map(String::as_str).filter(|known| *known != file).collect();
        let help = match suggest::nearest(file, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("names are relative to the file they stand in; this one would be in {folder}"),
        };
        self.error(
            Diagnostic::error("missing-file", format!("cannot read {file}: {why}"))
                .label(span, "named here")
                .help(help),
        );
    }

    fn recursion(&mut self, file: &str, span: Span, chain: &[(String, Span)]) {
        let from = chain.iter().position(|(above, _)| above == file).unwrap_or(0);
        let names: Vec<&str> = chain[from..].iter().map(|(above, _)| above.as_str()).chain([file]).collect();
        let message = format!("a stack cannot contain itself: {}", names.join(" -> "));
        let mut diagnostic = Diagnostic::error("recursive-stack", message).label(span, "closes the circle");
        for (above, at) in &chain[from + 1..] {
            diagnostic = diagnostic.label(*at, format!("{above} is used here"));
        }
        self.error(diagnostic.help(
            "take the common services out into a file of their own, and pass their outputs on as parameters",
        ));
    }

    /// All services of a scope and of those within it.
    pub(super) fn services_in(&self, scope: ScopeId) -> Vec<ServiceId> {
        let prefix = self.scopes[scope].prefix.as_str();
        let below = |(id, found): (ServiceId, &Found<'a>)| found.path.starts_with(prefix).then_some(id);
        self.services.iter().enumerate().filter_map(below).collect()
    }

    /// How a nested stack's file is written where it is used.
    pub(super) fn file_of(&self, scope: ScopeId) -> &'a str {
        let written =
            self.scopes[scope].used_by.and_then(|(_, entry)| entry.value.entry("stack")?.value.text());
        written.unwrap_or_default()
    }

    /// Names under `services:`.
    pub(super) fn names(&self, scope: ScopeId) -> Vec<&'a str> {
        self.scopes[scope].items.keys().copied().collect()
    }
}
