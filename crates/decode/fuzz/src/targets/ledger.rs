//! The ledger's texts: anybody may have written into a group's offsets.
use pumphouse_delivery::{Entry, EntryError, StoredEntry};
use pumphouse_types::{Offset, Partition};

use super::Outcome;
use super::records::outcome;

/// The store never holds a longer text.
const TEXT_BYTES_MAX: usize = 4_096;

pub fn run(input: &[u8]) -> Outcome {
    let Ok(metadata) = std::str::from_utf8(input) else { return 0 };
    if metadata.len() > TEXT_BYTES_MAX {
        return 0;
    }
    let offset = Offset::new(90).expect("not negative");
    let stored = StoredEntry { offset, metadata: metadata.to_owned() };
    match Entry::parse(Partition(2), &stored) {
        Ok(Entry::Plain { topic_id, .. }) => outcome(("plain", topic_id.is_some())),
        Ok(Entry::Lead(batch)) => {
            assert!(batch.ranges.contains_key(&Partition(2)), "a lead's entry covers its own partition");
            outcome(("lead", batch.ranges.len().min(8), batch.piece_end.is_some(), batch.by_evidence))
        }
        Ok(Entry::Member(member)) => {
            assert_ne!(member.lead, Partition(2), "a member's lead is another");
            outcome("member")
        }
        Err(EntryError::Version(_)) => outcome("version"),
        Err(EntryError::Broken(why)) => {
            outcome(why.bytes().take_while(|byte| byte.is_ascii_alphabetic() || *byte == b' ').count())
        }
    }
}

/// Texts of version 1.
pub fn seeds() -> Vec<Vec<u8>> {
    let plain = r#"{"pumphouse":1,"topic":"00000000000000000000000000000070"}"#;
    let share = r#""share":{"batch":"0000000000000000000000000000000b","lead":2,"end":120,"rows":29,"hash":"00000000000000aa"}"#;
    let whole = r#""whole":{"token":"0000000000000000000000000000000d","ranges":"2:90+30,5:5+4","table":"db.events","uuid":"0000000000000000000000000000000e","engine":"replicated","version":"26.7.1","started":1000,"window_blocks":10000,"window_ms":3600000,"blocks":7,"first":2000,"deadline":32000,"config":"000000000000000c","definition":"000000000000000f"}"#;
    let start = &plain[..plain.len() - 1];
    let other = share.replace("\"lead\":2", "\"lead\":0");
    vec![
        plain.as_bytes().to_vec(),
        format!("{start},{other}}}").into_bytes(),
        format!("{start},{share},{whole}}}").into_bytes(),
        b"another tool's words".to_vec(),
        br#"{"pumphouse":2}"#.to_vec(),
    ]
}
