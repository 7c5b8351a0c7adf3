//! The task as its driver sees it. `stage` is the helper that touches the API; each test elsewhere is
//! a line of the domain.
mod amend;
mod away;
mod claims;
mod evidence;
mod foresight;
mod life;
mod membership;
mod random;
mod resets;
mod retries;
mod several_lanes;
mod stage;
