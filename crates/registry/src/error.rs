//! What can go wrong between us and the registry, and what the caller does about it.
use pumphouse_types::SchemaId;

/// What the caller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing is known about the schema: ask again after a pause, for as long as it takes.
    AskAgain,
    /// The record that names the schema can never be read.
    BadRecord,
    /// Asking cannot help: the operator changes the configuration.
    StopTask,
}

/// No schema. No message holds a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// No connection, no complete answer, or an error of the server's own.
    #[error("REGISTRY-001: no answer about schema {id} after {tries} tries, the last from {server}: {why}")]
    NoAnswer {
        /** Which schema. */
        id: SchemaId,
        /** Requests sent. */
        tries: u32,
        /** The last server asked, without credentials. */
        server: String,
        /** What it said or did. */
        why: String,
    },
    /// Every server was asked, and none has it.
    #[error("REGISTRY-002: schema {id} does not exist")]
    NoSuchSchema {
        /** Which schema. */
        id: SchemaId,
    },
    /// The credentials are missing or wrong.
    #[error("REGISTRY-003: {server} does not let us read schema {id}: HTTP status {status}")]
    NotAllowed {
        /** Which schema. */
        id: SchemaId,
        /** The server, without credentials. */
        server: String,
        /** 401 or 403. */
        status: u16,
    },
    /// Something answered that does not speak as a registry does.
    #[error("REGISTRY-004: the answer of {server} about schema {id} is not a registry's: {what}")]
    Strange {
        /** Which schema. */
        id: SchemaId,
        /** The server, without credentials. */
        server: String,
        /** What is wrong with it. */
        what: String,
    },
    /// The address is none, or TLS cannot be set up.
    #[error("REGISTRY-005: no client can be made: {why}")]
    Client {
        /** What is wrong. */
        why: String,
    },
    /// The schema is there; something that it refers to is not, or its references have no end.
    #[error("REGISTRY-006: schema {id} is not complete: {why}")]
    Incomplete {
        /** Which schema. */
        id: SchemaId,
        /** What is missing. */
        why: String,
    },
}

impl RegistryError {
    /// What the caller does.
    pub fn remedy(&self) -> Remedy {
        match self {
            // Wrong credentials and wrong servers are the operator's to change, but no record is bad
            // for them, and both may be changed on the other side.
            RegistryError::NoAnswer { .. }
            | RegistryError::NotAllowed { .. }
            | RegistryError::Strange { .. } => Remedy::AskAgain,
            RegistryError::NoSuchSchema { .. } | RegistryError::Incomplete { .. } => Remedy::BadRecord,
            RegistryError::Client { .. } => Remedy::StopTask,
        }
    }
}
