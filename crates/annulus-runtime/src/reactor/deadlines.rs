//! [`Deadlines`]: when operations are to be ended that the kernel gives to a thread of its own.
//!
//! A link timeout of those that go there at once is started by Linux (seen on 6.18) only if the
//! thread gives the operation back to wait for it otherwise, which an open, a rename or a splice
//! never does: it would never pass. So the reactor sets a timer for the next of them, and cancels
//! them itself.

use std::collections::BTreeSet;

use annulus_ring::abi::Timespec;

/// The deadlines of operations in the kernel, by time.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// Times of the kernel's monotonic clock, and the names of slots.
    set: BTreeSet<(Timespec, u64)>,
}

impl Deadlines {
    pub(super) fn insert(&mut self, at: Timespec, user_data: u64) {
        self.set.insert((at, user_data));
    }

    /// Forgets one, if it is there.
    pub(super) fn remove(&mut self, at: Timespec, user_data: u64) {
        self.set.remove(&(at, user_data));
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// The next one, and its slot's name.
    pub(super) fn first(&self) -> Option<(Timespec, u64)> {
        self.set.first().copied()
    }

    /// Takes out one that has passed by `now`: its slot's name.
    pub(super) fn pop(&mut self, now: Timespec) -> Option<u64> {
        let &(at, user_data) = self.set.first()?;
        if at > now {
            return None;
        }
        self.set.pop_first();
        Some(user_data)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn at(tv_sec: i64, tv_nsec: i64) -> Timespec {
        Timespec { tv_sec, tv_nsec }
    }

    #[test]
    fn they_pass_in_order_and_once() {
        let mut deadlines = Deadlines::default();
        for (time, name) in [(at(2, 0), 1), (at(1, 9), 2), (at(1, 5), 3), (at(1, 5), 4)] {
            deadlines.insert(time, name);
        }
        deadlines.remove(at(1, 5), 4);
        deadlines.remove(at(7, 7), 7);
        assert_eq!(deadlines.first(), Some((at(1, 5), 3)));
        assert_eq!(deadlines.pop(at(1, 4)), None);
        assert_eq!(deadlines.pop(at(1, 9)), Some(3));
        assert_eq!(deadlines.pop(at(1, 9)), Some(2));
        assert_eq!(deadlines.pop(at(1, 9)), None);
        assert_eq!(deadlines.pop(at(3, 0)), Some(1));
        assert!(deadlines.is_empty());
    }
}
