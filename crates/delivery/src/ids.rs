//! Identities of batches, and tokens.

/// Draws identities that never repeat: distinct within a task, and random across tasks.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    seed: u128,
    drawn: u128,
}

impl Ids {
    /// `seed`: 128 random bits.
    pub(crate) fn new(seed: u128) -> Ids {
        Ids { seed, drawn: 0 }
    }

    pub(crate) fn draw(&mut self) -> u128 {
        self.drawn += 1;
        // An odd factor is a bijection of the 128 bits, so two draws never meet.
        self.seed ^ self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }
}
