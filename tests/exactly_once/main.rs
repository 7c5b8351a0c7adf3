//! The promise: every committed record is in the table exactly once, whatever dies, hangs or comes
//! back; and what cannot be promised is refused with the reason.
#![allow(clippy::unwrap_used)]

// Workers that die or hang.
mod fail_points;
mod keeper_map;
mod rebalances;
mod sharing;
mod sigkill;
mod zombie;

// Servers that do, and several of them.
mod hosts;
mod memory;
mod overload;
mod server_faults;
mod slow_server;

// Records that nobody can insert, batches whose fate is not known, and what others did meanwhile.
mod bad_records;
mod evidence;
mod poisoned;
mod remapped;
mod resets;
mod reshaped;
mod thinned;
mod window;

// Positions, less than exactly once by choice, what is refused, and what is looked at afterwards.
mod at_least_once;
mod audit;
mod log_end;
mod lost_offsets;
mod refusals;
