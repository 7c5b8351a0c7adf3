//! Dates and times in a form of their own: patterns of Java's `DateTimeFormatter`, as `dateTimeFormats` of the
//! official sink takes them. A text is rewritten in ISO 8601, which the conversions read.
use std::fmt::Write as _;

use crate::typed::TextBuffer;

/// A pattern longer than this is refused: it is compiled into as many parts.
const PATTERN_CHARS_MAX: usize = 200;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// How long a name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Three letters.
    Short,
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    /// 1 to 12; needs the half of the day.
    HourOfHalf,
    Minute,
    Second,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Exactly so many digits; 0: one or more.
    Number {
        field: Field,
        digits: usize,
    },
    /// The last two digits of a year from 2000.
    ShortYear,
    MonthName(Names),
    /// Its name is read, and not held against the date.
    DayName(Names),
    /// AM or PM.
    Half,
    Fraction {
        digits: usize,
    },
    /// `+01:00`, with or without colon; `zulu`: Z stands for zero.
    Offset {
        zulu: bool,
    },
    Literal(char),
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DateFormat {
    parts: Vec<Part>,
    has_date: bool,
    has_clock: bool,
}

/// What a text says; what its pattern does not have is zero, or the first.
#[derive(Debug, Default)]
struct Read {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    hour_of_half: Option<u32>,
    afternoon: Option<bool>,
    minute: u32,
    second: u32,
    nanos: u32,
    /// Minutes to the east.
    offset: Option<i32>,
}

impl DateFormat {
    /// Errors: what the pattern has that is not known, in words.
    pub(crate) fn compile(pattern: &str) -> Result<DateFormat, String> {
        if pattern.chars().count() > PATTERN_CHARS_MAX {
            return Err(format!("it is longer than {PATTERN_CHARS_MAX} characters"));
        }
        let mut parts = Vec::new();
        let mut rest = pattern.chars().peekable();
        while let Some(letter) = rest.next() {
            match letter {
                '\'' => quoted(&mut rest, &mut parts)?,
                '[' | ']' | '{' | '}' | '#' => return Err(format!("{letter:?} is not supported")),
                letter if letter.is_ascii_alphabetic() => {
                    let mut count = 1;
                    while rest.next_if_eq(&letter).is_some() {
                        count += 1;
                    }
                    parts.push(part(letter, count)?);
                }
                literal => parts.push(Part::Literal(literal)),
            }
        }
        let has = |wanted: &[Field]| {
            parts.iter().any(|part| matches!(part, Part::Number { field, .. } if wanted.contains(field)))
        };
        let year = has(&[Field::Year]) || parts.contains(&Part::ShortYear);
        let month = has(&[Field::Month]) || parts.iter().any(|part| matches!(part, Part::MonthName(_)));
        let (has_date, has_clock) = (year && month, has(&[Field::Hour, Field::HourOfHalf]));
        if has(&[Field::HourOfHalf]) != parts.contains(&Part::Half) {
            return Err("\"h\" and \"a\" are only of use together".to_owned());
        }
        let of_clock = has(&[Field::Minute, Field::Second])
            || parts.iter().any(|part| matches!(part, Part::Offset { .. }));
        if of_clock && !has_clock {
            return Err("it has minutes, seconds or an offset without an hour".to_owned());
        }
        let part_of_date = year || month || has(&[Field::Day]);
        if !has_date && (part_of_date || !has_clock) {
            return Err("it has neither a year and a month nor a time alone".to_owned());
        }
        Ok(DateFormat { parts, has_date, has_clock })
    }

    /// Whether a day is written, and not a time alone.
    pub(crate) fn has_date(&self) -> bool {
        self.has_date
    }

    /// The text in ISO 8601. `None`: it does not follow the pattern.
    pub(crate) fn rewrite(&self, text: &[u8]) -> Option<TextBuffer<48>> {
        let mut read = Read { month: 1, day: 1, ..Read::default() };
        let mut rest = text;
        for part in &self.parts {
            rest = read.take(part, rest)?;
        }
        if !rest.is_empty() {
            return None;
        }
        if let (Some(hour), Some(afternoon)) = (read.hour_of_half, read.afternoon) {
            if !(1..=12).contains(&hour) {
                return None;
            }
            read.hour = hour % 12 + if afternoon { 12 } else { 0 };
        }
        self.write(&read)
    }

