//! Memory that a forked child finds zeroed: how a ring knows that it is its parent's, before
//! anything is touched.
//!
//! A child shares the queues' memory with its parent: an entry that it pushed, or a completion that
//! it took, would break the parent's ring for good. So what a ring looks at first on every path
//! lives in pages that the kernel wipes in a child (`MADV_WIPEONFORK`, Linux 4.14): a word that
//! says that the ring is alive, and, beside it, how far the submission queue may be filled. In a
//! child both read 0: the queue has no room, and the path that is taken then finds the ring dead. A
//! push pays nothing for this, everything else one compare, and nothing ever calls `getpid`.
//!
//! What it cannot see: references into the queues that are held *across* the fork, which look at no
//! cell any more (the slices of `Ready`, the entry of `next_sqe`). Their documentation says so.
//!
//! Cells of one cache line are cut from pages that are never unmapped. Giving one out and taking it
//! back are single atomic operations, so a fork in the middle of another thread's leaves no lock
//! behind in the child.

use core::cell::Cell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::errno::Errno;
use crate::error::{Error, Result};

/// What a cell holds. All zero in a child.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Wiped {
    /// 1 in the process that made the cell.
    alive: Cell<u32>,
    /// 1 if the ring is dead in the process that made it as well.
    lost: Cell<u32>,
    /// The submission queue's own tail.
    pub(crate) tail: Cell<u32>,
    /// How far that tail may go.
    pub(crate) limit: Cell<u32>,
}

impl Wiped {
    /// As a child finds it.
    const fn zeroed() -> Self {
        let [alive, lost, tail, limit] = [const { Cell::new(0) }; 4];
        Self { alive, lost, tail, limit }
    }
}

/// An owned cell.
#[derive(Debug)]
pub(crate) struct WipedCell(NonNull<Wiped>);

// SAFETY: the cell is owned like a box: who has it, and only they, use it.
unsafe impl Send for WipedCell {}
// SAFETY: through a shared reference only `alive` is read, which is written before the cell is
// handed out and after it was given back, never in between.
unsafe impl Sync for WipedCell {}

impl WipedCell {
    /// A cell that is alive in this process and in no child of it.
    pub(crate) fn new() -> Self {
        let cell = allocate();
        // SAFETY: the cell was given to this call alone, and its memory is never unmapped.
        let wiped = unsafe { cell.as_ref() };
        wiped.alive.set(1);
        wiped.lost.set(0);
        wiped.tail.set(0);
        wiped.limit.set(0);
        Self(cell)
    }

    /// A second cell, alive where the first is.
    pub(crate) fn duplicate(&self) -> Self {
        let second = Self::new();
        second.get().alive.set(self.get().alive.get());
        second.get().lost.set(self.get().lost.get());
        second
    }

    /// What is in it.
    #[inline(always)]
    pub(crate) fn get(&self) -> &Wiped {
        // SAFETY: the cell is owned by `self`, and its memory is never unmapped.
        unsafe { self.0.as_ref() }
    }

    /// Whether this process is the one that made it.
    #[inline(always)]
    pub(crate) fn is_current(&self) -> bool {
        self.get().alive.get() != 0
    }

    /// Makes it dead here, as it is in a child: the memory it stands for is not the ring's any
    /// more.
    #[cold]
    pub(crate) fn give_up(&mut self) {
        let cell = self.get();
        cell.lost.set(1);
        // No room: the next push looks here.
        cell.limit.set(cell.tail.get());
        cell.alive.set(0);
    }

    /// Whether it is dead because it was given up, and not because this is a child.
    #[cold]
    pub(crate) fn is_lost(&self) -> bool {
        self.get().lost.get() != 0
    }
}

impl Drop for WipedCell {
    fn drop(&mut self) {
        free(self.0);
    }
}

