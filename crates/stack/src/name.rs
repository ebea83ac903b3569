//! Names that become part of DNS names.

use sha2::{Digest, Sha256};

use crate::{Diagnostic, Span};

/// Longest `<stack>-<service>`, so that it fits a label of the names that Mesos-DNS gives tasks.
pub const MAX_FRAMEWORK_NAME: usize = 24;

/// Whether it is a name of a stack or a service: `[a-z]([a-z0-9-]*[a-z0-9])?`.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Digits of the hash in a name that was shortened.
const HASH: usize = 6;
/// Most characters of a service's own name in a name that was shortened.
const TAIL: usize = 10;

/// What a service is called on the cluster: stack and path with dashes, `logging-kafka-zookeeper`. Of a nested service
/// whose name is too long, the beginning, the service's own name and a hash of the whole: `everyth-zookeeper-2c4e77`.
/// The same stack and path give the same name always.
pub fn framework_name(stack: &str, path: &str) -> String {
    let full = format!("{stack}-{}", path.replace('/', "-"));
    let Some((groups, service)) = path.rsplit_once('/').filter(|_| full.len() > MAX_FRAMEWORK_NAME) else {
        return full;
    };
    let digest = Sha256::digest(format!("{stack}/{path}"));
    let hash: String = digest.iter().take(HASH / 2).map(|byte| format!("{byte:02x}")).collect();
    let cut = |text: &str, length: usize| -> String {
        text.chars().take(length).collect::<String>().trim_end_matches('-').to_owned()
    };
    let tail = cut(service, TAIL);
    let head =
        cut(&format!("{stack}-{}", groups.replace('/', "-")), MAX_FRAMEWORK_NAME - HASH - 2 - tail.len());
    format!("{head}-{tail}-{hash}")
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
    // Names of services in groups are shortened.
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
