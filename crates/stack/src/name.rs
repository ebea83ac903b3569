//! Names that become part of DNS names.

use crate::{Diagnostic, Span};

/// Longest `<stack>-<service>`, so that it fits a label of the names that Mesos-DNS gives tasks.
pub const MAX_FRAMEWORK_NAME: usize = 24;

/// Whether it is a name of a stack or a service: `[a-z]([a-z0-9-]*[a-z0-9])?`.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Checks a name; `what` is `stack` or `service`.
pub(crate) fn check(what: &str, name: &str, span: Span) -> Option<Diagnostic> {
    if is_name(name) {
        return None;
    }
    let (message, label) = match name {
        "" => (format!("a {what} needs a name"), "empty"),
        _ => (format!("`{name}` cannot be the name of a {what}"), "becomes part of a DNS name"),
    };
    let better = propose(name);
    let rule = "lower-case letters, digits and `-`, starting with a letter and not ending with `-`";
    let help = match better {
        Some(better) => format!("write `{better}`: {rule}"),
        None => rule.to_owned(),
    };
    Some(Diagnostic::error("bad-name", message).label(span, label).help(help))
}

/// Checks what the service is called on the cluster.
pub(crate) fn check_length(
    stack: &str,
    service: &str,
    span: Span,
    stack_span: Option<Span>,
) -> Option<Diagnostic> {
    let full = format!("{stack}-{service}");
    if full.len() <= MAX_FRAMEWORK_NAME || !is_name(stack) || !is_name(service) {
        return None;
    }
    let over = full.len() - MAX_FRAMEWORK_NAME;
    let message = format!("`{full}` has {} characters; {MAX_FRAMEWORK_NAME} are allowed", full.len());
    let diagnostic = Diagnostic::error("name-too-long", message).label(span, format!("{over} too many"));
    let diagnostic = match stack_span {
        Some(span) => diagnostic.label(span, "together with this"),
        None => diagnostic,
    };
    Some(diagnostic.help(
        "`<stack>-<service>` is a label of the names that Mesos-DNS gives tasks: shorten one of the two",
    ))
}

/// The name made fit: `My_Stack` -> `my-stack`.
fn propose(name: &str) -> Option<String> {
    let fit: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let fit = fit.trim_start_matches(|c: char| !c.is_ascii_lowercase()).trim_end_matches('-').to_owned();
    is_name(&fit).then_some(fit)
}
