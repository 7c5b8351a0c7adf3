//! Several hosts: whether failing over between them can double rows, and whether a deadline means the same
//! on each (PROTOCOL R2, R8, R12).
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pumphouse_types::TableUuid;

use crate::client::Client;
use crate::error::ClickHouseError;
use crate::inspect::{Engine, Inspection};
use crate::proof::ProofLimits;
use crate::proof_failure::ProofFailure;
use crate::table_name::TableName;

/// Clocks may be apart by this part of the deadline.
const CLOCK_SHARE: u64 = 4;

/// A host that starts together with this process is given some seconds.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

/// A host's table, as far as it tells whether another host's is the same one.
#[derive(Debug, Clone)]
struct Replica {
    address: String,
    uuid: TableUuid,
    engine: Engine,
    engine_full: String,
    /// Keeper's path of the table; empty if it has none, as with a shared one.
    path: String,
    name: String,
    /// Replicas that Keeper knows of the table.
    names: BTreeSet<String>,
    /// The host's clock less ours, in ms, and how wrong that may be.
    clock_ms: i128,
    wrong_by_ms: u64,
}

impl Client {
    /// Looks at the table on every host. Nothing to prove with one. A host that does not answer is not used by this
    /// client, as long as another one answers: it may have another table.
    /// Errors: those of a question; that no host answers.
    pub(crate) async fn prove_hosts(
        &self,
        table: &TableName,
        limits: ProofLimits,
        failed: &mut Vec<ProofFailure>,
        warnings: &mut Vec<String>,
    ) -> Result<(), ClickHouseError> {
        let hosts = self.each_host();
        if hosts.len() < 2 {
            return Ok(());
        }
        let since = Instant::now();
        let mut replicas = Vec::new();
        let mut silent = Vec::new();
        for (index, host) in hosts.iter().enumerate() {
            let mut began = Instant::now();
            let mut answer = host.inspect(table).await;
            let asked = Instant::now();
            while matches!(answer, Err(ClickHouseError::NoAnswer { .. })) && asked.elapsed() < PATIENCE {
                tokio::time::sleep(LOOK_AGAIN).await;
                began = Instant::now();
                answer = host.inspect(table).await;
            }
            let found = match answer {
                Ok(found) => found,
                Err(error @ ClickHouseError::NoAnswer { .. }) => {
                    silent.push((index, error));
                    continue;
                }
                Err(ClickHouseError::NoTable { table }) => {
                    failed.push(ProofFailure::Hosts {
                        what: format!("{} does not have it", host.address()),
                        remedy: "create it there with the same Keeper path (ON CLUSTER)".to_owned(),
                        table,
                    });
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            replicas.push(host.replica(table, &found, since, began).await?);
        }
        if replicas.is_empty()
            && let Some((_, error)) = silent.pop()
        {
            return Err(error);
        }
        for (index, error) in silent {
            self.hosts.leave_out(index);
            warnings.push(format!(
                "{} is not used before the next start, since it cannot be told whether it has {table} ({error}); \
                 evidence about open batches waits for it (R7)",
                self.at(index).address()
            ));
        }
        match different(&replicas) {
            Some((what, remedy)) => {
                failed.push(ProofFailure::Hosts { table: table.to_string(), what, remedy });
            }
            None => {
                let uuids: Vec<TableUuid> = replicas.iter().map(|replica| replica.uuid).collect();
                self.hosts.same_table(&uuids);
            }
        }
        failed.extend(clocks_apart(&replicas, limits.deadline_ms / CLOCK_SHARE));
        Ok(())
    }

    async fn replica(
        &self,
        table: &TableName,
        found: &Inspection,
        since: Instant,
        began: Instant,
    ) -> Result<Replica, ClickHouseError> {
        let sql = format!(
            "SELECT concat(zookeeper_name, ':', zookeeper_path), replica_name, mapKeys(replica_is_active) \
             FROM system.replicas WHERE {}",
            table.condition()
        );
        let rows = self.ask_json("which replica a table is", &sql).await?;
        let text =
            |at: usize| rows.first().and_then(|row| row[at].as_str()).map(str::to_owned).unwrap_or_default();
        let names = rows.first().and_then(|row| row[2].as_array()).into_iter().flatten();
        let received = found.received.saturating_duration_since(since).as_millis() as i128;
        Ok(Replica {
            address: self.address(),
            uuid: found.uuid,
            engine: found.engine.clone(),
            engine_full: found.engine_full.clone(),
            path: text(0),
            name: text(1),
            names: names.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
            clock_ms: i128::from(found.server_now.0) - received,
            wrong_by_ms: found.received.saturating_duration_since(began).as_millis() as u64,
        })
    }
}

/// Why these are not one table, and what helps.
fn different(replicas: &[Replica]) -> Option<(String, String)> {
    let first = replicas.first()?;
    if let Some(plain) = replicas.iter().find(|replica| replica.engine != Engine::Replicated) {
        let engine = plain.engine_full.split([' ', '(']).next().unwrap_or_default();
        return Some((
            format!("{} has a {engine} of its own", plain.address),
            "name one host only, or make it a ReplicatedMergeTree on all of them".to_owned(),
        ));
    }
    replicas[1..].iter().find_map(|other| {
        let shared = first.path.is_empty() && other.path.is_empty() && first.uuid == other.uuid;
        // A path alone proves little: another Keeper has such a path as well. Replicas of one table know
        // each other.
        let replicated = !first.path.is_empty()
            && first.path == other.path
            && first.name != other.name
            && first.names.contains(&other.name)
            && other.names.contains(&first.name);
        let same_server = first.uuid == other.uuid && first.path == other.path && first.name == other.name;
        let paths = || {
            let of = |replica: &Replica| {
                format!("{} has {} (replica {})", replica.address, replica.path, replica.name)
            };
            format!("{}, {}", of(first), of(other))
        };
        (!shared && !replicated && !same_server)
            .then(|| (paths(), "name only hosts that are replicas of one table, or create it so".to_owned()))
    })
}

/// The clocks that are furthest apart, if that is too far. What the round trip leaves open is not held
/// against them.
fn clocks_apart(replicas: &[Replica], allowed_ms: u64) -> Option<ProofFailure> {
    let earliest = replicas.iter().min_by_key(|replica| replica.clock_ms)?;
    let latest = replicas.iter().max_by_key(|replica| replica.clock_ms)?;
    let apart = latest.clock_ms.abs_diff(earliest.clock_ms);
    let wrong_by = u128::from(latest.wrong_by_ms + earliest.wrong_by_ms);
    let apart_ms = u64::try_from(apart.saturating_sub(wrong_by)).unwrap_or(u64::MAX);
    (apart_ms > allowed_ms).then(|| ProofFailure::Clocks {
        hosts: format!("{} and {}", earliest.address, latest.address),
        apart_ms,
        allowed_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(address: &str, uuid: u128, path: &str, name: &str) -> Replica {
        Replica {
            address: address.to_owned(),
            uuid: TableUuid(uuid),
            engine: Engine::Replicated,
            engine_full: "ReplicatedMergeTree('/t', 'r')".to_owned(),
            path: path.to_owned(),
            name: name.to_owned(),
            names: ["r1", "r2"].map(str::to_owned).into(),
            clock_ms: 0,
            wrong_by_ms: 0,
        }
    }

    #[test]
    fn replicas_of_one_table_may_take_each_others_place() {
        let (a, b) = (replica("a", 1, "default:/t", "r1"), replica("b", 2, "default:/t", "r2"));
        assert_eq!(different(&[a.clone(), b.clone()]), None);
        assert_eq!(different(&[replica("a", 1, "", ""), replica("b", 1, "", "")]), None, "shared");
        let why = |other: Replica| different(&[a.clone(), other]).expect("they differ").0;
        assert!(why(replica("b", 2, "default:/other", "r2")).contains("b has default:/other"));
        assert!(why(replica("b", 2, "default:/t", "r3")).contains("r3"), "another Keeper with such a path");
        let engine_full = "MergeTree ORDER BY a".to_owned();
        let plain = Replica { engine: Engine::Plain, engine_full, ..b };
        assert_eq!(why(plain), "b has a MergeTree of its own");
        assert!(different(&[replica("a", 1, "", ""), replica("b", 2, "", "")]).is_some());
    }

    #[test]
    fn clocks_are_compared_less_what_is_not_known() {
        let at = |address: &str, clock_ms, wrong_by_ms| Replica {
            clock_ms,
            wrong_by_ms,
            ..replica(address, 1, "p", address)
        };
        let apart = |ms| clocks_apart(&[at("a", 0, 20), at("b", ms, 30), at("c", 5, 0)], 2_500);
        assert_eq!(apart(2_550), None);
        let Some(ProofFailure::Clocks { hosts, apart_ms, .. }) = apart(2_551) else {
            panic!("too far apart")
        };
        assert_eq!((hosts.as_str(), apart_ms), ("a and b", 2_501));
        assert!(apart(-9_000).is_some(), "behind is as bad as ahead");
    }
}
