//! What a call takes: CPU time of this thread, calls of the allocator, and bytes that are held.
//!
//! Thread CPU time leaves out what else the machine does, except for what that does to caches. The allocator counts only
//! after [`begin_counting`]: the roles of this program that carry requests pay one load and a branch. What is measured
//! by it runs alone, so one count for all threads is enough.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// CPU time of this thread so far.
pub(crate) fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Counts from here on.
pub(crate) fn begin_counting() {
    COUNTS.store(true, Ordering::Relaxed);
}

/// Times the allocator was asked for memory so far.
pub(crate) fn allocations() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// Bytes that were asked for and not given back so far.
pub(crate) fn held_bytes() -> i64 {
    HELD.load(Ordering::Relaxed)
}

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicI64 = AtomicI64::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

/// The system's allocator, counted.
struct Counting;

fn count(asked: usize, given: usize) {
    if !COUNTS.load(Ordering::Relaxed) {
        return;
    }
    if asked > 0 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
    let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
    HELD.fetch_add(signed(asked).wrapping_sub(signed(given)), Ordering::Relaxed);
}

// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the contract.
#[expect(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as the caller's.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as the caller's.
        unsafe { System.dealloc(at, layout) }
    }
}
