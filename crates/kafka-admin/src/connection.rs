//! One connection to one broker: frames, versions, correlation.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiVersionsRequest, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes, VersionRange};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ClientError;

/// Longest time for a connection to come up.
const CONNECT: Duration = Duration::from_secs(2);
/// Longest time for an answer. Changes are sent with a time limit of their own below this.
const ANSWER: Duration = Duration::from_secs(10);
/// Largest answer: the metadata of some hundred thousand partitions.
const MAX_FRAME: usize = 32 * 1024 * 1024;

/// A connection on which one request at a time is under way.
#[derive(Debug)]
pub(crate) struct Connection {
    endpoint: String,
    stream: TcpStream,
    versions: BTreeMap<i16, VersionRange>,
    correlation: i32,
}

impl Connection {
    /// Connects and asks which versions the broker speaks.
    pub(crate) async fn open(endpoint: &str) -> Result<Self, ClientError> {
        let stream = timeout(CONNECT, TcpStream::connect(endpoint))
            .await
            .map_err(|_| late(endpoint, "connect", CONNECT))?
            .map_err(|source| ClientError::Io { endpoint: endpoint.to_owned(), source })?;
        let io = |source| ClientError::Io { endpoint: endpoint.to_owned(), source };
        stream.set_nodelay(true).map_err(io)?;
        let mut connection =
            Self { endpoint: endpoint.to_owned(), stream, versions: BTreeMap::new(), correlation: 0 };
        // Version 0 is understood by every broker.
        let answer = connection.exchange(&ApiVersionsRequest::default(), 0).await?;
        super::error::check(|| format!("{endpoint}: ApiVersions"), answer.error_code, None)?;
        connection.versions = answer
            .api_keys
            .iter()
            .map(|k| (k.api_key, VersionRange { min: k.min_version, max: k.max_version }))
            .collect();
        Ok(connection)
    }

    /// Asks in the newest version that both sides speak.
    pub(crate) async fn call<R: Request>(&mut self, request: &R) -> Result<R::Response, ClientError> {
        self.call_up_to(request, i16::MAX).await
    }

    /// Asks in the newest version that both sides speak, but not in a newer one than `most`.
    pub(crate) async fn call_up_to<R: Request>(
        &mut self,
        request: &R,
        most: i16,
    ) -> Result<R::Response, ClientError> {
        let unsupported = || self.odd(format!("the broker does not offer {}", name::<R>()));
        let theirs = self.versions.get(&R::KEY).ok_or_else(unsupported)?;
        let mut both = R::VERSIONS.intersect(theirs);
        both.max = both.max.min(most);
        if both.is_empty() {
            return Err(self.odd(format!(
                "the broker speaks versions {theirs} of {}, this program {}",
                name::<R>(),
                R::VERSIONS
            )));
        }
        self.exchange(request, both.max).await
    }

    async fn exchange<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response, ClientError> {
        let frame = self.encode(request, version)?;
        let answer = timeout(ANSWER, self.transfer(&frame)).await;
        let bytes = answer.map_err(|_| late(&self.endpoint, name::<R>(), ANSWER))??;
        self.decode::<R>(bytes, version)
    }

    fn encode<R: Request>(&mut self, request: &R, version: i16) -> Result<Bytes, ClientError> {
        self.correlation = self.correlation.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("cairn")));
        let mut body = BytesMut::new();
        header
            .encode(&mut body, R::header_version(version))
            .and_then(|()| request.encode(&mut body, version))
            .map_err(|e| self.odd(format!("{} cannot be encoded: {e}", name::<R>())))?;
        let length = i32::try_from(body.len()).map_err(|_| self.odd("the request is too large".into()))?;
        let mut frame = BytesMut::with_capacity(body.len() + 4);
        frame.put_i32(length);
        frame.extend_from_slice(&body);
        Ok(frame.freeze())
    }

    async fn transfer(&mut self, frame: &[u8]) -> Result<Bytes, ClientError> {
        let endpoint = self.endpoint.clone();
        let io = |source| ClientError::Io { endpoint: endpoint.clone(), source };
        self.stream.write_all(frame).await.map_err(io)?;
        let length = self.stream.read_i32().await.map_err(io)?;
        let length = usize::try_from(length).ok().filter(|l| *l <= MAX_FRAME);
        let length = length.ok_or_else(|| self.odd("the answer is too large, or not Kafka's".into()))?;
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).await.map_err(io)?;
        Ok(bytes.into())
    }

    fn decode<R: Request>(&self, mut bytes: Bytes, version: i16) -> Result<R::Response, ClientError> {
        let odd = |e: &dyn std::fmt::Display| self.odd(format!("the answer to {} is odd: {e}", name::<R>()));
        if bytes.remaining() < 4 {
            return Err(odd(&"it is cut off"));
        }
        let header =
            ResponseHeader::decode(&mut bytes, R::Response::header_version(version)).map_err(|e| odd(&e))?;
        if header.correlation_id != self.correlation {
            return Err(odd(&"it belongs to another question"));
        }
        R::Response::decode(&mut bytes, version).map_err(|e| odd(&e))
    }

    fn odd(&self, reason: String) -> ClientError {
        ClientError::Protocol { endpoint: self.endpoint.clone(), reason }
    }
}

fn late(endpoint: &str, what: &'static str, waited: Duration) -> ClientError {
    ClientError::Timeout { endpoint: endpoint.to_owned(), what, seconds: waited.as_secs() }
}

/// Name of a request for people: `Metadata`.
fn name<R>() -> &'static str {
    let path = std::any::type_name::<R>();
    let last = path.rsplit("::").next().unwrap_or(path);
    last.strip_suffix("Request").unwrap_or(last)
}
