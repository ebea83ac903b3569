//! Random numbers from a seed. Each matter draws from a stream of its own, so that switching one off leaves the others
//! as they were.

/// A stream of random numbers (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The stream of this number.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Self(seed ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Less than `n`, which must not be 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// At least `low`, at most `high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in so many of 100,000 cases.
    pub(crate) fn chance(&mut self, of_100_000: u64) -> bool {
        self.below(100_000) < of_100_000
    }

    /// By how much a clock jumps, milliseconds: up to two minutes, forwards or backwards.
    pub(crate) fn clock_jump(&mut self) -> i64 {
        self.between(0, 240_000).cast_signed() - 120_000
    }

    /// An index below `len`, if there is any.
    pub(crate) fn index(&mut self, len: usize) -> Option<usize> {
        let len = u64::try_from(len).ok().filter(|len| *len > 0)?;
        usize::try_from(self.below(len)).ok()
    }
}
