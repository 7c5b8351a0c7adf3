//! What a ClickHouse error code means for a batch: one table. Codes and names as in `ErrorCodes.cpp` of
//! ClickHouse 26.7.

/// What an error answer to an insert means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorClass {
    /// The block may or may not be there: the same bytes again with the same token.
    SendSame,
    /// As `SendSame`, for codes that also stand for something that never passes: a bounded number of
    /// times, then a person.
    Bounded,
    /// The server has too much to do: the same again, later.
    Overload,
    /// A row or the block itself is not acceptable.
    Data,
    /// The block's columns and the table's do not fit: read the table again.
    Schema,
    /// Table or database are not there. The batch stays open, and is tried again until somebody has
    /// created them.
    NoTable,
    /// A right is missing. The batch stays open, and is tried again until somebody has granted it.
    Right,
    /// A person is needed: a setting, a password, a read-only user, a fault of ours.
    Fatal,
    /// The attempt came after its deadline and wrote nothing.
    DeadlinePassed,
}

/// The words that our own `throwIf` of the fenced insert throws.
pub const DEADLINE_MARKER: &str = "PUMPHOUSE_DEADLINE";

/// A line of the table.
struct Row {
    code: i32,
    /// ClickHouse's name.
    name: &'static str,
    /// If the message has one of these words (small letters), another class holds.
    unless: &'static [(&'static str, ErrorClass)],
    class: ErrorClass,
}

const fn row(code: i32, name: &'static str, class: ErrorClass) -> Row {
    Row { code, name, unless: &[], class }
}

const fn row_unless(
    code: i32,
    name: &'static str,
    class: ErrorClass,
    unless: &'static [(&'static str, ErrorClass)],
) -> Row {
    Row { code, name, unless, class }
}

use ErrorClass::{Bounded, Data, DeadlinePassed, Fatal, NoTable, Overload, Right, Schema, SendSame};

