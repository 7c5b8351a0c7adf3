//! The ledger store `keepermap`: an entry per partition in a KeeperMap table, each with an epoch that every
//! claim raises. Carries R5 for this store: the claim is the fence, so a replaced owner's write is refused by
//! the table itself, whatever the group protocol says.
//!
//! A write is one `ALTER TABLE .. UPDATE` over all its keys, in strict mode: Keeper takes all rows or none, and
//! only if none has changed since the server read them. Its expression throws unless every claimed row has the
//! claim's epoch and every row is as it was when it was last seen; measured, a guard in the WHERE instead
//! would write the rows that match and leave the others. An answer of 200 does not say that a row
//! was there at all, and a lost answer says nothing: so each write carries a nonce, which is read back.
//!
//! A row may owe something (`keeper_row.rs`): dead letters that its entry passes, and that have not gone out yet (R4). It comes to
//! owe them with that entry or not at all, and owes them through every write until they are paid.
//!
//! Reads of Keeper may lag. A claim is a write, so what is read of a row that shows it is at least as new; rows of
//! others are compared by the write that names them.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pumphouse_delivery::StoredEntry;
use pumphouse_types::{Partition, TopicName, TopicPartition};

use crate::client::Client;
use crate::error::ClickHouseError;
use crate::keeper_map::StateTable;
use crate::keeper_row::{Content, KeeperRows, OWES};
use crate::quote;

/// What our guard throws.
const FENCED_MARKER: &str = "PUMPHOUSE_FENCED";
const THROW_IF: i32 = 395;

/// One statement. The consuming thread waits for claims and reads, and serves its group in between.
const PATIENCE: Duration = Duration::from_secs(5);

/// Partitions that one statement claims: a claim need not be atomic, and Keeper takes 1 MB at once.
const CLAIM_KEYS_MAX: usize = 100;

/// Keys that one statement reads.
const READ_KEYS_MAX: usize = 2_000;

/// Texts of one write: Keeper's packets are at most 1 MB (`jute.maxbuffer`), paths and overheads included.
const WRITE_BYTES_MAX: usize = 900_000;

/// What a row takes beside its text: its key's hash as a path, epoch, claim and nonce.
const ROW_OVERHEAD_BYTES: usize = 300;

/// A write's metadata stands in the statement's text.
const SETTINGS: [(&str, &str); 3] =
    [("keeper_map_strict_mode", "1"), ("async_insert", "0"), ("max_query_size", "16777216")];

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeeperAnswer {
    /// It stands, all of it.
    Recorded,
    /// It does not stand: somebody else has claimed one of its partitions, or changed one of its entries.
    Fenced(String),
    /// It does not stand and never will.
    Refused(String),
    /// It may stand, or come to stand: the next claim ends that.
    Unknown(String),
}

/// The entries of one consumer group, as one member of it claims, reads and writes them. Clones share
/// the claim.
#[derive(Clone)]
pub struct KeeperLedger {
    client: Client,
    table: StateTable,
    group: String,
    held: Arc<Mutex<Held>>,
}

/// The claim in force, and what was last seen of each row.
#[derive(Default)]
struct Held {
    claim: String,
    /// The host that the claim went through; reads and writes go there.
    host: Option<usize>,
    /// By claimed partition.
    epochs: BTreeMap<TopicPartition, u64>,
    /// The nonce of each row's last write, of partitions claimed or not.
    seen: BTreeMap<TopicPartition, String>,
    /// Rows that owe something, of partitions claimed or not.
    owing: BTreeMap<TopicPartition, Content>,
}

impl Held {
    fn saw(&mut self, partition: &TopicPartition, content: &Content, written: &str) {
        self.seen.insert(partition.clone(), written.to_owned());
        if content.owes.is_empty() {
            self.owing.remove(partition);
        } else {
            self.owing.insert(partition.clone(), content.clone());
        }
    }

    /// What these entries make of their rows: they owe what they have owed.
    fn contents(
        &self,
        entries: &BTreeMap<TopicPartition, Option<StoredEntry>>,
    ) -> BTreeMap<TopicPartition, Content> {
        let content = |(partition, entry): (&TopicPartition, &Option<StoredEntry>)| {
            let owes = self.owing.get(partition).map_or(String::new(), |content| content.owes.clone());
            (partition.clone(), Content { entry: entry.clone(), owes })
        };
        entries.iter().map(content).collect()
    }
}

