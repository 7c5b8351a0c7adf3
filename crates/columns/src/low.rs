//! LowCardinality columns: row numbers into a dictionary of the values' bytes.
use std::ops::Range;

use crate::block::put_le_u64;
use crate::column::Column;
use crate::data_type::DataType;
use crate::dictionary::Dictionary;
use crate::recent_texts::RecentTexts;
use crate::select::pick;
use crate::text::put_varuint;

/// The row number that stands for NULL in a segment; a dictionary never grows that far.
const NULL_ROW: u32 = u32::MAX;

/// Not yet met while a block's dictionary is merged.
const UNMAPPED: u32 = u32::MAX;

/// Serialization version of LowCardinality that the server writes (shared dictionaries, per block).
const KEYS_VERSION: u64 = 1;

/// Flags beside the width of the row numbers: the dictionary travels with the block and replaces
/// whatever the reader had.
const FLAG_DICTIONARY_HERE: u64 = 0x600;

/// How a dictionary's entries travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entries {
    /// Length, then bytes.
    Texts,
    /// Bytes only; all entries have one width.
    Fixed,
}

/// A LowCardinality column of one segment.
#[derive(Debug, Clone)]
pub struct LowColumn {
    nullable: bool,
    entries: Entries,
    default_entry: Vec<u8>,
    dictionary: Dictionary,
    recent: RecentTexts,
    rows: Vec<u32>,
    /// One value of a type other than String on its way into the dictionary.
    staged: Column,
    staged_wire: Vec<u8>,
}

impl LowColumn {
    /// `inner` is what stands in the brackets of LowCardinality; `None` if it has no builder or is
    /// nested in a way that the server does not allow.
    pub(crate) fn new(inner: &DataType) -> Option<LowColumn> {
        let (nullable, value_type) = match inner {
            DataType::Nullable(value_type) => (true, &**value_type),
            value_type => (false, value_type),
        };
        let entries = match value_type {
            DataType::String => Entries::Texts,
            composite if !composite.can_be_nullable() => return None,
            _ => Entries::Fixed,
        };
        let mut staged = Column::new(value_type).ok()?;
        let mut default_entry = Vec::new();
        if entries == Entries::Fixed {
            staged.push_default();
            staged.append_wire(&mut default_entry);
            staged.clear();
        }
        Some(LowColumn {
            nullable,
            entries,
            default_entry,
            dictionary: Dictionary::new(),
            recent: RecentTexts::default(),
            rows: Vec::new(),
            staged,
            staged_wire: Vec::new(),
        })
    }

    /// Whether rows may be NULL.
    pub fn is_nullable(&self) -> bool {
        self.nullable
    }

    /// Appends a text, for LowCardinality(String). Short texts that came lately are not looked up.
    #[inline]
    pub fn push_text(&mut self, text: &[u8]) {
        self.push_text_start(text, text.len());
    }

    /// Appends the first `length` bytes of `bytes` as a text. What stands behind them is not read as a part
    /// of it, but lets a short one be taken as two words.
    #[inline(always)]
    pub fn push_text_start(&mut self, bytes: &[u8], length: usize) {
        debug_assert!(self.entries == Entries::Texts);
        let number = self.recent.number_of(bytes, length, &mut self.dictionary);
        self.rows.push(number);
    }

    /// A column of the inner type: push exactly one value, then call [`LowColumn::push_staged`].
    /// What an error left here is dropped.
    pub fn staged(&mut self) -> &mut Column {
        self.staged.clear();
        &mut self.staged
    }

    /// Appends the value that stands in [`LowColumn::staged`].
    pub fn push_staged(&mut self) {
        assert!(self.staged.len() == 1, "exactly one value is staged");
        self.staged_wire.clear();
        self.staged.append_wire(&mut self.staged_wire);
        let number = self.dictionary.number_of(&self.staged_wire);
        self.rows.push(number);
    }

    /// Appends NULL. Shape: only for a nullable dictionary.
    #[inline]
    pub fn push_null(&mut self) {
        assert!(self.nullable, "this dictionary has no NULL");
        self.rows.push(NULL_ROW);
    }

