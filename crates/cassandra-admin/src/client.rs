//! Cassandra's native protocol, version 4, for what this scheduler asks: one statement at a time, without values, whose rows
//! are read as JSON.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nodes answer within milliseconds, changes of the schema within seconds.
const TIMEOUT: Duration = Duration::from_secs(12);
const CONNECT: Duration = Duration::from_secs(2);
/// Longest answer that is read; those to this scheduler's questions have some kilobytes.
const MAX_FRAME: usize = 16 << 20;

const VERSION: u8 = 4;
const ERROR: u8 = 0x00;
const STARTUP: u8 = 0x01;
const READY: u8 = 0x02;
const AUTHENTICATE: u8 = 0x03;
const QUERY: u8 = 0x07;
const RESULT: u8 = 0x08;
const ROWS: u32 = 2;
/// Codes of errors from here on are about the statement: syntax, permissions, configuration. Those below are about the node
/// and its cluster (native_protocol_v4.spec, 9).
const FIRST_REFUSAL: u32 = 0x2000;
const FLAG_WARNING: u8 = 0x08;
const CONSISTENCY_ONE: [u8; 2] = [0, 1];
const SKIP_METADATA: u8 = 0x02;

/// Why a node could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens, or the connection broke.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// It listens and says nothing.
    #[error("{0}: no answer in time")]
    Timeout(String),
    /// It cannot do that now, in Cassandra's words.
    #[error("{0}: {1}")]
    Failed(String, String),
    /// What was asked for is wrong, in Cassandra's words.
    #[error("{1}")]
    Refused(String, String),
    /// It is no Cassandra, or a broken one.
    #[error("{0}: an answer that cannot be read")]
    Malformed(String),
    /// It wants to know who asks.
    #[error("{0}: it asks for a password, which this framework has none for")]
    Password(String),
}

/// A connection to one node.
#[derive(Debug)]
pub struct Client {
    endpoint: String,
    stream: TcpStream,
}

impl Client {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// Nobody answers in time, or not as Cassandra does; it wants a password.
    pub async fn connect(endpoint: &str) -> Result<Self, Error> {
        let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(endpoint));
        let late = |_| Error::Timeout(endpoint.to_owned());
        let stream = connecting.await.map_err(late)?.map_err(|e| Error::Io(endpoint.to_owned(), e))?;
        let mut client = Self { endpoint: endpoint.to_owned(), stream };
        let startup = [&[0, 1][..], &string("CQL_VERSION"), &string("3.0.0")].concat();
        match client.exchange(STARTUP, &startup).await?.0 {
            READY => Ok(client),
            AUTHENTICATE => Err(Error::Password(client.endpoint)),
            _ => Err(client.malformed()),
        }
    }

    /// Rows of a `SELECT JSON` statement; nothing for others.
    ///
    /// # Errors
    /// The node does not answer in time, or refuses the statement.
    pub async fn query(&mut self, statement: &str) -> Result<Vec<Value>, Error> {
        let body =
            [&length(statement.len()), statement.as_bytes(), &CONSISTENCY_ONE, &[SKIP_METADATA]].concat();
        match self.exchange(QUERY, &body).await? {
            (RESULT, body) => rows(&body).ok_or_else(|| self.malformed()),
            _ => Err(self.malformed()),
        }
    }

    fn malformed(&self) -> Error {
        Error::Malformed(self.endpoint.clone())
    }

    async fn exchange(&mut self, opcode: u8, body: &[u8]) -> Result<(u8, Vec<u8>), Error> {
        let endpoint = self.endpoint.clone();
        let answer = tokio::time::timeout(TIMEOUT, self.frames(opcode, body)).await;
        let answer = answer.map_err(|_| Error::Timeout(endpoint.clone()))?;
        let (flags, opcode, body) = answer.map_err(|e| Error::Io(endpoint.clone(), e))?;
        let mut rest = body.as_slice();
        if flags & FLAG_WARNING != 0 {
            skip_warnings(&mut rest).ok_or_else(|| self.malformed())?;
        }
        if opcode == ERROR {
            let code = int(&mut rest).unwrap_or_default();
            let told = text(&mut rest).unwrap_or_default();
            let refused = code >= FIRST_REFUSAL;
            return Err(if refused { Error::Refused(endpoint, told) } else { Error::Failed(endpoint, told) });
        }
        Ok((opcode, rest.to_vec()))
    }

    /// Sends a frame and reads one: version, flags, stream, opcode, length, body.
    async fn frames(&mut self, opcode: u8, body: &[u8]) -> std::io::Result<(u8, u8, Vec<u8>)> {
        let frame = [&[VERSION, 0, 0, 0, opcode][..], &length(body.len()), body].concat();
        self.stream.write_all(&frame).await?;
        let mut header = [0; 9];
        self.stream.read_exact(&mut header).await?;
        let length = u32::from_be_bytes([header[5], header[6], header[7], header[8]]) as usize;
        if header[0] != VERSION | 0x80 || length > MAX_FRAME {
            return Err(std::io::Error::other("this is not Cassandra's native protocol"));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok((header[1], header[4], body))
    }
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// A short string of the protocol.
fn string(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes()[..], text.as_bytes()].concat()
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn int(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(take(rest, 4)?.try_into().ok()?))
}