struct Row {
    epoch: u64,
    claim: String,
    content: Content,
    written: String,
}

impl KeeperLedger {
    /// Nothing is claimed. `group`: the connector's consumer group, which the rows' keys begin with.
    pub fn new(client: Client, table: StateTable, group: &str) -> KeeperLedger {
        KeeperLedger { client, table, group: group.to_owned(), held: Arc::default() }
    }

    /// The same entries, for a member of its own.
    #[must_use]
    pub fn another(&self) -> KeeperLedger {
        KeeperLedger { held: Arc::default(), ..self.clone() }
    }

    /// The entries of another group in the same table.
    #[must_use]
    pub fn of_group(&self, group: &str) -> KeeperLedger {
        KeeperLedger::new(self.client.clone(), self.table.clone(), group)
    }

    /// Makes the state table if it is missing. Errors: as of [`Client::ensure_state_table`].
    pub async fn ensure(&self) -> Result<(), ClickHouseError> {
        self.client.ensure_state_table(&self.table).await
    }

    /// Raises the epoch of these partitions, and answers with their entries as they stand from then on: no write
    /// under an earlier claim comes through any more. `nonce` names the claim and is drawn anew for each.
    /// Errors: not answered, or somebody else claims at the same time: to be asked again.
    pub async fn claim(
        &self,
        nonce: u128,
        partitions: &[TopicPartition],
    ) -> Result<KeeperRows, ClickHouseError> {
        let (host, _) = self.client.host();
        let claim = format!("{nonce:032x}");
        *self.held() = Held { claim: claim.clone(), host: Some(host), ..Held::default() };
        let mut claimed = Held { claim: claim.clone(), host: Some(host), ..Held::default() };
        let mut found = KeeperRows::default();
        for partitions in partitions.chunks(CLAIM_KEYS_MAX) {
            for (partition, row) in self.claim_some(&claim, partitions).await? {
                claimed.epochs.insert(partition.clone(), row.epoch);
                claimed.saw(&partition, &row.content, &row.written);
                found.add(partition, row.content);
            }
        }
        let mut held = self.held();
        if held.claim == claim {
            *held = claimed;
        }
        Ok(found)
    }

