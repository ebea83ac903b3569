//! What a refusal says, in words: problem documents (RFC 9457) and whatever else a server answers.

use serde::Deserialize;

use crate::failure::Failure;

/// The parts of a problem document that people see.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    detail: String,
    hint: Option<String>,
    errors: Vec<Detail>,
}

/// One of several things that are wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    option: String,
    message: String,
    help: Option<String>,
}

/// The most of an answer that is no problem document that is shown, in characters.
const EXCERPT: usize = 300;

/// What an answer that is not a success means to the user.
pub(crate) fn failure(status: u16, url: &str, body: &[u8]) -> Failure {
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else { return foreign(status, url, body) };
    if problem.kind == "invalid-stack" && !problem.detail.is_empty() {
        return Failure::Rendered(problem.detail);
    }
    let told = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    if told.is_empty() && problem.errors.is_empty() {
        return foreign(status, url, body);
    }
    let message = if problem.errors.is_empty() { told.clone() } else { list(&problem) };
    match problem.hint.or_else(|| advice(status)) {
        Some(hint) => Failure::hint(message, hint),
        None => Failure::new(message),
    }
}

/// The title and below it each thing that is wrong.
fn list(problem: &Problem) -> String {
    let lines = problem.errors.iter().map(|error| {
        let option = if error.option.is_empty() { String::new() } else { format!("{}: ", error.option) };
        let help = error.help.as_ref().map(|help| format!("\n    help: {help}")).unwrap_or_default();
        format!("\n  {option}{}{help}", error.message)
    });
    format!("{}{}", problem.title.to_lowercase(), lines.collect::<String>())
}

fn advice(status: u16) -> Option<String> {
    (status == 401).then(|| "name the file with the controller's token with --token-file".into())
}

/// An answer that a controller of ours does not give.
fn foreign(status: u16, url: &str, body: &[u8]) -> Failure {
    let text: String = String::from_utf8_lossy(body).trim().chars().take(EXCERPT).collect();
    let text = if text.is_empty() { String::new() } else { format!(": {text}") };
    Failure::hint(
        format!("{url} answers with status {status}{text}"),
        "is this the address of a cairn controller?",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(status: u16, body: &str) -> (String, Option<String>) {
        match failure(status, "http://c/v1/stacks", body.as_bytes()) {
            Failure::Error { message, hint } => (message, hint),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_problem_says_what_is_wrong_and_what_to_do() {
        let body = r#"{"status":404,"type":"unknown-stack","title":"Unknown stack","detail":"there is no stack `x`","hint":"there are: kafka"}"#;
        assert_eq!(message(404, body), ("there is no stack `x`".into(), Some("there are: kafka".into())));
        let body = r#"{"status":422,"title":"Invalid configuration","detail":"a; b","errors":[{"option":"nodes","message":"4 is even","help":"take 3 or 5"},{"message":"b"}]}"#;
        assert_eq!(
            message(422, body).0,
            "invalid configuration\n  nodes: 4 is even\n    help: take 3 or 5\n  b"
        );
    }

    #[test]
    fn diagnostics_are_shown_as_they_come() {
        let body = r#"{"type":"invalid-stack","title":"Invalid stack","detail":"error[x]: y\n","errors":[{"message":"y"}]}"#;
        assert_eq!(failure(422, "u", body.as_bytes()), Failure::Rendered("error[x]: y\n".into()));
    }

    #[test]
    fn other_servers_are_told_apart() {
        let (text, hint) = message(502, "<html>bad gateway</html>");
        assert_eq!(text, "http://c/v1/stacks answers with status 502: <html>bad gateway</html>");
        assert!(hint.unwrap().contains("cairn controller"));
        assert_eq!(message(500, "{}").0, "http://c/v1/stacks answers with status 500: {}");
    }
}
