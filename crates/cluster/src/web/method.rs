//! Which methods a path knows.

use axum::http::{Method, StatusCode, header};

use super::body::Refusal;

/// Refuse every other method in the words of Apache Mesos, and say which ones there are.
pub(crate) fn allow(method: &Method, methods: &[Method]) -> Result<(), Refusal> {
    if methods.contains(method) {
        return Ok(());
    }
    let quoted: Vec<String> = methods.iter().map(|method| format!("'{method}'")).collect();
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let text = format!(
        "405 Method Not Allowed. Expecting one of {{ {} }}, but received '{method}'.",
        quoted.join(", ")
    );
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, text);
    Err(refusal.with(header::ALLOW, &names.join(", ")))
}
