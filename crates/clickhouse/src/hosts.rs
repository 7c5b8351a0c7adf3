//! Several hosts of one replicated table: which one is asked, and when another one is.
//!
//! A request goes to one host and is never repeated on another behind the caller's back: an insert whose
//! answer was lost is the protocol's to send again (R2). What fails only moves the next request on.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use pumphouse_types::TableUuid;

use crate::certificates::Certificates;
use crate::client::{Client, Host, Refused};
use crate::endpoint::Endpoint;
use crate::error::ClickHouseError;

/// Answers of a host that cannot serve while another one may: time-outs and lost connections of its own,
/// no Keeper, a replica that is read-only or shuts down.
const HOST_TROUBLE: &[i32] = &[210, 225, 236, 242, 999];

/// The hosts of a client, all with the same tables.
pub(crate) struct Hosts {
    all: Vec<Host>,
    current: AtomicUsize,
    /// Not proven to have the same tables: no attempt and no question goes there by itself, but attempts of others
    /// are made to end there, too.
    left_out: Vec<AtomicBool>,
    /// Replicas of one table that have uuids of their own, by the one that stands for all.
    identities: RwLock<BTreeMap<TableUuid, TableUuid>>,
}

impl Hosts {
    /// What a host answered: the next request goes to the next host if this one cannot serve.
    pub(crate) fn heard(
        &self,
        index: usize,
        pinned: Option<usize>,
        answer: &Result<Result<Bytes, Refused>, String>,
    ) {
        let trouble = match answer {
            Ok(Ok(_)) => false,
            Ok(Err(Refused { code, .. })) => HOST_TROUBLE.contains(code),
            Err(_) => true,
        };
        if trouble && pinned.is_none() {
            self.move_on(index);
        }
    }

    fn move_on(&self, from: usize) {
        let following = (1..=self.all.len()).map(|step| (from + step) % self.all.len());
        let used = |index: &usize| !self.left_out[*index].load(Ordering::Relaxed);
        let Some(next) = following.into_iter().find(used) else { return };
        // Of many requests that fail at once, one moves on.
        let _ = self.current.compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The host did not answer at the start, where others did: it is not used.
    pub(crate) fn leave_out(&self, index: usize) {
        self.left_out[index].store(true, Ordering::Relaxed);
        if self.current.load(Ordering::Relaxed) == index {
            self.move_on(index);
        }
    }

    /// The uuid that stands for a table on every host.
    pub(crate) fn identity(&self, uuid: TableUuid) -> TableUuid {
        let identities = self.identities.read().unwrap_or_else(PoisonError::into_inner);
        identities.get(&uuid).copied().unwrap_or(uuid)
    }

    /// Remembers that these are one table: the smallest stands for all, whichever host is asked first.
    pub(crate) fn same_table(&self, uuids: &[TableUuid]) {
        let Some(smallest) = uuids.iter().min() else { return };
        let mut identities = self.identities.write().unwrap_or_else(PoisonError::into_inner);
        identities.extend(uuids.iter().map(|uuid| (*uuid, *smallest)));
    }
}

impl Client {
    /// Makes a client of several hosts, which all have the same replicated tables; the start-up proof
    /// refuses others (PROOF-017). Nothing is connected yet.
    /// Errors: those of [`Client::new`]; `Client` without a host.
    pub fn of_hosts(endpoints: Vec<Endpoint>) -> Result<Client, ClickHouseError> {
        Client::with_certificates(endpoints, &Certificates::default())
    }

    /// The same; those that speak HTTPS with these certificates.
    /// Errors: as above; `Client` for a file that cannot be used.
    pub fn with_certificates(
        endpoints: Vec<Endpoint>,
        certificates: &Certificates,
    ) -> Result<Client, ClickHouseError> {
        let all: Vec<Host> = endpoints
            .into_iter()
            .map(|endpoint| Host::new(endpoint, certificates))
            .collect::<Result<_, _>>()?;
        if all.is_empty() {
            return Err(ClickHouseError::Client { why: "no host is given".to_owned() });
        }
        let left_out = all.iter().map(|_| AtomicBool::new(false)).collect();
        let hosts = Hosts { all, current: AtomicUsize::new(0), left_out, identities: RwLock::default() };
        Ok(Client {
            hosts: Arc::new(hosts),
            pinned: None,
            lineage: Arc::default(),
            servers_own: Arc::default(),
            questions: Arc::default(),
        })
    }

    /// How many hosts there are.
    pub fn hosts(&self) -> usize {
        self.hosts.all.len()
    }

    /// Each host by itself.
    pub(crate) fn each_host(&self) -> Vec<Client> {
        match self.pinned {
            Some(index) => vec![self.at(index)],
            None => (0..self.hosts()).map(|index| self.at(index)).collect(),
        }
    }

    /// The same client, asking only this host.
    pub(crate) fn at(&self, index: usize) -> Client {
        Client { pinned: Some(index), ..self.clone().asking_alone() }
    }

    /// The host that the next request goes to.
    pub(crate) fn host(&self) -> (usize, &Host) {
        let index = self.pinned.unwrap_or_else(|| self.hosts.current.load(Ordering::Relaxed));
        (index, &self.hosts.all[index])
    }

    /// `host:port`, for messages.
    pub(crate) fn address(&self) -> String {
        let endpoint = &self.host().1.endpoint;
        format!("{}:{}", endpoint.host, endpoint.port)
    }

    /// The host asked last did not answer in time.
    pub(crate) fn host_failed(&self) {
        if self.pinned.is_none() {
            self.hosts.move_on(self.host().0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Password;

    fn client_of(names: &[&str]) -> Client {
        let endpoint = |name: &&str| Endpoint {
            host: (*name).to_owned(),
            port: 8123,
            ssl: false,
            username: "u".to_owned(),
            password: Password::new(""),
        };
        Client::of_hosts(names.iter().map(endpoint).collect()).unwrap()
    }

    #[test]
    fn a_host_in_trouble_is_left_and_a_refusal_is_not_trouble() {
        let client = client_of(&["a", "b"]);
        let refused = |code| Ok(Err(Refused { code, message: String::new() }));
        client.hosts.heard(0, None, &refused(469));
        assert_eq!(client.address(), "a:8123");
        client.hosts.heard(0, None, &refused(242));
        assert_eq!(client.address(), "b:8123");
        // A late answer about the host that was left.
        client.hosts.heard(0, None, &Err("reset".to_owned()));
        assert_eq!(client.address(), "b:8123");
        client.hosts.heard(1, Some(1), &Err("reset".to_owned()));
        assert_eq!(client.address(), "b:8123");
        client.hosts.heard(1, None, &Err("reset".to_owned()));
        assert_eq!(client.address(), "a:8123");
    }

    #[test]
    fn replicas_of_one_table_have_one_identity() {
        let client = client_of(&["a", "b"]);
        client.hosts.same_table(&[TableUuid(7), TableUuid(3)]);
        assert_eq!(client.hosts.identity(TableUuid(7)), TableUuid(3));
        assert_eq!(client.hosts.identity(TableUuid(3)), TableUuid(3));
        assert_eq!(client.hosts.identity(TableUuid(9)), TableUuid(9));
    }
}
