//! Where a partition begins that has no entry in the ledger.

/// `auto.offset.reset`; Kafka Connect's default is `earliest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At its first record.
    Earliest,
    /// After its last record.
    Latest,
    /// Nowhere: the task stops.
    None,
}

impl StartAt {
    /// Reads a text that the table has checked.
    pub(crate) fn parse(text: &str) -> StartAt {
        match text.to_ascii_lowercase().as_str() {
            "latest" => StartAt::Latest,
            "none" => StartAt::None,
            _ => StartAt::Earliest,
        }
    }
}
