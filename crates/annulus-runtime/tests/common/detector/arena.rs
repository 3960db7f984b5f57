//! The detector's memory: addresses that are given once, and a slot per block that says what became
//! of it.
//!
//! The arena is one large mapping, cut into grains. A block is a run of grains, taken by adding to
//! one counter; nothing is ever put back, so that no address has two owners in the life of the
//! process. The memory of blocks that are forgotten goes back to the kernel, their addresses do
//! not.
//!
//! A block's slot goes EMPTY → LIVE (given out) → FILLING (being freed) → KEPT (filled with the
//! pattern: the check looks at those), PROTECTED (kept, and inaccessible) or GONE (not kept). When
//! a watch ends, what it kept is GONE.
//!
//! Nothing here takes a lock or allocates, [`check`] aside, which runs with the arena bypassed: so
//! it may run in any allocation, and in a forked child.

use std::alloc::Layout;
use std::fmt;
use std::io::Write;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use rustix::io;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect};

use super::Report;

/// What freed memory is filled with.
pub const FREED: u8 = 0xdb;

/// What blocks are made of: a multiple of every page size that Linux has.
const GRAIN: usize = 64 << 10;
/// Addresses, not memory: 2,000 rounds of 64 x 1 MiB.
const ARENA_BYTES: usize = 128 << 30;
const GRAINS: usize = ARENA_BYTES / GRAIN;

/// How much is compared at a time.
const PIECE: usize = 4096;

/// The states of a slot; see the top of this file.
const EMPTY: u32 = 0;
const LIVE: u32 = 1;
const FILLING: u32 = 2;
const KEPT: u32 = 3;
const PROTECTED: u32 = 4;
const GONE: u32 = 5;

/// What is known of the block that begins at the slot's grain. All zeros is an empty one.
struct Slot {
    state: AtomicU32,
    allocated_by: AtomicU32,
    freed_by: AtomicU32,
    bytes: AtomicUsize,
    grains: AtomicUsize,
    index: AtomicU64,
}

/// Where the arena begins; null before the first watch.
static BASE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
/// The slots, one for each grain.
static SLOTS: AtomicPtr<Slot> = AtomicPtr::new(ptr::null_mut());
/// The first grain that nobody had.
static NEXT: AtomicUsize = AtomicUsize::new(0);
/// The first grain of the watch that lasts, and whether one does keep what is freed.
static FIRST: AtomicUsize = AtomicUsize::new(0);
static KEEPING: AtomicBool = AtomicBool::new(false);
static PROTECTING: AtomicBool = AtomicBool::new(false);
/// Blocks of this watch so far, freed bytes kept, how many may be, blocks missed.
static INDEX: AtomicU64 = AtomicU64::new(0);
static KEPT_BYTES: AtomicUsize = AtomicUsize::new(0);
static KEPT_BYTES_MAX: AtomicUsize = AtomicUsize::new(0);
static UNWATCHED: AtomicU64 = AtomicU64::new(0);

/// A freed block that was written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which allocation of the watch it was, from 0 on.
    pub index: u64,
    /// Its address.
    pub address: usize,
    /// How long it was.
    pub bytes: usize,
    /// The thread that allocated it, as the kernel numbers threads.
    pub allocated_by: u32,
    /// The thread that freed it.
    pub freed_by: u32,
    /// How many bytes of it changed.
    pub changed_bytes: usize,
    /// Where the first change is.
    pub first_offset: usize,
    /// What stands there now: the first bytes of it.
    pub sample: [u8; 8],
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, address, bytes, changed_bytes, first_offset, sample, .. } = self;
        write!(f, "block {index} of {bytes} bytes at {address:#x}: {changed_bytes} changed, ")?;
        write!(f, "the first at {first_offset} to {sample:02x?}; allocated by thread ")?;
        write!(f, "{}, freed by {}", self.allocated_by, self.freed_by)
    }
}

