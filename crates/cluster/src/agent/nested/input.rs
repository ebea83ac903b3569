//! ATTACH_CONTAINER_INPUT: a request that goes on as long as somebody speaks to a container.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cairn_mesos::codec::MediaType;
use cairn_mesos::recordio;
use cairn_mesos::v1::agent::call::{self, attach_container_input};
use cairn_mesos::v1::agent::{Call, ProcessIo, process_io};
use futures_util::StreamExt;

use super::path::Path;
use super::shell::Nested;
use super::switch::Speaker;
use crate::agent::http::Refusal;
use crate::web::body;

/// The longest record, in bytes.
const LONGEST: usize = 1024 * 1024;
/// How long the first record, which says what is meant, may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// Passes on to a container what comes. `may` says whether the client may speak to it.
///
/// # Errors
/// What comes is not what it should be, or cannot be passed on.
pub(crate) async fn attach(
    nested: &Nested,
    media: MediaType,
    body: Body,
    may: impl FnOnce(&Path) -> Result<(), Refusal>,
) -> Result<Response, Refusal> {
    let decoder = recordio::Decoder::new(LONGEST);
    let mut calls = Calls { body: body.into_data_stream(), decoder, media };
    let first = tokio::time::timeout(PATIENCE, calls.next()).await;
    let first =
        first.map_err(|_| (StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time".to_owned()))??;
    let first = first.ok_or_else(|| bad("Received EOF while reading request body"))?;
    let path = meant(&first).map_err(bad)?;
    may(&path)?;
    let speaker = nested.speak(&path).await?;
    let mut ended = speaker.ended();
    tokio::select! {
        biased;
        passed = pass(calls, speaker) => passed?,
        // What is left to say, nobody hears.
        _ = ended.wait_for(|ended| *ended) => {}
    }
    Ok(StatusCode::OK.into_response())
}

async fn pass(mut calls: Calls, mut speaker: Speaker) -> Result<(), Refusal> {
    while let Some(call) = calls.next().await? {
        match said(call).map_err(bad)? {
            Said::Data(data) => speaker.say(&data).await.map_err(|error| {
                (StatusCode::INTERNAL_SERVER_ERROR, format!("Failed writing to stdin: {error}"))
            })?,
            Said::Size { rows, columns } => {
                let unable = |error| bad(format!("Unable to set the window size: {error}"));
                speaker.resize(rows, columns).map_err(unable)?;
            }
            Said::Nothing => {}
        }
    }
    Ok(())
}

fn bad(why: impl Into<String>) -> Refusal {
    (StatusCode::BAD_REQUEST, why.into())
}

/// The calls in a body, as they arrive.
struct Calls {
    body: BodyDataStream,
    decoder: recordio::Decoder,
    media: MediaType,
}

impl Calls {
    async fn next(&mut self) -> Result<Option<Call>, Refusal> {
        loop {
            if let Some(record) = self.decoder.next_record().map_err(|error| bad(error.to_string()))? {
                return Ok(Some(body::decode(self.media, &record)?));
            }
            match self.body.next().await {
                Some(Ok(chunk)) => self.decoder.feed(&chunk),
                None if self.decoder.is_at_boundary() => return Ok(None),
                None | Some(Err(_)) => return Err(bad("The body ended early")),
            }
        }
    }
}

/// The container that the first call names, in the words of Mesos.
fn meant(call: &Call) -> Result<Path, String> {
    let input = attached(call)?;
    match input.r#type() {
        attach_container_input::Type::ContainerId => {
            let invalid = |why| {
                format!(
                    "Failed to validate agent::Call: 'attach_container_input.container_id' is invalid: {why}"
                )
            };
            Path::of(&input.container_id.clone().unwrap_or_default()).map_err(invalid)
        }
        _ => Err("Expecting 'attach_container_input.type' to be CONTAINER_ID".to_owned()),
    }
}

fn attached(call: &Call) -> Result<&call::AttachContainerInput, String> {
    let invalid = |why: &str| format!("Failed to validate agent::Call: {why}");
    match call.r#type() {
        call::Type::AttachContainerInput => {}
        call::Type::Unknown => return Err(invalid("Expecting 'type' to be present")),
        other => {
            let kind = other.as_str_name();
            return Err(format!(
                "Streaming 'Content-Type' application/recordio is not supported for {kind} call"
            ));
        }
    }
    let input = call.attach_container_input.as_ref();
    let input = input.ok_or_else(|| invalid("Expecting 'attach_container_input' to be present"))?;
    match input.r#type {
        None => Err(invalid("Expecting 'attach_container_input.type' to be present")),
        Some(_) if input.r#type() == attach_container_input::Type::Unknown => {
            Err(invalid("'attach_container_input.type' is unknown"))
        }
        Some(_) => Ok(input),
    }
}

/// What a later call says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// To the container's standard input; nothing: nothing will follow.
    Data(Vec<u8>),
    /// So large is the terminal now.
    Size { rows: u16, columns: u16 },
    /// That the client is there.
    Nothing,
}

