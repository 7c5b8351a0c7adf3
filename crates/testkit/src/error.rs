//! What can go wrong around a test server, with a stable code per kind.
//!
//! These errors reach a developer at a terminal, so each one says what to do or shows the log.

use std::path::PathBuf;

/// Everything the testkit reports; `Display` begins with the code.
#[derive(thiserror::Error)]
pub enum TestkitError {
    /// A program the installation needs is not on the PATH. The developer installs the package.
    #[error(
        "TESTKIT-001: `{tool}` is missing; install the Debian package `{package}` \
         (scripts/install-prerequisites installs everything)"
    )]
    ToolMissing {
        /// Name of the program.
        tool: &'static str,
        /// Debian package that brings it.
        package: &'static str,
    },
    /// A program ran and refused; `output` is the end of what it printed.
    #[error("TESTKIT-002: `{command}` failed ({status}):\n{output}")]
    ToolFailed {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// The end of its standard output and error.
        output: String,
    },
    /// A downloaded file is not the one that was pinned. Nothing of it was used.
    #[error("TESTKIT-003: {file} has SHA-256 {found}, pinned is {pinned}")]
    ChecksumMismatch {
        /// File name.
        file: String,
        /// The digest in `pins/`.
        pinned: String,
        /// The digest of the file.
        found: String,
    },
    /// The set of files differs from the pinned set: one is missing or one is unknown.
    #[error("TESTKIT-004: {file} is {problem}; the list is {list}")]
    UnexpectedFile {
        /// File name.
        file: String,
        /// `missing` or `not pinned`.
        problem: &'static str,
        /// Which list of `pins/` was compared.
        list: &'static str,
    },
    /// A file, process or socket operation failed.
    #[error("TESTKIT-005: cannot {action}: {source}")]
    Io {
        /// What was tried, with the path.
        action: String,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A server runs but did not become healthy in time.
    #[error("TESTKIT-006: {server} not ready after {waited_ms} ms: {last_problem}\n{log_tail}")]
    NotReady {
        /// Which server.
        server: String,
        /// How long was waited.
        waited_ms: u64,
        /// What the last health check said.
        last_problem: String,
        /// End of the server's log.
        log_tail: String,
    },
    /// A process ended although it should run.
    #[error("TESTKIT-007: {server} ended by itself ({status})\n{log_tail}")]
    Ended {
        /// Which server.
        server: String,
        /// Exit status or signal.
        status: String,
        /// End of its log.
        log_tail: String,
    },
    /// ClickHouse answered with an error; `message` is its own text.
    #[error("TESTKIT-008: {message}\nstatement: {statement}")]
    Sql {
        /// The server's message, `Code: ..` included.
        message: String,
        /// The beginning of the statement.
        statement: String,
    },
    /// ClickHouse did not answer, or the connection broke in the middle of an answer.
    #[error("TESTKIT-009: {url} gave no complete answer: {problem}")]
    NoAnswer {
        /// Base address of the server.
        url: String,
        /// What the HTTP client saw.
        problem: String,
    },
    /// A Kafka client call failed.
    #[error("TESTKIT-010: {action}: {source}")]
    Kafka {
        /// What was tried.
        action: String,
        /// The client's error.
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// Something awaited did not happen in time.
    #[error("TESTKIT-011: {awaited} did not happen within {waited_ms} ms; {last_seen}")]
    TooLate {
        /// What was waited for.
        awaited: String,
        /// How long.
        waited_ms: u64,
        /// What was there instead.
        last_seen: String,
    },
    /// Bytes that cannot be read as what they should be.
    #[error("TESTKIT-012: {what}: {problem}")]
    Malformed {
        /// Which data.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The cache directory cannot be chosen.
    #[error(
        "TESTKIT-013: none of PUMPHOUSE_TESTKIT_CACHE, XDG_CACHE_HOME and HOME is set, \
         so there is no place to install to"
    )]
    NoCacheDirectory,
    /// A path that a program needs as text is not valid UTF-8.
    #[error("TESTKIT-014: {0:?} is not valid UTF-8")]
    PathNotText(PathBuf),
}

/// The same text as `Display`: a test's `unwrap` prints this, and a log with its line ends escaped
/// cannot be read.
impl std::fmt::Debug for TestkitError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, out)
    }
}

/// The testkit's result.
pub type Result<T> = std::result::Result<T, TestkitError>;

/// Shortens mapping of I/O errors: `.map_err(io(format!("read {path}")))`.
pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> TestkitError {
    let action = action.into();
    move |source| TestkitError::Io { action, source }
}

/// The same for Kafka errors.
pub(crate) fn kafka(action: impl Into<String>) -> impl FnOnce(rdkafka::error::KafkaError) -> TestkitError {
    let action = action.into();
    move |source| TestkitError::Kafka { action, source }
}
