//! `pumphouse.open.batch.decisions`: what a person decided about a batch whose fate cannot be proven. It
//! names the question that the stopped task asked, so that it says nothing of what is sent of the batch afterwards.
use std::collections::BTreeMap;

use pumphouse_types::QuestionId;

use crate::error::ConfigCode;
use crate::reading::Reading;
use crate::value::pairs;

const OPTION: &str = "pumphouse.open.batch.decisions";

/// The three ways on (PROTOCOL R7). Each waits until the batch is quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchDecision {
    /// All its rows are in the table: pass over it.
    Landed,
    /// None of them is: insert all under a new token.
    Again,
    /// Insert those that the lineage columns do not show.
    Missing,
}

pub(crate) fn read(reading: &mut Reading<'_>) -> BTreeMap<QuestionId, BatchDecision> {
    let mut decisions = BTreeMap::new();
    // Malformed pairs are reported by their kind.
    for (question, decision) in pairs(reading.text(OPTION)).unwrap_or_default() {
        let Ok(question) = question.parse::<QuestionId>() else {
            let message = format!("{question:?} is not a question of 32 hexadecimal digits");
            reading.error(
                ConfigCode::Value,
                OPTION,
                message,
                "Copy it from the message of the stopped task.",
            );
            continue;
        };
        let decision = match decision.to_ascii_lowercase().as_str() {
            "landed" => BatchDecision::Landed,
            "again" => BatchDecision::Again,
            "missing" => BatchDecision::Missing,
            other => {
                let message = format!("{other:?} is none of landed, again, missing");
                reading.error(ConfigCode::Value, OPTION, message, "Give one of them for each question.");
                continue;
            }
        };
        if decisions.insert(question, decision).is_some_and(|before| before != decision) {
            let message = format!("question {question} has two decisions");
            reading.error(ConfigCode::Conflict, OPTION, message, "Keep one of them.");
        }
    }
    decisions
}
