//! Two clocks that must not be mixed up: the process's own and the ClickHouse server's.
use std::fmt;

/// Milliseconds on the process's monotonic clock, from any fixed start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// Milliseconds from `earlier` to here; 0 if `earlier` is later.
    pub const fn since(self, earlier: Millis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment and `ms` more.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Millis {
        Millis(self.0 + ms)
    }
}

/// Milliseconds since 1970 (UTC) on the ClickHouse server's clock (`now64(3, 'UTC')`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerMillis(pub u64);

impl ServerMillis {
    /// Milliseconds from `earlier` to here; 0 if `earlier` is later.
    pub const fn since(self, earlier: ServerMillis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment and `ms` more.
    #[must_use]
    pub const fn plus(self, ms: u64) -> ServerMillis {
        ServerMillis(self.0 + ms)
    }
}

impl fmt::Display for ServerMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
