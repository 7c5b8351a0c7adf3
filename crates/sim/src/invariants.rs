//! What must hold at every step, and what must have come about at the end. Each invariant is a named
//! function; the first one that is hurt ends the run.
use std::collections::{BTreeMap, BTreeSet};

use pumphouse_delivery::{Entry, EntryError, promises};
use pumphouse_types::{BatchId, ConfigVersion, DedupToken, Partition, ServerMillis, TopicId};

use crate::ledger::{Ledger, Place};
use crate::source::{Kind, LIFE, Slot, Source};
use crate::table::{Row, Server};

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's name.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

/// What the invariants remember from step to step.
#[derive(Debug, Default)]
pub struct Watch {
    /// The first violation.
    pub violation: Option<Violation>,
    blocks: BTreeMap<DedupToken, (ConfigVersion, Vec<Row>)>,
    /// The deadline that was recorded last for a token.
    deadlines: BTreeMap<DedupToken, ServerMillis>,
    passed: BTreeMap<Place, i64>,
    /// How often a record is to be delivered, at least and at most, where that is not once.
    again: BTreeMap<(Place, i64), (u64, u64)>,
    /// Batches some of whose entries were overwritten from outside (R17).
    torn: BTreeSet<BatchId>,
    /// Rows may come twice.
    at_least_once: bool,
}

impl Watch {
    /// Nothing was seen yet.
    pub fn new(at_least_once: bool) -> Watch {
        Watch { at_least_once, ..Watch::default() }
    }

    /// Notes a violation, if it is the first.
    pub fn violated(&mut self, invariant: &'static str, what: String) {
        self.violation.get_or_insert(Violation { invariant, what });
    }

    /// R2: whoever sends a token sends the same rows in the same shape; R9: or fewer, by those that
    /// the source has lost since.
    pub fn same_rows_per_token(
        &mut self,
        token: DedupToken,
        version: ConfigVersion,
        source: &Source,
        topic: usize,
        rows: &[Row],
    ) {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        let (before_version, before) = self.blocks.entry(token).or_insert_with(|| (version, rows.clone()));
        let lost = |(partition, offset): &Row| {
            matches!(source.at(topic, *partition, *offset), Some(Slot::Removed(_)))
        };
        let same = promises::same_rows_per_token(before, &rows, lost);
        if !same || *before_version != version {
            let what = format!("token {token}: {before_version} {before:?}, then {version} {rows:?}");
            self.violated("same_rows_per_token", what);
        }
    }

    /// Rows have come into the table: each is one of a committed record, and not there too often.
    pub fn rows_put(
        &mut self,
        topic: usize,
        rows: &[Row],
        ledger: &Ledger,
        source: &Source,
        server: &Server,
    ) {
        for &(partition, offset) in rows {
            let place = (topic, partition);
            if !source.was_record(topic, partition, offset)
                || source.kind(topic, partition, offset) == Kind::Undecodable
            {
                let what = format!("topic {topic}, {partition}:{offset}");
                self.violated("only_committed_records", what);
            }
            self.no_row_twice(place, offset, ledger, server);
        }
    }

    /// A dead letter has come to show: its record was one that could not be inserted.
    pub fn letter(&mut self, place: Place, offset: i64, ledger: &Ledger, source: &Source, server: &Server) {
        let known = source.was_record(place.0, place.1, offset);
        if !known || !source.kind(place.0, place.1, offset).may_be_left_out() {
            self.violated("only_refused_are_left_out", format!("{place:?}: {offset}"));
        }
        self.no_row_twice(place, offset, ledger, server);
    }

    /// No record is delivered twice, at any time: neither to the table nor to the dead letters.
    fn no_row_twice(&mut self, place: Place, offset: i64, ledger: &Ledger, server: &Server) {
        let (_, most) = self.owed(place, offset);
        if self.at_least_once {
            return;
        }
        if !promises::no_row_twice(delivered(place, offset, ledger, server), most) {
            let (rows, letters) = (server.count(place.0, place.1, offset), ledger.letters(place, offset));
            let what = format!("{place:?}: {offset}: {rows} rows, {letters} dead letters, {most} owed");
            self.violated("no_row_twice", what);
        }
    }

    /// Somebody has set an offset to `to` while nothing was under way. What lies before it is not read
    /// again, nor waited for. What lies behind it is delivered once more; where evidence is asked for,
    /// rows that are there already count, too.
    pub fn offset_set(
        &mut self,
        place: Place,
        batch: Option<BatchId>,
        to: i64,
        ledger: &Ledger,
        source: &Source,
        server: &Server,
    ) {
        self.torn.extend(batch);
        for offset in source.begin(place.0)..source.end(place.0, place.1) {
            let there = delivered(place, offset, ledger, server);
            let owed = if offset < to { (0, there) } else { (there.max(1), there + 1) };
            self.again.insert((place, offset), if there == 0 && offset >= to { (1, 1) } else { owed });
        }
        self.passed.insert(place, to);
    }

    /// How often a record is to be delivered, at least and at most.
    fn owed(&self, place: Place, offset: i64) -> (u64, u64) {
        self.again.get(&(place, offset)).copied().unwrap_or((1, 1))
    }

