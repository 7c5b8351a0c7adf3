//! Reads type texts as `system.columns` prints them. What has no column builder is kept whole as
//! `Unsupported`, so that an error can name it; only text that is no type at all is an error here.
use std::str::FromStr;

use crate::data_type::{DataType, EnumValues, JsonType, TupleMember};
use crate::geo::Geo;

/// Types nest at most this deep: real ones stay below ten, and a bound keeps the parser's stack small.
pub const TYPE_DEPTH_MAX: usize = 32;

/// The server's longest FixedString. Source: ClickHouse `MAX_FIXEDSTRING_SIZE`.
const FIXED_STRING_BYTES_MAX: usize = 0x00ff_ffff;

/// Digits of the server's widest Decimal.
const DECIMAL_PRECISION_MAX: u8 = 76;

/// Names of the Interval types.
const INTERVALS: [&str; 11] = [
    "IntervalNanosecond",
    "IntervalMicrosecond",
    "IntervalMillisecond",
    "IntervalSecond",
    "IntervalMinute",
    "IntervalHour",
    "IntervalDay",
    "IntervalWeek",
    "IntervalMonth",
    "IntervalQuarter",
    "IntervalYear",
];

/// Digits behind the second of the server's finest DateTime64; 10 to this power fits every tick.
const TIME_PRECISION_MAX: u8 = 9;

/// The text is not a type as a server prints it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypeError {
    /// Something else stood where the grammar wants a name, a bracket or an argument.
    #[error("COLUMNS-001: type text {text:?} cannot be read at byte {at}")]
    Malformed {
        /** The whole text. */
        text: String,
        /** Byte position. */
        at: usize,
    },
    /// Deeper than [`TYPE_DEPTH_MAX`].
    #[error("COLUMNS-002: type text nests deeper than {TYPE_DEPTH_MAX}")]
    TooDeep,
}

impl FromStr for DataType {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<DataType, TypeError> {
        let mut parser = Parser { text, at: 0 };
        let parsed = parser.data_type(0)?;
        if parser.at == text.len() { Ok(parsed) } else { Err(parser.malformed()) }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn malformed(&self) -> TypeError {
        TypeError::Malformed { text: self.text.to_owned(), at: self.at }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(' ').len();
    }

    fn eat(&mut self, token: char) -> bool {
        self.skip_spaces();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len_utf8();
        }
        found
    }

    fn expect(&mut self, token: char) -> Result<(), TypeError> {
        if self.eat(token) { Ok(()) } else { Err(self.malformed()) }
    }

