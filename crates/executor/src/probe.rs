//! One attempt to ask a service how it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cairn_task::{Probe, ProbeKind};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::child::Launch;
use crate::group::Group;

/// Most bytes of an answer that are looked at.
const MAX_ANSWER: u64 = 64 * 1024;
/// Most bytes of an answer or an error output that are quoted in a reason.
const MAX_QUOTE: usize = 200;

/// What a probe needs to know of the task.
pub(crate) struct Surroundings<'a> {
    pub(crate) sandbox: &'a Path,
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) run_as: Option<u32>,
}

/// What is asked, in words: `tcp 127.0.0.2:31000`.
pub(crate) fn describe(kind: &ProbeKind) -> String {
    match kind {
        ProbeKind::Tcp { target } => format!("tcp {target}"),
        ProbeKind::TcpExchange { target, send, .. } => format!("{} at {target}", send.trim()),
        ProbeKind::Http { url, .. } => url.clone(),
        ProbeKind::Command { argv } => argv.join(" "),
    }
}

/// Asks once. The error says why it failed.
pub(crate) async fn attempt(probe: &Probe, around: &Surroundings<'_>) -> Result<(), String> {
    let limit = Duration::from_millis(probe.timeout_ms.max(1));
    match tokio::time::timeout(limit, ask(&probe.kind, around)).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
    }
}

async fn ask(kind: &ProbeKind, around: &Surroundings<'_>) -> Result<(), String> {
    match kind {
        ProbeKind::Tcp { target } => connect(target).await.map(drop),
        ProbeKind::TcpExchange { target, send, expect } => exchange(target, send, expect).await,
        ProbeKind::Http { url, headers } => http(url, headers).await,
        ProbeKind::Command { argv } => command(argv, around).await,
    }
}

async fn connect(target: &str) -> Result<TcpStream, String> {
    TcpStream::connect(target).await.map_err(|e| reason(&e))
}

async fn exchange(target: &str, send: &str, expect: &str) -> Result<(), String> {
    let mut stream = connect(target).await?;
    stream.write_all(send.as_bytes()).await.map_err(|e| reason(&e))?;
    let answer = read_some(&mut stream).await?;
    if expect.split('|').any(|wanted| answer.contains(wanted)) {
        Ok(())
    } else {
        Err(format!("answered {:?}, not {expect:?}", quote(&answer)))
    }
}

/// A GET by hand: one request, one status line, no connection kept; a client library would cost more memory than the
/// rest of the executor.
async fn http(url: &str, headers: &BTreeMap<String, String>) -> Result<(), String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url}: only http:// can be probed"))?;
    let slash = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(slash);
    let target = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let separator = if path.starts_with('/') { "" } else { "/" };
    let mut request = format!("GET {separator}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut stream = connect(&target).await?;
    stream.write_all(request.as_bytes()).await.map_err(|e| reason(&e))?;
    let answer = read_some(&mut stream).await?;
    let line = answer.lines().next().unwrap_or_default();
    let status = line.split(' ').nth(1).and_then(|s| s.parse::<u16>().ok());
    match status {
        Some(200..=299) => Ok(()),
        Some(status) => Err(format!("answered HTTP {status}")),
        None => Err(format!("answered {:?}, which is not HTTP", quote(line))),
    }
}

async fn command(argv: &[String], around: &Surroundings<'_>) -> Result<(), String> {
    let env = around.env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let mut command = Launch { argv, env, run_as: around.run_as }.command(around.sandbox);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(|e| reason(&e))?;
    let _group = Group::of(&child);
    let mut words = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = (&mut stderr).take(MAX_ANSWER).read_to_end(&mut words).await;
    }
    let status = child.wait().await.map_err(|e| reason(&e))?;
    if status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&words);
    let last = words.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default();
    Err(format!("{status} {}", quote(last)).trim_end().to_owned())
}

/// Reads until the peer closes or enough came. What came before an error counts.
async fn read_some(stream: &mut (impl AsyncRead + Unpin)) -> Result<String, String> {
    let mut bytes = Vec::new();
    let result = stream.take(MAX_ANSWER).read_to_end(&mut bytes).await;
    match result {
        Err(error) if bytes.is_empty() => Err(reason(&error)),
        _ => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

fn quote(text: &str) -> &str {
    let text = text.trim();
    let mut end = text.len().min(MAX_QUOTE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The cause without the number that the standard library appends.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn answering(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0u8; 512];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        address
    }

    async fn ask_once(kind: ProbeKind) -> Result<(), String> {
        let env = BTreeMap::new();
        let around = Surroundings { sandbox: Path::new("/"), env: &env, run_as: None };
        attempt(&Probe { kind, interval_ms: 10, timeout_ms: 2000 }, &around).await
    }

    #[tokio::test]
    async fn tcp_says_why_it_is_refused() {
        let target = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap().to_string()
        };
        assert_eq!(ask_once(ProbeKind::Tcp { target }).await, Err("connection refused".into()));
    }

    #[tokio::test]
    async fn exchange_accepts_one_of_its_alternatives() {
        let target = answering("Mode: follower\n").await;
        let kind = |expect: &str| ProbeKind::TcpExchange {
            target: target.clone(),
            send: "srvr".into(),
            expect: expect.into(),
        };
        assert_eq!(ask_once(kind("Mode: leader|Mode: follower")).await, Ok(()));
        let why = ask_once(kind("imok")).await.unwrap_err();
        assert_eq!(why, "answered \"Mode: follower\", not \"imok\"");
    }

    #[tokio::test]
    async fn http_wants_a_2xx() {
        let good = answering("HTTP/1.1 200 OK\r\n\r\n").await;
        let bad = answering("HTTP/1.1 503 Busy\r\n\r\n").await;
        let get = |address| ProbeKind::Http { url: format!("http://{address}/x"), headers: BTreeMap::new() };
        assert_eq!(ask_once(get(good)).await, Ok(()));
        assert_eq!(ask_once(get(bad)).await, Err("answered HTTP 503".into()));
    }
}
