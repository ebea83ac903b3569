//! Compression, where libprocess has it: requests that say they are `gzip`, and answers from 1 KiB on to clients that accept
//! it. Streams of events are never compressed.

use std::io::{Read, Write};

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use cairn_mesos::codec;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::body::header_text;

/// Shorter answers are not worth it, in bytes; `GZIP_MINIMUM_BODY_LENGTH` of libprocess.
const LEAST: u64 = 1024;

/// A compressed body that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InflateError {
    /// It says more than a body may, in bytes.
    #[error("The body exceeds {0} bytes when it is decompressed")]
    TooLong(usize),
    /// It is not gzip, or not all of it.
    #[error("Failed to decompress body")]
    Broken,
}

/// Whether the body of a request is compressed. What is encoded otherwise is taken as it is, as by Mesos.
pub(crate) fn is_compressed(headers: &HeaderMap) -> bool {
    header_text(headers, header::CONTENT_ENCODING) == Some("gzip")
}

/// What a compressed body says, if it is no longer than `limit` bytes.
pub(crate) fn inflate(body: &[u8], limit: usize) -> Result<Bytes, InflateError> {
    let mut plain = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body).take(bound).read_to_end(&mut plain).map_err(|_| InflateError::Broken)?;
    if plain.len() > limit { Err(InflateError::TooLong(limit)) } else { Ok(plain.into()) }
}

fn deflate(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish()
}

/// Whether a client takes answers as gzip.
fn is_accepted(headers: &HeaderMap) -> bool {
    header_text(headers, header::ACCEPT_ENCODING).is_some_and(|list| codec::allows(list, &["gzip", "*"]))
}

/// Compress whole answers for those who want it.
pub(crate) async fn answers(request: Request, next: Next) -> Response {
    let wanted = is_accepted(request.headers());
    let response = next.run(request).await;
    let length = response.body().size_hint().exact();
    let encoded = response.headers().contains_key(header::CONTENT_ENCODING);
    if !wanted || encoded || length.is_none_or(|length| length < LEAST) {
        return response;
    }
    compressed(response).await
}

async fn compressed(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    // It is whole, so it is in memory.
    let Ok(plain) = to_bytes(body, usize::MAX).await else {
        return Response::from_parts(head, Body::empty());
    };
    let kept = plain.clone();
    match tokio::task::spawn_blocking(move || deflate(&plain)).await {
        Ok(Ok(shorter)) => {
            head.headers.remove(header::CONTENT_LENGTH);
            head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Response::from_parts(head, shorter.into())
        }
        _ => Response::from_parts(head, kept.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(value: &str) -> bool {
        is_accepted(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())]))
    }

    #[test]
    fn what_clients_accept_is_read_as_libprocess_reads_it() {
        for wanted in
            ["gzip", "deflate, GZIP;q=0.5", "*", "gzip, *;q=0", "gzip;q=1.0", "identity , gzip ; q=0.001"]
        {
            assert!(accepts(wanted), "{wanted}");
        }
        for other in ["", "deflate", "gzip;q=0", "gzip;q=0.0, *", "*;q=0", "gzip;q=x", "gzipped"] {
            assert!(!accepts(other), "{other}");
        }
        assert!(!is_accepted(&HeaderMap::new()));
    }

    #[test]
    fn a_body_is_inflated_as_far_as_it_may() {
        let zeros = vec![0; 100_000];
        let packed = deflate(&zeros).unwrap();
        assert!(packed.len() < 1000);
        assert_eq!(inflate(&packed, 100_000).unwrap(), zeros);
        assert_eq!(inflate(&packed, 99_999), Err(InflateError::TooLong(99_999)));
        for broken in [&packed[..packed.len() - 1], b"", b"{}", b"\x1f\x8b", &[&packed[..], b"rest"].concat()]
        {
            assert_eq!(inflate(broken, 100_000), Err(InflateError::Broken));
        }
    }
}