    fn name(&mut self) -> Result<&'a str, TypeError> {
        self.skip_spaces();
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.malformed());
        }
        self.at += length;
        Ok(&rest[..length])
    }

    fn number<T: FromStr>(&mut self) -> Result<T, TypeError> {
        self.skip_spaces();
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_ascii_digit() || c == '-')).unwrap_or(rest.len());
        let number = rest[..length].parse().map_err(|_| self.malformed())?;
        self.at += length;
        Ok(number)
    }

    /// A text between `quote`s, its escapes undone.
    fn quoted(&mut self, quote: char) -> Result<String, TypeError> {
        self.expect(quote)?;
        let mut out = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((position, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.at += position + 1;
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, 'b')) => out.push('\x08'),
                    Some((_, 'f')) => out.push('\x0c'),
                    Some((_, 'r')) => out.push('\r'),
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, '0')) => out.push('\0'),
                    Some((_, escaped)) => out.push(escaped),
                    None => return Err(self.malformed()),
                },
                c => out.push(c),
            }
        }
        Err(self.malformed())
    }

    /// Passes over `(...)` with whatever is in it, quotations included.
    fn skip_brackets(&mut self) -> Result<(), TypeError> {
        self.expect('(')?;
        let mut depth = 1usize;
        let mut quote: Option<char> = None;
        let mut chars = self.rest().char_indices();
        while let Some((position, c)) = chars.next() {
            match (quote, c) {
                (Some(_), '\\') => {
                    chars.next();
                }
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '`' | '"') => quote = Some(c),
                (None, '(') => depth += 1,
                (None, ')') => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += position + 1;
                        return Ok(());
                    }
                }
                (None, _) => {}
            }
        }
        Err(self.malformed())
    }

    fn data_type(&mut self, depth: usize) -> Result<DataType, TypeError> {
        if depth > TYPE_DEPTH_MAX {
            return Err(TypeError::TooDeep);
        }
        self.skip_spaces();
        let start = self.at;
        if !self.rest().starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Err(self.malformed());
        }
        let name = self.name()?;
        if let Some(plain) = plain_type(name) {
            return Ok(plain);
        }
        match name {
            "FixedString" => self.in_brackets(|p| {
                let bytes = p.number()?;
                let sound = (1..=FIXED_STRING_BYTES_MAX).contains(&bytes);
                if sound { Ok(DataType::FixedString(bytes)) } else { Err(p.malformed()) }
            }),
            "Decimal" => self.in_brackets(|p| {
                let precision = p.number()?;
                p.expect(',')?;
                let scale = p.number()?;
                let sound = (1..=DECIMAL_PRECISION_MAX).contains(&precision) && scale <= precision;
                if sound { Ok(DataType::Decimal { precision, scale }) } else { Err(p.malformed()) }
            }),
            "DateTime" if !self.rest().starts_with('(') => Ok(DataType::DateTime(None)),
            "DateTime" => self.in_brackets(|p| Ok(DataType::DateTime(Some(p.quoted('\'')?)))),
            "DateTime64" => self.in_brackets(|p| {
                let precision = p.number()?;
                if precision > TIME_PRECISION_MAX {
                    return Err(p.malformed());
                }
                let zone = if p.eat(',') { Some(p.quoted('\'')?) } else { None };
                Ok(DataType::DateTime64 { precision, zone })
            }),
            "Enum8" => self.in_brackets(|p| p.enum_values()).map(DataType::Enum8),
            "Enum16" => self.in_brackets(|p| p.enum_values()).map(DataType::Enum16),
            "LowCardinality" => self.wrapped(depth).map(DataType::LowCardinality),
            "Nullable" => self.wrapped(depth).map(DataType::Nullable),
            "Array" => self.wrapped(depth).map(DataType::Array),
            "Map" => self.in_brackets(|p| {
                let key = p.data_type(depth + 1)?;
                p.expect(',')?;
                Ok(DataType::Map(Box::new(key), Box::new(p.data_type(depth + 1)?)))
            }),
            "Tuple" => self.in_brackets(|p| p.members(depth)).map(DataType::Tuple),
            "Nested" => self.in_brackets(|p| p.members(depth)).map(DataType::Nested),
            "Variant" => self.in_brackets(|p| p.types(depth)).map(DataType::Variant),
            "Time64" => self.in_brackets(|p| {
                let precision = p.number()?;
                if precision > TIME_PRECISION_MAX {
                    Err(p.malformed())
                } else {
                    Ok(DataType::Time64(precision))
                }
            }),
            "JSON" => {
                let typed_paths = if self.next_is('(') {
                    self.in_brackets(|p| p.json_arguments(depth))?
                } else {
                    Vec::new()
                };
                Ok(DataType::Json(JsonType { text: self.since(start), typed_paths }))
            }
            "SimpleAggregateFunction" => {
                let value = self.in_brackets(|p| {
                    p.name()?;
                    if p.next_is('(') {
                        p.skip_brackets()?;
                    }
                    p.expect(',')?;
                    p.data_type(depth + 1)
                })?;
                Ok(DataType::SimpleAggregateFunction { text: self.since(start), value: Box::new(value) })
            }
            other => {
                if self.next_is('(') {
                    self.skip_brackets()?;
                }
                let text = self.since(start);
                Ok(match other {
                    "Dynamic" => DataType::Dynamic(text),
                    "AggregateFunction" => DataType::AggregateFunction(text),
                    _ if INTERVALS.contains(&text.as_str()) => DataType::Interval(text),
                    _ => DataType::Unsupported(text),
                })
            }
        }
    }

    fn since(&self, start: usize) -> String {
        self.text[start..self.at].to_owned()
    }

    fn next_is(&self, token: char) -> bool {
        self.rest().starts_with(token)
    }

    fn types(&mut self, depth: usize) -> Result<Vec<DataType>, TypeError> {
        let mut types = Vec::new();
        loop {
            types.push(self.data_type(depth + 1)?);
            if !self.eat(',') {
                return Ok(types);
            }
        }
    }

    /// What stands in the brackets of a Tuple or a Nested: names for all members, or for none.
    fn members(&mut self, depth: usize) -> Result<Vec<TupleMember>, TypeError> {
        let mut members: Vec<TupleMember> = Vec::new();
        self.skip_spaces();
        if self.next_is(')') {
            return Ok(members);
        }
        loop {
            let name = self.member_name()?;
            let data_type = self.data_type(depth + 1)?;
            if members.first().is_some_and(|first| first.name.is_some() != name.is_some()) {
                return Err(self.malformed());
            }
            members.push(TupleMember { name, data_type });
            if !self.eat(',') {
                return Ok(members);
            }
        }
    }

    /// A name if one stands before the type: it is quoted, or another word follows it.
    fn member_name(&mut self) -> Result<Option<String>, TypeError> {
        self.skip_spaces();
        if let Some(quote) = ['`', '"'].into_iter().find(|quote| self.next_is(*quote)) {
            return self.quoted(quote).map(Some);
        }
        let start = self.at;
        let word = self.name()?;
        let gap = self.rest().starts_with(' ');
        self.skip_spaces();
        if gap && self.rest().starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Ok(Some(word.to_owned()));
        }
        self.at = start;
        Ok(None)
    }

    /// What stands in the brackets of JSON: limits, paths to skip, and paths with a type, which are
    /// returned.
    fn json_arguments(&mut self, depth: usize) -> Result<Vec<(String, DataType)>, TypeError> {
        let mut typed_paths = Vec::new();
        loop {
            let quoted = self.json_path_is_quoted();
            let path = self.json_path()?;
            if !quoted && self.eat('=') {
                self.number::<u64>()?;
            } else if !quoted && path == "SKIP" {
                self.json_skip()?;
            } else {
                typed_paths.push((path, self.data_type(depth + 1)?));
            }
            if !self.eat(',') {
                return Ok(typed_paths);
            }
        }
    }

    fn json_skip(&mut self) -> Result<(), TypeError> {
        let quoted = self.json_path_is_quoted();
        let path = self.json_path()?;
        self.skip_spaces();
        if !quoted && path == "REGEXP" && self.next_is('\'') {
            self.quoted('\'')?;
        }
        Ok(())
    }

    fn json_path_is_quoted(&mut self) -> bool {
        self.skip_spaces();
        self.next_is('`')
    }

    /// Names with dots between, each with or without quotes.
    fn json_path(&mut self) -> Result<String, TypeError> {
        let mut path = String::new();
        loop {
            if self.json_path_is_quoted() {
                path.push_str(&self.quoted('`')?);
            } else {
                path.push_str(self.name()?);
            }
            if !self.next_is('.') {
                return Ok(path);
            }
            self.at += 1;
            path.push('.');
        }
    }

    fn wrapped(&mut self, depth: usize) -> Result<Box<DataType>, TypeError> {
        self.in_brackets(|p| p.data_type(depth + 1)).map(Box::new)
    }

    fn in_brackets<T>(
        &mut self,
        inside: impl FnOnce(&mut Self) -> Result<T, TypeError>,
    ) -> Result<T, TypeError> {
        self.expect('(')?;
        let value = inside(self)?;
        self.expect(')')?;
        Ok(value)
    }

    fn enum_values(&mut self) -> Result<EnumValues, TypeError> {
        let mut values = Vec::new();
        loop {
            let name = self.quoted('\'')?;
            self.expect('=')?;
            values.push((name, self.number()?));
            if !self.eat(',') {
                return EnumValues::new(values).ok_or_else(|| self.malformed());
            }
        }
    }
}

fn plain_type(name: &str) -> Option<DataType> {
    Some(match name {
        "Bool" => DataType::Bool,
        "Int8" => DataType::Int8,
        "Int16" => DataType::Int16,
        "Int32" => DataType::Int32,
        "Int64" => DataType::Int64,
        "Int128" => DataType::Int128,
        "Int256" => DataType::Int256,
        "UInt8" => DataType::UInt8,
        "UInt16" => DataType::UInt16,
        "UInt32" => DataType::UInt32,
        "UInt64" => DataType::UInt64,
        "UInt128" => DataType::UInt128,
        "UInt256" => DataType::UInt256,
        "Float32" => DataType::Float32,
        "Float64" => DataType::Float64,
        "BFloat16" => DataType::BFloat16,
        "String" => DataType::String,
        "Date" => DataType::Date,
        "Date32" => DataType::Date32,
        "Time" => DataType::Time,
        "UUID" => DataType::Uuid,
        "IPv4" => DataType::Ipv4,
        "IPv6" => DataType::Ipv6,
        other => return Geo::ALL.into_iter().find(|geo| geo.name() == other).map(DataType::Geo),
    })
}

#[cfg(test)]
mod tests;
