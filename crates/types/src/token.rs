//! Identities of 64 and 128 bits: batches, dedup tokens, tables, configuration versions, questions to a person.
use std::fmt;
use std::str::FromStr;

use crate::ServerMillis;

/// The text was not the hexadecimal number that an identity is written as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an identity of {digits} hexadecimal digits")]
pub struct ParseIdError {
    /// Digits that were expected.
    pub digits: usize,
}

macro_rules! hex_identity {
    ($(#[$doc:meta])* $name:ident, $int:ty, $digits:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:0", $digits, "x}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<$name, ParseIdError> {
                let error = ParseIdError { digits: $digits };
                if text.len() != $digits || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(error);
                }
                <$int>::from_str_radix(text, 16).map($name).map_err(|_| error)
            }
        }
    };
}

hex_identity!(
    /// One batch of one lane. Query ids of its inserts begin with it.
    BatchId, u128, 32
);
hex_identity!(
    /// What is sent as `insert_deduplication_token`: fresh and random for each batch, so a rewind
    /// or a re-created topic can never meet an old one (PROTOCOL R2).
    DedupToken, u128, 32
);
hex_identity!(
    /// `uuid` of `system.tables`, written without its hyphens.
    TableUuid, u128, 32
);
hex_identity!(
    /// The part of a connector's configuration that decides which rows a record becomes (R13, R15).
    ConfigVersion, u64, 16
);

hex_identity!(
    /// What a person is asked about an open batch, and what the answer names (PROTOCOL R7).
    QuestionId, u128, 32
);

impl QuestionId {
    /// What became of the rows in `ranges`, as they are shown, by attempts under `token`, up to those that were recorded with
    /// `deadline`. Every further attempt is recorded with a later one, so the answer to one question is none to the next;
    /// and what was answered about some rows says nothing of others.
    pub fn about(token: DedupToken, deadline: ServerMillis, ranges: &str) -> QuestionId {
        // An odd factor is a bijection of the 128 bits: no two deadlines of one token and text meet.
        let of_deadline = (deadline.0 as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        QuestionId(token.0 ^ of_deadline ^ text_bits(ranges))
    }

    /// The same of shares that are left of a batch, which are sent under no token that was sent before.
    pub fn about_shares(batch: BatchId, ranges: &str) -> QuestionId {
        QuestionId(batch.0 ^ text_bits(ranges))
    }
}

/// FNV-1a with 128 bits. It stands in what operators write down, so it stays as it is.
fn text_bits(text: &str) -> u128 {
    const START: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const FACTOR: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    text.bytes().fold(START, |bits, byte| (bits ^ u128::from(byte)).wrapping_mul(FACTOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_read_back_what_they_print() {
        let token = DedupToken(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        assert_eq!(token.to_string().parse(), Ok(token));
        assert_eq!(ConfigVersion(7).to_string(), "0000000000000007");
        assert!("+000000000000007".parse::<ConfigVersion>().is_err());
        assert!("7".parse::<ConfigVersion>().is_err());
    }

    #[test]
    fn each_recording_of_a_token_is_another_question() {
        let about = |token, deadline| QuestionId::about(DedupToken(token), ServerMillis(deadline), "0:0..5");
        assert_eq!(about(7, 1_700_000_000_000), about(7, 1_700_000_000_000));
        assert_ne!(about(7, 1_700_000_000_000), about(7, 1_700_000_000_001));
        assert_ne!(about(7, 1_700_000_000_000), about(8, 1_700_000_000_000));
    }

    #[test]
    fn other_rows_are_another_question() {
        let about = |ranges| QuestionId::about(DedupToken(7), ServerMillis(1), ranges);
        assert_eq!(about("0:0..5 1:3..4"), about("0:0..5 1:3..4"));
        assert_ne!(about("0:0..5"), about("0:0..10"));
        assert_ne!(about("0:0..5"), about("1:0..5"));
        assert_ne!(
            QuestionId::about_shares(BatchId(7), "0:0..5"),
            QuestionId::about_shares(BatchId(7), "2:0..5")
        );
    }
}