    /// Everything that holds of the ledger after a write came to show.
    pub fn ledger_changed(&mut self, ledger: &Ledger, source: &Source, server: &Server, places: &[Place]) {
        let mut entries = BTreeMap::new();
        let mut bounds = BTreeMap::new();
        for &place in places {
            match entry_now(ledger, source, place) {
                Some(Ok((entry, bound))) => {
                    entries.insert(place, entry);
                    bounds.insert(place, bound);
                }
                Some(Err(error)) => self.violated("entries_are_read_back", error.to_string()),
                None => {}
            }
        }
        self.shares_agree(&entries);
        self.deadlines_never_go_back(&entries);
        for (place, bound) in bounds {
            self.passed_is_landed(ledger, source, server, place, bound);
        }
    }

    /// All entries of an open batch carry it, with the same ranges, unless somebody else set them.
    pub fn shares_agree(&mut self, entries: &BTreeMap<Place, Entry>) {
        if let Err(why) = promises::shares_agree(entries, &self.torn) {
            self.violated("shares_agree", why);
        }
    }

    /// R2: an attempt that carries an earlier recording's deadline begins no later than the one that is recorded now.
    fn deadlines_never_go_back(&mut self, entries: &BTreeMap<Place, Entry>) {
        for (place, entry) in entries {
            let Entry::Lead(batch) = entry else { continue };
            let Some(before) = self.deadlines.insert(batch.token, batch.deadline) else { continue };
            if batch.deadline < before {
                let what = format!("{place:?}: token {}: {before:?}, then {:?}", batch.token, batch.deadline);
                self.violated("deadlines_never_go_back", what);
            }
        }
    }

    /// R4: what the ledger has passed is in the table or in the dead letters. Its bound never goes back.
    fn passed_is_landed(
        &mut self,
        ledger: &Ledger,
        source: &Source,
        server: &Server,
        place: Place,
        bound: i64,
    ) {
        // Another life of the topic begins with nothing passed.
        let before = self.passed.get(&place).copied().unwrap_or(0).max(source.begin(place.0));
        if !promises::offsets_never_go_back(before, bound) {
            self.violated("offsets_never_go_back", format!("{place:?}: {before}, then {bound}"));
        }
        let (topic, partition) = place;
        let lacks = |offset: i64| {
            let must_be = matches!(source.at(topic, partition, offset), Some(Slot::Record(_)));
            must_be && delivered(place, offset, ledger, server) < self.owed(place, offset).0
        };
        if let Err(offset) = promises::passed_is_landed(before, bound, lacks) {
            let (rows, letters) = (server.count(topic, partition, offset), ledger.letters(place, offset));
            let (least, _) = self.owed(place, offset);
            let what = format!(
                "{place:?}: {offset} lies below {bound}: {rows} rows, {letters} dead letters, {least} owed"
            );
            self.violated("passed_is_landed", what);
        }
        self.passed.insert(place, bound);
    }

    /// Whether everything has landed and is marked.
    pub fn all_landed(ledger: &Ledger, source: &Source, places: &[Place]) -> bool {
        ledger.is_settled()
            && places.iter().all(|&place| {
                let (begin, end) = (source.begin(place.0), source.end(place.0, place.1));
                match entry_now(ledger, source, place) {
                    Some(Ok((Entry::Plain { .. }, bound))) => {
                        source.records(place.0, place.1, bound, end).is_empty()
                    }
                    Some(_) => false,
                    None => begin == end,
                }
            })
    }

    /// Progress: once faults have stopped, everything lands.
    pub fn progress_resumes(&mut self, ledger: &Ledger, source: &Source, places: &[Place]) {
        let lags: Vec<String> = places
            .iter()
            .map(|&place| {
                let end = source.end(place.0, place.1);
                format!("{place:?}: {:?} of {end}", ledger.entry(place))
            })
            .collect();
        self.violated("progress_resumes", lags.join("; "));
    }
}

/// How often a record is in the table or in the dead letters.
pub fn delivered(place: Place, offset: i64, ledger: &Ledger, server: &Server) -> u64 {
    u64::from(server.count(place.0, place.1, offset)) + u64::from(ledger.letters(place, offset))
}

/// The identity of a simulated topic in the life that begins there.
pub fn topic_id(topic: usize, begin: i64) -> TopicId {
    TopicId(((begin / LIFE) as u128) << 64 | (0x7000 + topic as u128))
}

/// Where the life begins whose topic has this identity.
pub fn begin_of(id: TopicId) -> i64 {
    (id.0 >> 64) as i64 * LIFE
}

/// The entry of a partition, and what it says everything below has landed, if it speaks of the topic as it is now. One
/// that another tool has set names no topic.
pub fn entry_now(ledger: &Ledger, source: &Source, place: Place) -> Option<Result<(Entry, i64), EntryError>> {
    let stored = ledger.entry(place)?;
    let begin = source.begin(place.0);
    match Entry::parse(Partition(place.1), stored) {
        Ok(entry) if entry.topic_id().is_none_or(|id| begin_of(id) == begin) => {
            Some(Ok((entry, begin + stored.offset.get())))
        }
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    }
}
