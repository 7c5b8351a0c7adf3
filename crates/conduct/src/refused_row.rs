//! The row that a refusal names. A hint for where to cut a refused block, never a proof: the row is sent
//! alone before it is taken for bad (PROTOCOL R11).

/// VIOLATED_CONSTRAINT.
const CONSTRAINT: i32 = 469;

/// As `CheckConstraintsTransform.cpp` writes it; rows are counted from 1 over all blocks of the INSERT.
const MARK: &str = "is violated at row ";

/// The row of the sent block, counted from 0, that the server found first. `None`: it does not say; checks of
/// skip indexes, TTL expressions and partition keys do not.
pub fn refused_row(code: i32, message: &str) -> Option<u64> {
    if code != CONSTRAINT {
        return None;
    }
    let (_, rest) = message.split_once(MARK)?;
    let digits = rest.split(|character: char| !character.is_ascii_digit()).next()?;
    digits.parse::<u64>().ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constraint_names_its_row() {
        let message = "Code: 469. Constraint `positive` for table a.b (uuid) is violated at row 28. Expression: \
                       (v >= 0). Column values: v = -1";
        assert_eq!(refused_row(469, message), Some(27));
        assert_eq!(refused_row(395, message), None);
        for strange in ["", "is violated at row", "is violated at row 0.", "is violated at row x", MARK] {
            assert_eq!(refused_row(469, strange), None);
        }
        assert_eq!(refused_row(469, "is violated at row 99999999999999999999999"), None);
    }
}
