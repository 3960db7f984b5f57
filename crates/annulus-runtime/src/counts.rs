//! Counters: each written by one thread, or spread over lines so that threads do not meet.

// Not through the façade: a statistic decides nothing, and would only give a model checker more
// interleavings to look at.
use core::sync::atomic::{AtomicU64, Ordering};

/// A counter that one thread writes and any may read.
#[derive(Debug)]
pub(crate) struct Count(AtomicU64);

impl Default for Count {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Count {
    /// Adds, for the one thread that writes.
    #[inline(always)]
    pub(crate) fn add(&self, more: u64) {
        // Relaxed, both: a statistic with one writer; pairs with nothing.
        let now = self.0.load(Ordering::Relaxed);
        // Relaxed: as above; pairs with nothing.
        self.0.store(now.wrapping_add(more), Ordering::Relaxed);
    }

    /// Sets, for the one thread that writes.
    #[inline(always)]
    pub(crate) fn set(&self, value: u64) {
        // Relaxed: a statistic; pairs with nothing.
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds one, for any thread.
    #[inline(always)]
    fn bump(&self) {
        // Relaxed: a statistic; pairs with nothing.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        // Relaxed: a statistic; pairs with nothing.
        self.0.load(Ordering::Relaxed)
    }
}

/// What a reactor counts.
#[derive(Debug, Default)]
pub(crate) struct ReactorCounts {
    /// Its rings.
    pub(crate) rings: Count,
    /// How often it entered the kernel.
    pub(crate) enters: Count,
    /// How long it was there, waits included.
    pub(crate) kernel_ns: Count,
    /// Operations that came by the inbox.
    pub(crate) shipped: Count,
    /// Entries of theirs that the kernel was given.
    pub(crate) submitted: Count,
    /// Operations that ended.
    pub(crate) completed: Count,
    /// Of those, by a cancel.
    pub(crate) cancelled: Count,
    /// Operations that went on after a completion.
    pub(crate) short: Count,
    /// How often the completion queue had overflowed.
    pub(crate) overflows: Count,
    /// Completions that belonged to nothing.
    pub(crate) strays: Count,
    /// Panics of wakers, and of destructors of what operations owned.
    pub(crate) panics: Count,
    /// Operations in the kernel now.
    pub(crate) in_flight: Count,
    /// Operations that wait for room now.
    pub(crate) queued: Count,
}

/// How many counters the callers are spread over.
const SPREAD: usize = 16;

/// A counter with a cache line to itself.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line(Count);

/// What the callers' threads count.
#[derive(Debug, Default)]
pub(crate) struct CallerCounts {
    inline: [Line; SPREAD],
}

impl CallerCounts {
    /// Counts an operation that thread number `thread` did at once.
    #[inline(always)]
    pub(crate) fn count_inline(&self, thread: usize) {
        self.inline[thread % SPREAD].0.bump();
    }

    pub(crate) fn inline(&self) -> u64 {
        self.inline.iter().map(|line| line.0.get()).sum()
    }
}
