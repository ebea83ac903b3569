//! Where a server takes connections, with TLS or without.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::security::Tls;

/// How long a client may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The first byte of a client that speaks TLS: a handshake record (RFC 8446, section 5.1).
const RECORD: u8 = 22;
/// What clients that speak plain HTTP are told. It ends the connection.
const PLAIN: &str = "This port speaks TLS: come by https, as `https://HOST:PORT` with --ca FILE.";
/// Most bytes that such a client may still send, so that it reads the answer before the connection is gone.
const REST: u64 = 64 * 1024;
/// So many clients agree on TLS at a time; others wait until one of them has, or has taken too long.
const HANDSHAKES: usize = 256;

/// A connection, with TLS or without.
pub(crate) type Connection = Either<TcpStream, TlsStream<TcpStream>>;

/// Takes connections. Who does not speak TLS where it is spoken is told so or hung up on, and keeps nobody else waiting.
pub(crate) struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    handshakes: JoinSet<Option<TlsStream<TcpStream>>>,
}

impl Drop for Listener {
    /// Frees the address at once. To close the socket is not enough: a process that is started just now has what is open here
    /// until it is another program.
    fn drop(&mut self) {
        let _ = shutdown(&self.tcp, Shutdown::Both);
    }
}

impl Listener {
    pub(crate) fn new(tcp: TcpListener, tls: Option<&Tls>) -> Self {
        let tls = tls.map(|tls| TlsAcceptor::from(tls.config()));
        Self { tcp, tls, handshakes: JoinSet::new() }
    }

    /// The next one. Nothing is lost where this is given up while it waits.
    pub(crate) async fn accept(&mut self) -> Connection {
        let Some(tls) = &self.tls else {
            return Either::Left(plain(&mut self.tcp).await.0);
        };
        loop {
            tokio::select! {
                (stream, address) = plain(&mut self.tcp), if self.handshakes.len() < HANDSHAKES => {
                    self.handshakes.spawn(agree(tls.clone(), stream, address));
                }
                Some(agreed) = self.handshakes.join_next() => {
                    if let Ok(Some(stream)) = agreed {
                        return Either::Right(stream);
                    }
                }
            }
        }
    }
}

async fn plain(tcp: &mut TcpListener) -> (TcpStream, SocketAddr) {
    let (stream, address) = axum::serve::Listener::accept(tcp).await;
    // Events are small and follow each other: waiting to fill packets would cost 40 ms each.
    let _ = stream.set_nodelay(true);
    (stream, address)
}

async fn agree(tls: TlsAcceptor, stream: TcpStream, address: SocketAddr) -> Option<TlsStream<TcpStream>> {
    match tokio::time::timeout(HANDSHAKE, handshake(tls, stream)).await {
        Ok(Ok(Some(stream))) => Some(stream),
        Ok(Ok(None)) => {
            tracing::debug!(%address, "a client speaks plain HTTP, not TLS");
            None
        }
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "a client does not speak TLS as it should");
            None
        }
        Err(_) => {
            tracing::debug!(%address, "a client has taken too long to agree on TLS");
            None
        }
    }
}

/// `None`: it spoke HTTP, and has been told.
async fn handshake(tls: TlsAcceptor, stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
    let mut first = [RECORD];
    stream.peek(&mut first).await?;
    if first == [RECORD] {
        return tls.accept(stream).await.map(Some);
    }
    tell(stream).await.map(|()| None)
}

async fn tell(mut stream: TcpStream) -> io::Result<()> {
    let length = PLAIN.len();
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close"
    );
    stream.write_all(format!("{head}\r\n\r\n{PLAIN}").as_bytes()).await?;
    stream.shutdown().await?;
    // What is unread when a connection is closed takes the answer with it.
    tokio::io::copy(&mut stream.take(REST), &mut tokio::io::sink()).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[tokio::test]
    async fn an_address_is_free_also_while_a_process_is_being_started() {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let listener = Listener::new(tcp, None);
        // As a child has it between fork and exec.
        let _inherited = listener.tcp.as_fd().try_clone_to_owned().unwrap();
        drop(listener);
        assert_eq!(TcpListener::bind(address).await.unwrap().local_addr().unwrap(), address);
    }
}