    async fn claim_some(
        &self,
        claim: &str,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Row>, ClickHouseError> {
        let mut rows = self.rows(partitions).await?;
        let missing: Vec<String> = partitions
            .iter()
            .filter(|partition| !rows.contains_key(partition))
            .map(|partition| format!("({}, 0, '', -1, '', '')", self.key(partition)))
            .collect();
        if !missing.is_empty() {
            let sql = format!("INSERT INTO {} VALUES {}", self.table.name.sql(), missing.join(", "));
            // Somebody else may have made them meanwhile; reading again tells.
            let made = self.ask("making rows of the ledger", &sql).await;
            rows = self.rows(partitions).await?;
            if let (Err(error), false) = (made, rows.len() == partitions.len()) {
                return Err(error);
            }
        }
        // A late copy of this statement finds other epochs, and takes nothing from anybody.
        let known: Vec<String> =
            rows.iter().map(|(partition, row)| format!("({}, {})", self.key(partition), row.epoch)).collect();
        let sql = format!(
            "ALTER TABLE {} UPDATE epoch = if(throwIf((key, epoch) NOT IN ({}), '{FENCED_MARKER}') = 0, epoch + 1, \
             epoch), claim = '{claim}' WHERE key IN ({})",
            self.table.name.sql(),
            known.join(", "),
            self.keys(partitions),
        );
        let raised = self.ask("claiming entries of the ledger", &sql).await;
        let rows = self.rows(partitions).await?;
        if rows.len() == partitions.len() && rows.values().all(|row| row.claim == claim) {
            return Ok(rows);
        }
        raised?;
        Err(ClickHouseError::NoAnswer {
            asked: "claiming entries of the ledger",
            why: "somebody else claims them at the same time".to_owned(),
        })
    }

    /// Entries as they stand, of partitions claimed or not; those without an entry are left out.
    pub async fn read(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, StoredEntry>, ClickHouseError> {
        Ok(self.look(partitions).await?.entries)
    }

    /// The same, and what the rows owe.
    pub async fn look(&self, partitions: &[TopicPartition]) -> Result<KeeperRows, ClickHouseError> {
        let before = self.held().seen.clone();
        let rows = self.rows(partitions).await?;
        let mut held = self.held();
        let mut found = KeeperRows::default();
        for (partition, row) in rows {
            // A write that was answered while this was read knows better.
            if held.seen.get(&partition) == before.get(&partition) {
                held.saw(&partition, &row.content, &row.written);
            }
            found.add(partition, row.content);
        }
        Ok(found)
    }

    /// Writes `entries`, all or none: none if one of them was claimed by somebody else, or is not as it was read
    /// last. `nonce` names the write and is drawn anew for each. One write at a time.
    pub async fn record(&self, nonce: u128, entries: &BTreeMap<TopicPartition, StoredEntry>) -> KeeperAnswer {
        self.set(nonce, &some(entries)).await
    }

    /// The same; in the same write one of the claimed rows comes to owe `owes`: a line that begins as [`OWES`] does.
    pub async fn record_owing(
        &self,
        nonce: u128,
        entries: &BTreeMap<TopicPartition, StoredEntry>,
        owes: &str,
    ) -> KeeperAnswer {
        debug_assert!(owes.starts_with(OWES) && !owes.contains('\n'));
        let contents = {
            let held = self.held();
            let mut contents = held.contents(&some(entries));
            let Some(content) =
                contents.iter_mut().find_map(|(p, c)| held.epochs.contains_key(p).then_some(c))
            else {
                return nothing_claimed();
            };
            if !content.owes.is_empty() {
                content.owes.push('\n');
            }
            content.owes.push_str(owes);
            contents
        };
        self.write(nonce, &contents).await
    }

    /// What claimed rows owe is paid: they owe nothing any more.
    pub async fn paid(&self, nonce: u128) -> KeeperAnswer {
        let paid: BTreeMap<_, _> = {
            let held = self.held();
            let claimed = held.owing.iter().filter(|(partition, _)| held.epochs.contains_key(*partition));
            let paid = |content: &Content| Content { owes: String::new(), ..content.clone() };
            claimed.map(|(partition, content)| (partition.clone(), paid(content))).collect()
        };
        if paid.is_empty() {
            return KeeperAnswer::Recorded;
        }
        self.write(nonce, &paid).await
    }

    /// As [`KeeperLedger::record`]; `None` takes an entry away.
    pub async fn set(
        &self,
        nonce: u128,
        entries: &BTreeMap<TopicPartition, Option<StoredEntry>>,
    ) -> KeeperAnswer {
        let contents = self.held().contents(entries);
        self.write(nonce, &contents).await
    }

    async fn write(&self, nonce: u128, contents: &BTreeMap<TopicPartition, Content>) -> KeeperAnswer {
        let bytes: usize = contents.values().map(|content| content.text_bytes() + ROW_OVERHEAD_BYTES).sum();
        if bytes > WRITE_BYTES_MAX {
            let why = format!("{} entries of {bytes} bytes, Keeper takes {WRITE_BYTES_MAX}", contents.len());
            return KeeperAnswer::Refused(why);
        }
        let nonce = format!("{nonce:032x}");
        let Some(sql) = self.write_statement(&nonce, contents) else { return nothing_claimed() };
        let answer = self.ask("writing to the ledger", &sql).await;
        if let Err(ClickHouseError::Server { code: THROW_IF, message, .. }) = &answer
            && message.contains(FENCED_MARKER)
        {
            return KeeperAnswer::Fenced(
                "its partitions were claimed or written by somebody else".to_owned(),
            );
        }
        let partitions: Vec<TopicPartition> = contents.keys().cloned().collect();
        let stands = match self.rows(&partitions).await {
            Ok(rows) => {
                rows.len() == contents.len()
                    && contents.iter().all(|(partition, content)| {
                        rows[partition].written == nonce && rows[partition].content == *content
                    })
            }
            Err(error) => return KeeperAnswer::Unknown(error.to_string()),
        };
        if !stands {
            let why = answer.err().map_or("rows of it are missing".to_owned(), |error| error.to_string());
            return KeeperAnswer::Unknown(why);
        }
        let mut held = self.held();
        contents.iter().for_each(|(partition, content)| held.saw(partition, content, &nonce));
        KeeperAnswer::Recorded
    }

    /// `None`: nothing of it is claimed, or something of it was never read.
    fn write_statement(&self, nonce: &str, contents: &BTreeMap<TopicPartition, Content>) -> Option<String> {
        let held = self.held();
        let (mut claimed, mut others) = (Vec::new(), Vec::new());
        let (mut keys, mut positions, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for (partition, content) in contents {
            let key = self.key(partition);
            let seen = quote::string(held.seen.get(partition)?);
            match held.epochs.get(partition) {
                Some(epoch) => claimed.push(format!("({key}, {epoch}, '{}', {seen})", held.claim)),
                None => others.push(format!("({key}, {seen})")),
            }
            keys.push(key);
            let (position, text) = content.to_stored();
            positions.push(format!("toInt64({position})"));
            texts.push(quote::string(&text));
        }
        if claimed.is_empty() {
            return None;
        }
        let mut guard = format!("(key, epoch, claim, written) IN ({})", claimed.join(", "));
        if !others.is_empty() {
            let _ = write!(guard, " OR (key, written) IN ({})", others.join(", "));
        }
        let keys = keys.join(", ");
        // The guard stands in an expression, not in the WHERE: it throws for the whole statement.
        Some(format!(
            "ALTER TABLE {} UPDATE position = if(throwIf(NOT ({guard}), '{FENCED_MARKER}') = 0, \
             transform(key, [{keys}], [{}], position), position), metadata = transform(key, [{keys}], [{}], metadata), \
             written = '{nonce}' WHERE key IN ({keys})",
            self.table.name.sql(),
            positions.join(", "),
            texts.join(", "),
        ))
    }

    async fn rows(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Row>, ClickHouseError> {
        let mut rows = BTreeMap::new();
        for partitions in partitions.chunks(READ_KEYS_MAX) {
            let sql = format!(
                "SELECT key, toString(epoch), claim, toString(position), metadata, written FROM {} WHERE key IN ({}) \
                 FORMAT JSONCompactEachRow",
                self.table.name.sql(),
                self.keys(partitions),
            );
            for line in self.ask(READING, &sql).await?.split(|byte| *byte == b'\n').filter(|l| !l.is_empty())
            {
                let (partition, row) = self.row(line)?;
                rows.insert(partition, row);
            }
        }
        Ok(rows)
    }

    fn row(&self, line: &[u8]) -> Result<(TopicPartition, Row), ClickHouseError> {
        let strange = |what: String| ClickHouseError::Strange { asked: READING, what };
        let texts: [String; 6] =
            serde_json::from_slice(line).map_err(|error| strange(format!("a row: {error}")))?;
        let [key, epoch, claim, position, metadata, written] = texts;
        let place = key.strip_prefix(&self.group).and_then(|rest| rest.strip_prefix('/'));
        let partition = place
            .and_then(|place| place.rsplit_once('/'))
            .and_then(|(topic, number)| {
                let partition = Partition(number.parse().ok()?);
                Some(TopicPartition { topic: TopicName::new(topic), partition })
            })
            .ok_or_else(|| strange(format!("the key {key}")))?;
        let number = |text: &str| text.parse::<i64>().map_err(|_| strange(format!("the position {text}")));
        let content = Content::of_stored(number(&position)?, metadata);
        let epoch = epoch.parse().map_err(|_| strange(format!("the epoch {epoch}")))?;
        Ok((partition, Row { epoch, claim, content, written }))
    }

    /// The key of a partition's row, quoted. Topics have no slash in their names.
    fn key(&self, partition: &TopicPartition) -> String {
        quote::string(&format!("{}/{}/{}", self.group, partition.topic, partition.partition))
    }

    fn keys(&self, partitions: &[TopicPartition]) -> String {
        partitions.iter().map(|partition| self.key(partition)).collect::<Vec<_>>().join(", ")
    }

    async fn ask(&self, asked: &'static str, sql: &str) -> Result<Bytes, ClickHouseError> {
        let host = self.held().host;
        let client = host.map_or_else(|| self.client.clone(), |host| self.client.at(host));
        let answer = client.ask_within(asked, sql, PATIENCE, &SETTINGS).await;
        if let (Err(ClickHouseError::NoAnswer { .. }), Some(_)) = (&answer, host) {
            // A pinned client does not move on by itself; the next claim goes to the next host.
            self.client.host_failed();
        }
        answer
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const READING: &str = "reading the ledger's rows";

fn some(entries: &BTreeMap<TopicPartition, StoredEntry>) -> BTreeMap<TopicPartition, Option<StoredEntry>> {
    entries.iter().map(|(partition, entry)| (partition.clone(), Some(entry.clone()))).collect()
}

fn nothing_claimed() -> KeeperAnswer {
    KeeperAnswer::Fenced("no partition of the write is claimed, or one was not read".to_owned())
}
