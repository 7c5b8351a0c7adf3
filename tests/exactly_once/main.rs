//! The promise: every committed record is in the table exactly once, whatever dies, hangs or comes
//! back; and what cannot be promised is refused with the reason.
#![allow(clippy::unwrap_used)]

// Workers that die or hang.
mod fail_points;
mod sharing;
mod sigkill;
mod zombie;

// Servers that do.
mod server_faults;

// Positions, data, and what is refused.
mod bad_records;
mod log_end;
mod lost_offsets;
mod refusals;
