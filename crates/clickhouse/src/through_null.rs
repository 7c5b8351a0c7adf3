//! A Null table with views: nothing stays in it, so its facts are those of the tables behind its views.
use crate::client::Client;
use crate::error::ClickHouseError;
use crate::inspect::{Engine, Inspection};
use crate::table_name::TableName;

impl Client {
    /// `found` with the weakest facts of the tables that the views of `table` fill. Unchanged if no table is
    /// behind it: then it keeps nothing, and the start-up proof refuses it.
    /// Errors: those of an inspection.
    pub(crate) async fn through_null(
        &self,
        table: &TableName,
        mut found: Inspection,
    ) -> Result<Inspection, ClickHouseError> {
        let mut weakest: Option<Inspection> = None;
        for target in self.targets_behind(table).await? {
            let behind = self.inspect_one(&target).await?;
            if matches!(behind.engine, Engine::Other(_)) {
                continue;
            }
            weakest = Some(match weakest {
                None => behind,
                Some(so_far) => weaker(so_far, behind),
            });
        }
        let Some(weakest) = weakest else { return Ok(found) };
        found.engine = weakest.engine;
        found.window_blocks = weakest.window_blocks;
        found.window_ms = weakest.window_ms;
        found.blocks = weakest.blocks;
        found.definition = both(found.definition, weakest.definition);
        Ok(found)
    }
}

fn weaker(a: Inspection, b: Inspection) -> Inspection {
    let engine = if a.engine == Engine::Plain { Engine::Plain } else { b.engine };
    Inspection {
        engine,
        window_blocks: a.window_blocks.min(b.window_blocks),
        window_ms: match (a.window_ms, b.window_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        },
        // Blocks of either count against both windows, which errs on the safe side.
        blocks: a.blocks.zip(b.blocks).map(|(a, b)| a + b),
        definition: both(a.definition, b.definition),
        ..a
    }
}

/// The texts of two definitions, whose order counts, so that equal ones do not cancel out; and the later of their times.
fn both(a: u64, b: u64) -> u64 {
    let time = (a & 0xffff_ffff).max(b & 0xffff_ffff);
    ((a >> 32).rotate_left(1) ^ (b >> 32)) << 32 | time
}
