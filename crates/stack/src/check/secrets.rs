//! Secrets: what `secrets:` declares, and where `${secret.NAME}` may not stand.

use super::Checker;
use crate::node::Node;
use crate::secrets::{self, MAX_NAME};
use crate::source::SECRET_DEFAULT;
use crate::template::{Reference, Target, Template};
use crate::{Diagnostic, Span};

impl<'a> Checker<'a> {
    /// Checks what is declared.
    pub(super) fn check_secrets(&mut self) {
        for (entry, source) in secrets::declared(self.root) {
            if !secrets::is_secret_name(&entry.key) {
                let message = format!("`{}` cannot be the name of a secret", entry.key);
                let help = format!("at most {MAX_NAME} letters, digits, `-`, `_` and `.`");
                self.error(Diagnostic::error("bad-name", message).label(entry.key_span, "").help(help));
            }
            match source {
                Ok(source) => self.secrets.declare(entry, Some(source)),
                Err(diagnostic) => {
                    self.secrets.declare(entry, None);
                    self.error(*diagnostic);
                }
            }
        }
    }

    /// Notes a reference to a secret; whether it may be one.
    pub(super) fn use_secret(&mut self, reference: &Reference, span: Span) -> bool {
        if reference.default.is_some() {
            let message = format!("the secret `{}` cannot have a default", reference.name);
            self.error(
                Diagnostic::error(SECRET_DEFAULT, message)
                    .label(span, "what stands in the file is no secret")
                    .help(format!("write `${{secret.{}}}`", reference.name)),
            );
            return false;
        }
        self.secrets.note(&reference.name, span);
        true
    }

    /// A secret may not stand in what others see.
    pub(super) fn refuse_secret(&mut self, node: &Node, code: &str, what: &str, help: &str) {
        if let Some(span) = secret_within(node) {
            let diagnostic = Diagnostic::error(code, format!("{what} cannot hold a secret"));
            self.error(diagnostic.label(span, "would be shown to everybody").help(help));
        }
    }
}

fn secret_within(node: &Node) -> Option<Span> {
    if let Some(entries) = node.entries() {
        return entries.iter().find_map(|entry| secret_within(&entry.value));
    }
    let template = Template::parse(node.text()?).ok()?;
    template.references().any(|r| r.target() == Target::Secret).then_some(node.span)
}
