//! Emptied segments, whose memory the next rows are filled into.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pumphouse_columns::Segment;

/// A lane's; segments come back from the threads that packed them. What is kept is bounded; nothing at first.
#[derive(Clone, Default)]
pub(super) struct Spare {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    segments: Vec<Segment>,
    bytes: u64,
    bytes_max: u64,
}

impl Spare {
    /// `bytes_max`: what segments may have held that are kept. What is beyond is dropped.
    pub(super) fn bound(&self, bytes_max: u64) {
        let mut kept = self.kept();
        kept.bytes_max = bytes_max;
        while kept.bytes > bytes_max
            && let Some(segment) = kept.segments.pop()
        {
            kept.bytes -= segment.most_bytes() as u64;
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that came last: its memory is the likeliest to be at hand.
    pub(super) fn take(&self) -> Option<Segment> {
        let mut kept = self.kept();
        let segment = kept.segments.pop()?;
        kept.bytes -= segment.most_bytes() as u64;
        Some(segment)
    }

    /// What the kept segments may have held.
    pub(super) fn bytes(&self) -> u64 {
        self.kept().bytes
    }

    /// Gives all of it back.
    pub(super) fn clear(&self) {
        let mut kept = self.kept();
        kept.segments.clear();
        kept.bytes = 0;
    }

    /// Shape: an empty segment of the lane's plan. What finds no room is dropped.
    pub(super) fn keep(&self, segment: Segment) {
        let bytes = segment.most_bytes() as u64;
        let mut kept = self.kept();
        if kept.bytes + bytes <= kept.bytes_max {
            kept.bytes += bytes;
            kept.segments.push(segment);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pumphouse_columns::DataType;

    fn used(rows: usize) -> Segment {
        let mut segment = Segment::new(&["UInt64".parse::<DataType>().unwrap()]).unwrap();
        for _ in 0..rows {
            segment.columns_mut()[0].push_default();
            segment.commit_row();
        }
        segment.clear();
        segment
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let spare = Spare::default();
        spare.bound(1_000);
        for rows in [50, 70, 75] {
            spare.keep(used(rows));
        }
        assert_eq!(spare.bytes(), 960);
        assert_eq!(spare.take().unwrap().most_bytes(), 560);
        spare.keep(used(75));
        assert_eq!(spare.take().unwrap().most_bytes(), 600);
        assert_eq!(spare.take().unwrap().most_bytes(), 400);
        assert!(spare.take().is_none());
        spare.keep(used(50));
        spare.keep(used(60));
        spare.bound(500);
        assert_eq!(spare.bytes(), 400);
        spare.clear();
        assert_eq!(spare.bytes(), 0);
        assert!(spare.take().is_none());
    }
}
