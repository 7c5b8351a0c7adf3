//! What an answer to an attempt tells the protocol. Carries what R2 calls unknown, and the classes of R10 and R11.
use pumphouse_delivery::{DEADLINE_MS_MAX, InsertAnswer, Refusal, RefusalClass};
use pumphouse_types::ServerMillis;

use crate::refused_row::refused_row;
use crate::server_codes::{ErrorClass, class_of};

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// HTTP 200, after the query's end.
    Accepted,
    /// An error of a class that says something about the attempt.
    Refused {
        /// ClickHouse's code.
        code: i32,
        /// What it means.
        class: ErrorClass,
        /// ClickHouse's words, bounded.
        message: String,
    },
    /// No answer, or one after which the rows may be there or not.
    Unknown {
        /// Why.
        why: String,
    },
}

impl Answer {
    /// The server has answered with an error.
    pub fn of_error(code: i32, message: String) -> Answer {
        match class_of(code, &message) {
            ErrorClass::SendSame => Answer::Unknown { why: format!("code {code}: {message}") },
            class => Answer::Refused { code, class, message },
        }
    }

    /// What the protocol hears of it.
    pub fn heard(self) -> InsertAnswer {
        match self {
            Answer::Accepted => InsertAnswer::Accepted,
            Answer::Unknown { .. } => InsertAnswer::Unknown,
            Answer::Refused { code, class, message } => {
                let class = match class {
                    ErrorClass::DeadlinePassed => RefusalClass::DeadlinePassed,
                    ErrorClass::Overload => RefusalClass::Overload,
                    ErrorClass::Data => RefusalClass::Data,
                    ErrorClass::Schema | ErrorClass::NoTable => RefusalClass::Schema,
                    ErrorClass::Fatal | ErrorClass::Right => RefusalClass::Fatal,
                    ErrorClass::Bounded => RefusalClass::Bounded,
                    ErrorClass::SendSame => return InsertAnswer::Unknown,
                };
                let row = refused_row(code, &message);
                InsertAnswer::Refused(Refusal { class, code, message, row })
            }
        }
    }
}

/// How far ahead the deadline of an attempt that is sent now may lie. Attempts that came too late were given
/// more time (R2). The batch's age is no measure once it has been tried for longer than any attempt is given.
pub fn until_deadline_ms(deadline: ServerMillis, first_recorded: ServerMillis, deadline_ms: u64) -> u64 {
    deadline.since(first_recorded).clamp(deadline_ms, deadline_ms.max(DEADLINE_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(code: i32, message: &str) -> RefusalClass {
        match Answer::of_error(code, message.to_owned()).heard() {
            InsertAnswer::Refused(refusal) => refusal.class,
            other => panic!("{code}: {other:?}"),
        }
    }

    #[test]
    fn an_error_after_which_the_rows_may_be_there_is_no_refusal() {
        for code in [3, 159, 209, 210, 242, 319, 394, 999] {
            assert_eq!(Answer::of_error(code, "words".to_owned()).heard(), InsertAnswer::Unknown, "{code}");
        }
        assert_eq!(Answer::Unknown { why: "time is over".to_owned() }.heard(), InsertAnswer::Unknown);
    }

    #[test]
    fn a_refusal_says_what_it_means_for_the_batch() {
        assert_eq!(class(395, "throwIf: PUMPHOUSE_DEADLINE"), RefusalClass::DeadlinePassed);
        assert_eq!(class(252, "Too many parts"), RefusalClass::Overload);
        assert_eq!(class(241, "Query memory limit exceeded"), RefusalClass::Bounded);
        assert_eq!([class(16, "no column"), class(60, "no table")], [RefusalClass::Schema; 2]);
        assert_eq!([class(497, "no right"), class(4711, "what?")], [RefusalClass::Fatal; 2]);
        let Answer::Refused { .. } = Answer::of_error(469, String::new()) else { panic!("a refusal") };
    }

    #[test]
    fn a_constraint_says_which_row_it_was() {
        let heard = Answer::of_error(469, "Constraint `c` is violated at row 3.".to_owned()).heard();
        let InsertAnswer::Refused(refusal) = heard else { panic!("{heard:?}") };
        assert_eq!((refusal.class, refusal.row), (RefusalClass::Data, Some(2)));
    }

    #[test]
    fn an_old_batch_is_not_waited_for_as_long_as_it_is_old() {
        let patience = |age_ms: u64, deadline_ms| {
            until_deadline_ms(ServerMillis(5_000 + age_ms), ServerMillis(5_000), deadline_ms)
        };
        assert_eq!(patience(500, 10_000), 10_000);
        assert_eq!(patience(160_000, 10_000), 160_000, "it came too late, and was given more");
        assert_eq!(patience(36_000_000, 10_000), DEADLINE_MS_MAX);
        assert_eq!(patience(36_000_000, 900_000), 900_000);
    }
}
