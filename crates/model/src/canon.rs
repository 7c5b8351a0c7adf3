//! What tells a state from others. Two states are one if no step could ever tell them apart, so that each is looked
//! at once, under whatever names and numbers it was come to:
//! - ids, tokens, claims, writes, epochs: compared for equality only, so each goes by the order in which it is met;
//! - moments: by what they are apart from now; of those that something waits for, the past is one moment;
//! - generations: the group's own, and all that have passed;
//! - counts of a table's blocks: by what they are apart from the count now; nothing, where no window can end;
//! - the two tasks: whichever of both orders comes first;
//! - what can be met no more: tokens that nobody has, fences of claims that have ended, counters that only make fresh
//!   names, the pauses between attempts (all are as long) and when a trouble began (it may last).
use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::{Arguments, Write as _};
use std::hash::Hasher;

use pumphouse_delivery::{Action, Entry, StoredEntry};
use pumphouse_types::Partition;

use crate::edge::Edge;
use crate::world::World;

/// A number of 64 bits: of a million states two have the same with a chance of 1 in 37 million.
pub(crate) fn fingerprint(world: &World) -> u64 {
    [[0, 1], [1, 0]].map(|order| Canon::new(world).of(order)).into_iter().min().expect("there are two orders")
}

/// Names by the order in which they are met.
#[derive(Default)]
struct Names(BTreeMap<u128, usize>);

impl Names {
    fn of(&mut self, name: u128) -> usize {
        let next = self.0.len();
        *self.0.entry(name).or_insert(next)
    }
}

struct Canon<'a> {
    world: &'a World,
    hasher: DefaultHasher,
    raw: String,
    /// Of batches, tokens, epochs: those of all.
    ids: Names,
    drawn: Names,
    /// Of the task that is being written.
    claims: Names,
    writes: Names,
}

