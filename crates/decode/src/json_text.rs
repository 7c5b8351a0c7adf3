//! A JSON object on its way into a JSON column. It travels as its text, which the server parses; so
//! whatever the server would refuse, or quietly make something else of, is found here first: a
//! refusal from there would stop the whole block, and not as the record's fault.
use hashbrown::{HashMap, HashSet};
use pumphouse_columns::{Column, DataType, JsonType};

use crate::conversion::{Conversion, ZoneError};
use crate::error::{DecodeReason, ValueKind};
use crate::json_decoder::put_value;
use crate::plan::UnknownFields;
use crate::scalar::Scalar;
use crate::scanner::{JSON_DEPTH_MAX, Scanner, unescape};

/// So many paths of an object are compared without allocating.
const SHORT_PATHS: usize = 48;

/// What a JSON type asks of an object.
#[derive(Debug, Default)]
pub(crate) struct JsonRules {
    /// Per path that has a type of its own.
    typed: HashMap<Box<[u8]>, (DataType, Conversion)>,
}

impl JsonRules {
    pub(crate) fn compile(json: &JsonType) -> Result<JsonRules, ZoneError> {
        let compile = |(path, data_type): &(String, DataType)| {
            let conversion = Conversion::compile(data_type, UnknownFields::Refuse)?;
            Ok((path.as_bytes().into(), (data_type.clone(), conversion)))
        };
        Ok(JsonRules { typed: json.typed_paths.iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// Takes an object and returns it as written.
    /// Errors: besides those of the grammar a path that occurs twice, a number that the server has no
    /// type for, and a value that does not fit the type of its path.
    pub(crate) fn take<'a>(
        &self,
        scanner: &mut Scanner<'a>,
        scratch: &mut Vec<u8>,
        depth: usize,
    ) -> Result<&'a [u8], DecodeReason> {
        let start = scanner.next_at();
        let mut walk = Walk { rules: self, scratch, paths: Paths::default(), path: Vec::new() };
        walk.object(scanner, PATH_START, depth)?;
        Ok(scanner.taken_since(start))
    }
}

struct Walk<'a> {
    rules: &'a JsonRules,
    scratch: &'a mut Vec<u8>,
    paths: Paths,
    /// The path in full; kept only where paths have types.
    path: Vec<u8>,
}

impl Walk<'_> {
    /// `prefix`: the hash of the path to the object.
    fn object(&mut self, scanner: &mut Scanner<'_>, prefix: u64, depth: usize) -> Result<(), DecodeReason> {
        if depth > JSON_DEPTH_MAX {
            return Err(DecodeReason::TooDeep);
        }
        scanner.expect(b'{')?;
        if scanner.empty(b'}') {
            return Ok(());
        }
        let path_bytes = self.path.len();
        loop {
            let at = scanner.next_at();
            let name = scanner.text()?;
            let name = if name.escaped {
                unescape(name, self.scratch)?;
                self.scratch.as_slice()
            } else {
                name.raw
            };
            let dot: &[u8] = if prefix == PATH_START { b"" } else { b"." };
            let path = hash_on(hash_on(prefix, dot), name);
            if !self.paths.add(path) {
                return Err(DecodeReason::PathTwice { at });
            }
            if !self.rules.typed.is_empty() {
                self.path.extend_from_slice(if path_bytes == 0 { b"" } else { b"." });
                self.path.extend_from_slice(name);
            }
            scanner.expect(b':')?;
            self.value(scanner, path, depth + 1)?;
            self.path.truncate(path_bytes);
            if !scanner.another(b'}')? {
                return Ok(());
            }
        }
    }

    fn value(&mut self, scanner: &mut Scanner<'_>, path: u64, depth: usize) -> Result<(), DecodeReason> {
        if let Some((data_type, conversion)) = self.rules.typed.get(self.path.as_slice()) {
            // What the value becomes there is the server's business; that it can is checked here.
            let mut column =
                Column::new(data_type).map_err(|_| DecodeReason::WrongKind { found: ValueKind::Object })?;
            return put_value(conversion, &mut column, scanner, self.scratch, depth);
        }
        match scanner.kind()? {
            ValueKind::Object => self.object(scanner, path, depth),
            ValueKind::Array => self.array(scanner, depth),
            _ => self.scalar(scanner),
        }
    }

    fn array(&mut self, scanner: &mut Scanner<'_>, depth: usize) -> Result<(), DecodeReason> {
        if depth > JSON_DEPTH_MAX {
            return Err(DecodeReason::TooDeep);
        }
        scanner.expect(b'[')?;
        if scanner.empty(b']') {
            return Ok(());
        }
        loop {
            match scanner.kind()? {
                // An object in an array is a JSON value of its own, with paths of its own.
                ValueKind::Object => {
                    JsonRules::default().take(scanner, self.scratch, depth + 1)?;
                }
                ValueKind::Array => self.array(scanner, depth + 1)?,
                _ => self.scalar(scanner)?,
            }
            if !scanner.another(b']')? {
                return Ok(());
            }
        }
    }

    fn scalar(&mut self, scanner: &mut Scanner<'_>) -> Result<(), DecodeReason> {
        match scanner.kind()? {
            ValueKind::Text => {
                let text = scanner.text()?;
                if text.escaped {
                    unescape(text, self.scratch)?;
                }
                Ok(())
            }
            ValueKind::Number => {
                let text = scanner.number()?;
                let number = Scalar::Number(text);
                // Whole numbers stay whole up to 64 bits; others become the nearest Float64.
                let whole = text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
                let fits = match whole {
                    true => number.integer::<i64>().is_ok() || number.integer::<u64>().is_ok(),
                    false => number.float::<f64>().is_ok(),
                };
                if fits { Ok(()) } else { Err(number.lossy()) }
            }
            ValueKind::Bool => scanner.boolean().map(drop),
            _ => scanner.null(),
        }
    }
}

const PATH_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, which is the same in every process (R13). Two paths of one object with the same hash by
/// chance would refuse a record that is good; with a thousand paths that is one in 10^13.
fn hash_on(mut hash: u64, bytes: &[u8]) -> u64 {
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

/// The paths of one object that were met.
struct Paths {
    short: [u64; SHORT_PATHS],
    count: usize,
    long: HashSet<u64>,
}

impl Default for Paths {
    fn default() -> Paths {
        Paths { short: [0; SHORT_PATHS], count: 0, long: HashSet::new() }
    }
}

impl Paths {
    /// `false` if the path is there already.
    fn add(&mut self, path: u64) -> bool {
        if self.short[..self.count].contains(&path) {
            return false;
        }
        if self.count < SHORT_PATHS {
            self.short[self.count] = path;
            self.count += 1;
            return true;
        }
        self.long.insert(path)
    }
}
