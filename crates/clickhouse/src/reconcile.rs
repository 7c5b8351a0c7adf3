//! What a table and the query log say of the records that should be in them, for whoever reconciles them
//! with the source: counts and fingerprints over whole partitions in one scan, exact offsets of a bounded
//! range, and the inserts that finished. Reads only.
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use pumphouse_types::{Offset, OffsetRange, Partition, TopicName};

use crate::client::Client;
use crate::error::ClickHouseError;
use crate::lineage::LineageNames;
use crate::quote;
use crate::table_name::TableName;

/// Positions of one slice: the unit of fingerprints, and the most whose exact offsets are asked for at once.
/// 8 bytes for each are half of the longest answer that the client reads.
pub const SLICE_POSITIONS: u64 = 1_000_000;

/// Inserts per page of the query log; some 150 bytes each.
const LOGGED_INSERTS_MAX: usize = 50_000;

/// A scan of a large table without an index on the offsets: 7 ns per row were measured (CLICKHOUSE-002 when
/// it takes longer than this).
const SCAN_TIMEOUT: Duration = Duration::from_secs(600);

/// Rows of a range, counted two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowCounts {
    /// Rows.
    pub rows: u64,
    /// Different offsets among them.
    pub distinct: u64,
}

/// A multiset of offsets in 16 bytes: two that differ have another fingerprint but for chance (64 bits).
/// It guards against accidents, not against an adversary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OffsetsPrint {
    /// How many, copies included.
    pub count: u64,
    /// Sum of a hash of each, modulo 2^64: the order does not matter, the copies do.
    pub sum: u64,
}

impl OffsetsPrint {
    /// Adds one offset.
    pub fn add(&mut self, offset: Offset) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(int_hash_64(offset.get().cast_unsigned()));
    }
}

/// ClickHouse's `intHash64` (the finaliser of MurmurHash3 behind a constant).
/// Source: `src/Functions/FunctionsHashing.h`; compared with a real server by `tests/real_server/reconcile.rs`.
fn int_hash_64(value: u64) -> u64 {
    let mut x = value ^ 0x4CF2_D2BA_AE6D_A887;
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// An offset, and how many rows have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowCopies {
    /// The offset.
    pub offset: Offset,
    /// Rows; at least one.
    pub copies: u32,
}

/// A range of positions of one partition that inserts have reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRange {
    /// The positions.
    pub range: OffsetRange,
    /// The batch, as the log has it.
    pub batch: String,
    /// The token; empty where the comment does not name it.
    pub token: String,
    /// Finished inserts that wrote parts.
    pub written: u64,
    /// Finished inserts that the table dropped as known.
    pub dropped: u64,
}

impl Client {
    /// Counts the rows of a range: one query, one scan of what the table's order leaves of it.
    pub async fn count_rows(
        &self,
        table: &TableName,
        lineage: &LineageNames,
        topic: &TopicName,
        partition: Partition,
        range: OffsetRange,
    ) -> Result<RowCounts, ClickHouseError> {
        let asked = "the rows of a range";
        let offset = quote::identifier(&lineage.offset);
        let sql = format!(
            "SELECT count(), uniqExact({offset}) FROM {} WHERE {}",
            table.sql(),
            in_range(lineage, topic, partition, range)
        );
        let rows = self.scan_lines(asked, &sql).await?;
        match rows.first().map(|row| row.iter().map(|field| field.parse()).collect::<Vec<_>>()).as_deref() {
            Some([Ok(rows), Ok(distinct)]) => Ok(RowCounts { rows: *rows, distinct: *distinct }),
            _ => Err(ClickHouseError::Strange { asked, what: format!("{rows:?}") }),
        }
    }

    /// The lowest offset that a row of the partition has; `None` without rows.
    pub async fn lowest_offset(
        &self,
        table: &TableName,
        lineage: &LineageNames,
        topic: &TopicName,
        partition: Partition,
    ) -> Result<Option<Offset>, ClickHouseError> {
        let asked = "the lowest offset of the rows";
        let sql = format!(
            "SELECT count(), toInt64(min({})) FROM {} WHERE {} AND {} = {partition}",
            quote::identifier(&lineage.offset),
            table.sql(),
            of_topic(lineage, topic),
            quote::identifier(&lineage.partition),
        );
        let rows = self.scan_lines(asked, &sql).await?;
        let Some([count, lowest]) = rows.first().map(Vec::as_slice) else { return Err(strange(asked, &[])) };
        if count == "0" {
            return Ok(None);
        }
        match lowest.parse().ok().and_then(Offset::new) {
            Some(lowest) => Ok(Some(lowest)),
            None => Err(strange(asked, std::slice::from_ref(lowest))),
        }
    }

