//! How much memory a piece of work holds at most.
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write as _;

/// One thread's memory: more is refused, which ends the process. It is far above every limit that a run
/// looks at, and below what a small machine has: a length read from hostile bytes must not stop it.
const THREAD_BYTES_MAX: isize = 2 << 30;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, with a count per thread.
#[derive(Debug)]
pub struct Counting;

/// Whether `bytes` more are within the thread's limit; counts them if so.
fn grow(bytes: usize) -> bool {
    // While a thread ends its counters are gone, and nobody looks at them any more.
    let counted = LIVE.try_with(|live| {
        let now = live.get() + bytes as isize;
        if now > THREAD_BYTES_MAX {
            return false;
        }
        live.set(now);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now)));
        true
    });
    counted.unwrap_or(true)
}

fn shrink(bytes: usize) {
    let _ = LIVE.try_with(|live| live.set(live.get() - bytes as isize));
}

#[cold]
fn refused(bytes: usize) -> *mut u8 {
    // Standard error is not buffered, so this does not allocate.
    let _ = writeln!(std::io::stderr(), "{bytes} bytes asked for; {}", crate::driver::current());
    std::ptr::null_mut()
}

// SAFETY: every call is handed to the system's allocator unchanged; null is an allowed answer.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !grow(layout.size()) {
            return refused(layout.size());
        }
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !grow(layout.size()) {
            return refused(layout.size());
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        shrink(layout.size());
        // SAFETY: `at` came from the system's allocator, with this layout.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if !grow(bytes) {
            return refused(bytes);
        }
        shrink(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, bytes) }
    }
}

/// What the work answers, and the bytes that it held at most beside those held before it. Growing a
/// buffer counts the old and the new one, as both may exist while it is copied.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let answer = work();
    (answer, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_point_counts_not_what_is_left() {
        let (left, peak) = peak_of(|| {
            drop(vec![0u8; 1 << 20]);
            vec![0u8; 1 << 10]
        });
        assert_eq!(left.len(), 1 << 10);
        assert_eq!(peak, 1 << 20);
        let (_, nothing) = peak_of(|| 0);
        assert_eq!(nothing, 0);
    }
}