    fn write(&self, read: &Read) -> Option<TextBuffer<48>> {
        let mut out = TextBuffer::new();
        if self.has_date {
            // A field of any length may hold a number that has no place in a date.
            if read.year > 9999 || read.month > 12 || read.day > 31 {
                return None;
            }
            write!(out, "{:04}-{:02}-{:02}", read.year, read.month, read.day).ok()?;
        }
        if self.has_clock {
            if read.hour > 23 || read.minute > 59 || read.second > 59 {
                return None;
            }
            let between = if self.has_date { "T" } else { "" };
            write!(out, "{between}{:02}:{:02}:{:02}", read.hour, read.minute, read.second).ok()?;
            if read.nanos > 0 {
                write!(out, ".{:09}", read.nanos).ok()?;
            }
            if let Some(offset) = read.offset.filter(|_| self.has_date) {
                let (sign, size) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
                write!(out, "{sign}{:02}:{:02}", size / 60, size % 60).ok()?;
            }
        }
        Some(out)
    }
}

fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, parts: &mut Vec<Part>) -> Result<(), String> {
    if rest.next_if_eq(&'\'').is_some() {
        parts.push(Part::Literal('\''));
        return Ok(());
    }
    loop {
        match rest.next() {
            Some('\'') if rest.next_if_eq(&'\'').is_some() => parts.push(Part::Literal('\'')),
            Some('\'') => return Ok(()),
            Some(other) => parts.push(Part::Literal(other)),
            None => return Err("a quote does not end".to_owned()),
        }
    }
}

fn part(letter: char, count: usize) -> Result<Part, String> {
    let number = |field| Part::Number { field, digits: if count == 1 { 0 } else { count } };
    Ok(match (letter, count) {
        ('y' | 'u', 2) => Part::ShortYear,
        ('y' | 'u', 1 | 4) => number(Field::Year),
        ('M' | 'L', 1 | 2) => number(Field::Month),
        ('M' | 'L', 3) => Part::MonthName(Names::Short),
        ('M' | 'L', 4) => Part::MonthName(Names::Full),
        ('d', 1 | 2) => number(Field::Day),
        ('H', 1 | 2) => number(Field::Hour),
        ('h', 1 | 2) => number(Field::HourOfHalf),
        ('m', 1 | 2) => number(Field::Minute),
        ('s', 1 | 2) => number(Field::Second),
        ('S', 1..=9) => Part::Fraction { digits: count },
        ('n', 1) => Part::Fraction { digits: 0 },
        ('a', 1) => Part::Half,
        ('E', 1..=3) => Part::DayName(Names::Short),
        ('E', 4) => Part::DayName(Names::Full),
        ('X', 1..=3) => Part::Offset { zulu: true },
        ('x', 1..=3) | ('Z', 1..=3) => Part::Offset { zulu: false },
        ('Z', 5) => Part::Offset { zulu: true },
        _ => {
            let letters = letter.to_string().repeat(count.min(10));
            return Err(format!("{letters:?} is not supported"));
        }
    })
}

impl Read {
    /// Takes what a part stands for; answers what is left.
    fn take<'t>(&mut self, part: &Part, text: &'t [u8]) -> Option<&'t [u8]> {
        match part {
            Part::Number { field, digits } => {
                let (number, rest) = number(text, *digits)?;
                *self.field(*field) = number;
                Some(rest)
            }
            Part::ShortYear => {
                let (year, rest) = number(text, 2)?;
                self.year = 2000 + year;
                Some(rest)
            }
            Part::MonthName(names) => {
                let (place, rest) = name(text, &MONTHS, *names)?;
                self.month = place + 1;
                Some(rest)
            }
            Part::DayName(names) => name(text, &DAYS, *names).map(|(_, rest)| rest),
            Part::Half => {
                let (half, rest) = text.split_at_checked(2)?;
                self.afternoon = Some(match half {
                    _ if half.eq_ignore_ascii_case(b"AM") => false,
                    _ if half.eq_ignore_ascii_case(b"PM") => true,
                    _ => return None,
                });
                Some(rest)
            }
            Part::Fraction { digits: 0 } => {
                let (nanos, rest) = number(text, 0)?;
                self.nanos = Some(nanos).filter(|nanos| *nanos < 1_000_000_000)?;
                Some(rest)
            }
            Part::Fraction { digits } => {
                let (fraction, rest) = number(text, *digits)?;
                self.nanos = fraction * 10u32.pow(9 - *digits as u32);
                Some(rest)
            }
            Part::Offset { zulu } => {
                let (offset, rest) = offset(text, *zulu)?;
                self.offset = Some(offset);
                Some(rest)
            }
            Part::Literal(literal) => {
                let mut bytes = [0; 4];
                text.strip_prefix(literal.encode_utf8(&mut bytes).as_bytes())
            }
        }
    }

    fn field(&mut self, field: Field) -> &mut u32 {
        match field {
            Field::Year => &mut self.year,
            Field::Month => &mut self.month,
            Field::Day => &mut self.day,
            Field::Hour => &mut self.hour,
            Field::HourOfHalf => self.hour_of_half.get_or_insert(0),
            Field::Minute => &mut self.minute,
            Field::Second => &mut self.second,
        }
    }
}

