//! Columns of texts: String (any length) and FixedString (N bytes each).
use std::ops::Range;

use crate::select::rows_of;

/// Texts up to this length are copied as so many bytes. Less than 128, so that a length is one byte.
const WINDOW_BYTES: usize = 32;

/// Values of any length, kept as they travel: each one's length as a varuint, then its bytes.
/// Encoding a block is then one copy per segment.
#[derive(Debug, Clone, Default)]
pub struct TextColumn {
    wire: Vec<u8>,
    /// Where each value ends in `wire`.
    ends: Vec<usize>,
}

impl TextColumn {
    /// Appends one value.
    #[inline]
    pub fn push(&mut self, value: &[u8]) {
        self.push_start(value, value.len());
    }

    /// Appends the first `length` bytes of `bytes` as one value. What stands behind them is not read as a
    /// part of it, but lets a short one be copied as a whole window, without a loop and without a call.
    #[inline(always)]
    pub fn push_start(&mut self, bytes: &[u8], length: usize) {
        match bytes.first_chunk::<WINDOW_BYTES>() {
            Some(window) if length <= WINDOW_BYTES => {
                self.wire.push(length as u8);
                let value_end = self.wire.len() + length;
                self.wire.extend_from_slice(window);
                self.wire.truncate(value_end);
            }
            _ => {
                put_varuint(length as u64, &mut self.wire);
                self.wire.extend_from_slice(&bytes[..length]);
            }
        }
        self.ends.push(self.wire.len());
    }

    /// Rows held.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All values as they travel.
    pub(crate) fn wire(&self) -> &[u8] {
        &self.wire
    }

    pub(crate) fn bytes(&self) -> usize {
        self.wire.len() + self.ends.len() * size_of::<usize>()
    }

    pub(crate) fn clear(&mut self) {
        self.truncate(0);
    }

    pub(crate) fn select(&self, ranges: &[Range<usize>]) -> TextColumn {
        let start_of = |row: usize| if row == 0 { 0 } else { self.ends[row - 1] };
        let bytes = ranges.iter().map(|range| start_of(range.end) - start_of(range.start)).sum();
        let mut picked =
            TextColumn { wire: Vec::with_capacity(bytes), ends: Vec::with_capacity(rows_of(ranges)) };
        for range in ranges {
            let (start, end, before) = (start_of(range.start), start_of(range.end), picked.wire.len());
            picked.wire.extend_from_slice(&self.wire[start..end]);
            picked.ends.extend(self.ends[range.clone()].iter().map(|value_end| value_end - start + before));
        }
        picked
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        if rows < self.ends.len() {
            self.ends.truncate(rows);
            self.wire.truncate(self.ends.last().copied().unwrap_or(0));
        }
    }
}

/// Values of exactly `width` bytes.
#[derive(Debug, Clone)]
pub struct FixedColumn {
    width: usize,
    data: Vec<u8>,
    rows: usize,
}

impl FixedColumn {
    pub(crate) fn new(width: usize) -> FixedColumn {
        FixedColumn { width, data: Vec::new(), rows: 0 }
    }

    /// The N of FixedString(N).
    pub fn width(&self) -> usize {
        self.width
    }

    /// Appends one value, shorter ones filled up with zero bytes as the server does.
    /// `false`, and nothing appended, if it is longer than the width.
    #[inline]
    #[must_use]
    pub fn push(&mut self, value: &[u8]) -> bool {
        if value.len() > self.width {
            return false;
        }
        self.data.extend_from_slice(value);
        self.rows += 1;
        self.data.resize(self.rows * self.width, 0);
        true
    }

    /// Rows held.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn wire(&self) -> &[u8] {
        &self.data
    }

    pub(crate) fn bytes(&self) -> usize {
        self.data.len()
    }

    pub(crate) fn clear(&mut self) {
        self.truncate(0);
    }

    pub(crate) fn select(&self, ranges: &[Range<usize>]) -> FixedColumn {
        let rows = rows_of(ranges);
        let mut data = Vec::with_capacity(rows * self.width);
        for range in ranges {
            data.extend_from_slice(&self.data[range.start * self.width..range.end * self.width]);
        }
        FixedColumn { width: self.width, data, rows }
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        if rows < self.rows {
            self.rows = rows;
            self.data.truncate(rows * self.width);
        }
    }
}

/// Appends `value` in groups of seven bits, lowest first (LEB128).
#[inline]
pub(crate) fn put_varuint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
