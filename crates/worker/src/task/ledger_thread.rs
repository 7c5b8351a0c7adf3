//! The thread that writes the ledger: one write at a time, so that a transaction once begun is
//! settled before anything else is written (R14), and the consuming thread never waits for it. Where entries live
//! is the store's (`stores/`).
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use pumphouse_delivery::{ClaimId, Entry, Event, StoredEntry, WriteId};
use pumphouse_kafka::{Fence, OutgoingRecord};
use pumphouse_types::TopicPartition;

use super::mail::{Mail, PanicReport};
use super::stores::{LedgerStore, LedgerWrite};
use crate::failpoint::{self, Moment};

/// Configurations beyond which another one waits for the next transaction: a write takes several megabytes more.
const PUBLISH_BYTES: usize = 1 << 20;

/// What the ledger's thread is asked for.
pub(super) enum Order {
    /// Make sure that the fate of every write so far is known; answered by [`Mail::Prepared`].
    Prepare { claim: ClaimId },
    /// One write; answered by an [`Event::Ledger`].
    Record { claim: ClaimId, write: WriteId, of: LedgerWrite },
    /// Has these entries lie ready for a `Record` that says the same. Not answered.
    Stage { fence: Fence, entries: BTreeMap<TopicPartition, StoredEntry> },
    /// What lies ready will not be asked for: the claim has ended. Not answered.
    Unstage,
    /// The fence was read for the claim in force, and these entries stand. Not answered.
    Stands { fence: Fence, entries: BTreeMap<TopicPartition, StoredEntry> },
    /// Letters that an earlier claim had not come to, those of each write, and the entries of the rows that owe them; answered by
    /// [`Mail::Paid`].
    Pay {
        claim: ClaimId,
        fence: Fence,
        entries: BTreeMap<TopicPartition, StoredEntry>,
        letters: Vec<Vec<OutgoingRecord>>,
        /// Set when nobody waits for an answer any more.
        ended: Arc<AtomicBool>,
    },
    /// A configuration version for the state topic; answered by [`Mail::Published`].
    Publish { claim: ClaimId, record: OutgoingRecord },
}

/// `abandoned`: set when nobody waits for an answer any more.
pub(super) fn spawn(
    mut store: Box<dyn LedgerStore>,
    orders: Receiver<Order>,
    mail: Sender<Mail>,
    name: String,
    abandoned: Arc<AtomicBool>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(move || {
        let _report = PanicReport::new(&mail, None, "the ledger's thread");
        // What was taken from the orders to see whether it goes along with the one before.
        let mut taken = None;
        loop {
            let order = match (taken.take(), store.idle_within()) {
                (Some(order), _) => Ok(order),
                (None, Some(time)) => orders.recv_timeout(time),
                (None, None) => orders.recv().map_err(RecvTimeoutError::from),
            };
            let letter = match order {
                Ok(Order::Prepare { claim }) => match store.prepare(&abandoned) {
                    Ok(()) => Mail::Prepared { claim },
                    Err(error) => Mail::LedgerFailed { error },
                },
                Ok(Order::Record { claim, write, of }) => {
                    let began = Instant::now();
                    let carries_batch = cfg!(feature = "failpoints") && carries_batch(&of.entries);
                    let answer = store.record(of);
                    if carries_batch {
                        failpoint::reach(Moment::LedgerAnswered);
                    }
                    let event = Event::Ledger { claim, write, answer };
                    Mail::Written { event, took: began.elapsed() }
                }
                Ok(Order::Stage { fence, entries }) => {
                    store.stage(&fence, &entries);
                    continue;
                }
                Ok(Order::Unstage) => {
                    store.unstage();
                    continue;
                }
                Ok(Order::Stands { fence, entries }) => {
                    store.stands(&fence, &entries);
                    continue;
                }
                Ok(Order::Pay { ended, .. }) if ended.load(Ordering::Relaxed) => continue,
                Ok(Order::Pay { claim, fence, entries, letters, .. }) => {
                    // What became of an earlier try is known, before another one.
                    match store.prepare(&abandoned) {
                        Ok(()) => {
                            let answer = store.pay(&fence, &entries, &letters);
                            Mail::Paid { claim, answer, letters }
                        }
                        Err(error) => Mail::LedgerFailed { error },
                    }
                }
                Ok(Order::Publish { claim, record }) => {
                    // Those of many topics come at once, when a claim begins.
                    let mut bytes = record.bytes();
                    let (mut claims, mut records) = (vec![claim], vec![record]);
                    while bytes < PUBLISH_BYTES
                        && let Ok(order) = orders.try_recv()
                    {
                        match order {
                            Order::Publish { claim, record } => {
                                bytes += record.bytes();
                                claims.push(claim);
                                records.push(record);
                            }
                            other => {
                                taken = Some(other);
                                break;
                            }
                        }
                    }
                    match store.publish(&records) {
                        Ok(()) => {
                            let last = claims.pop().expect("the first one is in it");
                            if claims.into_iter().any(|claim| mail.send(Mail::Published { claim }).is_err()) {
                                break;
                            }
                            Mail::Published { claim: last }
                        }
                        Err(error) => Mail::LedgerFailed { error },
                    }
                }
                Err(RecvTimeoutError::Timeout) => match store.idle() {
                    Ok(()) => continue,
                    Err(error) => Mail::LedgerFailed { error },
                },
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if mail.send(letter).is_err() {
                break;
            }
        }
        store.unstage();
    })
}

/// Whether a batch is open in one of these entries.
fn carries_batch(entries: &BTreeMap<TopicPartition, StoredEntry>) -> bool {
    entries.iter().any(|(tp, stored)| {
        matches!(Entry::parse(tp.partition, stored), Ok(Entry::Lead(_) | Entry::Member(_)))
    })
}