/// `digits` digits, or as many as there are, up to nine.
fn number(text: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    let there =
        text.iter().take(if digits == 0 { 9 } else { digits }).take_while(|b| b.is_ascii_digit()).count();
    if there == 0 || (digits > 0 && there < digits) {
        return None;
    }
    let (own, rest) = text.split_at(there);
    Some((own.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')), rest))
}

fn name<'t>(text: &'t [u8], all: &[&str], names: Names) -> Option<(u32, &'t [u8])> {
    all.iter().zip(0..).find_map(|(name, place)| {
        let name = if names == Names::Short { &name[..3] } else { name };
        let (own, rest) = text.split_at_checked(name.len())?;
        own.eq_ignore_ascii_case(name.as_bytes()).then_some((place, rest))
    })
}

/// Minutes to the east.
fn offset(text: &[u8], zulu: bool) -> Option<(i32, &[u8])> {
    let (sign, rest) = match text {
        [b'Z', rest @ ..] if zulu => return Some((0, rest)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = number(rest, 2)?;
    let (minutes, rest) = match rest {
        [b':', after @ ..] => number(after, 2)?,
        _ => number(rest, 2).unwrap_or((0, rest)),
    };
    (hours <= 23 && minutes <= 59).then(|| (sign * (hours * 60 + minutes) as i32, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iso(pattern: &str, text: &str) -> Option<String> {
        let format = DateFormat::compile(pattern).unwrap();
        format.rewrite(text.as_bytes()).map(|text| String::from_utf8(text.as_bytes().to_vec()).unwrap())
    }

    #[test]
    fn texts_are_read_by_their_pattern() {
        for (pattern, text, wanted) in [
            (
                "yyyy-MM-dd HH:mm:ss.SSSSSSSSS",
                "2024-02-03 04:05:06.123456789",
                "2024-02-03T04:05:06.123456789",
            ),
            ("dd/MM/yyyy", "03/02/2024", "2024-02-03"),
            ("d.M.yy H:mm", "3.12.24 4:05", "2024-12-03T04:05:00"),
            ("yyyyMMddHHmmss", "20240203040506", "2024-02-03T04:05:06"),
            ("EEE, dd MMM yyyy HH:mm:ss Z", "Sat, 03 Feb 2024 04:05:06 -0130", "2024-02-03T04:05:06-01:30"),
            ("yyyy-MM-dd'T'HH:mm:ssXXX", "2024-02-03T04:05:06Z", "2024-02-03T04:05:06+00:00"),
            ("MMMM d yyyy, hh:mm a", "march 3 2024, 12:30 am", "2024-03-03T00:30:00"),
            ("hh 'o''clock' a", "11 o'clock PM", "23:00:00"),
            ("yyyy-MM", "2024-02", "2024-02-01"),
        ] {
            assert_eq!(iso(pattern, text).as_deref(), Some(wanted), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("yyyy-MM-dd", "2024-2-3"),
            ("yyyy-MM-dd", "2024-02-03 "),
            ("yyyy-MM-dd", "2024-02"),
            ("d.M.yyyy", "3.123.2024"),
            ("y-MM-dd", "99999-01-01"),
            ("HH:mm", "24:00"),
            ("hh:mm a", "13:00 AM"),
            ("yyyy-MM-dd HH:mm XXX", "2024-02-03 04:05 +25:00"),
            ("yyyy-MM-dd", "２０２４-02-03"),
        ] {
            assert_eq!(iso(pattern, text), None, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (pattern, fact) in [
            ("yyyy-MM-dd[ HH:mm]", "'['"),
            ("yyyy-MM-dd VV", "\"VV\""),
            ("yyyy-DDD", "\"DDD\""),
            ("yyyy-MM-dd 'T", "quote"),
            ("dd", "neither"),
            ("hh:mm", "together"),
            ("", "neither"),
        ] {
            let why = DateFormat::compile(pattern).unwrap_err();
            assert!(why.contains(fact), "{pattern}: {why}");
        }
        assert!(DateFormat::compile(&"y".repeat(10_000)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_a_pattern(pattern in "[yMdHhmsSaEXxZ './:-]{0,20}", text: String) {
            if let Ok(format) = DateFormat::compile(&pattern) {
                let _ = format.rewrite(text.as_bytes());
            }
        }
    }
}