impl<'a> Canon<'a> {
    fn new(world: &'a World) -> Canon<'a> {
        Canon {
            world,
            hasher: DefaultHasher::new(),
            raw: String::new(),
            ids: Names::default(),
            drawn: Names::default(),
            claims: Names::default(),
            writes: Names::default(),
        }
    }

    fn of(mut self, order: [usize; 2]) -> u64 {
        let world = self.world;
        for number in order {
            (self.claims, self.writes) = (Names::default(), Names::default());
            self.task(number, &world.tasks[number]);
        }
        for (partition, stored) in &world.ledger {
            self.entry(*partition, stored);
        }
        if let Some(keeper) = &world.keeper {
            self.write(format_args!("{keeper:?}"));
        }
        // Nobody will send a token again that nobody has.
        let known = |ids: &Names, token: u128| ids.0.get(&token).copied();
        let sent: BTreeMap<usize, _> =
            world.sent.iter().filter_map(|(token, rows)| Some((known(&self.ids, token.0)?, rows))).collect();
        self.write(format_args!("{sent:?}"));
        let ages = world.tokens.iter().filter_map(|(token, at)| {
            let age = if world.blocks_matter { world.blocks - at } else { 0 };
            Some((known(&self.ids, token.0)?, age))
        });
        let ages: BTreeMap<usize, u64> = ages.collect();
        self.write(format_args!("{ages:?}"));
        let World { rows, passed, budget, server_lives, broken, .. } = world;
        self.write(format_args!("{rows:?} {passed:?} {budget:?} {server_lives} {}", broken.is_some()));
        self.hasher.finish()
    }

    fn task(&mut self, number: usize, edge: &Edge) {
        let world = self.world;
        self.write(format_args!("{:?} {:?} {:?}", edge.task, edge.filling, edge.blocks));
        for notice in &edge.notices {
            self.write(format_args!("{}", notice.text()));
        }
        for action in &edge.asked {
            match action {
                Action::Record { claim, write, entries, letters, at_rest, only_while } => {
                    self.write(format_args!(
                        "Record {claim:?} {write:?} {letters:?} {at_rest} {only_while:?}"
                    ));
                    for (at, stored) in entries {
                        self.entry(at.partition, stored);
                    }
                    let current = edge.fences.get(claim) == Some(&world.generation);
                    self.write(format_args!("{current} {:?}", edge.guards.get(write)));
                }
                other => self.write(format_args!("{other:?}")),
            }
        }
        let claim = edge.task.claim();
        let fence = edge.fences.get(&claim).map(|fence| *fence == world.generation);
        let current = edge.generation == world.generation;
        self.write(format_args!("{fence:?} {current} {:?} {:?}", edge.owned, edge.held));
        let looked_at = edge.looked_at.filter(|_| world.blocks_matter).map(|at| world.blocks - at);
        self.write(format_args!("{looked_at:?} {}", edge.failed.is_some()));
        let mut flights: Vec<String> = world
            .flights
            .iter()
            .filter(|flight| flight.task == number)
            .map(|flight| {
                let crate::world::Flight { claim, batch, token, attempt, rows, waited_for, sent_at, .. } =
                    flight;
                let sent_at = if world.blocks_matter { world.blocks - sent_at } else { 0 };
                format!("{claim:?} {batch:?} {token:?} {attempt} {rows:?} {waited_for} {sent_at}")
            })
            .collect();
        flights.sort();
        for flight in flights {
            self.write(format_args!("{flight}"));
        }
    }

    fn entry(&mut self, partition: Partition, stored: &StoredEntry) {
        match Entry::parse(partition, stored) {
            Ok(entry) => self.write(format_args!("{partition:?} {:?} {entry:?}", stored.offset)),
            Err(_) => self.write(format_args!("{partition:?} {stored:?}")),
        }
    }

    fn write(&mut self, text: Arguments<'_>) {
        let mut raw = std::mem::take(&mut self.raw);
        raw.clear();
        raw.write_fmt(text).expect("a String takes every text");
        self.scan(raw.as_bytes());
        self.raw = raw;
        self.hasher.write_u8(b'\n');
    }

    /// Passes the text on, with each number as what it means.
    fn scan(&mut self, text: &[u8]) {
        // The last name of a field, and the last word.
        let (mut field, mut word): (&[u8], &[u8]) = (b"", b"");
        let mut at = 0;
        while at < text.len() {
            let from = at;
            if text[at].is_ascii_alphabetic() || text[at] == b'_' {
                while at < text.len() && (text[at].is_ascii_alphanumeric() || text[at] == b'_') {
                    at += 1;
                }
                word = &text[from..at];
                if text.get(at) == Some(&b':') {
                    field = word;
                }
                self.hasher.write(word);
            } else if text[at].is_ascii_digit() {
                let mut number = 0_u128;
                while at < text.len() && text[at].is_ascii_digit() {
                    number = number.wrapping_mul(10).wrapping_add(u128::from(text[at] - b'0'));
                    at += 1;
                }
                let tagged = from > 0 && text[from - 1] == b'(';
                let number = self.meaning(field, if tagged { word } else { b"" }, number);
                self.hasher.write_i128(number);
            } else {
                self.hasher.write_u8(text[at]);
                at += 1;
            }
        }
    }

    fn meaning(&mut self, field: &[u8], tag: &[u8], number: u128) -> i128 {
        let world = self.world;
        match tag {
            b"BatchId" | b"DedupToken" => self.ids.of(number) as i128,
            b"Drawn" => self.drawn.of(number) as i128,
            b"ClaimId" => self.claims.of(number) as i128,
            b"WriteId" => self.writes.of(number) as i128,
            b"Millis" => {
                let apart = number as i128 - i128::from(world.now);
                match field {
                    b"write_not_before" | b"marks_due" | b"poll_at" | b"until" => apart.max(0),
                    b"trouble_since" => 0,
                    _ => apart,
                }
            }
            b"ServerMillis" if field != b"server_started" => {
                number as i128 - i128::from(world.server_now().0)
            }
            _ => match field {
                b"seed" | b"drawn" | b"next_write" | b"in_vain" => 0,
                b"blocks" | b"readings" if world.blocks_matter => number as i128 - i128::from(world.blocks),
                b"blocks" | b"readings" => 0,
                _ => number as i128,
            },
        }
    }
}
