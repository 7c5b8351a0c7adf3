//! What a ClickHouse error code means for a batch. A plain table; codes as in `ErrorCodes.cpp` of
//! ClickHouse 26.7.

/// What an error answer to an insert means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The block may or may not be there: the same bytes again with the same token.
    SendSame,
    /// The server has too much to do: the same again, later.
    Overload,
    /// A row or the block itself is not acceptable.
    Data,
    /// The block's columns and the table's do not fit.
    Schema,
    /// A person is needed: a right, a setting, a read-only server.
    Fatal,
    /// The attempt came after its deadline and wrote nothing.
    DeadlinePassed,
}

/// The words that our own `throwIf` of the fenced insert throws.
pub(crate) const DEADLINE_MARKER: &str = "PUMPHOUSE_DEADLINE";

/// FUNCTION_THROW_IF_VALUE_IS_NON_ZERO.
const THROW_IF: i32 = 395;

/// Retried unchanged: connections, time-outs, sessions of Keeper, unknown status of an insert.
const SEND_SAME: &[i32] = &[
    3, 33, 74, 76, 107, 159, 164, 209, 210, 225, 236, 242, 244, 254, 265, 279, 285, 286, 319, 369, 394, 415,
    416, 425, 473, 499, 733, 745, 999, 1000, 1001, 1002,
];

/// Too many parts, queries, bytes of memory; quota; a query of the same id still running.
const OVERLOAD: &[i32] = &[173, 201, 202, 203, 216, 241, 243, 252, 439];

/// Values that do not fit, constraints, limits of a row or a block.
const DATA: &[i32] = &[6, 26, 27, 32, 38, 41, 43, 69, 70, 72, 128, 131, 321, 349, 376, 407, 467, 469];

/// Columns, types, tables that are not (any more) what the plan was made for. 53 and 117 are never the
/// data's fault under the strict settings of our insert.
const SCHEMA: &[i32] = &[8, 10, 16, 20, 44, 47, 50, 53, 60, 81, 117];

/// The class of an error answer. Codes that are not listed are fatal: the batch stays open and
/// a person looks, where a retry for ever would hide it and passing it would lose it.
pub fn class_of(code: i32, message: &str) -> ErrorClass {
    match code {
        THROW_IF if message.contains(DEADLINE_MARKER) => ErrorClass::DeadlinePassed,
        // One block into too many table partitions: waiting does not help.
        252 if message.contains("single INSERT block") => ErrorClass::Data,
        164 if message.contains("readonly") => ErrorClass::Fatal,
        1000 if message.to_ascii_lowercase().contains("field value too long") => ErrorClass::Fatal,
        code if SEND_SAME.contains(&code) => ErrorClass::SendSame,
        code if OVERLOAD.contains(&code) => ErrorClass::Overload,
        code if DATA.contains(&code) => ErrorClass::Data,
        code if SCHEMA.contains(&code) => ErrorClass::Schema,
        _ => ErrorClass::Fatal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_stands_in_two_classes() {
        let all = [SEND_SAME, OVERLOAD, DATA, SCHEMA].concat();
        let distinct: std::collections::BTreeSet<i32> = all.iter().copied().collect();
        assert_eq!(all.len(), distinct.len());
    }

    #[test]
    fn every_listed_code_has_its_class() {
        for (codes, class) in [
            (SEND_SAME, ErrorClass::SendSame),
            (OVERLOAD, ErrorClass::Overload),
            (DATA, ErrorClass::Data),
            (SCHEMA, ErrorClass::Schema),
        ] {
            for code in codes {
                assert_eq!(class_of(*code, "words"), class, "code {code}");
            }
        }
    }

    #[test]
    fn the_message_tells_codes_of_two_meanings_apart() {
        let many = "Too many partitions for single INSERT block (more than 100)";
        assert_eq!(class_of(252, many), ErrorClass::Data);
        assert_eq!(class_of(252, "Too many parts"), ErrorClass::Overload);
        assert_eq!(class_of(164, "Cannot execute query in readonly mode"), ErrorClass::Fatal);
        assert_eq!(
            class_of(395, "Value passed to 'throwIf' is non-zero: PUMPHOUSE_DEADLINE"),
            ErrorClass::DeadlinePassed
        );
        assert_eq!(class_of(395, "somebody's own throwIf"), ErrorClass::Fatal);
    }

    #[test]
    fn what_nobody_knows_stops_the_task() {
        for code in [36, 48, 62, 115, 192, 193, 291, 452, 497, 511, 516, 764, 4711] {
            assert_eq!(class_of(code, "words"), ErrorClass::Fatal, "code {code}");
        }
    }
}
