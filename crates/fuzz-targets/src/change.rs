//! Inputs that are nearly right: what is right, changed at random, by a fixed seed.

/// Xorshift: the same numbers each time.
pub struct Random(u64);

/// What is put in: the ends of numbers, what opens and does not close, and what only looks like text.
const WORDS: [&[u8]; 16] = [
    b"null",
    b"-1",
    b"1e400",
    b"{}",
    b"[[",
    b"\"\\ud800\"",
    b"\xff\xff\xff\xff\x0f",
    b"TASK_NO_SUCH",
    b"18446744073709551615",
    b"${",
    b"{{",
    b"\n",
    b": ",
    b"\0",
    "\u{301}\u{1f6a7}".as_bytes(),
    b"../",
];

impl Random {
    /// The numbers of a seed, which must not be 0.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`, or 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize % limit.max(1)
    }

    /// Changes bytes in one to five places.
    pub fn change(&mut self, body: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(body.len());
            match self.below(5) {
                0 if !body.is_empty() => body[at] ^= 1 << self.below(8),
                1 => body.truncate(at),
                2 => drop(body.splice(at..at, WORDS[self.below(WORDS.len())].iter().copied())),
                3 => {
                    let end = (at + self.below(40)).min(body.len());
                    let copy = body[at..end].to_vec();
                    drop(body.splice(at..at, copy));
                }
                _ => {
                    let end = (at + self.below(12)).min(body.len());
                    drop(body.drain(at..end));
                }
            }
        }
    }
}
