//! Looks again, some seconds later, at some of what has landed: the rows of one range, counted by their lineage
//! columns. The protocol does not hear of it. It watches the promise from outside, so that an operator learns
//! of a broken one (a table that was restored, an acknowledged part that is gone) while it can be mended.
use std::time::Duration;

use pumphouse_clickhouse::{ClickHouseError, Client, TableName};
use pumphouse_delivery::{Batch, promises};
use pumphouse_types::{BatchId, OffsetRange, Partition, TopicName};
use pumphouse_verify::{AuditOutcome, audit_range};
use tokio::task::AbortHandle;
use tracing::{debug, error, warn};

use super::context::TaskContext;

/// One landed batch in so many is looked at: at one batch per second a look per minute.
const ONE_IN: u128 = 64;

/// Pauses before each look. A replica that answers in another one's place may need the later ones.
const PAUSES: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(20), Duration::from_secs(60)];

/// A range of a batch that has landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Audit {
    topic: TopicName,
    batch: BatchId,
    partition: Partition,
    range: OffsetRange,
    /// Rows that landed.
    rows: u64,
}

impl Audit {
    /// The range to look at, if the batch is one of those that are: by its id alone. A batch of which a part
    /// landed is never one: how many rows of the part each range has is not known.
    pub(super) fn of(topic: &TopicName, batch: &Batch, landed_rows: u64) -> Option<Audit> {
        // Ids are drawn in strides; their highest bits are spread evenly, the lowest are not.
        let drawn = batch.id.0.reverse_bits();
        if !drawn.is_multiple_of(ONE_IN) || batch.piece_end.is_some() || landed_rows != batch.rows() {
            return None;
        }
        let mut filled = batch.ranges.iter().filter(|(_, share)| share.rows > 0);
        let count = filled.clone().count() as u128;
        let at = (drawn / ONE_IN).checked_rem(count)?;
        let (partition, share) = filled.nth(usize::try_from(at).expect("below the count"))?;
        let (partition, range, rows) = (*partition, share.range, share.rows);
        Some(Audit { topic: topic.clone(), batch: batch.id, partition, range, rows })
    }

    /// Counts. `None`: the table cannot be asked, since it has no lineage columns or drops rows by itself.
    /// Errors: those of a question.
    async fn look(
        &self,
        client: &Client,
        table: &TableName,
    ) -> Result<Option<AuditOutcome>, ClickHouseError> {
        let found = client.inspect(table).await?;
        let Some(lineage) = found.lineage.filter(|_| found.keeps_rows) else { return Ok(None) };
        let Audit { topic, partition, range, rows, .. } = self;
        audit_range(client, table, &lineage.names, topic, *partition, *range, *rows).await.map(Some)
    }
}

/// Whether the counts are as promised; at least once, copies are.
fn is_kept(outcome: &AuditOutcome, exactly_once: bool) -> bool {
    let AuditOutcome { present, distinct, expected_rows } = *outcome;
    promises::landed_is_there(expected_rows, present, distinct, !exactly_once).is_ok()
}

