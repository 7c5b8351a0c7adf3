//! The task as its driver sees it. `stage` is the helper that touches the API; each test elsewhere is
//! a line of the domain.
mod claims;
mod life;
mod membership;
mod random;
mod retries;
mod several_lanes;
mod stage;
