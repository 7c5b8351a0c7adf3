//! `zkPath` and `zkDatabase`: the official sink's names for the table of its state, here the ledger's where that is
//! in KeeperMap.
use crate::error::ConfigCode;
use crate::reading::Reading;

/// The ledger's KeeperMap table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeeperTable {
    /// `zkPath`: below the server's `keeper_map_path_prefix`.
    pub path: String,
    /// `zkDatabase`: the table, in the connector's database.
    pub table: String,
}

const WITHOUT_EFFECT: &str =
    "The ledger lives in the consumer group's offsets, unless pumphouse.ledger.store is keepermap.";

pub(crate) fn read(reading: &mut Reading<'_>) -> KeeperTable {
    let in_use = reading.text("pumphouse.ledger.store").eq_ignore_ascii_case("keepermap");
    for name in ["zkDatabase", "zkPath"] {
        if reading.given(name).is_some() && !in_use {
            reading.note(name, WITHOUT_EFFECT);
        }
    }
    let (path, table) = (reading.text("zkPath").to_owned(), reading.text("zkDatabase").to_owned());
    if in_use && (!path.starts_with('/') || path.len() < 2 || path.ends_with('/') || path.contains("//")) {
        let what = format!("{path:?} is no path in Keeper");
        reading.error(ConfigCode::Value, "zkPath", what, "It begins with a slash and does not end in one.");
    }
    KeeperTable { path, table }
}
