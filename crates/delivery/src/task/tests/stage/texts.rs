//! How actions read in a script.
use std::collections::BTreeMap;

use pumphouse_types::{DedupToken, Offset, Partition, TopicName, TopicPartition};

use super::{Stage, name};
use crate::{Action, Entry, StoredEntry};

impl Stage {
    pub(super) fn letter(&mut self, token: DedupToken) -> char {
        let at = self.tokens.iter().position(|t| *t == token).unwrap_or_else(|| {
            self.tokens.push(token);
            self.tokens.len() - 1
        });
        char::from(b'A' + u8::try_from(at).unwrap())
    }

    pub(super) fn text(&mut self, action: &Action) -> String {
        let names = |all: &mut dyn Iterator<Item = TopicPartition>| {
            all.map(|tp| name(&tp)).collect::<Vec<_>>().join(" ")
        };
        let of = |topic: &TopicName| match topic.as_str() {
            "t" => String::new(),
            other => format!("{other} "),
        };
        match action {
            Action::Claim { partitions, .. } => {
                format!("claim {}", names(&mut partitions.iter().cloned()))
            }
            Action::ReadEntries { topic, gather, partitions, .. } => {
                let mut tps =
                    partitions.iter().map(|p| TopicPartition { topic: topic.clone(), partition: *p });
                let verb = if gather.is_some() { "gather" } else { "look at" };
                format!("{verb} {}", names(&mut tps))
            }
            Action::AskStartOffsets { partitions, .. } => {
                format!("ask start {}", names(&mut partitions.iter().cloned()))
            }
            Action::Inspect { .. } | Action::Identify { .. } | Action::Foresee { .. } => {
                unreachable!("not shown")
            }
            Action::Fetch { positions } => {
                let all: Vec<_> = positions.iter().map(|(tp, at)| format!("{}@{at}", name(tp))).collect();
                format!("fetch {}", all.join(" "))
            }
            Action::Seal { topic, .. } => format!("{}seal", of(topic)),
            Action::Record { entries, letters, at_rest, only_while, .. } => {
                let mut all: Vec<_> = entries.iter().map(|(tp, stored)| entry_text(tp, stored)).collect();
                all.extend(letters.iter().map(|(_, l)| format!("letter p{}:{}", l.partition, l.offset)));
                let verb = if *at_rest { "rest" } else { "write" };
                let demand = if only_while.is_some() { " while it is the topic" } else { "" };
                format!("{verb} {}{demand}", all.join(", "))
            }
            Action::Reread { topic, batch, .. } => format!("{}re-read {}", of(topic), batch.ranges_text()),
            Action::Settle { topic, after, .. } => {
                let when = if after.is_some() { " past deadline" } else { "" };
                format!("{}settle{when}", of(topic))
            }
            Action::Insert { topic, batch, attempt, rows, .. } => {
                let rows = rows.as_ref().map_or_else(String::new, |rows| format!(" {}", rows_text(rows)));
                let table = match batch.table.name.as_str() {
                    "db.events" => String::new(),
                    other => format!(" into {other}"),
                };
                format!("{}insert {}{rows}{table} #{attempt}", of(topic), self.letter(batch.token))
            }
            Action::Evidence { topic, ranges, .. } => {
                let all: Vec<_> = ranges.iter().map(|(p, range)| format!("p{p} {range}")).collect();
                format!("{}look for {}", of(topic), all.join(" "))
            }
            Action::Release { .. } => "release".into(),
            Action::Report { verdict, .. } => {
                let text = verdict.to_string();
                text.split(':').next().unwrap_or_default().to_owned()
            }
            Action::Confirm { topic, .. } => format!("{}confirm", of(topic)),
            Action::Landed { topic, batch, .. } => {
                format!("{}landed {}", of(topic), self.letter(batch.token))
            }
            Action::WarnTopicGone { partition, .. } => format!("warn: topic of p{partition} is gone"),
            Action::WarnTopicReborn { topic } => format!("warn: {topic} was created again"),
            Action::WarnWindow { needed_blocks, .. } => format!("warn: {needed_blocks} blocks are needed"),
            Action::GiveUp => "give up".into(),
            Action::EndMembership => "end membership".into(),
            Action::Fail(reason) => format!("stop with {}", &reason.to_string()[..12]),
            Action::Leave => "leave".into(),
        }
    }
}

/// `p0 3,4,5`, or `p0 3..9` where no row is missing in between.
fn rows_text(rows: &BTreeMap<Partition, Vec<Offset>>) -> String {
    let of = |(partition, offsets): (&Partition, &Vec<Offset>)| {
        let (first, last) = (offsets[0].get(), offsets[offsets.len() - 1].get());
        if last - first + 1 == offsets.len() as i64 {
            return format!("p{partition} {first}..{}", last + 1);
        }
        let all: Vec<String> = offsets.iter().map(ToString::to_string).collect();
        format!("p{partition} {}", all.join(","))
    };
    rows.iter().map(of).collect::<Vec<_>>().join(" ")
}

fn entry_text(tp: &TopicPartition, stored: &StoredEntry) -> String {
    let name = name(tp);
    match Entry::parse(tp.partition, stored).unwrap() {
        Entry::Plain { next, .. } => format!("{name} at {next}"),
        Entry::Lead(batch) => format!("{name} open {}", batch.ranges[&tp.partition].range),
        Entry::Member(member) => format!("{name} open {}", member.share.range),
    }
}