/// Looks after a pause; again, if what is seen is not as promised or nothing is seen.
pub(super) fn start(cx: &TaskContext, audit: Audit, table: TableName) -> AbortHandle {
    let (client, task) = (cx.client.clone(), cx.task_id.clone());
    let (meters, exactly_once) = (cx.meters.clone(), cx.limits.exactly_once);
    let job = cx.runtime.spawn(async move {
        let Audit { topic, batch, partition, range, rows } = &audit;
        let mut last = None;
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            match audit.look(&client, &table).await {
                Ok(None) => return,
                Ok(Some(outcome)) if is_kept(&outcome, exactly_once) => {
                    return meters.audited(topic, &outcome);
                }
                answer => last = Some(answer),
            }
            debug!(%task, %topic, %batch, %partition, %range, "a range is looked at once more");
        }
        match last {
            Some(Ok(Some(outcome))) => {
                meters.audited(topic, &outcome);
                error!(%task, %topic, %batch, %partition, %range, expected = rows, found = outcome.present,
                    distinct = outcome.distinct,
                    "WORKER-008: rows that landed are not in the table as they should be");
            }
            Some(Err(error)) => {
                warn!(%task, %topic, %batch, %partition, %range, %error, "a range could not be looked at");
            }
            Some(Ok(None)) | None => {}
        }
    });
    job.abort_handle()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pumphouse_clickhouse::{Endpoint, Password};
    use pumphouse_delivery::{BatchRange, Cut};
    use pumphouse_testkit::{ClickHouse, ClickHouseOptions, DATABASE};
    use pumphouse_types::{Offset, OffsetsHash};

    use super::super::test_batch;
    use super::*;

    fn range(first: i64, end: i64) -> OffsetRange {
        OffsetRange::new(Offset::new(first).unwrap(), Offset::new(end).unwrap()).unwrap()
    }

    fn batch(id: u128, shares: &[(u32, u64)]) -> Batch {
        let share = |rows| BatchRange {
            range: range(10, 20),
            rows,
            hash: OffsetsHash::from_bits(0),
            left_out: 10 - rows,
        };
        test_batch::batch(
            id,
            shares.iter().map(|(partition, rows)| (Partition(*partition), share(*rows))).collect(),
        )
    }

    fn topic() -> TopicName {
        TopicName::new("t")
    }

    /// An id whose draw is `n`.
    fn id(n: u128) -> u128 {
        n.reverse_bits()
    }

    #[test]
    fn about_one_batch_in_64_is_looked_at_however_ids_are_drawn() {
        for seed in [0_u128, 1, u128::MAX / 3] {
            // As the protocol draws: a batch's id, then its token.
            let ids = (1..128_000_u128)
                .step_by(2)
                .map(|drawn| seed ^ drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
            let looked = ids.filter(|id| Audit::of(&topic(), &batch(*id, &[(0, 10)]), 10).is_some()).count();
            assert!((900..1_100).contains(&looked), "{looked} of 64,000");
        }
    }

    #[test]
    fn one_of_the_ranges_with_rows_is_chosen_by_the_id() {
        let of = |n| Audit::of(&topic(), &batch(id(n), &[(1, 4), (2, 0), (5, 9)]), 13);
        assert_eq!(of(64).map(|audit| (audit.partition, audit.rows)), Some((Partition(5), 9)));
        assert_eq!(of(128).map(|audit| (audit.partition, audit.rows)), Some((Partition(1), 4)));
        assert_eq!(of(65), None);
        assert_eq!(Audit::of(&topic(), &batch(id(0), &[(0, 0)]), 0), None, "dead letters alone");
    }

    #[test]
    fn a_part_of_a_batch_is_not_looked_at() {
        let whole = batch(id(0), &[(0, 4), (1, 4)]);
        assert!(Audit::of(&topic(), &whole, 8).is_some());
        assert_eq!(Audit::of(&topic(), &whole, 5), None);
        let cut = Cut { partition: Partition(1), offset: Offset::new(12).unwrap() };
        assert_eq!(Audit::of(&topic(), &Batch { piece_end: Some(cut), ..whole }, 8), None);
    }

    #[test]
    fn copies_break_the_promise_only_where_it_is_exactly_once() {
        let outcome = |present, distinct| AuditOutcome { present, distinct, expected_rows: 10 };
        assert!(is_kept(&outcome(10, 10), true));
        assert!(!is_kept(&outcome(11, 10), true) && is_kept(&outcome(11, 10), false));
        for exactly_once in [true, false] {
            assert!(!is_kept(&outcome(9, 9), exactly_once));
            assert!(!is_kept(&outcome(12, 9), exactly_once));
        }
    }

    #[test]
    fn rows_are_counted_where_the_table_can_tell() {
        let server = ClickHouse::start(ClickHouseOptions::default()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = Client::new(Endpoint {
            host: server.host().to_owned(),
            port: server.http_port(),
            ssl: false,
            username: "default".to_owned(),
            password: Password::new(""),
        })
        .unwrap();
        let lineage = "_topic String, _partition UInt32, _offset UInt64";
        let tables: BTreeMap<&str, String> = [
            ("kept", format!("({lineage}) ENGINE = MergeTree ORDER BY _offset")),
            ("merged", format!("({lineage}) ENGINE = ReplacingMergeTree ORDER BY _offset")),
            ("bare", "(n UInt64) ENGINE = MergeTree ORDER BY n".to_owned()),
        ]
        .into();
        for (name, definition) in &tables {
            server.sql().run(&format!("CREATE TABLE {name} {definition}")).unwrap();
        }
        let rows = "SELECT 't', 3, number FROM numbers(30) UNION ALL SELECT 't', 3, 12";
        server.sql().run(&format!("INSERT INTO kept {rows}")).unwrap();
        let audit = Audit {
            topic: topic(),
            batch: BatchId(1),
            partition: Partition(3),
            range: range(10, 20),
            rows: 9,
        };
        let look = |table: &str| {
            let table = TableName { database: DATABASE.to_owned(), table: table.to_owned() };
            runtime.block_on(audit.look(&client, &table)).unwrap()
        };
        assert_eq!(look("kept"), Some(AuditOutcome { present: 11, distinct: 10, expected_rows: 9 }));
        assert_eq!((look("merged"), look("bare")), (None, None));
    }
}
