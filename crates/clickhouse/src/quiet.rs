//! Makes a batch's attempts end (PROTOCOL "Quiet", R2, R8).
use std::time::Duration;

use pumphouse_types::{BatchId, ServerMillis};

use crate::client::Client;
use crate::error::ClickHouseError;
use crate::quote;

/// Longest sleep between two looks at the server's clock.
const LOOK_AGAIN_MS: u64 = 1_000;

/// Pause before attempts that KILL did not end are looked for again.
const KILL_AGAIN: Duration = Duration::from_millis(200);

/// Looks after which an attempt that does not end is given back as an error.
const KILLS_MAX: u32 = 50;

/// No attempt of the batch is left on any server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet;

impl Client {
    /// On every host: waits until its own clock is past `after`, if it is given; then kills the attempts
    /// of `batch` by their query id and waits until none is left. Whoever dropped the connection did not
    /// end them. An attempt may have gone to any host, so one that cannot be asked leaves the batch loud.
    /// Errors: those of a question; `AttemptsRun` if an attempt does not end. Every host has been asked by
    /// then; a host that answered and stays loud is told before one that did not answer.
    pub async fn make_quiet(
        &self,
        batch: BatchId,
        after: Option<ServerMillis>,
    ) -> Result<Quiet, ClickHouseError> {
        let mut failed = None;
        for host in self.each_host() {
            if let Err(error) = host.make_host_quiet(batch, after).await {
                // The caller may go on without a host that is gone, and not without one that is there.
                let gone = matches!(failed, Some(ClickHouseError::NoAnswer { .. }));
                if failed.is_none() || gone {
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(Quiet), Err)
    }

    async fn make_host_quiet(
        &self,
        batch: BatchId,
        after: Option<ServerMillis>,
    ) -> Result<(), ClickHouseError> {
        if let Some(after) = after {
            self.wait_for_clock(after).await?;
        }
        let prefix = quote::string(&batch.to_string());
        let which = format!("startsWith(query_id, {prefix}) OR startsWith(initial_query_id, {prefix})");
        let mut left = 0;
        for _ in 0..KILLS_MAX {
            self.ask("killing attempts", &format!("KILL QUERY WHERE {which} SYNC")).await?;
            // KILL silently skips what it may not kill, so what is left is counted.
            left = self.attempts_left(&which).await?;
            if left == 0 {
                return Ok(());
            }
            tokio::time::sleep(KILL_AGAIN).await;
        }
        Err(ClickHouseError::AttemptsRun { batch, left })
    }

    async fn attempts_left(&self, which: &str) -> Result<u64, ClickHouseError> {
        let asked = "whether attempts are left";
        let text = self.ask(asked, &format!("SELECT count() FROM system.processes WHERE {which}")).await?;
        text.trim().parse().map_err(|_| ClickHouseError::Strange { asked, what: text.trim().to_owned() })
    }

    async fn wait_for_clock(&self, after: ServerMillis) -> Result<(), ClickHouseError> {
        loop {
            let now = self.server_now().await?;
            if now > after {
                return Ok(());
            }
            let left_ms = after.since(now) + 1;
            tokio::time::sleep(Duration::from_millis(left_ms.min(LOOK_AGAIN_MS))).await;
        }
    }

    async fn server_now(&self) -> Result<ServerMillis, ClickHouseError> {
        let asked = "the server's clock";
        let text = self.ask(asked, "SELECT toUnixTimestamp64Milli(now64(3, 'UTC'))").await?;
        text.trim()
            .parse()
            .map(ServerMillis)
            .map_err(|_| ClickHouseError::Strange { asked, what: text.trim().to_owned() })
    }
}