    /// Rows per partition where an offset lies outside: below `first` or from `end` on of the range that is
    /// given for its partition, or in a partition that is not given.
    pub async fn rows_outside(
        &self,
        table: &TableName,
        lineage: &LineageNames,
        topic: &TopicName,
        inside: &BTreeMap<Partition, OffsetRange>,
    ) -> Result<Vec<RowsOutside>, ClickHouseError> {
        let asked = "rows outside of the ledger's positions";
        let (p, o) = (quote::identifier(&lineage.partition), quote::identifier(&lineage.offset));
        // `transform` maps the partition to its bounds; one that is not given has the empty range.
        let list = |of: &dyn Fn(&OffsetRange) -> i64| {
            inside.values().map(|range| of(range).to_string()).collect::<Vec<_>>().join(",")
        };
        let partitions = inside.keys().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let bound = |of: &dyn Fn(&OffsetRange) -> i64| match inside.is_empty() {
            true => "toInt64(0)".to_owned(),
            false => format!("transform(toInt64({p}), [{partitions}], [{}], toInt64(0))", list(of)),
        };
        let first = bound(&|range| range.first().get());
        let end = bound(&|range| range.end().get());
        let sql = format!(
            "SELECT toInt64({p}), countIf({o} < {first}), countIf({o} >= {end}) FROM {} WHERE {} \
             AND ({o} < {first} OR {o} >= {end}) GROUP BY 1 ORDER BY 1",
            table.sql(),
            of_topic(lineage, topic),
        );
        let row = |fields: &Vec<String>| {
            let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
            let partition = Partition(u32::try_from(number(0)?).ok()?);
            Some(RowsOutside { partition, below: number(1)?, ahead: number(2)? })
        };
        self.scan_lines(asked, &sql)
            .await?
            .iter()
            .map(|fields| row(fields).ok_or_else(|| strange(asked, fields)))
            .collect()
    }

    /// Fingerprints of the rows' offsets, per partition and slice (`offset / SLICE_POSITIONS`), in one scan;
    /// only offsets within the range of their partition count. Slices without rows are left out.
    pub async fn row_prints(
        &self,
        table: &TableName,
        lineage: &LineageNames,
        topic: &TopicName,
        ranges: &[(Partition, OffsetRange)],
    ) -> Result<BTreeMap<(Partition, u64), OffsetsPrint>, ClickHouseError> {
        let asked = "fingerprints of the rows";
        let mut prints = BTreeMap::new();
        for chunk in chunks(ranges) {
            let (p, o) = (quote::identifier(&lineage.partition), quote::identifier(&lineage.offset));
            let within: Vec<String> = chunk
                .iter()
                .map(|(partition, range)| {
                    format!("({p} = {partition} AND {o} >= {} AND {o} < {})", range.first(), range.end())
                })
                .collect();
            let sql = format!(
                "SELECT toInt64({p}), intDiv(toUInt64({o}), {SLICE_POSITIONS}), count(), \
                 sumWithOverflow(intHash64(toUInt64({o}))) FROM {} WHERE {} AND ({}) GROUP BY 1, 2",
                table.sql(),
                of_topic(lineage, topic),
                within.join(" OR "),
            );
            for fields in self.scan_lines(asked, &sql).await? {
                let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
                let read = number(0)
                    .and_then(|p| u32::try_from(p).ok())
                    .zip(number(1))
                    .zip(number(2).zip(number(3)));
                let Some(((partition, slice), (count, sum))) = read else {
                    return Err(strange(asked, &fields));
                };
                let print: &mut OffsetsPrint = prints.entry((Partition(partition), slice)).or_default();
                print.count += count;
                print.sum = print.sum.wrapping_add(sum);
            }
        }
        Ok(prints)
    }

