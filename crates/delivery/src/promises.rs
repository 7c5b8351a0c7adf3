//! The promises, as functions of what is seen: the simulator's invariants, the model check's, and what a worker looks
//! at in production (`crates/worker/src/task/audit.rs`) are these. They know nothing of anybody's servers.
use std::collections::{BTreeMap, BTreeSet};

use pumphouse_types::BatchId;

use crate::entry::Entry;

/// A topic's number and a partition of it.
pub type Place = (usize, u32);

/// A record: partition and offset.
pub type Row = (u32, i64);

/// R2: whoever sends a token sends the same rows; R9: or fewer, by those that the source has lost since. Both lists
/// are sorted.
pub fn same_rows_per_token(before: &[Row], now: &[Row], lost: impl Fn(&Row) -> bool) -> bool {
    // A member that stood still may send its whole block after its successor has sent what is left.
    before.iter().all(|row| now.binary_search(row).is_ok() || lost(row))
        && now.iter().all(|row| before.binary_search(row).is_ok() || lost(row))
}

/// No record is delivered more often than `most`, at any time: neither to the table nor to the dead letters.
pub fn no_row_twice(delivered: u64, most: u64) -> bool {
    delivered <= most
}

/// All entries of an open batch carry it, with the same ranges, unless somebody else has set them (`torn`); else what
/// does not fit.
pub fn shares_agree(entries: &BTreeMap<Place, Entry>, torn: &BTreeSet<BatchId>) -> Result<(), String> {
    for (&(topic, partition), entry) in entries {
        if entry.batch_id().is_some_and(|id| torn.contains(&id)) {
            continue;
        }
        match entry {
            Entry::Plain { .. } => {}
            Entry::Lead(batch) => {
                for (member, share) in batch.ranges.iter().filter(|(member, _)| member.0 != partition) {
                    match entries.get(&(topic, member.0)) {
                        Some(Entry::Member(m)) if m.batch == batch.id && m.share.range == share.range => {}
                        other => {
                            return Err(format!("batch {} of {partition}: {member} has {other:?}", batch.id));
                        }
                    }
                }
            }
            Entry::Member(member) => match entries.get(&(topic, member.lead.0)) {
                Some(Entry::Lead(lead)) if lead.id == member.batch => {}
                other => {
                    return Err(format!("share of {} at {partition}: lead has {other:?}", member.batch));
                }
            },
        }
    }
    Ok(())
}

/// The bound of what the ledger has passed never goes back.
pub fn offsets_never_go_back(before: i64, bound: i64) -> bool {
    before <= bound
}

/// R4: what the ledger has passed is in the table or in the dead letters, as often as it is owed; else the first
/// offset that is not. `lacks` says so of an offset.
pub fn passed_is_landed(before: i64, bound: i64, lacks: impl Fn(i64) -> bool) -> Result<(), i64> {
    match (before..bound).find(|&offset| lacks(offset)) {
        None => Ok(()),
        Some(offset) => Err(offset),
    }
}

/// What has landed is in the table, each row once: of `expected` rows the table has `present`, copies counted, with
/// `distinct` places. At least once, copies are no harm. Else what is wrong.
pub fn landed_is_there(
    expected: u64,
    present: u64,
    distinct: u64,
    at_least_once: bool,
) -> Result<(), String> {
    if distinct != expected && !(at_least_once && distinct > expected) {
        return Err(format!("{distinct} of {expected} rows are there"));
    }
    // A place has a row more than it owes as soon as there are more rows than places.
    if !at_least_once && !no_row_twice(present, distinct) {
        return Err(format!("{present} rows are there of {expected}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_landed_is_there_once() {
        for (present, distinct, exactly, at_least) in [
            (10, 10, true, true),
            (9, 9, false, false),
            (12, 10, false, true),
            (11, 11, false, true),
            (10, 9, false, false),
        ] {
            assert_eq!(landed_is_there(10, present, distinct, false).is_ok(), exactly);
            assert_eq!(landed_is_there(10, present, distinct, true).is_ok(), at_least);
        }
    }
}