/// Knows the process that made it from the children that it forks, by one load and never a
/// `getpid`.
///
/// For what has no ring of its own but shares one with a thread that a child does not have.
///
/// ```
/// let mark = annulus_ring::ForkMark::new()?;
/// assert!(!mark.is_forked());
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Debug)]
pub struct ForkMark(WipedCell);

impl ForkMark {
    /// A mark of this process.
    ///
    /// # Errors
    /// `ENOMEM`: no memory for the page that children find wiped.
    ///
    /// ```
    /// annulus_ring::ForkMark::new()?;
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn new() -> Result<Self> {
        prepare().map_err(|errno| Error::os(errno, "mapping the page that shows a fork"))?;
        Ok(Self(WipedCell::new()))
    }

    /// Whether this process is a child of the one that made the mark.
    ///
    /// ```
    /// assert!(!annulus_ring::ForkMark::new()?.is_forked());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline(always)]
    pub fn is_forked(&self) -> bool {
        !self.0.is_current()
    }
}

/// How many cells a page gives: as many as a word has bits, which is what 4 KiB hold.
const CELLS: usize = 64;
/// How many pages there may be: 65,536 cells. Beyond that cells come from the heap.
const PAGES: usize = 1024;

/// The pages, in the order in which they were made.
static PAGE: [AtomicPtr<Wiped>; PAGES] = [const { AtomicPtr::new(core::ptr::null_mut()) }; PAGES];
/// Which of a page's cells are given out, a bit each.
static TAKEN: [AtomicU64; PAGES] = [const { AtomicU64::new(0) }; PAGES];

/// How many cells must be free before a ring is made or resized: more than it takes.
const SPARE: u32 = 8;

/// Sees to it that a ring's cells come from wiped pages: a ring that would not notice a fork must
/// not be made.
///
/// # Errors
/// `ENOMEM`: no memory for a page.
pub(crate) fn prepare() -> core::result::Result<(), Errno> {
    let mut spare = 0;
    for (page, taken) in PAGE.iter().zip(&TAKEN) {
        // Acquire: pairs with the exchange in `make`.
        if page.load(Ordering::Acquire).is_null() && make(page).is_none() {
            return Err(Errno::ENOMEM);
        }
        // Relaxed: a count that others change at any time; pairs with nothing.
        spare += taken.load(Ordering::Relaxed).count_zeros();
        if spare >= SPARE {
            break;
        }
    }
    Ok(())
}

/// Finds a free cell, making a page for it if need be.
fn allocate() -> NonNull<Wiped> {
    for (page, taken) in PAGE.iter().zip(&TAKEN) {
        // Acquire: pairs with the exchange in `make`: the page is mapped before it is seen.
        let mut start = page.load(Ordering::Acquire);
        if start.is_null() {
            match make(page) {
                Some(made) => start = made.as_ptr(),
                None => break,
            }
        }
        if let Some(index) = take(taken) {
            // SAFETY: a page has `CELLS` cells.
            let cell = unsafe { start.add(index) };
            if let Some(cell) = NonNull::new(cell) {
                return cell;
            }
        }
    }
    from_heap()
}

/// Takes a free cell of a page: its number, unless none is left.
fn take(taken: &AtomicU64) -> Option<usize> {
    // Relaxed: it pairs with nothing, being only a guess for the exchange below.
    let mut now = taken.load(Ordering::Relaxed);
    while now != u64::MAX {
        let index = now.trailing_ones();
        let next = now | 1 << index;
        // Acquire: pairs with the release in `free`: the last owner's writes come before ours.
        match taken.compare_exchange_weak(now, next, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return Some(index as usize),
            Err(other) => now = other,
        }
    }
    None
}

/// Makes a page and puts it into its place, unless another thread was faster.
fn make(place: &AtomicPtr<Wiped>) -> Option<NonNull<Wiped>> {
    let made = map_page()?;
    // Release: pairs with the acquire in `allocate`. Acquire: pairs with another's release here.
    let (release, acquire) = (Ordering::Release, Ordering::Acquire);
    match place.compare_exchange(core::ptr::null_mut(), made.as_ptr(), release, acquire) {
        Ok(_) => Some(made),
        Err(other) => {
            unmap_page(made);
            NonNull::new(other)
        }
    }
}