/// Sorted by code. Why a code stands where it does is said where its name does not say it.
const TABLE: &[Row] = &[
    row(3, "UNEXPECTED_END_OF_FILE", SendSame),
    row(6, "CANNOT_PARSE_TEXT", Data),
    row(8, "THERE_IS_NO_COLUMN", Schema),
    row(10, "NOT_FOUND_COLUMN_IN_BLOCK", Schema),
    row(16, "NO_SUCH_COLUMN_IN_TABLE", Schema),
    row(20, "NUMBER_OF_COLUMNS_DOESNT_MATCH", Schema),
    row(24, "CANNOT_WRITE_TO_OSTREAM", Bounded),
    row(26, "CANNOT_PARSE_QUOTED_STRING", Data),
    row(27, "CANNOT_PARSE_INPUT_ASSERTION_FAILED", Data),
    row(32, "ATTEMPT_TO_READ_AFTER_EOF", Data),
    row(33, "CANNOT_READ_ALL_DATA", SendSame),
    row(36, "BAD_ARGUMENTS", Fatal),
    row(38, "CANNOT_PARSE_DATE", Data),
    row(41, "CANNOT_PARSE_DATETIME", Data),
    row(43, "ILLEGAL_TYPE_OF_ARGUMENT", Data),
    row(44, "ILLEGAL_COLUMN", Schema),
    row(47, "UNKNOWN_IDENTIFIER", Schema),
    row(48, "NOT_IMPLEMENTED", Fatal),
    row(50, "UNKNOWN_TYPE", Schema),
    // Under the strict settings of our insert never the data's fault; 117 neither.
    row(53, "TYPE_MISMATCH", Schema),
    row(60, "UNKNOWN_TABLE", NoTable),
    row(62, "SYNTAX_ERROR", Fatal),
    row(69, "ARGUMENT_OUT_OF_BOUND", Data),
    row(70, "CANNOT_CONVERT_TYPE", Data),
    row(72, "CANNOT_PARSE_NUMBER", Data),
    // The server's disk fails; one that is full is 243.
    row(74, "CANNOT_READ_FROM_FILE_DESCRIPTOR", Bounded),
    row(75, "CANNOT_WRITE_TO_FILE_DESCRIPTOR", Bounded),
    row(76, "CANNOT_OPEN_FILE", Bounded),
    row(81, "UNKNOWN_DATABASE", NoTable),
    row(107, "FILE_DOESNT_EXIST", Bounded),
    row(115, "UNKNOWN_SETTING", Fatal),
    row(117, "INCORRECT_DATA", Schema),
    row(128, "TOO_LARGE_ARRAY_SIZE", Data),
    row(131, "TOO_LARGE_STRING_SIZE", Data),
    row(159, "TIMEOUT_EXCEEDED", SendSame),
    row(160, "TOO_SLOW", Overload),
    // A server that is read-only for a while; a user that is so stays so.
    row_unless(164, "READONLY", Bounded, &[("readonly", Fatal), ("read-only mode", Fatal)]),
    row(173, "CANNOT_ALLOCATE_MEMORY", Overload),
    row(192, "UNKNOWN_USER", Fatal),
    row(193, "WRONG_PASSWORD", Fatal),
    row(194, "REQUIRED_PASSWORD", Fatal),
    row(195, "IP_ADDRESS_NOT_ALLOWED", Fatal),
    row(198, "DNS_ERROR", SendSame),
    row(201, "QUOTA_EXCEEDED", Overload),
    row(202, "TOO_MANY_SIMULTANEOUS_QUERIES", Overload),
    row(203, "NO_FREE_CONNECTION", Overload),
    row(209, "SOCKET_TIMEOUT", SendSame),
    row(210, "NETWORK_ERROR", SendSame),
    // An earlier attempt of the same query id runs still.
    row(216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING", Overload),
    // It is being dropped; the next answer says 60.
    row(218, "TABLE_IS_DROPPED", NoTable),
    row(225, "NO_ZOOKEEPER", SendSame),
    row(234, "NO_REPLICA_HAS_PART", SendSame),
    row(236, "ABORTED", SendSame),
    // The limit of a user or of the server is everybody's, and passes. A query's own is met by the same
    // block each time, unless somebody raises it. The second wording is that of older servers.
    row_unless(
        241,
        "MEMORY_LIMIT_EXCEEDED",
        Overload,
        &[("query memory limit exceeded", Bounded), ("memory limit (for query)", Bounded)],
    ),
    row(242, "TABLE_IS_READ_ONLY", SendSame),
    row(243, "NOT_ENOUGH_SPACE", Overload),
    row(244, "UNEXPECTED_ZOOKEEPER_ERROR", SendSame),
    // One block into too many table partitions: waiting does not help, fewer rows do.
    row_unless(252, "TOO_MANY_PARTS", Overload, &[("single insert block", Data)]),
    row(254, "NO_ACTIVE_REPLICAS", SendSame),
    row(265, "NO_AVAILABLE_REPLICA", SendSame),
    row(279, "ALL_CONNECTION_TRIES_FAILED", SendSame),
    row(285, "TOO_FEW_LIVE_REPLICAS", SendSame),
    row(286, "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE", SendSame),
    // A replica that lags answers no consistent read; it catches up.
    row(289, "REPLICA_IS_NOT_IN_QUORUM", SendSame),
    row(291, "DATABASE_ACCESS_DENIED", Fatal),
    row(319, "UNKNOWN_STATUS_OF_INSERT", SendSame),
    row(321, "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", Data),
    row(349, "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN", Data),
    row(369, "ALL_REPLICAS_ARE_STALE", SendSame),
    row(376, "CANNOT_PARSE_UUID", Data),
    row(394, "QUERY_WAS_CANCELLED", SendSame),
    // Our own fence, by its words; else somebody's throwIf in a view.
    row_unless(395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", Fatal, &[("pumphouse_deadline", DeadlinePassed)]),
    row(407, "DECIMAL_OVERFLOW", Data),
    row(415, "ALL_REPLICAS_LOST", SendSame),
    row(416, "REPLICA_STATUS_CHANGED", SendSame),
    row(425, "SYSTEM_ERROR", Bounded),
    row(439, "CANNOT_SCHEDULE_TASK", Overload),
    // A constraint of the profile on a setting that exactly-once needs.
    row(452, "SETTING_CONSTRAINT_VIOLATION", Fatal),
    row(467, "CANNOT_PARSE_BOOL", Data),
    row(469, "VIOLATED_CONSTRAINT", Data),
    row(473, "DEADLOCK_AVOIDED", SendSame),
    row(497, "ACCESS_DENIED", Right),
    row(499, "S3_ERROR", SendSame),
    row(511, "UNKNOWN_ROLE", Fatal),
    row(516, "AUTHENTICATION_FAILED", Fatal),
    row(733, "TABLE_IS_BEING_RESTARTED", SendSame),
    row(745, "SERVER_OVERLOADED", SendSame),
    // `force_enable` and no token: a fault of ours.
    row(764, "DEDUPLICATION_IS_NOT_POSSIBLE", Fatal),
    row(999, "KEEPER_EXCEPTION", SendSame),
    row_unless(1000, "POCO_EXCEPTION", Bounded, &[("field value too long", Fatal)]),
    row(1001, "STD_EXCEPTION", Bounded),
    row(1002, "UNKNOWN_EXCEPTION", Bounded),
];

/// The class of an error answer. Codes that are not listed are fatal: the batch stays open and a person
/// looks. Retried for ever, a code that nobody thought of would hide; taken for the data's fault, it could
/// take rows out of a batch that a server in trouble refused.
pub fn class_of(code: i32, message: &str) -> ErrorClass {
    let Ok(at) = TABLE.binary_search_by_key(&code, |row| row.code) else { return Fatal };
    let row = &TABLE[at];
    if row.unless.is_empty() {
        return row.class;
    }
    let message = message.to_lowercase();
    row.unless.iter().find(|(words, _)| message.contains(words)).map_or(row.class, |(_, class)| *class)
}

/// The table: code, ClickHouse's name for it, and its class unless the message says otherwise.
pub fn error_classes() -> impl Iterator<Item = (i32, &'static str, ErrorClass)> {
    TABLE.iter().map(|row| (row.code, row.name, row.class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_no_code_stands_twice() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
        let marked = TABLE.iter().find(|row| row.code == 395).unwrap();
        assert_eq!(marked.unless[0].0, DEADLINE_MARKER.to_lowercase());
    }

    fn check(class: ErrorClass, codes: &[i32]) {
        for code in codes {
            assert_eq!(class_of(*code, "words"), class, "code {code}");
        }
    }

    #[test]
    fn lost_connections_and_keeper_leave_the_fate_open() {
        check(SendSame, &[3, 33, 159, 209, 210, 279, 236, 394, 319, 225, 242, 244, 254, 265, 285, 286, 369]);
        check(SendSame, &[415, 416, 473, 499, 733, 745, 999]);
    }

    #[test]
    fn codes_of_a_broken_server_are_tried_a_bounded_number_of_times() {
        check(Bounded, &[425, 1000, 1001, 1002, 107, 74, 76, 164]);
    }

    #[test]
    fn a_server_with_too_much_to_do_is_waited_for() {
        check(Overload, &[252, 202, 203, 241, 243, 173, 201, 439, 216]);
    }

    #[test]
    fn values_that_do_not_fit_are_data() {
        check(Data, &[6, 26, 27, 32, 38, 41, 43, 69, 70, 72, 128, 131, 321, 349, 376, 407, 467, 469]);
    }

    #[test]
    fn a_plan_that_does_not_fit_is_schema() {
        check(Schema, &[8, 10, 16, 20, 44, 47, 50, 53, 117]);
    }

    #[test]
    fn missing_tables_and_rights_keep_the_batch_open() {
        check(NoTable, &[60, 81, 218]);
        check(Right, &[497]);
    }

    #[test]
    fn a_person_is_needed_for_settings_passwords_and_what_nobody_knows() {
        check(Fatal, &[36, 48, 62, 115, 192, 193, 291, 452, 511, 516, 764, 4711, 0, -1]);
    }

    #[test]
    fn the_message_tells_codes_of_two_meanings_apart() {
        let many = "Too many partitions for single INSERT block (more than 100)";
        assert_eq!(class_of(252, many), Data);
        assert_eq!(class_of(252, "Too many parts"), Overload);
        assert_eq!(class_of(241, "Query memory limit exceeded: would use 2.01 MiB"), Bounded);
        assert_eq!(class_of(241, "Memory limit (for query) exceeded: would use 2.01 MiB"), Bounded);
        for theirs in
            ["User memory limit exceeded: Query was selected to stop", "(total) memory limit exceeded"]
        {
            assert_eq!(class_of(241, theirs), Overload);
        }
        assert_eq!(class_of(164, "Cannot execute query in readonly mode"), Fatal);
        assert_eq!(class_of(1000, "Poco::Exception: Field value too long"), Fatal);
        assert_eq!(
            class_of(395, "Value passed to 'throwIf' is non-zero: PUMPHOUSE_DEADLINE"),
            DeadlinePassed
        );
        assert_eq!(class_of(395, "somebody's own throwIf"), Fatal);
    }
}
