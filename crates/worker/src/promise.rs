//! What a connector promises for its tables: exactly once where the start-up proof passes, else what
//! `exactlyOnce` says. Carries R12's last sentence.
use pumphouse_clickhouse::ProofFailure;
use pumphouse_config::ExactlyOnce;

/// What holds for the life of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Each record exactly once.
    ExactlyOnce,
    /// At least once, and why not more.
    AtLeastOnce(String),
}

impl Promise {
    pub(crate) fn is_exactly_once(&self) -> bool {
        *self == Promise::ExactlyOnce
    }

    /// What the connector's status shows beside RUNNING.
    pub(crate) fn note(&self) -> Option<String> {
        match self {
            Promise::ExactlyOnce => None,
            Promise::AtLeastOnce(why) => Some(format!("delivers at least once: {why}")),
        }
    }
}

/// Decides by what the proof has found.
/// Errors: the reasons, with their remedies, where the connector must not start.
pub(crate) fn promise(wanted: ExactlyOnce, failed: &[ProofFailure]) -> Result<Promise, String> {
    let all = |failed: &[&ProofFailure]| {
        failed.iter().map(|failure| failure.to_string()).collect::<Vec<_>>().join("; ")
    };
    // Without a table there is nothing to promise.
    let missing: Vec<&ProofFailure> = failed
        .iter()
        .filter(|failure| matches!(failure, ProofFailure::NoDatabase { .. } | ProofFailure::NoTable { .. }))
        .collect();
    if !missing.is_empty() {
        return Err(all(&missing));
    }
    let failed: Vec<&ProofFailure> = failed.iter().collect();
    match wanted {
        ExactlyOnce::Off => Ok(Promise::AtLeastOnce("exactlyOnce is false".to_owned())),
        ExactlyOnce::Required | ExactlyOnce::WherePossible if failed.is_empty() => Ok(Promise::ExactlyOnce),
        ExactlyOnce::Required => Err(all(&failed)),
        ExactlyOnce::WherePossible => Ok(Promise::AtLeastOnce(all(&failed))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_table() -> ProofFailure {
        ProofFailure::NoTable { table: "d.t".to_owned(), user: "u".to_owned() }
    }

    fn engine() -> ProofFailure {
        ProofFailure::Engine { table: "d.t".to_owned(), engine: "Memory".to_owned() }
    }

    #[test]
    fn true_is_refused_where_the_proof_fails() {
        let why = promise(ExactlyOnce::Required, &[engine()]).unwrap_err();
        assert!(why.contains("PROOF-003"), "{why}");
        assert_eq!(promise(ExactlyOnce::Required, &[]), Ok(Promise::ExactlyOnce));
    }

    #[test]
    fn not_given_is_as_much_as_the_proof_allows() {
        assert_eq!(promise(ExactlyOnce::WherePossible, &[]), Ok(Promise::ExactlyOnce));
        let less = promise(ExactlyOnce::WherePossible, &[engine()]).unwrap();
        let note = less.note().unwrap();
        assert!(
            !less.is_exactly_once() && note.contains("PROOF-003") && note.contains("MergeTree"),
            "{note}"
        );
    }

    #[test]
    fn false_is_at_least_once_even_where_more_is_possible() {
        assert!(!promise(ExactlyOnce::Off, &[]).unwrap().is_exactly_once());
    }

    #[test]
    fn nothing_is_promised_without_a_table() {
        for wanted in [ExactlyOnce::Required, ExactlyOnce::WherePossible, ExactlyOnce::Off] {
            let why = promise(wanted, &[engine(), no_table()]).unwrap_err();
            assert!(why.contains("PROOF-002") && !why.contains("PROOF-003"), "{why}");
        }
    }
}
