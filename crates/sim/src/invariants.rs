//! What must hold at every step, and what must have come about at the end. Each invariant is a named
//! function; the first one that is hurt ends the run.
use std::collections::BTreeMap;

use pumphouse_delivery::Entry;
use pumphouse_types::{DedupToken, Partition, TopicId};

use crate::ledger::{Ledger, Place};
use crate::source::{Slot, Source};
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
    rows_by_token: BTreeMap<DedupToken, Vec<Row>>,
    passed: BTreeMap<Place, i64>,
}

impl Watch {
    /// Notes a violation, if it is the first.
    pub fn violated(&mut self, invariant: &'static str, what: String) {
        self.violation.get_or_insert(Violation { invariant, what });
    }

    /// R2: whoever sends a token sends the same rows.
    pub fn same_rows_per_token(&mut self, token: DedupToken, rows: &[Row]) {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        let before = self.rows_by_token.entry(token).or_insert_with(|| rows.clone());
        if *before != rows {
            let what = format!("token {token}: {before:?}, then {rows:?}");
            self.violated("same_rows_per_token", what);
        }
    }

    /// No row is in the table twice, at any time.
    pub fn no_row_twice(&mut self, topic: usize, twice: Option<Row>) {
        if let Some((partition, offset)) = twice {
            self.violated("no_row_twice", format!("topic {topic}, {partition}:{offset}"));
        }
    }

    /// Nothing is in the table but committed records.
    pub fn only_committed_records(&mut self, source: &Source, topic: usize, rows: &[Row]) {
        for &(partition, offset) in rows {
            if !source.was_record(topic, partition, offset) {
                let what = format!("topic {topic}, {partition}:{offset}");
                self.violated("only_committed_records", what);
            }
        }
    }

    /// Everything that holds of the ledger after a write came to show.
    pub fn ledger_changed(&mut self, ledger: &Ledger, source: &Source, server: &Server, places: &[Place]) {
        let entries: BTreeMap<Place, Entry> = places
            .iter()
            .filter_map(|&place| {
                let stored = ledger.entry(place)?;
                match Entry::parse(Partition(place.1), stored) {
                    Ok(entry) => Some((place, entry)),
                    Err(error) => {
                        self.violated("entries_are_read_back", error.to_string());
                        None
                    }
                }
            })
            .collect();
        self.shares_agree(&entries);
        for &place in entries.keys() {
            let bound = ledger.entry(place).map_or(0, |stored| stored.offset.get());
            self.passed_is_landed(source, server, place, bound);
        }
    }

    /// All entries of an open batch carry it, with the same ranges.
    pub fn shares_agree(&mut self, entries: &BTreeMap<Place, Entry>) {
        for (&(topic, partition), entry) in entries {
            let why = match entry {
                Entry::Plain { .. } => None,
                Entry::Lead(batch) => batch.ranges.iter().find_map(|(member, share)| {
                    if member.0 == partition {
                        return None;
                    }
                    match entries.get(&(topic, member.0)) {
                        Some(Entry::Member(m)) if m.batch == batch.id && m.share.range == share.range => None,
                        other => Some(format!("batch {} of {partition}: {member} has {other:?}", batch.id)),
                    }
                }),
                Entry::Member(member) => match entries.get(&(topic, member.lead.0)) {
                    Some(Entry::Lead(lead)) if lead.id == member.batch => None,
                    other => Some(format!("share of {} at {partition}: lead has {other:?}", member.batch)),
                },
            };
            if let Some(why) = why {
                self.violated("shares_agree", why);
            }
        }
    }

    /// R4: what the ledger has passed is in the table, once. Its bound never goes back.
    fn passed_is_landed(&mut self, source: &Source, server: &Server, place: Place, bound: i64) {
        let before = self.passed.get(&place).copied().unwrap_or(0);
        if bound < before {
            self.violated("offsets_never_go_back", format!("{place:?}: {before}, then {bound}"));
        }
        for offset in before..bound {
            let (topic, partition) = place;
            let must_be = matches!(source.at(topic, partition, offset), Some(Slot::Record { .. }));
            if must_be && server.count(topic, partition, offset) != 1 {
                let what = format!("{place:?}: {offset} lies below {bound} and is not in the table");
                self.violated("passed_is_landed", what);
            }
        }
        self.passed.insert(place, bound);
    }

    /// Whether everything has landed and is marked.
    pub fn all_landed(ledger: &Ledger, source: &Source, places: &[Place]) -> bool {
        ledger.is_settled()
            && places.iter().all(|&place| {
                let end = source.end(place.0, place.1);
                let Some(stored) = ledger.entry(place) else { return end == 0 };
                let plain = matches!(Entry::parse(Partition(place.1), stored), Ok(Entry::Plain { .. }));
                plain && source.records(place.0, place.1, stored.offset.get(), end).is_empty()
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

/// The identity of a simulated topic.
pub fn topic_id(topic: usize) -> TopicId {
    TopicId(0x7000 + topic as u128)
}
