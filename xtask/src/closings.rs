//! The closing lines of `cargo test`: how many tests passed and failed.

/// Counted tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed, and steps that could not even run.
    pub failed: u64,
}

impl Counts {
    /// Adds one step that is no test of its own: a check, a build.
    pub fn add_step(&mut self, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    /// Adds what one line of `cargo test` says; all lines but the closings say nothing.
    /// Shape: `test result: ok. 12 passed; 0 failed; 1 ignored; ..`.
    pub fn add_line(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split(';') {
            match count.trim().split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse::<u64>().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse::<u64>().unwrap_or(0),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closings_are_summed_and_other_lines_are_not() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
            "a log that says: test result: ok. 100 passed",
        ] {
            counts.add_line(line);
        }
        counts.add_step(true);
        counts.add_step(false);
        assert_eq!(counts, Counts { passed: 14, failed: 3 });
    }
}
