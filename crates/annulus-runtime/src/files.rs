//! [`FileTable`]: which places of a ring's table of files are taken.
//!
//! ```text
//!  free ── take ──▶ a file's ── its last handle or operation goes, on any thread ──▶ given up
//!    ▲                                                                                  │
//!    └───────────────── the ring's thread empties the place ◀────── at its next turn ───┘
//! ```
//!
//! A place that is not emptied keeps its file open: so who gives one up wakes the ring's thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use annulus_ring::abi::FixedFd;

use crate::sync::{AtomicBool, Ordering};

/// See above.
#[derive(Debug)]
pub(crate) struct FileTable {
    places: Mutex<Places>,
    /// Whether something was given up.
    dirty: AtomicBool,
}

#[derive(Debug)]
struct Places {
    free: Vec<u32>,
    given_up: Vec<u32>,
}

impl FileTable {
    /// A table of so many places, all free.
    pub(crate) fn new(count: u32) -> Self {
        let places = Places { free: (0..count).rev().collect(), given_up: Vec::new() };
        Self { places: Mutex::new(places), dirty: AtomicBool::new(false) }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place that is free, if there is one.
    pub(crate) fn take(&self) -> Option<FixedFd> {
        self.places().free.pop().map(FixedFd)
    }

    /// Makes a place free that is empty.
    pub(crate) fn give(&self, place: FixedFd) {
        self.places().free.push(place.0);
    }

    /// Gives up a place, which is to be emptied. The caller wakes the ring's thread.
    pub(crate) fn give_up(&self, place: FixedFd) {
        let mut places = self.places();
        places.given_up.push(place.0);
        // Relaxed: pairs with the load in `is_dirty`, ordered by the poke of who calls this.
        self.dirty.store(true, Ordering::Relaxed);
    }

    /// Whether places are to be emptied.
    #[inline]
    pub(crate) fn is_dirty(&self) -> bool {
        // Relaxed: pairs with the store in `give_up`; ordered by `Inbox::sleep` and the poke
        // behind that store: it is seen before the ring's thread sleeps, or that is woken.
        self.dirty.load(Ordering::Relaxed)
    }

    /// What was given up, to be emptied.
    pub(crate) fn take_given_up(&self) -> Vec<u32> {
        let mut places = self.places();
        // Relaxed: pairs with the store in `give_up`, under the same lock.
        self.dirty.store(false, Ordering::Relaxed);
        core::mem::take(&mut places.given_up)
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_again_when_it_is_empty() {
        let table = FileTable::new(2);
        let taken = [table.take(), table.take(), table.take()];
        assert_eq!(taken, [Some(FixedFd(0)), Some(FixedFd(1)), None]);
        assert!(!table.is_dirty() && table.take_given_up().is_empty());
        table.give_up(FixedFd(1));
        assert!(table.is_dirty());
        assert_eq!(table.take(), None, "a file is in it still");
        assert_eq!(table.take_given_up(), [1]);
        assert!(!table.is_dirty());
        table.give(FixedFd(1));
        assert_eq!((table.take(), table.take()), (Some(FixedFd(1)), None));
    }
}
