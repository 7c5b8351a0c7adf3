//! Positions in a topic partition, ranges of them, and the hash of a list of them.
use std::fmt;

/// A position in a topic partition; the offset of the record that stands there, if one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(i64);

impl Offset {
    /// The first position of a partition that never lost a record.
    pub const ZERO: Offset = Offset(0);

    /// Errors: none for offsets >= 0; logical offsets of a client (negative numbers) are `None`.
    pub const fn new(value: i64) -> Option<Offset> {
        if value >= 0 { Some(Offset(value)) } else { None }
    }

    /// The number that Kafka's protocol carries.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The position behind this one: where a consumer that took the record here goes on.
    pub const fn next(self) -> Offset {
        Offset(self.0 + 1)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Half-open range of positions, `first..end`. It counts positions, not records: the gaps of
/// compaction, aborted data and transaction markers lie inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OffsetRange {
    first: Offset,
    end: Offset,
}

impl OffsetRange {
    /// `None` if `end` lies before `first`.
    pub fn new(first: Offset, end: Offset) -> Option<OffsetRange> {
        (first <= end).then_some(OffsetRange { first, end })
    }

    /// The first position inside.
    pub const fn first(&self) -> Offset {
        self.first
    }

    /// The first position behind.
    pub const fn end(&self) -> Offset {
        self.end
    }

    /// Whether no position lies inside.
    pub fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// Positions inside; at least the number of records.
    pub const fn positions(&self) -> u64 {
        self.end.0.abs_diff(self.first.0)
    }

    /// Whether `offset` lies inside.
    pub fn contains(&self, offset: Offset) -> bool {
        self.first <= offset && offset < self.end
    }
}

impl fmt::Display for OffsetRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.end)
    }
}

/// Hash of the list of a partition's offsets that became rows, in order. Two lists that differ
/// differ here but for chance (64 bits); it guards against a changed source (PROTOCOL R9), not
/// against an adversary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OffsetsHash(u64);

impl OffsetsHash {
    /// Of the empty list (the FNV-1a 64 offset basis).
    pub const EMPTY: OffsetsHash = OffsetsHash(0xcbf2_9ce4_8422_2325);

    /// The hash of the list with `offset` behind it. One multiplication and two mixes per record.
    #[must_use]
    pub fn push(self, offset: Offset) -> OffsetsHash {
        let mut x = self.0 ^ offset.0 as u64;
        x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 29;
        OffsetsHash(x.rotate_left(7))
    }

    /// As the ledger's text holds it.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// From the ledger's text.
    pub const fn from_bits(bits: u64) -> OffsetsHash {
        OffsetsHash(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(offsets: &[i64]) -> OffsetsHash {
        offsets.iter().fold(OffsetsHash::EMPTY, |hash, &offset| hash.push(Offset::new(offset).unwrap()))
    }

    #[test]
    fn ranges_are_half_open() {
        let range = OffsetRange::new(Offset(3), Offset(5)).unwrap();
        assert!(range.contains(Offset(3)) && !range.contains(Offset(5)));
        assert_eq!(range.positions(), 2);
        assert!(OffsetRange::new(Offset(5), Offset(3)).is_none());
    }

    #[test]
    fn the_hash_sees_order_gaps_and_length() {
        let lists: [&[i64]; 6] = [&[], &[0], &[0, 1], &[1, 0], &[0, 2], &[0, 1, 2]];
        for (i, a) in lists.iter().enumerate() {
            for b in &lists[i + 1..] {
                assert_ne!(hash(a), hash(b), "{a:?} {b:?}");
            }
        }
    }
}
