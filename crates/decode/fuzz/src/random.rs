//! Seeded numbers, and numbers that an input's own bytes give.

/// SplitMix64: what it gives depends on the seed alone.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }
}

/// Decisions taken from an input, byte by byte; behind its end all are 0, so that everything made from it
/// comes to an end.
#[derive(Debug)]
pub struct Decisions<'a>(pub &'a [u8]);

impl Decisions<'_> {
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    /// Below `end`, which is from 1 to 256.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    pub fn number(&mut self) -> i64 {
        match self.byte() {
            0..=200 => i64::from(self.byte()) - 100,
            201..=220 => i64::MAX - i64::from(self.byte()),
            221..=240 => i64::MIN + i64::from(self.byte()),
            _ => i64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    pub fn text(&mut self) -> String {
        let length = self.below(12);
        (0..length).map(|_| char::from_u32(u32::from(self.byte()) + 32).unwrap_or('x')).collect()
    }
}