/// Gives a cell back to its page. A cell of the heap is leaked: there are 65,536 before it.
fn free(cell: NonNull<Wiped>) {
    for (page, taken) in PAGE.iter().zip(&TAKEN) {
        // Acquire: pairs with the exchange in `make`.
        let start = page.load(Ordering::Acquire);
        if start.is_null() {
            return;
        }
        let offset = cell.as_ptr().addr().wrapping_sub(start.addr());
        if offset < CELLS * size_of::<Wiped>() {
            let bit = 1_u64 << (offset / size_of::<Wiped>());
            // Release: pairs with the acquire in `take`.
            taken.fetch_and(!bit, Ordering::Release);
            return;
        }
    }
}

/// A cell without the pages (none left, or no memory for one): a fork goes unnoticed.
fn from_heap() -> NonNull<Wiped> {
    NonNull::from(Box::leak(Box::new(Wiped::zeroed())))
}

/// Memory for `CELLS` cells that reads 0 in every child.
#[cfg(not(any(loom, miri)))]
fn map_page() -> Option<NonNull<Wiped>> {
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

    let bytes = CELLS * size_of::<Wiped>();
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    let anywhere = core::ptr::null_mut();
    // SAFETY: a new private mapping at an address of the kernel's choosing touches nothing else.
    let page = unsafe { mmap_anonymous(anywhere, bytes, protection, MapFlags::PRIVATE) }.ok()?;
    let page = NonNull::new(page.cast::<Wiped>())?;
    // SAFETY: the range is the mapping made above; wiping it on fork is what it is for.
    let advised = unsafe { madvise(page.as_ptr().cast(), bytes, Advice::LinuxWipeOnFork) };
    if advised.is_err() {
        // No kernel with io_uring lacks it, but a filter may refuse it.
        unmap_page(page);
        return None;
    }
    Some(page)
}

/// Gives back a page that was not needed.
#[cfg(not(any(loom, miri)))]
fn unmap_page(page: NonNull<Wiped>) {
    let bytes = CELLS * size_of::<Wiped>();
    // SAFETY: the page was mapped by `map_page` with this length, and never handed out.
    let unmapped = unsafe { rustix::mm::munmap(page.as_ptr().cast(), bytes) };
    debug_assert!(unmapped.is_ok(), "munmap of an own page: {unmapped:?}");
}

/// Model checkers do not fork: their pages are of the heap.
#[cfg(any(loom, miri))]
fn map_page() -> Option<NonNull<Wiped>> {
    let page: Box<[Wiped; CELLS]> = Box::new(core::array::from_fn(|_| Wiped::zeroed()));
    Some(NonNull::from(Box::leak(page)).cast())
}

/// Gives back a page that was not needed.
#[cfg(any(loom, miri))]
fn unmap_page(page: NonNull<Wiped>) {
    // SAFETY: the page was leaked by `map_page`, and never handed out.
    drop(unsafe { Box::from_raw(page.cast::<[Wiped; CELLS]>().as_ptr()) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_a_cache_line_and_a_page_holds_as_many_as_a_word_has_bits() {
        assert_eq!(size_of::<Wiped>(), 64);
        assert_eq!(CELLS, u64::BITS as usize);
    }

    #[test]
    fn cells_are_alive_apart_and_used_again() {
        let cells: Vec<WipedCell> = (0..3 * CELLS).map(|_| WipedCell::new()).collect();
        assert!(cells.iter().all(WipedCell::is_current));
        let mut places: Vec<usize> = cells.iter().map(|cell| cell.0.as_ptr().addr()).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), cells.len(), "two cells in one place");
        drop(cells);
        let again = WipedCell::new();
        assert!(places.contains(&again.0.as_ptr().addr()), "a cell that was freed is not reused");
    }
}
