//! What a container says, to all who listen, and what one of them says to it.
//!
//! Nothing is kept: what is said while nobody listens is lost to all but the container's log. Who listens slowly makes the
//! container wait, as a full pipe does; beside a conversation others may listen, who are let go of when they are too slow.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cairn_mesos::v1::agent::process_io::data;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OwnedMutexGuard, mpsc, watch};

use super::denied::Denied;
use super::terminal::Terminal;
use crate::agent::runner::{Ear, Mouth, Spoken};

/// Bytes that are passed on at a time.
const PIECE: usize = 16 * 1024;
/// Pieces that may wait for one listener.
const WAITING: usize = 16;
/// How long a pipe may be silent, after all that the container was has ended, before it counts as closed: a process that escaped may
/// hold it.
const SILENCE: Duration = Duration::from_secs(1);

/// A piece of what a container says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) from: data::Type,
    pub(crate) data: Bytes,
}

/// Somebody who listens.
#[derive(Debug)]
struct Listener {
    sender: mpsc::Sender<Piece>,
    /// The container waits for him as long as it takes: it is his conversation.
    is_owner: bool,
}

/// The middle of a conversation.
pub(crate) struct Switch {
    /// `None`: everything has been said.
    listeners: Mutex<Option<Vec<Listener>>>,
    /// Locked by who speaks; `None`: nothing will be said any more.
    mouth: Arc<tokio::sync::Mutex<Option<Mouth>>>,
    terminal: Option<Terminal>,
    /// How long a guest may take for the oldest piece that waits for him.
    patience: Duration,
    /// Whether the container has ended.
    ended: watch::Sender<bool>,
}

impl Switch {
    /// For a container that has just been started: what is heard from it, and by whom first.
    pub(crate) fn new(
        spoken: Spoken,
        owner: bool,
        patience: Duration,
    ) -> (Arc<Self>, Vec<Ear>, Option<mpsc::Receiver<Piece>>) {
        let Spoken { mouth, ears, terminal } = spoken;
        let switch = Self {
            listeners: Mutex::new(Some(Vec::new())),
            mouth: Arc::new(tokio::sync::Mutex::new(Some(mouth))),
            terminal,
            patience,
            ended: watch::Sender::new(false),
        };
        let heard = if owner { switch.hear(true).ok() } else { None };
        (Arc::new(switch), ears, heard)
    }

    /// Listens from now on.
    ///
    /// # Errors
    /// Everything has been said.
    pub(crate) fn listen(&self) -> Result<mpsc::Receiver<Piece>, Denied> {
        self.hear(false)
    }

    fn hear(&self, is_owner: bool) -> Result<mpsc::Receiver<Piece>, Denied> {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let over = || Denied::Failed("I/O switchboard has shutdown".to_owned());
        let (sender, receiver) = mpsc::channel(WAITING);
        listeners.as_mut().ok_or_else(over)?.push(Listener { sender, is_owner });
        Ok(receiver)
    }

    /// Speaks from now on.
    ///
    /// # Errors
    /// Somebody else does.
    pub(crate) fn speak(&self) -> Result<Speaker, Denied> {
        let busy = |_| Denied::Busy("Multiple input connections are not allowed".to_owned());
        let mouth = Arc::clone(&self.mouth).try_lock_owned().map_err(busy)?;
        Ok(Speaker { mouth, terminal: self.terminal.clone(), ended: self.ended.subscribe() })
    }

    /// Nothing of the container runs any more.
    pub(crate) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Passes on what the container says until it has said everything.
    pub(crate) async fn run(&self, ears: Vec<Ear>) {
        join_all(ears.into_iter().map(|ear| self.pass(ear))).await;
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    async fn pass(&self, ear: Ear) {
        let Ear { from, mut source, log } = ear;
        let mut log = log.map(tokio::fs::File::from_std);
        let mut ended = self.ended.subscribe();
        let mut buffer = vec![0; PIECE];
        while let Some(count) = read(&mut *source, &mut buffer, &mut ended).await {
            let data = Bytes::copy_from_slice(&buffer[..count]);
            if let Some(file) = &mut log
                && let Err(error) = file.write_all(&data).await
            {
                tracing::warn!(%error, "cannot keep what a nested container says");
            }
            self.send(Piece { from, data }).await;
        }
        if let Some(file) = &mut log {
            let _ = file.flush().await;
        }
    }

    async fn send(&self, piece: Piece) {
        let listeners: Vec<(mpsc::Sender<Piece>, bool)> = {
            let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.iter().flatten().map(|one| (one.sender.clone(), one.is_owner)).collect()
        };
        for (sender, is_owner) in listeners {
            let heard = if is_owner {
                sender.send(piece.clone()).await.is_ok()
            } else {
                sender.send_timeout(piece.clone(), self.patience).await.is_ok()
            };
            if !heard {
                self.let_go(&sender);
            }
        }
    }

    fn let_go(&self, gone: &mpsc::Sender<Piece>) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listeners) = listeners.as_mut() {
            listeners.retain(|one| !one.sender.same_channel(gone));
        }
    }
}

