//! Options that are wrong: CONFIG, and those that a client refuses.
use crate::case::{Case, REMOVED, Shows, try_all};

const AT_THE_END: Case = Case { shows: Shows::AtTheEnd, ..Case::NONE };

#[test]
fn options_are_corrected_as_the_pages_say() {
    try_all(
        "option",
        &[
            Case {
                code: "CONFIG-002",
                options: &[("hostname", REMOVED)],
                set: &[("hostname", "127.0.0.1")],
                ..AT_THE_END
            },
            Case {
                code: "CONFIG-003",
                options: &[("tasks.max", "none")],
                set: &[("tasks.max", "1")],
                ..AT_THE_END
            },
            Case {
                code: "CONFIG-004",
                options: &[("bufferSize", "10")],
                set: &[("bufferSize", REMOVED)],
                ..AT_THE_END
            },
            Case {
                code: "CONFIG-005",
                options: &[("transforms", "route")],
                set: &[("transforms", REMOVED)],
                ..AT_THE_END
            },
            Case {
                code: "CONFIG-006",
                options: &[("consumer.override.max.poll.interval.ms", "1000")],
                set: &[("consumer.override.max.poll.interval.ms", REMOVED)],
                ..AT_THE_END
            },
            Case {
                code: "CONFIG-007",
                options: &[("clickhouseSettings", "async_insert=1")],
                set: &[("clickhouseSettings", REMOVED)],
                ..AT_THE_END
            },
            Case {
                code: "KAFKA-001",
                options: &[("consumer.override.fetch.max.wait.ms", "soon")],
                set: &[("consumer.override.fetch.max.wait.ms", "100")],
                ..AT_THE_END
            },
            Case {
                code: "KAFKA-003",
                options: &[("consumer.override.isolation.level", "read_uncommitted")],
                set: &[("consumer.override.isolation.level", REMOVED)],
                ..AT_THE_END
            },
            Case {
                code: "CLICKHOUSE-005",
                options: &[("password", "a\u{1}b")],
                set: &[("password", "")],
                ..AT_THE_END
            },
            Case {
                code: "CLICKHOUSE-001",
                options: &[("password", "wrong")],
                set: &[("password", "")],
                ..Case::NONE
            },
        ],
    );
}