    pub(crate) fn push_default(&mut self) {
        if self.nullable {
            self.push_null();
        } else {
            let number = self.dictionary.number_of(&self.default_entry);
            self.rows.push(number);
        }
    }

    pub(crate) fn same_kind(&self, other: &LowColumn) -> bool {
        self.nullable == other.nullable
            && self.entries == other.entries
            && self.default_entry == other.default_entry
    }

    /// Rows held.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.rows.len() * size_of::<u32>() + self.dictionary.bytes()
    }

    /// Only values that the picked rows use get into the new dictionary.
    pub(crate) fn select(&self, ranges: &[Range<usize>]) -> LowColumn {
        let mut mapped = vec![UNMAPPED; self.dictionary.len()];
        let mut dictionary = Dictionary::new();
        let mut rows = pick(&self.rows, ranges);
        for row in rows.iter_mut().filter(|row| **row != NULL_ROW) {
            let number = &mut mapped[*row as usize];
            if *number == UNMAPPED {
                *number = dictionary.number_of(self.dictionary.get(*row));
            }
            *row = *number;
        }
        LowColumn {
            nullable: self.nullable,
            entries: self.entries,
            default_entry: self.default_entry.clone(),
            dictionary,
            recent: RecentTexts::default(),
            rows,
            staged: self.staged.select(&[]),
            staged_wire: Vec::new(),
        }
    }

    /// Values that only dropped rows used stay in the dictionary and never reach a block.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.rows.truncate(rows);
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.dictionary.clear();
        self.recent.clear();
    }
}

pub(crate) fn encode_prefix(out: &mut Vec<u8>) {
    put_le_u64(KEYS_VERSION, out);
}

/// Appends the body of a LowCardinality column: flags, one merged dictionary, row numbers.
/// Shape: the dictionary begins with NULL (if nullable) and the default value, then has the values
/// in the order in which the rows use them, so it depends on the rows alone.
/// Source: ClickHouse `SerializationLowCardinality`; golden bytes in `golden/`.
pub(crate) fn encode_low(parts: &[&LowColumn], out: &mut Vec<u8>) {
    let rows: usize = parts.iter().map(|part| part.len()).sum();
    // Without rows the server writes, and expects, nothing at all.
    if rows == 0 {
        return;
    }
    let first = parts[0];
    let mut merged = Dictionary::new();
    merged.number_of(&first.default_entry);
    let nulls = u32::from(first.nullable);
    let mut numbers = Vec::with_capacity(rows);
    let mut mapped = Vec::new();
    for part in parts {
        mapped.clear();
        mapped.resize(part.dictionary.len(), UNMAPPED);
        for &row in &part.rows {
            if row == NULL_ROW {
                numbers.push(0);
                continue;
            }
            let number = &mut mapped[row as usize];
            if *number == UNMAPPED {
                *number = merged.number_of(part.dictionary.get(row)) + nulls;
            }
            numbers.push(*number);
        }
    }
    let entries = merged.len() as u64 + u64::from(nulls);
    let width = match entries {
        // The server goes to two bytes at 256 entries already.
        0..=0xff => 0u64,
        0x100..=0xffff => 1,
        _ => 2,
    };
    put_le_u64(width | FLAG_DICTIONARY_HERE, out);
    put_le_u64(entries, out);
    if first.nullable {
        put_entry(first.entries, &first.default_entry, out);
    }
    for number in 0..merged.len() as u32 {
        put_entry(first.entries, merged.get(number), out);
    }
    put_le_u64(rows as u64, out);
    match width {
        0 => out.extend(numbers.iter().map(|&number| number as u8)),
        1 => numbers.iter().for_each(|&number| out.extend_from_slice(&(number as u16).to_le_bytes())),
        _ => numbers.iter().for_each(|&number| out.extend_from_slice(&number.to_le_bytes())),
    }
}

fn put_entry(entries: Entries, entry: &[u8], out: &mut Vec<u8>) {
    if entries == Entries::Texts {
        put_varuint(entry.len() as u64, out);
    }
    out.extend_from_slice(entry);
}