/// Begins a watch; the caller is the only one that does. The first one makes the mappings.
pub fn begin(protect: bool, kept_bytes_max: usize) -> io::Result<()> {
    // Pairs with the store below, by a caller that held the same lock.
    if BASE.load(Ordering::Relaxed).is_null() {
        let arena = map(ARENA_BYTES + GRAIN)?;
        let slots = map(GRAINS * size_of::<Slot>())?;
        // Pairs with the load in `slot`, by way of `BASE`.
        SLOTS.store(slots.cast(), Ordering::Relaxed);
        // Pairs with the acquire loads in `has` and `take`: who sees the arena sees the slots.
        BASE.store(arena.wrapping_add(arena.align_offset(GRAIN)), Ordering::Release);
    }
    // Pairs with the loads in `release`, by way of `KEEPING`; so the next three.
    PROTECTING.store(protect, Ordering::Relaxed);
    KEPT_BYTES.store(0, Ordering::Relaxed);
    KEPT_BYTES_MAX.store(kept_bytes_max, Ordering::Relaxed);
    // Pairs with the loads in `check`, on this thread or one that this one handed the watch to.
    FIRST.store(NEXT.load(Ordering::Relaxed).min(GRAINS), Ordering::Relaxed);
    INDEX.store(0, Ordering::Relaxed);
    UNWATCHED.store(0, Ordering::Relaxed);
    // Pairs with the acquire load in `release`.
    KEEPING.store(true, Ordering::Release);
    Ok(())
}

/// Memory that costs nothing until it is touched.
fn map(bytes: usize) -> io::Result<*mut u8> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping where the kernel likes replaces none.
    let memory = unsafe { mmap_anonymous(ptr::null_mut(), bytes, access, flags) }?;
    for advice in [Advice::LinuxNoHugepage, Advice::LinuxDontDump] {
        // A kernel without either only does more work.
        // SAFETY: neither advice changes what the memory holds.
        let _ = unsafe { madvise(memory, bytes, advice) };
    }
    Ok(memory.cast())
}