/// The next bytes; `None` when there will be no more.
async fn read(
    source: &mut (dyn tokio::io::AsyncRead + Send + Unpin),
    buffer: &mut [u8],
    ended: &mut watch::Receiver<bool>,
) -> Option<usize> {
    let counted = |read: io::Result<usize>| read.ok().filter(|count| *count > 0);
    tokio::select! {
        biased;
        read = source.read(buffer) => return counted(read),
        _ = ended.wait_for(|ended| *ended) => {}
    }
    tokio::time::timeout(SILENCE, source.read(buffer)).await.ok().and_then(counted)
}

/// The one who speaks to a container.
pub(crate) struct Speaker {
    mouth: OwnedMutexGuard<Option<Mouth>>,
    terminal: Option<Terminal>,
    ended: watch::Receiver<bool>,
}

impl Speaker {
    /// Says something; waits while the container does not read it. Without a terminal, nothing means that nothing will follow.
    ///
    /// # Errors
    /// The container does not listen any more.
    pub(crate) async fn say(&mut self, data: &[u8]) -> io::Result<()> {
        if data.is_empty() {
            if self.terminal.is_none() {
                self.mouth.take();
            }
            return Ok(());
        }
        match &mut *self.mouth {
            Some(mouth) => {
                mouth.write_all(data).await?;
                mouth.flush().await
            }
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Tells the container how large its terminal is now.
    ///
    /// # Errors
    /// It has none.
    pub(crate) fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        let none = || io::Error::other("the container has no terminal");
        self.terminal.as_ref().ok_or_else(none)?.resize(rows, columns)
    }

    /// Tells when the container has ended.
    pub(crate) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(
        owner: bool,
    ) -> (Arc<Switch>, Vec<Ear>, Option<mpsc::Receiver<Piece>>, tokio::io::DuplexStream) {
        let (source, container) = tokio::io::duplex(64);
        let (source, mouth) = tokio::io::split(source);
        let ear = Ear { from: data::Type::Stdout, source: Box::new(source), log: None };
        let spoken = Spoken { mouth: Box::new(mouth), ears: vec![ear], terminal: None };
        let (switch, ears, heard) = Switch::new(spoken, owner, Duration::from_millis(100));
        (switch, ears, heard, container)
    }

    #[tokio::test]
    async fn what_is_said_is_heard_and_then_nothing_more() {
        let (switch, ears, heard, mut container) = switch(true);
        container.write_all(b"hello").await.unwrap();
        drop(container);
        switch.run(ears).await;
        let mut heard = heard.unwrap();
        assert_eq!(heard.recv().await.unwrap().data, "hello");
        assert_eq!(heard.recv().await, None);
        assert!(matches!(switch.listen(), Err(Denied::Failed(_))));
    }

    #[tokio::test]
    async fn one_speaks_at_a_time() {
        let (switch, _ears, _, mut container) = switch(false);
        let mut speaker = switch.speak().unwrap();
        assert!(matches!(switch.speak(), Err(Denied::Busy(_))));
        speaker.say(b"hi").await.unwrap();
        let mut read = [0; 2];
        container.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"hi");
        assert!(speaker.resize(1, 1).is_err());
        speaker.say(b"").await.unwrap();
        drop(speaker);
        let mut later = switch.speak().unwrap();
        assert!(later.say(b"x").await.is_err(), "it was told that nothing follows");
    }

    #[tokio::test]
    async fn a_guest_who_does_not_listen_is_let_go_of() {
        let (switch, ears, _, mut container) = switch(false);
        let mut guest = switch.listen().unwrap();
        let talk = async move {
            for _ in 0..=WAITING {
                // It fills the pipe, so each comes as one piece.
                container.write_all(&[b'x'; 64]).await.unwrap();
            }
        };
        tokio::join!(switch.run(ears), talk);
        let mut heard = 0;
        while guest.recv().await.is_some() {
            heard += 1;
        }
        assert_eq!(heard, WAITING);
    }

    #[tokio::test]
    async fn a_pipe_that_somebody_holds_does_not_keep_a_container_that_has_ended() {
        let (switch, ears, heard, mut container) = switch(true);
        container.write_all(b"last").await.unwrap();
        switch.end();
        switch.run(ears).await;
        assert_eq!(heard.unwrap().recv().await.unwrap().data, "last");
        drop(container);
    }
}
