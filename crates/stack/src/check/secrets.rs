//! Secrets: what `secrets:` declares, and where `${secret.NAME}` may not stand.

use serde_json::Value;

use super::Checker;
use super::scope::ScopeId;
use crate::node::Node;
use crate::schema_check::segments;
use crate::secrets::{self, MAX_NAME, secret_places};
use crate::source::SECRET_DEFAULT;
use crate::template::Reference;
use crate::{Diagnostic, Span};

impl<'a> Checker<'a> {
    /// Checks what is declared.
    pub(super) fn check_secrets(&mut self, scope: ScopeId) {
        for (entry, source) in secrets::declared(self.scopes[scope].root) {
            if !secrets::is_secret_name(&entry.key) {
                let message = format!("`{}` cannot be the name of a secret", entry.key);
                let help = format!("at most {MAX_NAME} letters, digits, `-`, `_` and `.`");
                self.error(Diagnostic::error("bad-name", message).label(entry.key_span, "").help(help));
            }
            match source {
                Ok(source) => {
                    self.secrets.declare(entry, Some(source));
                    if let Some(first) = self.secrets.declared_otherwise(&entry.key) {
                        let message =
                            format!("the secret `{}` is declared twice, from different sources", entry.key);
                        let help =
                            "one stack has one secret of a name: declare it once, or give it another name";
                        let diagnostic =
                            Diagnostic::error("duplicate-secret", message).label(entry.key_span, "");
                        self.error(diagnostic.label(first, "declared here").help(help));
                    }
                }
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

    /// A secret may not stand in what others see, neither as it is written nor once parameters and existing services
    /// are filled in.
    pub(super) fn refuse_secret(&mut self, filled: &Value, node: &Node, code: &str, what: &str, help: &str) {
        if let Some(place) = secret_places(filled).first() {
            let span = node.locate(&segments(place)).node.span;
            let diagnostic = Diagnostic::error(code, format!("{what} cannot hold a secret"));
            self.tell(diagnostic.label(span, "would be shown to everybody").help(help));
        }
    }
}
