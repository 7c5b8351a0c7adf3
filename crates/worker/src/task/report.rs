//! What the protocol's rules decide, in the log: one line each, that begins with the rule's number.
use pumphouse_delivery::Verdict;
use pumphouse_types::{BatchId, TopicName};
use tracing::{info, warn};

use super::context::TaskContext;

/// Logs and counts a verdict.
pub(super) fn report(cx: &TaskContext, topic: &TopicName, batch: BatchId, verdict: &Verdict) {
    let text = verdict.to_string();
    let rule = rule_of(&text);
    cx.meters.ruled(rule);
    if is_notable(verdict) {
        warn!(task = %cx.task_id, rule, %topic, %batch, "{text}");
    } else {
        info!(task = %cx.task_id, rule, %topic, %batch, "{text}");
    }
}

/// `R7` of `R7: text`.
fn rule_of(text: &str) -> &str {
    text.split_once(": ").map_or("", |(rule, _)| rule)
}

/// Whether an operator may want to look, although the sink goes on.
fn is_notable(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::SourceThinned { .. }
        | Verdict::LeftOut { .. }
        | Verdict::OpenElsewhere { .. }
        | Verdict::OffsetsWereSet
        | Verdict::Decided(_)
        | Verdict::AtLeastOnce(_) => true,
        Verdict::EvidenceNeeded(_)
        | Verdict::RowsFound
        | Verdict::QueryFinished
        | Verdict::RowsMissing { .. }
        | Verdict::SameProcess
        | Verdict::RefusedBefore
        | Verdict::Amended { .. }
        | Verdict::Rebuilt => false,
    }
}

#[cfg(test)]
mod tests {
    use pumphouse_delivery::NeedsEvidence;
    use pumphouse_types::{Offset, Partition};

    use super::*;

    #[test]
    fn every_verdict_begins_with_its_rule() {
        let (partition, offset) = (Partition(0), Offset::ZERO);
        for verdict in [
            Verdict::EvidenceNeeded(NeedsEvidence::OtherTable),
            Verdict::RowsFound,
            Verdict::QueryFinished,
            Verdict::RowsMissing { missing: 1, rows: 2 },
            Verdict::SameProcess,
            Verdict::SourceThinned { found: 1, recorded: 2 },
            Verdict::RefusedBefore,
            Verdict::Amended { rows: 1 },
            Verdict::LeftOut { partition, offset },
            Verdict::Rebuilt,
            Verdict::OpenElsewhere { table: "d.t".to_owned(), now: "d.u".to_owned() },
            Verdict::OffsetsWereSet,
            Verdict::AtLeastOnce(NeedsEvidence::OtherTable),
        ] {
            let text = verdict.to_string();
            let number = rule_of(&text).strip_prefix('R').and_then(|number| number.parse::<u32>().ok());
            assert!(number.is_some_and(|number| (1..=17).contains(&number)), "{text}");
        }
    }
}
