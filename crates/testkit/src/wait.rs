//! Waiting with a limit: nothing in the testkit waits for ever, and nothing sleeps blindly.

use std::time::{Duration, Instant};

use crate::error::{Result, TestkitError};

/// Time between two looks. Short enough not to be felt in a test, long enough to leave a small
/// machine's cores to the server that is being waited for.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until `look` gives a value.
/// `look` answers `Err(what is there instead)` as long as it is not time yet; the last such text
/// is part of the error.
/// Errors: `TooLate` after `limit`.
pub fn wait_until<T>(
    awaited: &str,
    limit: Duration,
    mut look: impl FnMut() -> std::result::Result<T, String>,
) -> Result<T> {
    let begun = Instant::now();
    loop {
        let last_seen = match look() {
            Ok(value) => return Ok(value),
            Err(seen) => seen,
        };
        if begun.elapsed() >= limit {
            return Err(TestkitError::TooLate {
                awaited: awaited.to_owned(),
                waited_ms: begun.elapsed().as_millis() as u64,
                last_seen,
            });
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_the_value_or_with_what_was_seen_last() {
        let mut looks = 0;
        let third = wait_until("the third look", Duration::from_secs(5), || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(format!("look {looks}")) }
        });
        assert_eq!(third.unwrap(), 3);

        let never = wait_until::<()>("nothing", Duration::ZERO, || Err("still dark".to_owned()));
        let message = never.unwrap_err().to_string();
        assert!(message.contains("nothing") && message.contains("still dark"), "{message}");
    }
}