    /// The offsets of a range that rows have, ascending.
    /// Panics: the range has more than [`SLICE_POSITIONS`] positions.
    pub async fn row_offsets(
        &self,
        table: &TableName,
        lineage: &LineageNames,
        topic: &TopicName,
        partition: Partition,
        range: OffsetRange,
    ) -> Result<Vec<RowCopies>, ClickHouseError> {
        assert!(range.positions() <= SLICE_POSITIONS, "{range} is more than a slice");
        let asked = "the offsets of a range";
        let offset = quote::identifier(&lineage.offset);
        let sql = format!(
            "SELECT toUInt32({offset} - {}) AS at, toUInt32(least(count(), 4294967295)) FROM {} WHERE {} \
             GROUP BY at ORDER BY at FORMAT RowBinary",
            range.first(),
            table.sql(),
            in_range(lineage, topic, partition, range)
        );
        let bytes = self.scan(asked, &sql).await?;
        let pairs = bytes.chunks_exact(8);
        if !pairs.remainder().is_empty() {
            return Err(ClickHouseError::Strange { asked, what: format!("{} bytes", bytes.len()) });
        }
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four of eight bytes"));
        let copies = pairs.map(|pair| {
            let at = range.first().get() + i64::from(number(&pair[..4]));
            let offset = Offset::new(at).expect("at or behind the range's first offset");
            RowCopies { offset, copies: number(&pair[4..]) }
        });
        Ok(copies.collect())
    }

    /// The first `ranges_max` ranges of consecutive offsets from `from` on that rows have, ascending, with
    /// the number of rows in each.
    pub async fn row_runs(
        &self,
        table: &TableName,
        lineage: &LineageNames,
        topic: &TopicName,
        partition: Partition,
        from: Offset,
        ranges_max: u32,
    ) -> Result<Vec<(OffsetRange, u64)>, ClickHouseError> {
        let asked = "ranges of rows";
        let offset = quote::identifier(&lineage.offset);
        let sql = format!(
            "SELECT min(o) AS first, max(o) + 1, sum(n) FROM (SELECT o, n, o - row_number() OVER (ORDER BY o) AS island \
             FROM (SELECT toInt64({offset}) AS o, count() AS n FROM {} WHERE {} AND {} = {partition} AND {offset} >= {from} \
             GROUP BY o)) GROUP BY island ORDER BY first LIMIT {ranges_max}",
            table.sql(),
            of_topic(lineage, topic),
            quote::identifier(&lineage.partition),
        );
        let run = |fields: &Vec<String>| {
            let position = |index: usize| Offset::new(fields.get(index)?.parse().ok()?);
            Some((OffsetRange::new(position(0)?, position(1)?)?, fields.get(2)?.parse().ok()?))
        };
        self.scan_lines(asked, &sql)
            .await?
            .iter()
            .map(|fields| run(fields).ok_or_else(|| strange(asked, fields)))
            .collect()
    }

    /// Waits until the replica that answers has all that the table has; nothing for a table without replicas.
    /// Errors: the right SYSTEM SYNC REPLICA is missing, or time is over.
    pub async fn sync_replica(&self, table: &TableName) -> Result<(), ClickHouseError> {
        self.scan("waiting for the replica", &format!("SYSTEM SYNC REPLICA {} LIGHTWEIGHT", table.sql()))
            .await
            .map(drop)
    }

    /// Makes the query log hold all that has ended. Errors: the right SYSTEM FLUSH LOGS is missing.
    pub async fn flush_logs(&self) -> Result<(), ClickHouseError> {
        self.scan("flushing the query log", "SYSTEM FLUSH LOGS").await.map(drop)
    }

