//! What can go wrong with the suite or with what it looks at: a text, since nobody but a person reads it.

/// The suite's result.
pub type Result<T> = std::result::Result<T, String>;

/// Shortens `map_err(|error| error.to_string())`.
pub fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