/// In the words of Mesos.
fn said(call: Call) -> Result<Said, String> {
    let kind = attached(&call)?.r#type();
    if kind != attach_container_input::Type::ProcessIo {
        let kind = kind.as_str_name();
        return Err(format!(
            "Expecting 'attach_container_input.type' to be 'PROCESS_IO' instead of: '{kind}'"
        ));
    }
    let io = call.attach_container_input.and_then(|input| input.process_io);
    let io = io.ok_or("Expecting 'attach_container_input.process_io' to be present")?;
    match io.r#type() {
        _ if io.r#type.is_none() => Err("Expecting 'process_io.type' to be present".to_owned()),
        process_io::Type::Unknown => Err("'process_io.type' is unknown".to_owned()),
        process_io::Type::Data => spoken(io),
        process_io::Type::Control => controlled(&io),
    }
}

fn spoken(io: ProcessIo) -> Result<Said, String> {
    let data = io.data.ok_or("Expecting 'process_io.data' to be present")?;
    if data.r#type.is_none() {
        return Err("Expecting 'process_io.data.type' to be present".to_owned());
    }
    if data.r#type() != process_io::data::Type::Stdin {
        return Err("Expecting 'process_io.data.type' to be 'STDIN'".to_owned());
    }
    data.data.map(Said::Data).ok_or_else(|| "Expecting 'process_io.data.data' to be present".to_owned())
}

fn controlled(io: &ProcessIo) -> Result<Said, String> {
    use process_io::control::Type;
    let control = io.control.as_ref().ok_or("Expecting 'process_io.control' to be present")?;
    match control.r#type() {
        _ if control.r#type.is_none() => Err("Expecting 'process_io.control.type' to be present".to_owned()),
        Type::Unknown => Err("'process_io.control.type' is unknown".to_owned()),
        Type::Heartbeat if control.heartbeat.is_none() => {
            Err("Expecting 'process_io.control.heartbeat' to be present".to_owned())
        }
        Type::Heartbeat => Ok(Said::Nothing),
        Type::TtyInfo => {
            let info =
                control.tty_info.as_ref().ok_or("Expecting 'process_io.control.tty_info' to be present")?;
            let size = info.window_size.ok_or("Expecting 'tty_info.window_size' to be present")?;
            let cells = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
            Ok(Said::Size { rows: cells(size.rows), columns: cells(size.columns) })
        }
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "calls are written where they are made")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn call(input: Value) -> Call {
        serde_json::from_value(json!({"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": input}))
            .unwrap()
    }

    fn io(io: Value) -> Result<Said, String> {
        said(call(json!({"type": "PROCESS_IO", "process_io": io})))
    }

    #[test]
    fn the_first_call_names_a_container() {
        let id = json!({"value": "b", "parent": {"value": "a"}});
        let named = meant(&call(json!({"type": "CONTAINER_ID", "container_id": id}))).unwrap();
        assert_eq!(named.to_string(), "a.b");
        let refused = |input: Value| meant(&call(input)).unwrap_err();
        assert!(refused(json!({"type": "CONTAINER_ID"})).ends_with("is invalid: ID must not be empty"));
        let wanted = "Expecting 'attach_container_input.type' to be CONTAINER_ID";
        assert_eq!(refused(json!({"type": "PROCESS_IO"})), wanted);
        assert!(refused(json!({})).ends_with("Expecting 'attach_container_input.type' to be present"));
        assert!(meant(&Call::default()).unwrap_err().ends_with("Expecting 'type' to be present"));
    }

    #[test]
    fn later_calls_say_something() {
        let data = json!({"type": "DATA", "data": {"type": "STDIN", "data": "aGk="}});
        assert_eq!(io(data), Ok(Said::Data(b"hi".into())));
        let end = json!({"type": "DATA", "data": {"type": "STDIN", "data": ""}});
        assert_eq!(io(end), Ok(Said::Data(Vec::new())));
        let alive = json!({"type": "CONTROL", "control": {"type": "HEARTBEAT", "heartbeat": {}}});
        assert_eq!(io(alive), Ok(Said::Nothing));
        let size = json!({"window_size": {"rows": 24, "columns": 70000}});
        let size = json!({"type": "CONTROL", "control": {"type": "TTY_INFO", "tty_info": size}});
        assert_eq!(io(size), Ok(Said::Size { rows: 24, columns: 65535 }));
    }

    #[test]
    fn what_says_nothing_is_told() {
        let id = said(call(json!({"type": "CONTAINER_ID"}))).unwrap_err();
        assert_eq!(
            id,
            "Expecting 'attach_container_input.type' to be 'PROCESS_IO' instead of: 'CONTAINER_ID'"
        );
        let why = |value: Value| io(value).unwrap_err();
        assert_eq!(why(json!({})), "Expecting 'process_io.type' to be present");
        assert_eq!(why(json!({"type": "DATA"})), "Expecting 'process_io.data' to be present");
        let out = json!({"type": "DATA", "data": {"type": "STDOUT", "data": ""}});
        assert_eq!(why(out), "Expecting 'process_io.data.type' to be 'STDIN'");
        let size = json!({"type": "CONTROL", "control": {"type": "TTY_INFO", "tty_info": {}}});
        assert_eq!(why(size), "Expecting 'tty_info.window_size' to be present");
    }
}
