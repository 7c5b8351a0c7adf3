//! Makes a new input from kept ones.
use crate::random::Random;

/// Longer inputs find nothing that shorter ones do not, and cost time.
const INPUT_BYTES_MAX: usize = 16 << 10;

/// Numbers at which lengths, counts and types have their edges.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

/// Numbers as texts, for formats that are texts.
const EDGE_TEXTS: [&str; 10] = [
    "-1",
    "0",
    "1e400",
    "-0.0",
    "9223372036854775808",
    "-9223372036854775809",
    "340282366920938463463374607431768211456",
    "1e-400",
    "99999999999999999999999999999999999999999999999999999999999999999999999999999",
    "0.00000000000000000000000000000000001",
];

/// One input changed in one to four places; `parents` is not empty.
pub fn mutated(parents: &[Vec<u8>], words: &[&str], random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(parents).clone();
    for _ in 0..=random.below(4) {
        change(&mut input, parents, words, random);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn change(input: &mut Vec<u8>, parents: &[Vec<u8>], words: &[&str], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = at + random.below((input.len() - at).min(64) + 1);
    match random.below(12) {
        0 | 1 if at < input.len() => input[at] ^= 1 << random.below(8),
        2 if at < input.len() => input[at] = random.next() as u8,
        3 => drop(input.drain(at..end)),
        4 => {
            let again = input[at..end].to_vec();
            insert(input, at, &again);
        }
        // Nesting is what this finds.
        5 => {
            let again = input[at..end.min(at + 8)].repeat(1 << random.below(9));
            insert(input, at, &again);
        }
        6 => input.truncate(at),
        7 => {
            let other = random.pick(parents);
            let from = random.below(other.len() + 1);
            let to = from + random.below((other.len() - from).min(256) + 1);
            let part = other[from..to].to_vec();
            replace(input, at, end, &part, random);
        }
        8 => {
            let width = 1 << random.below(4);
            let bytes = random.pick(&EDGES).to_le_bytes();
            replace(input, at, (at + width).min(input.len()), &bytes[..width], random);
        }
        9 => {
            let bytes = varint(*random.pick(&EDGES));
            replace(input, at, end, &bytes, random);
        }
        10 => {
            let text = random.pick(&EDGE_TEXTS).as_bytes();
            let (from, to) = digits_around(input, at);
            input.splice(from..to, text.iter().copied());
        }
        _ if !words.is_empty() => {
            let word = random.pick(words).as_bytes().to_vec();
            replace(input, at, end, &word, random);
        }
        _ => insert(input, at, &[random.next() as u8]),
    }
}

fn insert(input: &mut Vec<u8>, at: usize, part: &[u8]) {
    input.splice(at..at, part.iter().copied());
}

/// Puts a part in the place of another, or before it.
fn replace(input: &mut Vec<u8>, at: usize, end: usize, part: &[u8], random: &mut Random) {
    let end = if random.below(2) == 0 { at } else { end };
    input.splice(at..end, part.iter().copied());
}

fn digits_around(input: &[u8], at: usize) -> (usize, usize) {
    let digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'.' || *byte == b'-';
    let from = at - input[..at].iter().rev().take_while(|byte| digit(byte)).count();
    let to = at + input[at..].iter().take_while(|byte| digit(byte)).count();
    (from, to)
}

fn varint(mut raw: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
    out
}
