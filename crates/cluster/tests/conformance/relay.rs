//! The way from an agent to its master, which can be cut.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes connections on, or none.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    open: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.open.send_replace(false);
    }
}

impl Relay {
    /// An open way to `target`.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = watch::Sender::new(true);
        let watching = open.subscribe();
        let accepting = tokio::spawn(async move {
            while let Ok((here, _)) = listener.accept().await {
                tokio::spawn(pass(here, target, watching.clone()));
            }
        });
        Self { address, open, accepting }
    }

    /// Where the way begins.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Let connections through from now on.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// End all connections, and let none through from now on.
    pub(crate) fn cut(&self) {
        self.open.send_replace(false);
    }
}

async fn pass(mut here: TcpStream, target: SocketAddr, mut open: watch::Receiver<bool>) {
    let both = async {
        let mut there = TcpStream::connect(target).await?;
        copy_bidirectional(&mut here, &mut there).await
    };
    tokio::select! {
        _ = open.wait_for(|open| !*open) => {}
        _ = both => {}
    }
}
