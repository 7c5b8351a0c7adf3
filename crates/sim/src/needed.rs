//! For each rule a seed that passes with it and fails without it: what the rule is there for.
use pumphouse_delivery::Rule;

/// A rule and its witness.
#[derive(Debug, Clone, Copy)]
pub struct Needed {
    /// The rule.
    pub rule: Rule,
    /// A seed that passes with it and fails without.
    pub seed: u64,
    /// The invariant that is broken there without it.
    pub broken: &'static str,
    /// What goes wrong without it.
    pub what: &'static str,
}

/// Found with `sim --without RULE --keep-going`. A seed stands for another run as soon as the protocol
/// or the simulator asks for one thing more: then a new witness is looked for in the same way.
pub const NEEDED: [Needed; 16] = [
    Needed {
        rule: Rule::R1,
        seed: 2,
        broken: "no_row_twice",
        what: "an insert sets out before the ledger has its batch, and nobody knows of it afterwards",
    },
    Needed {
        rule: Rule::R2,
        seed: 1,
        broken: "no_row_twice",
        what: "a batch that had landed is taken up and sent again under another token",
    },
    Needed {
        rule: Rule::R3,
        seed: 0,
        broken: "passed_is_landed",
        what: "a second batch is recorded over one that has not landed",
    },
    Needed { rule: Rule::R4, seed: 5, broken: "passed_is_landed", what: "a refused batch is passed over" },
    Needed {
        rule: Rule::R5,
        seed: 169,
        broken: "no_row_twice",
        what: "lanes outlive their assignment, and two members insert the same records",
    },
    Needed {
        rule: Rule::R6,
        seed: 2,
        broken: "no_row_twice",
        what: "an open batch is filled anew under another token, although it had landed",
    },
    Needed {
        rule: Rule::R7,
        seed: 49,
        broken: "no_row_twice",
        what: "a token is sent again that the table has forgotten",
    },
    Needed {
        rule: Rule::R8,
        seed: 108,
        broken: "passed_is_landed",
        what: "the answer to a retry is believed, whose first part was lost with the server",
    },
    Needed {
        rule: Rule::R9,
        seed: 675,
        broken: "same_rows_per_token",
        what: "a block is built again from a source that has lost a record, under the same token",
    },
    Needed {
        rule: Rule::R10,
        seed: 7,
        broken: "no_row_twice",
        what: "a refusal is believed, although an earlier attempt or a part of the block had landed",
    },
    Needed {
        rule: Rule::R11,
        seed: 5,
        broken: "same_rows_per_token",
        what: "a piece of a refused block goes out under the block's token",
    },
    Needed {
        rule: Rule::R12,
        seed: 2790,
        broken: "no_row_twice",
        what: "a window is accepted that a late commit outlives, and with it the token of the attempt after it",
    },
    Needed {
        rule: Rule::R14,
        seed: 3671,
        broken: "offsets_never_go_back",
        what: "an entry is read while a transaction on it is open, and what was decided from it is overwritten",
    },
    Needed {
        rule: Rule::R15,
        seed: 163,
        broken: "no_row_twice",
        what: "an old handle reads on in a topic that was created again, and the next claim reads the same records",
    },
    Needed {
        rule: Rule::R16,
        seed: 11,
        broken: "offsets_never_go_back",
        what: "a connector whose offsets the broker has forgotten begins again",
    },
    Needed {
        rule: Rule::R17,
        seed: 61,
        broken: "no_row_twice",
        what: "what an overwritten batch has left in other partitions is filled anew, although it had landed",
    },
];