fn short(rest: &mut &[u8]) -> Option<usize> {
    Some(u16::from_be_bytes(take(rest, 2)?.try_into().ok()?).into())
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = short(rest)?;
    Some(String::from_utf8_lossy(take(rest, length)?).into_owned())
}

fn skip_warnings(rest: &mut &[u8]) -> Option<()> {
    for _ in 0..short(rest)? {
        text(rest)?;
    }
    Some(())
}

/// The one column of each row, read as JSON. `None`: the answer does not hold what its lengths say.
fn rows(mut body: &[u8]) -> Option<Vec<Value>> {
    let rest = &mut body;
    if int(rest)? != ROWS {
        return Some(Vec::new());
    }
    let (_flags, columns) = (int(rest)?, int(rest)?);
    let mut rows = Vec::new();
    for _ in 0..int(rest)? {
        for _ in 0..columns {
            let length = int(rest)? as usize;
            rows.push(serde_json::from_slice(take(rest, length)?).ok()?);
        }
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokio::net::TcpListener;

    fn answer(flags: u8, opcode: u8, body: &[u8]) -> Vec<u8> {
        [&[0x84, flags, 0, 0, opcode][..], &length(body.len()), body].concat()
    }

    fn result(rows: &[&str]) -> Vec<u8> {
        let mut body = [2u32, 4, 1, u32::try_from(rows.len()).unwrap()].map(u32::to_be_bytes).concat();
        for row in rows {
            body.extend(length(row.len()));
            body.extend(row.as_bytes());
        }
        body
    }

    /// A node that gives these answers, one per frame.
    async fn node(answers: Vec<Vec<u8>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 512];
            for answer in answers {
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(&answer).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn rows_come_as_json_whatever_the_node_warns_of() {
        let warned = [&[0, 1][..], &string("careful"), &result(&[r#"{"a": 1}"#, r#"{"a": null}"#])].concat();
        let address = node(vec![answer(0, READY, &[]), answer(FLAG_WARNING, RESULT, &warned)]).await;
        let mut client = Client::connect(&address).await.unwrap();
        assert_eq!(
            client.query("SELECT JSON a FROM t").await.unwrap(),
            [json!({"a": 1}), json!({"a": null})]
        );
    }

    #[tokio::test]
    async fn errors_are_those_of_the_node() {
        let refused = [&0x2200u32.to_be_bytes()[..], &string("unconfigured table")].concat();
        let address = node(vec![answer(0, READY, &[]), answer(0, ERROR, &refused)]).await;
        let mut client = Client::connect(&address).await.unwrap();
        let told = client.query("SELECT JSON a FROM t").await.unwrap_err();
        assert!(matches!(told, Error::Refused(..)));
        assert_eq!(told.to_string(), "unconfigured table", "any other node would say the same");
        let busy = [&0x1001u32.to_be_bytes()[..], &string("overloaded")].concat();
        let address = node(vec![answer(0, READY, &[]), answer(0, ERROR, &busy)]).await;
        let told = Client::connect(&address).await.unwrap().query("SELECT JSON a FROM t").await.unwrap_err();
        assert_eq!(told.to_string(), format!("{address}: overloaded"));
    }

    #[tokio::test]
    async fn a_node_that_wants_a_password_is_told_from_one_that_is_down() {
        let address = node(vec![answer(0, AUTHENTICATE, &string("PasswordAuthenticator"))]).await;
        assert!(matches!(Client::connect(&address).await, Err(Error::Password(_))));
    }

    #[test]
    fn lengths_that_lie_are_noticed() {
        let mut short = result(&[r#"{"a": 1}"#]);
        short.pop();
        assert_eq!(rows(&short), None);
        assert_eq!(rows(&1u32.to_be_bytes()), Some(Vec::new()), "void");
        assert_eq!(rows(&[]), None);
    }
}
