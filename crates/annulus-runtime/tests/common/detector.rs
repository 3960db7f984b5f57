//! An allocator that sees what the kernel writes to memory after it was freed. It also counts.
//!
//! Sanitizers see the writes of this process alone: what a kernel copies, or a device transfers, to
//! a freed buffer passes them unseen, and the next owner of the memory pays. Here freed memory has
//! no next owner. While a [`Watch`] lasts, every allocation of at least a page comes from an arena
//! whose addresses are never used twice. A free fills the memory with a pattern and keeps it;
//! [`Watch::check`] reads all of it again, and whatever is not the pattern was written after the
//! free.
//!
//! ```text
//! mod common;
//! use common::detector::{self, Detector};
//!
//! #[global_allocator]
//! static ALLOCATOR: Detector = Detector;
//!
//! #[test]
//! fn nothing_is_written_after_the_engine_is_gone() {
//!     let file = files::TempFile::patterned(64 << 20);
//!     let watch = detector::watch();
//!     // Reads of 64 x 1 MiB begin, and everything is dropped.
//!     file.settle(); // Whatever was under way to memory has now arrived.
//!     watch.check().assert_clean(64 << 20); // At least so many freed bytes were looked at.
//! }
//!
//! #[test]
//! fn reads_do_not_allocate() {
//!     let before = detector::thread_allocations();
//!     // ...
//!     assert_eq!(detector::thread_allocations() - before, 0);
//! }
//! ```
//!
//! # Which kind of write is seen
//!
//! - By default freed memory stays accessible: a copy by the kernel and a transfer by a device both
//!   land, and both are seen. Reading freed memory is not seen.
//! - With [`Options::protect`] freed memory becomes inaccessible: the kernel's copies fail with
//!   `EFAULT`, which the completion says at once; this process's own accesses end it with
//!   `SIGSEGV`; a device still writes (it has the pages, not the mapping), and is seen by the
//!   check.
//!
//! What lands between the free and the end of the fill is overwritten by the fill, and not seen:
//! a fault shows in many buffers rather than in one. What lands after the check is not seen either:
//! let it arrive first ([`TempFile::settle`](super::files::TempFile::settle)).
//!
//! # Limits
//!
//! Under a watch a block begins at a multiple of 64 KiB, so that a direct read into any `Vec` works
//! there, and is `EINVAL` elsewhere.
//!
//! Memory that comes from `mmap` and not from the allocator is not watched: rings, and stacks.
//! Kept memory is bounded ([`Options::freed_bytes_max`]); beyond it a report says that it is
//! incomplete, and [`Report::assert_clean`] fails. Only one watch lasts at a time, others wait, and
//! what the other threads of the process allocate meanwhile is watched too, unless
//! [`Options::marked_threads`] is set. Leak checkers do not look into the arena.

mod arena;

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

#[allow(unused_imports, reason = "each file of tests uses what it needs")]
pub use arena::{Change, FREED};

/// The allocator: `#[global_allocator] static ALLOCATOR: Detector = Detector;`.
///
/// Without a [`Watch`] it is the system's, with a count.
pub struct Detector;

/// Allocations of the whole process since it began, its first thread's aside.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
/// Bytes allocated and not freed.
static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
/// How many allocations are still to be shown.
static TRACED: AtomicU64 = AtomicU64::new(0);

/// Whether a watch lasts.
static WATCHING: AtomicBool = AtomicBool::new(false);
/// The options of the watch that lasts; see [`Options`].
static BYTES_MIN: AtomicUsize = AtomicUsize::new(0);
static MARKED_ONLY: AtomicBool = AtomicBool::new(false);

/// Held by the one watch that lasts.
static ONE: Mutex<()> = Mutex::new(());

