//! The files of a bundle, read: the main file under its overlays, nested stacks and framework specs.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use crate::beside::{Beside, named_in};
use crate::bundle::{Content, MAX_FILES, is_path, resolve_name};
use crate::catalog::{Framework, read_spec};
use crate::merge::lay_over;
use crate::node::{Entry, Kind, Node};
use crate::source::Sources;
use crate::{Bundle, Diagnostic, yaml};

/// Most bytes of a file that becomes a part of a framework spec: it travels in the description of each task.
const MAX_BESIDE: usize = 256 * 1024;

/// A file that another one names.
#[derive(Debug)]
pub(crate) enum Loaded<T> {
    Ready(T),
    /// It has mistakes, which have been told.
    Broken,
    /// It could not be read, and why.
    Absent(String),
}

/// Everything that a stack consists of.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) sources: Sources,
    /// The main file with its overlays.
    pub(crate) root: Option<Node>,
    /// Nested stacks by the name of their file.
    pub(crate) stacks: BTreeMap<String, Loaded<Node>>,
    /// Framework specs by the name of their file, and those written into a stack by [`inline`].
    pub(crate) frameworks: BTreeMap<String, Loaded<Framework>>,
    /// Files that are named and that nobody has looked for.
    pub(crate) wanted: Vec<String>,
}

/// What a file is named as.
enum Named {
    Stack(String),
    Framework(String),
}

/// The key of a framework that is written into the stack in `file`.
pub(crate) fn inline(file: &str, name: &str) -> String {
    format!("{file}#{name}")
}

impl Files {
    /// Reads them. Mistakes of the YAML, of overlays and of framework specs are told here; a file that is missing is
    /// told where it is named, by the check.
    pub(crate) fn load(bundle: &Bundle, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let mut files = Self::default();
        for name in &bundle.main {
            let Some(Content::Text(bytes)) = bundle.files.get(name) else { continue };
            let node = files.parse(name, bytes, diagnostics);
            files.root = match (files.root.take(), node) {
                (Some(base), Some(over)) => Some(lay_over(base, over, diagnostics)),
                (base, node) => base.or(node),
            };
        }
        let mut queue: VecDeque<Named> = VecDeque::new();
        if let Some(root) = files.root.take() {
            files.scan(&root, bundle, &mut queue, diagnostics);
            files.root = Some(root);
        }
        while let Some(named) = queue.pop_front() {
            files.follow(named, bundle, &mut queue, diagnostics);
        }
        files
    }

    fn follow(
        &mut self,
        named: Named,
        bundle: &Bundle,
        queue: &mut VecDeque<Named>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let (Named::Stack(name) | Named::Framework(name)) = &named;
        let known = match named {
            Named::Stack(_) => self.stacks.contains_key(name),
            Named::Framework(_) => self.frameworks.contains_key(name),
        };
        if known {
            return;
        }
        match self.content(name, bundle) {
            Ok(bytes) => self.read(named, bytes, bundle, queue, diagnostics),
            Err(why) => self.keep_absent(named, why),
        }
    }

