//! The allocator, and how soon it gives memory back.
use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set_default, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc's `mi_option_e`, which the crate has no name for.
const PURGE_DELAY: mi_option_t = 15;

/// By itself it keeps what was freed for a second, in which a block's worth of columns comes and goes: that took
/// 60 MiB beyond what `pumphouse.memory.bytes.max` reckons with, and gave no speed (docs/performance.md).
const PURGE_DELAY_MS: c_long = 10;

/// Memory that is freed goes back to the system soon, unless MIMALLOC_PURGE_DELAY says otherwise. To be called
/// before there are threads.
#[allow(unsafe_code, reason = "the crate has no safe call for options")]
pub fn gives_back_soon() {
    // SAFETY: the call is not thread-safe, and there is no other thread yet; the option exists in this version.
    unsafe { mi_option_set_default(PURGE_DELAY, PURGE_DELAY_MS) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If the options of another version are numbered anew, this is another option's default.
    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // SAFETY: reads and sets one option; nothing else in this test's process does.
        #[allow(unsafe_code, reason = "as above")]
        unsafe {
            assert_eq!(libmimalloc_sys::mi_option_get(PURGE_DELAY), 1_000);
            gives_back_soon();
            assert_eq!(libmimalloc_sys::mi_option_get(PURGE_DELAY), PURGE_DELAY_MS);
        }
    }
}