thread_local! {
    // Constant, and without a destructor: reading them never allocates.
    static OWN_ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static MARKED: Cell<bool> = const { Cell::new(false) };
    /// Whether this is the process's first thread, once it is known.
    static FIRST: Cell<Option<bool>> = const { Cell::new(None) };
    /// Set while the detector itself allocates: for a report, for a trace.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Allocations of all threads since the process began, except its first, which is the harness's;
/// a reallocation is one too. Frees are none.
///
/// Other tests of the same process allocate meanwhile: where that matters, count in a
/// [`child`](super::child).
pub fn allocations() -> u64 {
    // Pairs with nothing: a count, exact for what the caller waited for.
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// Allocations of this thread; otherwise as [`allocations`].
pub fn thread_allocations() -> u64 {
    OWN_ALLOCATIONS.get()
}

/// Bytes that all threads have allocated and not freed, the harness's included: exact for large
/// amounts alone.
pub fn live_bytes() -> usize {
    // Pairs with nothing, as above.
    LIVE_BYTES.load(Ordering::Relaxed)
}

/// Shows where the next `count` allocations of this process come from, on standard error: to find
/// the one that a count says is there. Take it out afterwards.
pub fn trace(count: u64) {
    // Pairs with nothing: a switch for the eye.
    TRACED.store(count, Ordering::Relaxed);
}

/// Marks this thread, for [`Options::marked_threads`], or takes the mark away.
pub fn mark_thread(marked: bool) {
    MARKED.set(marked);
}

/// Begins to watch, with the default options.
pub fn watch() -> Watch {
    Options::new().watch()
}

/// What is watched, and how.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    protect: bool,
    marked_only: bool,
    bytes_min: usize,
    freed_bytes_max: usize,
}

impl Options {
    /// Allocations of at least 4,096 bytes by any thread, freed memory accessible, 1 GiB of it
    /// kept.
    pub const fn new() -> Self {
        Self { protect: false, marked_only: false, bytes_min: 4096, freed_bytes_max: 1 << 30 }
    }

    /// Makes freed memory inaccessible.
    pub const fn protect(mut self) -> Self {
        self.protect = true;
        self
    }

    /// Watches smaller allocations too, or larger ones alone. Each takes at least a page.
    pub const fn bytes_min(mut self, bytes: usize) -> Self {
        self.bytes_min = bytes;
        self
    }

    /// Watches what threads allocate that called [`mark_thread`], nobody else.
    pub const fn marked_threads(mut self) -> Self {
        self.marked_only = true;
        self
    }

    /// Keeps at most so many bytes of freed memory; what is freed beyond is not looked at.
    pub const fn freed_bytes_max(mut self, bytes: usize) -> Self {
        self.freed_bytes_max = bytes;
        self
    }

    /// Begins to watch, after other watches of this process ended.
    ///
    /// # Panics
    /// Where the program's allocator is another, or has no room for its arena.
    pub fn watch(self) -> Watch {
        // A test that failed with its watch on left nothing half done.
        let one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let before = thread_allocations();
        drop(std::hint::black_box(Box::new(0_u8)));
        let counted = thread_allocations() - before;
        assert_eq!(counted, 1, "write `#[global_allocator] static A: Detector = Detector;`");
        arena::begin(self.protect, self.freed_bytes_max).expect("room for the arena");
        // Pairs with the loads in `is_watched`, by way of `WATCHING` below.
        BYTES_MIN.store(self.bytes_min, Ordering::Relaxed);
        // Pairs likewise.
        MARKED_ONLY.store(self.marked_only, Ordering::Relaxed);
        // Pairs with the acquire load in `is_watched`: who sees it sees the options.
        WATCHING.store(true, Ordering::Release);
        Watch { _one: one }
    }
}

/// While it lasts, allocations are watched. What it kept is forgotten when it is dropped.
#[must_use = "without it nothing is watched"]
pub struct Watch {
    _one: MutexGuard<'static, ()>,
}

impl Watch {
    /// Looks at all memory freed since the watch began. Can be repeated.
    pub fn check(&self) -> Report {
        let outside = INSIDE.replace(true);
        let report = arena::check();
        INSIDE.set(outside);
        report
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Pairs with the load in `is_watched`; one that saw it set a moment ago does no harm.
        WATCHING.store(false, Ordering::Release);
        arena::forget();
    }
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// The freed blocks that were written to, in the order in which they were allocated.
    pub changed: Vec<Change>,
    /// How many freed blocks were looked at.
    pub freed_count: usize,
    /// How many bytes they are.
    pub freed_bytes: usize,
    /// How many watched blocks are not freed.
    pub live_count: usize,
    /// How many blocks were not watched, or not kept, or not protected, since a limit was reached.
    pub unwatched_count: u64,
}

impl Report {
    /// How many bytes were written after they were freed; at least, since one that happens to equal
    /// the pattern does not count.
    pub fn changed_bytes(&self) -> usize {
        self.changed.iter().map(|change| change.changed_bytes).sum()
    }

    /// Fails where a freed block was written to, where one may have been missed, and where fewer
    /// than `freed_bytes_min` bytes were freed under the detector's eyes, which proves nothing.
    #[track_caller]
    pub fn assert_clean(&self, freed_bytes_min: usize) {
        assert!(self.changed.is_empty(), "{self}");
        assert_eq!(self.unwatched_count, 0, "incomplete: {self}");
        assert!(self.freed_bytes >= freed_bytes_min, "{freed_bytes_min} bytes wanted: {self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, bytes) = (self.changed.len(), self.changed_bytes());
        write!(f, "{count} of {} freed blocks ({bytes} of ", self.freed_count)?;
        write!(
            f,
            "{} bytes) written after the free; {} blocks ",
            self.freed_bytes, self.live_count
        )?;
        write!(f, "not freed, {} not watched", self.unwatched_count)?;
        self.changed.iter().take(10).try_for_each(|change| write!(f, "\n  {change}"))
    }
}

/// Counts one allocation, and shows it where that was asked for.
fn count(bytes: usize) {
    if INSIDE.get() {
        return;
    }
    OWN_ALLOCATIONS.set(OWN_ALLOCATIONS.get() + 1);
    if !is_first_thread() {
        // Pairs with nothing: a count.
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
    // Pairs with nothing: a switch.
    if TRACED.load(Ordering::Relaxed) > 0 {
        show(bytes);
    }
}

/// Whether this is the process's first thread, where the harness waits for the tests'.
fn is_first_thread() -> bool {
    FIRST.get().unwrap_or_else(|| {
        let is_first = rustix::thread::gettid() == rustix::process::getpid();
        FIRST.set(Some(is_first));
        is_first
    })
}

/// Shows who allocates.
#[cold]
fn show(bytes: usize) {
    // Pairs with nothing: threads that race show one more or less.
    TRACED.fetch_sub(1, Ordering::Relaxed);
    INSIDE.set(true);
    let text = format!("{bytes} bytes allocated:\n{}\n", Backtrace::force_capture());
    let _ = std::io::stderr().write_all(text.as_bytes());
    INSIDE.set(false);
}

/// Whether an allocation belongs into the arena.
fn is_watched(layout: Layout) -> bool {
    // Pairs with the release store in `Options::watch`.
    if !WATCHING.load(Ordering::Acquire) || INSIDE.get() {
        return false;
    }
    // Pairs with the store before that one.
    let is_large = layout.size() >= BYTES_MIN.load(Ordering::Relaxed);
    // Pairs likewise.
    is_large && (MARKED.get() || !MARKED_ONLY.load(Ordering::Relaxed))
}

/// Memory for `layout`: from the arena where it is watched, zeroed there; null if there is none.
///
/// # Safety
/// - The layout's size is not 0.
unsafe fn obtain(layout: Layout, zeroed: bool) -> *mut u8 {
    // Pairs with nothing: a count; so in `give_back`.
    LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
    if is_watched(layout)
        && let Some(block) = arena::take(layout)
    {
        return block.as_ptr();
    }
    if zeroed {
        // SAFETY: the size is not 0, by the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    } else {
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }
}

/// Takes memory back.
///
/// # Safety
/// - `block` came from [`obtain`] for `layout`, and is not used any more.
unsafe fn give_back(block: *mut u8, layout: Layout) {
    // Pairs with nothing: a count.
    LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
    // SAFETY: the caller's promise; `obtain` has the arena's blocks from `take`.
    let was_the_arenas = unsafe { arena::release(block) };
    if !was_the_arenas {
        // SAFETY: what is not the arena's is the system's, with this layout, by the caller's
        // promise.
        unsafe { System.dealloc(block, layout) }
    }
}

// SAFETY: blocks are the system's or the arena's, which gives each address once, aligned, and takes
// only its own back. Nothing here unwinds: an assertion of the arena ends the process.
unsafe impl GlobalAlloc for Detector {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise of a size.
        unsafe { obtain(layout, false) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise of a size.
        unsafe { obtain(layout, true) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise; `obtain` is where all blocks come from.
        unsafe { give_back(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count(bytes);
        // SAFETY: the caller promises that the new size, rounded up to the alignment, is in range.
        let wanted = unsafe { Layout::from_size_align_unchecked(bytes, layout.align()) };
        if !arena::has(block) && !is_watched(wanted) {
            // Pairs with nothing: a count, which wraps around where the block shrinks.
            LIVE_BYTES.fetch_add(bytes.wrapping_sub(layout.size()), Ordering::Relaxed);
            // SAFETY: the block is the system's; the rest is the caller's promise.
            return unsafe { System.realloc(block, layout, bytes) };
        }
        // Moved, also where it would fit: the old address is one that the kernel may still have.
        // SAFETY: the caller promises that the new size is not 0.
        let new = unsafe { obtain(wanted, false) };
        if !new.is_null() {
            // SAFETY: both are at least so long, and the new one is nobody else's.
            unsafe { new.copy_from_nonoverlapping(block, layout.size().min(bytes)) };
            // SAFETY: the caller's promise: the old block was given for `layout`, and is done with.
            unsafe { give_back(block, layout) };
        }
        new
    }
}
