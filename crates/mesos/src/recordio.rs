//! RecordIO: how Mesos frames messages in a stream. Each record is its length in decimal, a newline, and its bytes.

use bytes::{Buf, Bytes, BytesMut};

/// Digits of the longest length that a u64 can hold.
const MAX_HEADER: usize = 20;

/// What breaks a stream. After any of these its framing is lost: end the connection and subscribe anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The length is no decimal number followed by a newline.
    #[error("RecordIO: the record length {0:?} is not a decimal number and a newline")]
    BadLength(String),
    /// The record is longer than the decoder's cap (both in bytes).
    #[error("RecordIO: a record of {length} bytes exceeds the cap of {cap} bytes")]
    TooLong {
        /// As announced.
        length: u64,
        /// As given to [`Decoder::new`].
        cap: usize,
    },
}

/// Puts one framed record at the end of `out`.
pub fn encode(record: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(record.len().to_string().as_bytes());
    out.push(b'\n');
    out.extend_from_slice(record);
}

/// Takes a stream apart. Chunk boundaries mean nothing: feed what arrives, then take records until there is none.
#[derive(Debug)]
pub struct Decoder {
    cap: usize,
    buffer: BytesMut,
    /// The length of the record whose bytes are being awaited.
    awaited: Option<usize>,
}

impl Decoder {
    /// Refuses records longer than `cap` bytes, before holding them.
    pub fn new(cap: usize) -> Self {
        Self { cap, buffer: BytesMut::new(), awaited: None }
    }

    /// Takes up the next bytes of the stream.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole record, or `None` until more is fed.
    ///
    /// # Errors
    /// A length is none, or above the cap. An error stays: the stream cannot be read on.
    pub fn next_record(&mut self) -> Result<Option<Bytes>, RecordError> {
        if self.awaited.is_none() {
            self.awaited = self.take_length()?;
        }
        match self.awaited {
            Some(length) if self.buffer.len() >= length => {
                self.awaited = None;
                let record = self.buffer.split_to(length).freeze();
                Ok(Some(record))
            }
            _ => Ok(None),
        }
    }

    /// Whether the stream stands at the end of a record, so that its end here loses nothing.
    pub fn is_at_boundary(&self) -> bool {
        self.awaited.is_none() && self.buffer.is_empty()
    }

    fn take_length(&mut self) -> Result<Option<usize>, RecordError> {
        let head = &self.buffer[..self.buffer.len().min(MAX_HEADER + 1)];
        let digits = head.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let bad = || RecordError::BadLength(String::from_utf8_lossy(head).into_owned());
        match head.get(digits) {
            None if digits <= MAX_HEADER => return Ok(None),
            Some(b'\n') if digits > 0 => {}
            _ => return Err(bad()),
        }
        let text = std::str::from_utf8(&head[..digits]).map_err(|_| bad())?;
        let length: u64 = text.parse().map_err(|_| bad())?;
        let fitting = usize::try_from(length).ok().filter(|length| *length <= self.cap);
        let length = fitting.ok_or(RecordError::TooLong { length, cap: self.cap })?;
        self.buffer.advance(digits + 1);
        Ok(Some(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(decoder: &mut Decoder) -> Vec<Bytes> {
        std::iter::from_fn(|| decoder.next_record().unwrap()).collect()
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_records(
            records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8),
            step in 1usize..50,
        ) {
            let mut stream = Vec::new();
            records.iter().for_each(|record| encode(record, &mut stream));
            let mut decoder = Decoder::new(64);
            let mut seen = Vec::new();
            for chunk in stream.chunks(step) {
                decoder.feed(chunk);
                seen.extend(drain(&mut decoder));
            }
            prop_assert_eq!(seen, records);
            prop_assert!(decoder.is_at_boundary());
        }
    }

    #[test]
    fn bad_lengths_are_refused_at_once() {
        for bad in ["x", "-1\n", "\n", "12a\n", "1 \n", "999999999999999999999"] {
            let mut decoder = Decoder::new(1 << 20);
            decoder.feed(bad.as_bytes());
            assert!(matches!(decoder.next_record(), Err(RecordError::BadLength(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_record_over_the_cap_is_refused_before_it_arrives() {
        let mut decoder = Decoder::new(10);
        decoder.feed(b"10\n0123456789");
        assert_eq!(decoder.next_record().unwrap().unwrap().as_ref(), b"0123456789");
        decoder.feed(b"11\n");
        let error = RecordError::TooLong { length: 11, cap: 10 };
        assert_eq!(decoder.next_record(), Err(error.clone()));
        assert_eq!(decoder.next_record(), Err(error));
    }

    #[test]
    fn a_stream_cut_inside_a_record_is_noticed() {
        let mut decoder = Decoder::new(10);
        decoder.feed(b"5\n012");
        assert_eq!(decoder.next_record(), Ok(None));
        assert!(!decoder.is_at_boundary());
    }
}