    /// What is in a file; else why that is not known.
    fn content<'b>(&mut self, name: &str, bundle: &'b Bundle) -> Result<&'b [u8], String> {
        match bundle.files.get(name) {
            Some(Content::Text(bytes)) => Ok(bytes),
            Some(Content::Absent(why)) => Err(why.clone()),
            None if bundle.files.len() >= MAX_FILES => {
                Err(format!("a stack may consist of {MAX_FILES} files"))
            }
            None => {
                if !self.wanted.iter().any(|wanted| wanted == name) {
                    self.wanted.push(name.to_owned());
                }
                Err("it was not sent along".to_owned())
            }
        }
    }

    fn read(
        &mut self,
        named: Named,
        bytes: &[u8],
        bundle: &Bundle,
        queue: &mut VecDeque<Named>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        match named {
            Named::Stack(name) => {
                let node = self.parse(&name, bytes, diagnostics);
                if let Some(node) = &node {
                    self.scan(node, bundle, queue, diagnostics);
                }
                self.stacks.insert(name, node.map_or(Loaded::Broken, Loaded::Ready));
            }
            Named::Framework(name) => {
                let read = self.parse(&name, bytes, diagnostics).and_then(|node| {
                    let value = node.to_json();
                    let beside = self.beside(&name, &value, bundle);
                    read_spec(&self.sources, &node, value, &beside, diagnostics)
                });
                self.frameworks.insert(name, read.map_or(Loaded::Broken, Loaded::Ready));
            }
        }
    }

    fn keep_absent(&mut self, named: Named, why: String) {
        match named {
            Named::Stack(name) => {
                self.stacks.insert(name, Loaded::Absent(why));
            }
            Named::Framework(name) => {
                self.frameworks.insert(name, Loaded::Absent(why));
            }
        }
    }

    fn parse(&mut self, name: &str, bytes: &[u8], diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
        match self.sources.add(name, bytes) {
            Ok(source) => {
                let before = diagnostics.len();
                let node = yaml::parse(source, diagnostics);
                for told in diagnostics.iter_mut().skip(before) {
                    told.file = source.number();
                }
                node
            }
            Err(diagnostic) => {
                diagnostics.push(diagnostic);
                None
            }
        }
    }

    /// Notes the files that a stack names, and reads the frameworks that are written into it.
    fn scan(
        &mut self,
        stack: &Node,
        bundle: &Bundle,
        queue: &mut VecDeque<Named>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        for service in section(stack, "services") {
            if let Some((name, _)) = self.named(service, "stack") {
                queue.push_back(Named::Stack(name));
            }
            if let Some((name, written)) = self.named(service, "framework")
                && is_path(written)
            {
                queue.push_back(Named::Framework(name));
            }
        }
        for entry in section(stack, "frameworks") {
            let Kind::Map(_) = &entry.value.kind else { continue };
            let mut value = entry.value.to_json();
            if let Some(map) = value.as_object_mut() {
                map.entry("framework").or_insert_with(|| entry.key.clone().into());
            }
            let file = self.sources.name(entry.key_span).to_owned();
            let key = inline(&file, &entry.key);
            let beside = self.beside(&file, &value, bundle);
            let read = read_spec(&self.sources, &entry.value, value, &beside, diagnostics);
            self.frameworks.insert(key, read.map_or(Loaded::Broken, Loaded::Ready));
        }
    }

    /// The files that a framework spec names with `from`, relative to the file it stands in.
    fn beside(&mut self, file: &str, spec: &Value, bundle: &Bundle) -> Beside {
        let mut found = Beside::new();
        for name in named_in(spec) {
            let key = resolve_name(file, &name);
            let read = match bundle.files.get(&key) {
                Some(Content::Text(bytes)) if bytes.len() > MAX_BESIDE => {
                    Err(format!("it has more than {} KiB: let agents fetch it", MAX_BESIDE / 1024))
                }
                Some(Content::Text(bytes)) => {
                    String::from_utf8(bytes.clone()).map_err(|_| "it is no text in UTF-8".to_owned())
                }
                Some(Content::Absent(why)) => Err(why.clone()),
                None => {
                    if !self.wanted.contains(&key) {
                        self.wanted.push(key);
                    }
                    Err("it was not sent along".to_owned())
                }
            };
            found.insert(name, read);
        }
        found
    }

    /// The file that stands under a key of a service, and how it is written there.
    pub(crate) fn named<'n>(&self, service: &'n Entry, key: &str) -> Option<(String, &'n str)> {
        let entry = service.value.entry(key)?;
        let written = entry.value.text().filter(|text| !text.is_empty())?;
        Some((resolve_name(self.sources.name(entry.value.span), written), written))
    }
}

fn section<'n>(stack: &'n Node, key: &str) -> &'n [Entry] {
    stack.entry(key).and_then(|entry| entry.value.entries()).unwrap_or_default()
}
