//! Reads type texts as `system.columns` prints them. What has no column builder is kept whole as
//! `Unsupported`, so that an error can name it; only text that is no type at all is an error here.
use std::str::FromStr;

use crate::data_type::{DataType, EnumValues};

/// Types nest at most this deep: real ones stay below ten, and a bound keeps the parser's stack small.
pub const TYPE_DEPTH_MAX: usize = 32;

/// Digits of the server's widest Decimal.
const DECIMAL_PRECISION_MAX: u8 = 76;

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

    fn quoted(&mut self) -> Result<String, TypeError> {
        self.expect('\'')?;
        let mut out = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((position, c)) = chars.next() {
            match c {
                '\'' => {
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
        let name = self.name()?;
        if let Some(plain) = plain_type(name) {
            return Ok(plain);
        }
        match name {
            "FixedString" => self.in_brackets(|p| p.number()).map(DataType::FixedString),
            "Decimal" => self.in_brackets(|p| {
                let precision = p.number()?;
                p.expect(',')?;
                let scale = p.number()?;
                let sound = (1..=DECIMAL_PRECISION_MAX).contains(&precision) && scale <= precision;
                if sound { Ok(DataType::Decimal { precision, scale }) } else { Err(p.malformed()) }
            }),
            "DateTime" if !self.rest().starts_with('(') => Ok(DataType::DateTime(None)),
            "DateTime" => self.in_brackets(|p| Ok(DataType::DateTime(Some(p.quoted()?)))),
            "DateTime64" => self.in_brackets(|p| {
                let precision = p.number()?;
                if precision > TIME_PRECISION_MAX {
                    return Err(p.malformed());
                }
                let zone = if p.eat(',') { Some(p.quoted()?) } else { None };
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
            other => {
                let json = other == "JSON";
                if self.rest().starts_with('(') {
                    self.skip_brackets()?;
                }
                let text = self.text[start..self.at].to_owned();
                Ok(if json { DataType::Json(text) } else { DataType::Unsupported(text) })
            }
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
            let name = self.quoted()?;
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
        "String" => DataType::String,
        "Date" => DataType::Date,
        "Date32" => DataType::Date32,
        "UUID" => DataType::Uuid,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_forms_print_back_unchanged() {
        // As system.columns of a 26.7 server printed them.
        for text in [
            "DateTime('UTC')",
            "Enum8('a\\'b\\\\c\\td' = -1, 'z' = 3)",
            "DateTime64(3, 'Europe/Berlin')",
            "Decimal(9, 2)",
            "Map(String, Array(Nullable(Int8)))",
            "JSON(max_dynamic_paths=3, a UInt8, SKIP b)",
            "JSON",
            "LowCardinality(Nullable(String))",
            "Tuple(a UInt8, `b c` String)",
            "FixedString(3)",
            "DateTime",
            "DateTime64(3)",
            "Bool",
            "UUID",
            "UInt256",
            "Array(Tuple(a UInt8, b Enum8('x)' = 1)))",
            "AggregateFunction(sum, UInt64)",
            "Variant(String, UInt8)",
        ] {
            assert_eq!(text.parse::<DataType>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_unsupported_part_is_found_inside() {
        let parsed: DataType = "Map(String, Array(Tuple(a UInt8)))".parse().unwrap();
        assert_eq!(parsed.unsupported_part().unwrap().to_string(), "Tuple(a UInt8)");
        let wide: DataType = "Decimal(39, 2)".parse().unwrap();
        assert!(wide.unsupported_part().is_some());
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for text in [
            "",
            "Array(",
            "Array()",
            "Enum8('a')",
            "Enum8()",
            "FixedString(x)",
            "UInt8)",
            "Tuple(a",
            "DateTime('",
            "DateTime64(10)",
            "Decimal(5, 6)",
            "Decimal(77, 0)",
        ] {
            assert!(text.parse::<DataType>().is_err(), "{text}");
        }
        let bomb = "Array(".repeat(100_000);
        assert_eq!(bomb.parse::<DataType>(), Err(TypeError::TooDeep));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[A-Za-z0-9(),'`\\\\= é-]{0,60}") {
            let _ = text.parse::<DataType>();
        }
    }
}
