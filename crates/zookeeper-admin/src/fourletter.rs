//! ZooKeeper's four letter words: asked over TCP, answers parsed apart.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// One exchange takes milliseconds; a server that needs longer is not well.
const LIMIT: Duration = Duration::from_secs(2);
/// `mntr` of 3.9 with all its metrics has some 30 KiB.
const CAP: u64 = 256 * 1024;

/// Why a server did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens, or the connection broke.
    #[error("{endpoint} does not answer `{word}`: {source}")]
    Io {
        /// `host:port`.
        endpoint: String,
        /// What was asked.
        word: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It listens and says nothing.
    #[error("{endpoint} does not answer `{word}` within {} s", LIMIT.as_secs())]
    Timeout {
        /// `host:port`.
        endpoint: String,
        /// What was asked.
        word: &'static str,
    },
}

/// Sends a word to `host:port` and reads until the server closes.
///
/// # Errors
/// Nobody listens, the connection breaks, or the answer does not come in time.
pub async fn ask(endpoint: &str, word: &'static str) -> Result<String, AskError> {
    match timeout(LIMIT, exchange(endpoint, word)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(AskError::Io { endpoint: endpoint.into(), word, source }),
        Err(_) => Err(AskError::Timeout { endpoint: endpoint.into(), word }),
    }
}

async fn exchange(endpoint: &str, word: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(endpoint).await?;
    stream.write_all(word.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(CAP).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Part of a server in its ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It leads.
    Leader,
    /// It votes.
    Follower,
    /// It has no vote.
    Observer,
    /// It is alone and always will be.
    Standalone,
}

/// Part of a server, and the last change it knows, from the answer of `srvr`. `None`: it does not serve.
pub fn srvr(answer: &str) -> Option<(Mode, String)> {
    let field = |name: &str| answer.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
    let mode = match field("Mode:")? {
        "leader" => Mode::Leader,
        "follower" => Mode::Follower,
        "observer" => Mode::Observer,
        "standalone" => Mode::Standalone,
        _ => return None,
    };
    Some((mode, field("Zxid:").unwrap_or_default().to_owned()))
}

/// What a leader says of its followers, from the answer of `mntr`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Monitor {
    /// For example `leading - broadcast`.
    pub peer_state: String,
    /// Voters, the leader apart, that have all changes. Leaders only.
    pub synced_followers: u32,
    /// Followers that are being brought up to date. Leaders only.
    pub pending_syncs: u32,
}

/// Reads the lines `name<TAB>value` that matter here.
pub fn mntr(answer: &str) -> Monitor {
    let mut monitor = Monitor::default();
    for (name, value) in answer.lines().filter_map(|l| l.split_once('\t')) {
        // Gauges may be written as `2` or `2.0`.
        // Saturates, counts are small.
        let number = || value.trim().parse::<f64>().map_or(0, |n| n as u32);
        match name {
            "zk_peer_state" => monitor.peer_state = value.trim().to_owned(),
            "zk_synced_followers" => monitor.synced_followers = number(),
            "zk_pending_syncs" => monitor.pending_syncs = number(),
            _ => {}
        }
    }
    monitor
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const SRVR: &str = "Zookeeper version: 3.9.4-7246445ec281f3dbf53dc54e970c914f39713903, built on 2025-08-19 19:53 UTC\n\
        Latency min/avg/max: 0/0.0/0\nReceived: 1\nSent: 0\nConnections: 1\nOutstanding: 0\nZxid: 0x100000003\n\
        Mode: leader\nNode count: 5\nProposal sizes last/min/max: -1/-1/-1\n";
    const ELECTING: &str = "This ZooKeeper instance is not currently serving requests\n";

    #[test]
    fn mode_and_zxid() {
        assert_eq!(srvr(SRVR), Some((Mode::Leader, "0x100000003".into())));
        assert_eq!(srvr(ELECTING), None);
        assert_eq!(srvr("Mode: read-only\n"), None);
        assert_eq!(srvr(""), None);
    }

    #[test]
    fn what_a_leader_says() {
        let answer = "zk_version\t3.9.4\nzk_server_state\tleader\nzk_peer_state\tleading - broadcast\n\
            zk_synced_followers\t2\nzk_pending_syncs\t1.0\nzk_max_x\t-5\nno tab\n";
        let expected =
            Monitor { peer_state: "leading - broadcast".into(), synced_followers: 2, pending_syncs: 1 };
        assert_eq!(mntr(answer), expected);
        assert_eq!(mntr(ELECTING), Monitor::default());
    }

    #[tokio::test]
    async fn asks_and_reads_to_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut word = [0; 4];
            stream.read_exact(&mut word).await.unwrap();
            stream.write_all(b"imok").await.unwrap();
            word
        });
        assert_eq!(ask(&endpoint, "ruok").await.unwrap(), "imok");
        assert_eq!(&server.await.unwrap(), b"ruok");
        let error = ask(&endpoint, "ruok").await.unwrap_err();
        assert!(error.to_string().contains(&endpoint), "{error}");
    }
}
