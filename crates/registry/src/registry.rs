//! The schema of a number, with everything that it refers to.
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pumphouse_types::{ReferencedSchema, RegisteredSchema, SchemaId};

use crate::answer::{Answer, Reference, SchemaAnswer};
use crate::cache::Cache;
use crate::connection::Servers;
use crate::error::RegistryError;
use crate::settings::RegistrySettings;

/// Schemas that one schema may need, directly or not. Real ones stay below a hundred.
const REFERENCES_MAX: usize = 500;

/// A client; cheap to clone. Its methods run on a tokio runtime.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    servers: Servers,
    settings: RegistrySettings,
    cache: Mutex<Cache>,
    /// One schema is fetched at a time: tasks that need the same one ask once.
    fetching: tokio::sync::Mutex<()>,
    /// The server that answered last is asked first.
    preferred: AtomicUsize,
}

impl Registry {
    /// Makes a client; nothing is connected yet.
    /// Errors: `Client`: an address, certificate or key cannot be used.
    pub fn new(settings: RegistrySettings) -> Result<Registry, RegistryError> {
        let shared = Shared {
            servers: Servers::new(&settings)?,
            cache: Mutex::new(Cache::new(settings.schemas_max, settings.missing_for)),
            fetching: tokio::sync::Mutex::default(),
            preferred: AtomicUsize::new(0),
            settings,
        };
        Ok(Registry { shared: Arc::new(shared) })
    }

    /// The schema, if it was fetched before and is still kept.
    pub fn cached(&self, id: SchemaId) -> Option<Arc<RegisteredSchema>> {
        self.shared.cache().get(id)
    }

    /// The schema; `subject` as [`crate::SubjectNames::before_schema`] says. Takes at most
    /// `request_timeout` per server and round, and the pauses between the rounds, for each text.
    /// Errors: [`RegistryError`], whose remedy says whether to ask again.
    pub async fn schema(
        &self,
        id: SchemaId,
        subject: Option<&str>,
    ) -> Result<Arc<RegisteredSchema>, RegistryError> {
        if let Some(known) = self.shared.known(id)? {
            return Ok(known);
        }
        let _one_at_a_time = self.shared.fetching.lock().await;
        // Somebody may have fetched it meanwhile.
        if let Some(known) = self.shared.known(id)? {
            return Ok(known);
        }
        match self.shared.fetch(id, subject).await {
            Ok(schema) => {
                let schema = Arc::new(schema);
                self.shared.cache().put(&schema);
                Ok(schema)
            }
            Err(error) => {
                if let RegistryError::NoSuchSchema { .. } = error {
                    self.shared.cache().put_missing(id, Instant::now());
                }
                Err(error)
            }
        }
    }
}

impl Shared {
    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, id: SchemaId) -> Result<Option<Arc<RegisteredSchema>>, RegistryError> {
        let cache = self.cache();
        match cache.get(id) {
            None if cache.is_missing(id, Instant::now()) => Err(RegistryError::NoSuchSchema { id }),
            known => Ok(known),
        }
    }

    async fn fetch(&self, id: SchemaId, subject: Option<&str>) -> Result<RegisteredSchema, RegistryError> {
        let path = match subject {
            Some(subject) => format!("/schemas/ids/{id}?fetchMaxId=false&subject={}", encoded(subject)),
            None => format!("/schemas/ids/{id}?fetchMaxId=false"),
        };
        let root = self.ask(id, &path).await?.ok_or(RegistryError::NoSuchSchema { id })?;
        let kind = root.kind().map_err(|what| RegistryError::Strange {
            id,
            server: self.servers.name(self.preferred.load(Ordering::Relaxed)).to_owned(),
            what,
        })?;
        let references = self.references(id, &root).await?;
        Ok(RegisteredSchema { id, kind, text: root.schema, references })
    }

    /// Everything that `root` needs, each schema behind those that it needs itself.
    async fn references(
        &self,
        id: SchemaId,
        root: &SchemaAnswer,
    ) -> Result<Vec<ReferencedSchema>, RegistryError> {
        /// A schema that is written down once all those that it needs are.
        struct Open {
            own: Option<ReferencedSchema>,
            needs: std::vec::IntoIter<Reference>,
        }
        let mut done = Vec::new();
        // Names that were met: a second reference to the same name means the same schema, and a
        // schema that needs itself ends here.
        let mut met = BTreeSet::new();
        let mut open = vec![Open { own: None, needs: root.references().to_vec().into_iter() }];
        while let Some(top) = open.last_mut() {
            let Some(needed) = top.needs.next() else {
                done.extend(open.pop().and_then(|finished| finished.own));
                continue;
            };
            if !met.insert(needed.name.clone()) {
                continue;
            }
            if met.len() > REFERENCES_MAX {
                let why = format!("it needs more than {REFERENCES_MAX} others");
                return Err(RegistryError::Incomplete { id, why });
            }
            // A reference may have been deleted softly since; the schema that needs it still stands.
            let path =
                format!("/subjects/{}/versions/{}?deleted=true", encoded(&needed.subject), needed.version);
            let Some(answer) = self.ask(id, &path).await? else {
                let why = format!("subject {:?} has no version {}", needed.subject, needed.version);
                return Err(RegistryError::Incomplete { id, why });
            };
            let needs = answer.references().to_vec().into_iter();
            let own = Some(ReferencedSchema { name: needed.name, text: answer.schema });
            open.push(Open { own, needs });
        }
        Ok(done)
    }

    /// Asks the servers in rounds until one has the schema. `None`: all of them say that it does not
    /// exist. One alone may only be behind the others.
    async fn ask(&self, id: SchemaId, path: &str) -> Result<Option<SchemaAnswer>, RegistryError> {
        let mut wait = self.settings.retry_wait;
        let mut tries = 0;
        let mut round = 0;
        loop {
            let (mut missing, mut worst) = (0, None);
            let first = self.preferred.load(Ordering::Relaxed);
            for place in 0..self.servers.count() {
                let server = (first + place) % self.servers.count();
                tries += 1;
                let named = || self.servers.name(server).to_owned();
                let error = match self.servers.get(server, path).await {
                    Answer::Schema(schema) => {
                        self.preferred.store(server, Ordering::Relaxed);
                        return Ok(Some(schema));
                    }
                    Answer::Missing => {
                        missing += 1;
                        continue;
                    }
                    Answer::NotAllowed { status } => {
                        RegistryError::NotAllowed { id, server: named(), status }
                    }
                    Answer::Strange { what } => RegistryError::Strange { id, server: named(), what },
                    Answer::Failed { why } => RegistryError::NoAnswer { id, tries, server: named(), why },
                };
                worst = Some(error);
            }
            match worst {
                None => {
                    debug_assert_eq!(missing, self.servers.count());
                    return Ok(None);
                }
                Some(error) if round == self.settings.retries_max => return Err(error),
                Some(_) => {}
            }
            round += 1;
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(self.settings.retry_wait_max);
        }
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
