//! The rules whose check can be switched off in test builds, to show that its absence is noticed.

/// A rule of PROTOCOL.md that this crate checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// No insert before the ledger carries the batch.
    R1,
    /// One batch, one token.
    R2,
    /// At most one open batch per lane.
    R3,
    /// A refused batch is never passed.
    R4,
    /// A task acts on a partition only under the assignment under which it claimed it.
    R5,
    /// An open batch found at claim is resolved, never dropped.
    R6,
    /// Blind re-sending only while the table remembers the token.
    R7,
    /// A 200 to a later attempt on plain MergeTree needs proof.
    R8,
    /// Re-read rows are the recorded rows.
    R9,
    /// A refusal proves something only if every other attempt was refused.
    R10,
    /// A piece gets a token of its own.
    R11,
    /// A window that forgets too soon is refused.
    R12,
    /// Entries are read stable.
    R14,
    /// A topic that was created again is another topic.
    R15,
    /// Missing offsets are not a fresh start.
    R16,
    /// What is left of a batch whose offsets were set is resolved by evidence.
    R17,
}

/// The rules in force: all of them, but for one that a test build has switched off.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    #[cfg(feature = "mutations")]
    off: Option<Rule>,
}

impl Rules {
    #[cfg(feature = "mutations")]
    pub(crate) fn without(rule: Rule) -> Rules {
        Rules { off: Some(rule) }
    }

    /// Whether `rule` is in force; always, but in a test build.
    pub(crate) fn keep(self, rule: Rule) -> bool {
        #[cfg(feature = "mutations")]
        return self.off != Some(rule);
        #[cfg(not(feature = "mutations"))]
        {
            let _ = rule;
            true
        }
    }
}
