//! Which columns of the plan a record had fields for.

/// A bit per column.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    words: Vec<u64>,
}

impl Seen {
    /// Before a record: none of so many columns.
    #[inline]
    pub(crate) fn begin(&mut self, columns: usize) {
        let words = columns.div_ceil(u64::BITS as usize);
        if self.words.len() != words {
            self.words.resize(words, 0);
        }
        self.words.iter_mut().for_each(|word| *word = 0);
    }

    /// The column's field is here. Whether it was here before.
    #[inline]
    pub(crate) fn mark(&mut self, column: usize) -> bool {
        let (word, bit) = (&mut self.words[column / u64::BITS as usize], 1 << (column % u64::BITS as usize));
        let before = *word & bit != 0;
        *word |= bit;
        before
    }

    /// Whether the column's field was here.
    #[inline]
    pub(crate) fn has(&self, column: usize) -> bool {
        self.words[column / u64::BITS as usize] >> (column % u64::BITS as usize) & 1 != 0
    }

    /// The first of so many columns, from `from` on, whose field was not here.
    #[inline]
    pub(crate) fn next_missing(&self, from: usize, columns: usize) -> Option<usize> {
        let (first, passed) = (from / u64::BITS as usize, from % u64::BITS as usize);
        let mut others = u64::MAX << passed;
        for (number, word) in self.words.iter().enumerate().skip(first) {
            let missing = !word & others;
            if missing != 0 {
                let column = number * u64::BITS as usize + missing.trailing_zeros() as usize;
                return (column < columns).then_some(column);
            }
            others = u64::MAX;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn it_is_a_set(columns in 1usize..200, marked in proptest::collection::vec(0usize..200, 0..60)) {
            let mut seen = Seen::default();
            seen.begin(200);
            seen.mark(7);
            seen.begin(columns);
            let mut plain = std::collections::BTreeSet::new();
            for column in marked.into_iter().filter(|column| *column < columns) {
                proptest::prop_assert_eq!(seen.mark(column), !plain.insert(column));
            }
            let mut from = 0;
            let mut missing = Vec::new();
            while let Some(column) = seen.next_missing(from, columns) {
                missing.push(column);
                from = column + 1;
            }
            let expected: Vec<usize> = (0..columns).filter(|column| !plain.contains(column)).collect();
            proptest::prop_assert_eq!(missing, expected);
            proptest::prop_assert!((0..columns).all(|column| seen.has(column) == plain.contains(&column)));
        }
    }
}
