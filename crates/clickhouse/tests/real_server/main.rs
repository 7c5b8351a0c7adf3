//! What this room promises, against a real server: one copy per token, nothing after the deadline, one
//! block one part, attempts that end, facts that are true, a proof that names what is missing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod block;
mod codes;
mod crash;
mod create;
mod evidence;
mod facts;
mod hosts;
mod inserts;
mod keeper_ledger;
mod proofs;
mod quiet;
mod reconcile;
mod server;
mod tables;
mod tls;
