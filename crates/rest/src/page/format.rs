//! Numbers, times and bytes as people read them.
use std::time::Duration;

use jiff::Timestamp;

use crate::figures::Excerpt;

/// `1 234 567`, with narrow spaces that do not break.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Rows per second.
pub(super) fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 10.0 {
        format!("{per_second:.1}")
    } else {
        // Below 2^53, and not negative.
        count(per_second.max(0.0).round() as u64)
    }
}

/// `12 ms`, `1.3 s`.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        short if short < 0.9995 => format!("{:.0} ms", short * 1e3),
        middle if middle < 100.0 => format!("{middle:.1} s"),
        long => age(Duration::from_secs_f64(long)),
    }
}

/// `12 s`, `3 min`, `2 h 5 min`, `4 d`.
pub(super) fn age(age: Duration) -> String {
    let (seconds, minutes, hours) = (age.as_secs(), age.as_secs() / 60, age.as_secs() / 3600);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..172_800 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{} d", hours / 24),
    }
}

/// `2026-01-31 12:00:00 UTC`.
pub(super) fn moment(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(moment) => format!("{} UTC", moment.strftime("%Y-%m-%d %H:%M:%S")),
        Err(_) => format!("{ms} ms"),
    }
}

/// `12:00:00 UTC`.
pub(super) fn now() -> String {
    format!("{} UTC", Timestamp::now().strftime("%H:%M:%S"))
}

/// Text as it is, with what cannot be shown replaced; bytes that are no text as hexadecimal digits.
pub(super) fn excerpt(excerpt: &Excerpt) -> String {
    let bytes = &excerpt.bytes;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        // The cut may have gone through a character.
        Err(error) if error.error_len().is_none() && excerpt.length > bytes.len() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    let is_shown = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    let shown = match text {
        Some(text) => text.chars().map(|c| if is_shown(c) { c } else { '\u{fffd}' }).collect(),
        None => bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>(),
    };
    match excerpt.length - bytes.len() {
        0 => shown,
        more => format!("{shown}… ({more} more bytes)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_at_a_glance() {
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!((count(0).as_str(), count(999).as_str()), ("0", "999"));
        assert_eq!(
            (rate(0.0).as_str(), rate(0.44).as_str(), rate(9999.6).as_str()),
            ("0", "0.4", "10\u{202f}000")
        );
        assert_eq!(
            (seconds(0.0124).as_str(), seconds(1.25).as_str(), seconds(180.0).as_str()),
            ("12 ms", "1.2 s", "3 min")
        );
        assert_eq!(age(Duration::from_secs(7500)), "2 h 5 min");
        assert_eq!(moment(1_700_000_000_000), "2023-11-14 22:13:20 UTC");
        assert_eq!(moment(i64::MAX), "9223372036854775807 ms");
    }

    #[test]
    fn bytes_are_shown_as_what_they_are() {
        let shown = |bytes: &[u8], max| excerpt(&Excerpt::of(bytes, max));
        assert_eq!(shown(b"{\"a\": 1}\0", 100), "{\"a\": 1}\u{fffd}");
        assert_eq!(shown("grün".as_bytes(), 3), "gr… (2 more bytes)");
        assert_eq!(shown(&[0, 0xff], 100), "00 ff ");
        assert_eq!(shown(b"", 100), "");
    }
}
