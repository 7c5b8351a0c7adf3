//! ClickHouse, asked from a thread that waits.
use std::time::Duration;

use pumphouse_clickhouse::{
    Certificates, ClickHouseError, Client, Endpoint, Engine, LineageNames, Password, TableName,
};
use pumphouse_config::ConnectorConfig;
use tokio::runtime::Runtime;

use crate::error::VerifyError;

/// Questions that get no answer are asked again so often, a second apart; then the person decides.
const TRIES_MAX: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// A server, and the runtime that its connections live in.
pub(crate) struct Server {
    runtime: Runtime,
    client: Client,
}

/// A table, as far as reconciling needs it.
#[derive(Debug)]
pub(crate) struct Table {
    pub name: TableName,
    /// `None`: it does not have all three columns, stored and wide enough.
    pub lineage: Option<LineageNames>,
    pub notes: Vec<String>,
}

impl Server {
    pub(crate) fn open(config: &ConnectorConfig) -> Result<Server, VerifyError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(VerifyError::System)?;
        let endpoint = &config.endpoint;
        let files = endpoint.certificates.clone();
        let certificates = Certificates {
            authorities: files.authorities,
            certificate: files.certificate,
            key: files.key,
            instead_of_password: files.instead_of_password,
        };
        let host = |host: &String| Endpoint {
            host: host.clone(),
            port: endpoint.port,
            ssl: endpoint.tls,
            username: endpoint.username.clone(),
            password: Password::new(endpoint.password.reveal()),
        };
        let names = LineageNames {
            topic: config.lineage.topic.clone(),
            partition: config.lineage.partition.clone(),
            offset: config.lineage.offset.clone(),
        };
        let client = Client::with_certificates(endpoint.hostnames.iter().map(host).collect(), &certificates)?
            .with_lineage_names(names);
        Ok(Server { runtime, client })
    }

    /// The client that it asks with.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Asks, and again where that may help.
    pub(crate) fn ask<'c, T, F>(&'c self, question: impl Fn(&'c Client) -> F) -> Result<T, ClickHouseError>
    where
        F: Future<Output = Result<T, ClickHouseError>>,
    {
        let mut tries = 1;
        loop {
            match self.runtime.block_on(question(&self.client)) {
                Err(error) if error.is_transient() && tries < TRIES_MAX => {
                    std::thread::sleep(PAUSE);
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    /// Reads what the table is; a replicated one is made to hold what it has acknowledged elsewhere.
    pub(crate) fn table(&self, name: TableName) -> Result<Table, ClickHouseError> {
        let found = self.ask(|client| client.inspect(&name))?;
        let mut notes = Vec::new();
        if let Some(why) = &found.may_lose_rows {
            notes.push(format!(
                "the table does not keep every row ({why}): rows that it has removed are reported as missing"
            ));
        }
        if found.engine == Engine::Replicated
            && let Err(error) = self.ask(|client| client.sync_replica(&name))
        {
            notes.push(format!(
                "one replica was asked, and it could not be made to catch up first ({error}); \
                 rows that it has not fetched yet are reported as missing"
            ));
        }
        Ok(Table { name, lineage: found.lineage.map(|columns| columns.names), notes })
    }
}
