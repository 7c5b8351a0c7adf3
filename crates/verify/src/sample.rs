//! Ranges drawn by chance, for a check whose cost does not grow with the topic.
use std::collections::BTreeSet;

use pumphouse_types::{Offset, OffsetRange, Partition};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Positions of a drawn range.
pub(crate) const POSITIONS: u64 = 10_000;

/// Up to `count` different ranges of up to [`POSITIONS`] positions, each position as likely as another,
/// ascending. The same seed draws the same ranges of the same positions.
pub(crate) fn draw(
    within: &[(Partition, OffsetRange)],
    count: u32,
    seed: u64,
) -> Vec<(Partition, OffsetRange)> {
    let total: u64 = within.iter().map(|(_, range)| range.positions()).sum();
    if total == 0 {
        return Vec::new();
    }
    let mut random = StdRng::seed_from_u64(seed);
    let mut drawn = BTreeSet::new();
    for _ in 0..count {
        let mut place = random.random_range(0..total);
        for (index, (_, range)) in within.iter().enumerate() {
            if place < range.positions() {
                drawn.insert((index, place / POSITIONS));
                break;
            }
            place -= range.positions();
        }
    }
    let cut = |(index, block): (usize, u64)| {
        let (partition, range) = within[index];
        let at = |positions: u64| {
            let end = range.end().get().cast_unsigned();
            let place = (range.first().get().cast_unsigned() + positions).min(end);
            Offset::new(place.cast_signed()).expect("within a range of offsets")
        };
        let (first, end) = (at(block * POSITIONS), at((block + 1) * POSITIONS));
        (partition, OffsetRange::new(first, end).expect("blocks ascend"))
    };
    drawn.into_iter().map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, end: i64) -> OffsetRange {
        OffsetRange::new(Offset::new(first).unwrap(), Offset::new(end).unwrap()).unwrap()
    }

    #[test]
    fn what_is_drawn_lies_inside_once_and_again_for_the_same_seed() {
        let within =
            [(Partition(0), range(5, 25_005)), (Partition(1), range(3, 3)), (Partition(4), range(0, 100))];
        let drawn = draw(&within, 1_000, 7);
        assert_eq!(drawn, draw(&within, 1_000, 7));
        // So many draws find every block.
        let all = [
            (Partition(0), range(5, 10_005)),
            (Partition(0), range(10_005, 20_005)),
            (Partition(0), range(20_005, 25_005)),
            (Partition(4), range(0, 100)),
        ];
        assert_eq!(drawn, all);
        assert_eq!(draw(&within, 1, 7).len(), 1);
        assert!(draw(&[(Partition(0), range(4, 4))], 3, 7).is_empty());
    }
}