/// A new block, all zeros; `None`, counted, where the addresses are used up.
pub fn take(layout: Layout) -> Option<NonNull<u8>> {
    // Pairs with the release store in `begin`; a watch lasts, so it has been.
    let base = BASE.load(Ordering::Acquire);
    let grains = layout.size().div_ceil(GRAIN);
    // A larger alignment takes addresses to move up by.
    let spare = if layout.align() > GRAIN { layout.align() / GRAIN } else { 0 };
    // Pairs with nothing: each call gets other grains, whatever it sees besides.
    let first = NEXT.fetch_add(grains + spare, Ordering::Relaxed);
    if first + grains + spare > GRAINS {
        // Pairs with the load in `check`, of a count.
        UNWATCHED.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    let start = base.wrapping_add(first * GRAIN);
    let block = start.wrapping_add(start.align_offset(layout.align().max(GRAIN)));
    let slot = slot(block);
    // All pair with the loads of who frees or checks the block, by way of its state.
    slot.allocated_by.store(thread(), Ordering::Relaxed);
    slot.bytes.store(layout.size(), Ordering::Relaxed);
    slot.grains.store(grains, Ordering::Relaxed);
    slot.index.store(INDEX.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    // Pairs with the swap in `release` and the load in `check`.
    slot.state.store(LIVE, Ordering::Release);
    NonNull::new(block)
}

/// Whether a block is the arena's.
pub fn has(block: *mut u8) -> bool {
    // Pairs with the release store in `begin`.
    let base = BASE.load(Ordering::Acquire);
    !base.is_null() && block.addr().wrapping_sub(base.addr()) < ARENA_BYTES
}

/// Takes a block back, fills it and keeps it; false where it is not the arena's.
///
/// # Safety
/// - Where it is, [`take`] gave it, and its owner does not use it any more.
pub unsafe fn release(block: *mut u8) -> bool {
    if !has(block) {
        return false;
    }
    let slot = slot(block);
    // Pairs with the release store in `take`, and with itself where a block is freed twice.
    let state = slot.state.swap(FILLING, Ordering::AcqRel);
    if state != LIVE {
        abort("detector: a block freed twice, or never allocated\n");
    }
    // Pairs with the stores in `take`, as do all of these fields below, by way of the state.
    let bytes = slot.bytes.load(Ordering::Relaxed);
    // Pairs with the load in `check`, by way of the state.
    slot.freed_by.store(thread(), Ordering::Relaxed);
    let kept = is_kept(block) && has_room(bytes);
    if !kept {
        // SAFETY: the caller's promise: nobody but a kernel in error uses it.
        unsafe { discard(block, slot) };
        // Pairs with the swap above, where it is freed once more.
        slot.state.store(GONE, Ordering::Release);
        return true;
    }
    // SAFETY: the block is so long, freed, and its addresses are nobody's from here on.
    unsafe { block.write_bytes(FREED, bytes) };
    // Pairs with the store in `begin`.
    let protect = PROTECTING.load(Ordering::Relaxed);
    let protected = protect && set_access(block, slot, MprotectFlags::empty());
    if protect && !protected {
        // Pairs with the load in `check`, of a count.
        UNWATCHED.fetch_add(1, Ordering::Relaxed);
    }
    // Pairs with the acquire load in `check`: who sees it sees the block filled.
    slot.state.store(if protected { PROTECTED } else { KEPT }, Ordering::Release);
    true
}

/// Whether the watch that lasts, if one does, is also the one that the block is of.
fn is_kept(block: *mut u8) -> bool {
    // Pairs with the release store in `begin`; the next load with the store before that.
    KEEPING.load(Ordering::Acquire) && grain(block) >= FIRST.load(Ordering::Relaxed)
}

/// Takes room for freed bytes; false, counted, where there is none.
fn has_room(bytes: usize) -> bool {
    // Pairs with nothing but other such additions: a sum; the maximum with the store in `begin`.
    let kept_bytes = KEPT_BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes;
    let has_room = kept_bytes <= KEPT_BYTES_MAX.load(Ordering::Relaxed);
    if !has_room {
        // Pairs with the addition above.
        KEPT_BYTES.fetch_sub(bytes, Ordering::Relaxed);
        // Pairs with the load in `check`, of a count.
        UNWATCHED.fetch_add(1, Ordering::Relaxed);
    }
    has_room
}

/// Looks at every block that is freed and kept.
pub fn check() -> Report {
    let mut report = Report {
        // Pairs with the additions, of a count.
        unwatched_count: UNWATCHED.load(Ordering::Relaxed),
        ..Report::default()
    };
    for (block, slot) in blocks(grains()) {
        // Pairs with the release stores in `take` and `release`.
        let state = slot.state.load(Ordering::Acquire);
        match state {
            LIVE => report.live_count += 1,
            KEPT | PROTECTED => {
                report.freed_count += 1;
                // Pairs with the store in `take`, by way of the state.
                report.freed_bytes += slot.bytes.load(Ordering::Relaxed);
                if state == PROTECTED && !set_access(block, slot, MprotectFlags::READ) {
                    report.unwatched_count += 1;
                    continue;
                }
                report.changed.extend(look(block, slot));
                if state == PROTECTED && !set_access(block, slot, MprotectFlags::empty()) {
                    report.unwatched_count += 1;
                }
            }
            _ => {}
        }
    }
    report
}

/// Compares a freed block with the pattern.
fn look(block: *mut u8, slot: &Slot) -> Option<Change> {
    // All pair with the stores in `take` and `release`, by way of the state.
    let mut change = Change {
        index: slot.index.load(Ordering::Relaxed),
        address: block.addr(),
        bytes: slot.bytes.load(Ordering::Relaxed),
        allocated_by: slot.allocated_by.load(Ordering::Relaxed),
        freed_by: slot.freed_by.load(Ordering::Relaxed),
        changed_bytes: 0,
        first_offset: 0,
        sample: [FREED; 8],
    };
    for start in (0..change.bytes).step_by(PIECE) {
        let mut piece = [FREED; PIECE];
        let len = PIECE.min(change.bytes - start);
        let from = block.wrapping_add(start);
        // A copy, since a kernel in error may write meanwhile, and no reference may see that.
        // SAFETY: freed memory of the arena stays mapped, and is readable here.
        unsafe { from.copy_to_nonoverlapping(piece.as_mut_ptr(), len) };
        if piece == [FREED; PIECE] {
            continue;
        }
        if change.changed_bytes == 0 {
            let at = piece.iter().position(|byte| *byte != FREED).unwrap_or(0);
            change.first_offset = start + at;
            let sample = &piece[at..PIECE.min(at + change.sample.len())];
            change.sample[..sample.len()].copy_from_slice(sample);
        }
        change.changed_bytes += piece.chunks_exact(8).map(changed_bytes).sum::<usize>();
    }
    (change.changed_bytes > 0).then_some(change)
}

/// How many of eight bytes are not the pattern; at once, since there are millions of them.
fn changed_bytes(word: &[u8]) -> usize {
    const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);
    let word = word.try_into().map_or(0, u64::from_ne_bytes);
    let differences = word ^ u64::from_ne_bytes([FREED; 8]);
    // The high bit of each byte: set by an addition where a lower one is, or by itself.
    let changed = ((differences & LOW) + LOW) | differences;
    (changed & !LOW).count_ones() as usize
}

/// Ends the watch: what it kept goes back to the kernel.
pub fn forget() {
    // Pairs with the load in `release`; a block freed this moment may be kept until the process
    // ends.
    KEEPING.store(false, Ordering::Release);
    let grains = grains();
    let mut was_protected = false;
    for (block, slot) in blocks(grains.clone()) {
        // Pairs with the release stores in `release`.
        let state = slot.state.load(Ordering::Acquire);
        if state == KEPT || state == PROTECTED {
            was_protected |= state == PROTECTED;
            // SAFETY: it was freed, and will not be looked at again.
            unsafe { discard(block, slot) };
            // Pairs with the swap in `release`, where it is freed once more.
            slot.state.store(GONE, Ordering::Release);
        }
    }
    if was_protected {
        // In one piece again: a process may have some 65,000 kinds of memory side by side.
        // Pairs with the release store in `begin`.
        let start = BASE.load(Ordering::Acquire).wrapping_add(grains.start * GRAIN);
        let access = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: all of it is the arena's, and accessible memory takes nothing from its owners.
        let _ = unsafe { mprotect(start.cast(), grains.len() * GRAIN, access) };
    }
}

/// The grains that were given out since the watch began.
fn grains() -> Range<usize> {
    // Pairs with the store in `begin`; the second with the additions in `take`.
    FIRST.load(Ordering::Relaxed)..NEXT.load(Ordering::Relaxed).min(GRAINS)
}

/// The blocks that begin in these grains.
fn blocks(grains: Range<usize>) -> impl Iterator<Item = (*mut u8, &'static Slot)> {
    // Pairs with the release store in `begin`.
    let base = BASE.load(Ordering::Acquire);
    grains.filter_map(move |grain| {
        let block = base.wrapping_add(grain * GRAIN);
        let slot = slot(block);
        // Pairs with the release store in `take`.
        (slot.state.load(Ordering::Acquire) != EMPTY).then_some((block, slot))
    })
}

fn grain(block: *mut u8) -> usize {
    // Pairs with the release store in `begin`.
    (block.addr() - BASE.load(Ordering::Acquire).addr()) / GRAIN
}

/// The slot of a block, which is the arena's.
fn slot(block: *mut u8) -> &'static Slot {
    // Pairs with the store in `begin`, which came before that of `BASE`.
    let slot = SLOTS.load(Ordering::Relaxed).wrapping_add(grain(block));
    // SAFETY: there is one for every grain, zeroed by the kernel and made of atomics, and never
    // unmapped.
    unsafe { &*slot }
}

/// Changes who may touch the block's pages; whether the kernel did so.
fn set_access(block: *mut u8, slot: &Slot, access: MprotectFlags) -> bool {
    // Pairs with the store in `take`, by way of the state.
    let bytes = slot.grains.load(Ordering::Relaxed) * GRAIN;
    // SAFETY: the block is freed: nobody needs access, and no one is given what is not the arena's.
    unsafe { mprotect(block.cast(), bytes, access) }.is_ok()
}

/// Gives the block's memory back to the kernel, and keeps its addresses.
///
/// # Safety
/// - The block was freed.
unsafe fn discard(block: *mut u8, slot: &Slot) {
    // Pairs with the store in `take`, by way of the state.
    let bytes = slot.grains.load(Ordering::Relaxed) * GRAIN;
    // SAFETY: what it held is nobody's any more, by the caller's promise.
    let _ = unsafe { madvise(block.cast(), bytes, Advice::LinuxDontNeed) };
}

/// This thread, as the kernel numbers it.
fn thread() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()
}

/// Ends the process with a word: an allocator may not unwind.
fn abort(why: &str) -> ! {
    // Past the print macros, which allocate.
    let _ = std::io::stderr().write_all(why.as_bytes());
    std::process::abort();
}
