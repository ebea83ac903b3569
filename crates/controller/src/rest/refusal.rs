//! Answers that are not a success: a problem, or all that is wrong with a stack spec.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cairn_framework::rest::Problem;
use cairn_stack::Report;
use serde_json::json;

/// The answer of a handler that can refuse.
pub(crate) type Answer<T> = Result<T, Refusal>;

/// Why a request is refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// One thing is wrong.
    Problem(Box<Problem>),
    /// A stack spec has mistakes.
    Report(Box<Report>),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<Report> for Refusal {
    fn from(report: Report) -> Self {
        Self::Report(Box::new(report))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Report(report) => refused(&report),
        }
    }
}

/// A problem document whose detail is the text for people, with each mistake as data beside it: under `errors` in the
/// form that all problems have, under `diagnostics` with its places in the file.
fn refused(report: &Report) -> Response {
    let errors: Vec<_> = report
        .diagnostics
        .iter()
        .map(|d| json!({"option": d.code, "message": d.message, "help": d.help}))
        .collect();
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let body = json!({
        "status": status.as_u16(),
        "type": "invalid-stack",
        "title": "Invalid stack",
        "detail": report.render(false),
        "errors": errors,
        "files": report.files,
        "diagnostics": report.diagnostics,
    });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}
