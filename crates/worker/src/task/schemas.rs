//! Schemas that records name by number: fetched beside the consuming thread, and asked for until the
//! registry answers. What a lane has taken stays as it is meanwhile.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;
use pumphouse_decode::{Decoder, SchemaError};
use pumphouse_delivery::ClaimId;
use pumphouse_registry::{Registry, RegistryError, Remedy, SubjectNames};
use pumphouse_types::{RegisteredSchema, SchemaId, TopicName};
use tokio::task::AbortHandle;
use tracing::{debug, info, warn};

use super::context::TaskContext;
use super::failure::Failure;
use super::mail::{Mail, PanicReport};

/// First pause before the registry is asked again; doubles up to the longest.
const ASK_AGAIN: Duration = Duration::from_millis(200);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(5);

/// Where a connector's schemas are.
#[derive(Clone)]
pub struct SchemaSource {
    /// Shared by the connector's tasks, with its cache.
    pub registry: Registry,
    /// Tells a registry with several contexts which of them is meant.
    pub subjects: SubjectNames,
}

/// What the registry knows of a number.
#[derive(Debug, Clone)]
pub(super) enum Fetched {
    Schema(Arc<RegisteredSchema>),
    /// It does not exist, or what it refers to does not: the record that names it is bad.
    Missing,
}

impl Fetched {
    /// Errors: why a schema that is there cannot be used.
    pub(super) fn give(&self, id: SchemaId, decoder: &mut Decoder) -> Result<(), SchemaError> {
        match self {
            Fetched::Schema(schema) => decoder.add_schema(schema),
            Fetched::Missing => {
                decoder.schema_missing(id);
                Ok(())
            }
        }
    }
}

/// One schema for one lane.
pub(super) struct Wanted {
    pub source: SchemaSource,
    /// As `SubjectNames::before_schema` says.
    pub subject: Option<String>,
    pub claim: ClaimId,
    pub topic: TopicName,
    pub mail: Sender<Mail>,
    /// Set when nobody waits any more.
    pub ended: Arc<AtomicBool>,
}

impl Wanted {
    /// Asks until there is an answer; each answer that is none shows in the task's status. `None`: nobody
    /// waits any more.
    pub(super) async fn insist(&self, id: SchemaId) -> Result<Option<Fetched>, Failure> {
        let mut pause = ASK_AGAIN;
        let mut asked = 0u32;
        while !self.ended.load(Ordering::Relaxed) {
            asked += 1;
            let error = match self.source.registry.schema(id, self.subject.as_deref()).await {
                Ok(schema) => {
                    self.answered(id, asked);
                    return Ok(Some(Fetched::Schema(schema)));
                }
                Err(error) => error,
            };
            match error.remedy() {
                Remedy::AskAgain => self.delayed(id, asked, &error),
                Remedy::BadRecord => {
                    // The record's own error says no more than that there is no such schema.
                    debug!(topic = %self.topic, %id, %error, "records of this schema are bad");
                    self.answered(id, asked);
                    return Ok(Some(Fetched::Missing));
                }
                Remedy::StopTask => return Err(Failure::Registry(error)),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(ASK_AGAIN_MAX);
        }
        Ok(None)
    }

    fn answered(&self, id: SchemaId, asked: u32) {
        if asked > 1 {
            info!(topic = %self.topic, %id, asked, "the schema registry has answered");
            self.say(None);
        }
    }

    fn delayed(&self, id: SchemaId, asked: u32, error: &RegistryError) {
        // Once: it may go on for hours.
        if asked == 1 {
            warn!(topic = %self.topic, %id, %error, "the schema registry is asked again; the lane waits");
        }
        self.say(Some(error.to_string()));
    }

    /// What the lane waits for, in the status. When nobody reads, the task has ended.
    fn say(&self, waiting: Option<String>) {
        let _ = self.mail.send(Mail::Waiting { claim: self.claim, topic: self.topic.clone(), waiting });
    }
}

/// Fetches a schema for the lane's open block; answers by mail. The job ends with the lane.
pub(super) fn fetch(cx: &TaskContext, wanted: Wanted, id: SchemaId) -> AbortHandle {
    let job = cx.runtime.spawn(async move {
        let Wanted { claim, topic, mail, .. } = &wanted;
        let _report = PanicReport::new(mail, Some(*claim), "fetching a schema");
        let letter = match wanted.insist(id).await {
            Ok(Some(fetched)) => Mail::Schema { claim: *claim, topic: topic.clone(), id, fetched },
            Ok(None) => return,
            Err(failure) => Mail::Failed { claim: Some(*claim), failure },
        };
        // When nobody reads, the task has ended.
        let _ = mail.send(letter);
    });
    job.abort_handle()
}