    /// What the query log of this server has of a connector's inserts for one topic: how many finished, how
    /// many of them have a comment that was cut, and when the oldest query of the log was written.
    pub async fn logged_summary(
        &self,
        connector: &str,
        topic: &TopicName,
    ) -> Result<LoggedSummary, ClickHouseError> {
        let asked = "the query log";
        let ours = inserts_of(connector, topic);
        // A comment that was cut is no JSON: nothing can be extracted from it, so it is looked for by text.
        let cut = format!(
            "type = 'QueryFinish' AND NOT isValidJSON(log_comment) AND startsWith(log_comment, {})",
            quote::string(&format!("{{\"pumphouse\":{connector:?},"))
        );
        let sql = format!(
            "SELECT countIf({ours}), countIf({cut}), toString(min(event_time)) FROM system.query_log"
        );
        let rows = self.scan_lines(asked, &sql).await?;
        let read = |row: &Vec<String>| {
            Some(LoggedSummary {
                inserts: row.first()?.parse().ok()?,
                cut: row.get(1)?.parse().ok()?,
                oldest: row.get(2)?.clone(),
            })
        };
        rows.first()
            .and_then(read)
            .ok_or_else(|| ClickHouseError::Strange { asked, what: format!("{rows:?}") })
    }

    /// The ranges of one partition that finished inserts have reported in the query log of this server,
    /// ascending by their first position, those of one batch and token counted together. One page:
    /// ranges that begin at `from` or behind; `None` = this was the last one, else where the next begins.
    pub async fn logged_ranges(
        &self,
        connector: &str,
        topic: &TopicName,
        partition: Partition,
        from: Offset,
    ) -> Result<(Vec<LoggedRange>, Option<Offset>), ClickHouseError> {
        let asked = "the query log";
        // A range is written `partition:first..end` in a comment, and `partition:first+positions` in an entry.
        let sql = format!(
            "SELECT toInt64(parts[2]) AS first, if(parts[3] = '+', first, 0) + toInt64(parts[4]), batch, token, \
             countIf(hits = 0), countIf(hits > 0) FROM (SELECT JSONExtractString(log_comment, 'batch') AS batch, \
             JSONExtractString(log_comment, 'token') AS token, ProfileEvents['DuplicatedInsertedBlocks'] AS hits, \
             extractGroups(arrayJoin(splitByRegexp('[ ,]+', JSONExtractString(log_comment, 'ranges'))), \
             '^(\\\\d+):(\\\\d+)(\\\\.\\\\.|\\\\+)(\\\\d+)$') AS parts FROM system.query_log WHERE {}) \
             WHERE length(parts) = 4 AND parts[1] = '{partition}' AND toInt64(parts[2]) >= {from} \
             GROUP BY first, 2, batch, token ORDER BY first LIMIT {LOGGED_INSERTS_MAX} WITH TIES",
            inserts_of(connector, topic),
        );
        let read = |fields: &Vec<String>| {
            let position = |index: usize| Offset::new(fields.get(index)?.parse().ok()?);
            let number = |index: usize| fields.get(index)?.parse().ok();
            Some(LoggedRange {
                range: OffsetRange::new(position(0)?, position(1)?)?,
                batch: fields.get(2)?.clone(),
                token: fields.get(3)?.clone(),
                written: number(4)?,
                dropped: number(5)?,
            })
        };
        let lines = self.scan_lines(asked, &sql).await?;
        let page: Result<Vec<LoggedRange>, _> =
            lines.iter().map(|fields| read(fields).ok_or_else(|| strange(asked, fields))).collect();
        let page = page?;
        let more = page.len() >= LOGGED_INSERTS_MAX;
        let next = page.last().filter(|_| more).map(|last| last.range.first().next());
        Ok((page, next))
    }

    /// Fields of the lines of an answer; no text with tabs or escapes is ever asked for here.
    async fn scan_lines(&self, asked: &'static str, sql: &str) -> Result<Vec<Vec<String>>, ClickHouseError> {
        let bytes = self.scan(asked, &format!("{sql} FORMAT TabSeparated")).await?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| ClickHouseError::Strange { asked, what: "it is not UTF-8".to_owned() })?;
        Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }

    async fn scan(&self, asked: &'static str, sql: &str) -> Result<Bytes, ClickHouseError> {
        // What is thrown away by a user's limits would be reported as missing.
        let settings = [
            ("read_overflow_mode", "throw"),
            ("result_overflow_mode", "throw"),
            ("group_by_overflow_mode", "throw"),
        ];
        self.ask_within(asked, sql, SCAN_TIMEOUT, &settings).await
    }
}

/// Rows of a partition that lie outside of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsOutside {
    /// The partition.
    pub partition: Partition,
    /// Rows below the range.
    pub below: u64,
    /// Rows behind it.
    pub ahead: u64,
}

