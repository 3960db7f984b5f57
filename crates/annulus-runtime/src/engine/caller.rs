//! What the engine knows of the thread that calls it: its number, and how long it went on without
//! giving others a turn.

use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};

/// After how many operations in a row that were done at once a future gives its thread away. What
/// is always ready would else never let its runtime look at anything else.
const STREAK_MAX: u32 = 64;

/// How many threads have a number.
static THREADS: AtomicUsize = AtomicUsize::new(0);

std::thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    static STREAK: Cell<u32> = const { Cell::new(0) };
    static DRIVES: Cell<bool> = const { Cell::new(false) };
}

/// This thread's number: counted from 0 in the order in which threads came.
#[inline]
pub(super) fn number() -> usize {
    let found = NUMBER.try_with(|number| {
        if number.get() == usize::MAX {
            // Relaxed: pairs with nothing: only that each is another number counts.
            number.set(THREADS.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    });
    // None in a destructor of another thread local.
    found.unwrap_or(0)
}

/// Whether another operation may be done at once here. Where it may not, the count begins anew.
#[inline]
pub(super) fn may_go_on() -> bool {
    let found = STREAK.try_with(|streak| {
        let may = streak.get() < STREAK_MAX;
        if !may {
            streak.set(0);
        }
        may
    });
    found.unwrap_or(true)
}

/// Counts an operation that was done at once here.
#[inline]
pub(super) fn went_on() {
    let _ = STREAK.try_with(|streak| streak.set(streak.get() + 1));
}

/// Notes that this thread is an engine's driver.
pub(super) fn set_driver() {
    let _ = DRIVES.try_with(|drives| drives.set(true));
}

/// Notes that this thread is one until the answer is dropped.
pub(super) fn drive() -> Driving {
    Driving { before: DRIVES.try_with(|drives| drives.replace(true)).unwrap_or(false) }
}

/// While it lasts its thread is an engine's driver.
pub(super) struct Driving {
    before: bool,
}

impl Drop for Driving {
    fn drop(&mut self) {
        let _ = DRIVES.try_with(|drives| drives.set(self.before));
    }
}

/// Whether this thread is an engine's driver: it must not wait for one.
pub(super) fn is_driver() -> bool {
    DRIVES.try_with(Cell::get).unwrap_or(false)
}
