//! Marks of partitions that were ever taken, as the state topic has them (R16).
use std::fmt;

use pumphouse_types::Offset;

const RUNNING: &str = "running";
const AT_REST: &str = "at rest ";

/// What the state topic says about a partition that was ever taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It was claimed, and not left in order: where it stands, only the ledger knows.
    Running,
    /// It was left by a clean stop, with everything below `next` landed.
    AtRest {
        /// The next offset to take.
        next: Offset,
    },
}

impl fmt::Display for Mark {
    /// The text of the record: `running`, or `at rest <next>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mark::Running => f.write_str(RUNNING),
            Mark::AtRest { next } => write!(f, "{AT_REST}{next}"),
        }
    }
}

impl Mark {
    /// Reads the text of a record; `None`: it is no mark.
    pub fn parse(text: &[u8]) -> Option<Mark> {
        let text = std::str::from_utf8(text).ok()?;
        let Some(next) = text.strip_prefix(AT_REST) else {
            return (text == RUNNING).then_some(Mark::Running);
        };
        // Digits alone, without a sign.
        let next = next.bytes().all(|byte| byte.is_ascii_digit()).then(|| next.parse().ok())??;
        Some(Mark::AtRest { next: Offset::new(next)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_read_back_what_they_print() {
        for mark in [
            Mark::Running,
            Mark::AtRest { next: Offset::ZERO },
            Mark::AtRest { next: Offset::new(7).unwrap() },
        ] {
            assert_eq!(Mark::parse(mark.to_string().as_bytes()), Some(mark));
        }
        let foreign: [&[u8]; 7] =
            [b"", b"Running", b"at rest", b"at rest ", b"at rest -1", b"at rest +1", b"\xff"];
        assert_eq!(foreign.map(Mark::parse), [None; 7]);
    }
}