/// What the query log has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedSummary {
    /// Finished inserts of the connector for the topic.
    pub inserts: u64,
    /// Finished inserts of the connector, for any topic, whose comment was too long to be kept whole.
    pub cut: u64,
    /// When the oldest query was logged, on the server's clock.
    pub oldest: String,
}

fn of_topic(lineage: &LineageNames, topic: &TopicName) -> String {
    format!("{} = {}", quote::identifier(&lineage.topic), quote::string(topic.as_str()))
}

fn in_range(lineage: &LineageNames, topic: &TopicName, partition: Partition, range: OffsetRange) -> String {
    let (p, o) = (quote::identifier(&lineage.partition), quote::identifier(&lineage.offset));
    let topic = of_topic(lineage, topic);
    format!("{topic} AND {p} = {partition} AND {o} >= {} AND {o} < {}", range.first(), range.end())
}

fn inserts_of(connector: &str, topic: &TopicName) -> String {
    format!(
        "type = 'QueryFinish' AND is_initial_query AND JSONExtractString(log_comment, 'pumphouse') = {} \
         AND JSONExtractString(log_comment, 'topic') = {}",
        quote::string(connector),
        quote::string(topic.as_str())
    )
}

fn strange(asked: &'static str, fields: &[String]) -> ClickHouseError {
    ClickHouseError::Strange { asked, what: fields.join(" ") }
}

/// Slices per query: their answer stays below a few megabytes.
const SLICES_MAX: u64 = 50_000;

/// Partitions per query: a condition for each stays below the server's limits for a statement.
const CONDITIONS_MAX: usize = 500;

/// The ranges in portions of at most `SLICES_MAX` slices, cut at slices' ends.
fn chunks(ranges: &[(Partition, OffsetRange)]) -> Vec<Vec<(Partition, OffsetRange)>> {
    let mut chunks: Vec<Vec<(Partition, OffsetRange)>> = Vec::new();
    let mut room = 0;
    for &(partition, range) in ranges.iter().filter(|(_, range)| !range.is_empty()) {
        let mut first = range.first();
        while first < range.end() {
            if room == 0 || chunks.last().is_none_or(|chunk| chunk.len() >= CONDITIONS_MAX) {
                chunks.push(Vec::new());
                room = SLICES_MAX;
            }
            let slice = first.get().cast_unsigned() / SLICE_POSITIONS;
            let cut = (slice + room).saturating_mul(SLICE_POSITIONS).min(range.end().get().cast_unsigned());
            let end = Offset::new(cut.cast_signed()).expect("not behind the range's end");
            room -= (cut - 1) / SLICE_POSITIONS - slice + 1;
            let part = OffsetRange::new(first, end).expect("the cut lies behind its slice's beginning");
            chunks.last_mut().expect("one was pushed").push((partition, part));
            first = end;
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, end: i64) -> OffsetRange {
        OffsetRange::new(Offset::new(first).unwrap(), Offset::new(end).unwrap()).unwrap()
    }

    #[test]
    fn chunks_cover_everything_once_and_are_cut_at_slices() {
        let slice = SLICE_POSITIONS.cast_signed();
        let most = SLICES_MAX.cast_signed();
        let given = [
            (Partition(0), range(5, 7)),
            (Partition(1), range(slice - 1, slice * most + 3)),
            (Partition(2), range(9, 9)),
            (Partition(3), range(0, 1)),
        ];
        let chunks = chunks(&given);
        assert_eq!(
            chunks,
            [
                vec![(Partition(0), range(5, 7)), (Partition(1), range(slice - 1, slice * (most - 1)))],
                vec![
                    (Partition(1), range(slice * (most - 1), slice * most + 3)),
                    (Partition(3), range(0, 1))
                ],
            ]
        );
    }

    #[test]
    fn a_fingerprint_counts_copies_and_not_order() {
        let print = |offsets: &[i64]| {
            let mut print = OffsetsPrint::default();
            offsets.iter().for_each(|&offset| print.add(Offset::new(offset).unwrap()));
            print
        };
        assert_eq!(print(&[1, 2, 3]), print(&[3, 1, 2]));
        assert_ne!(print(&[1, 1, 3]), print(&[1, 2, 2]));
        assert_ne!(print(&[1]), print(&[1, 1]));
    }
}
