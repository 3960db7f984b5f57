//! [`Waiters`]: who waits for a buffer, in order of coming.
//!
//! A doubly linked list through the slots of a vector. A waiter has a slot from its first wait
//! until it took its buffer or gave up, and only its owner knows the slot's number: so numbers
//! need no generation, leaving from the middle is one step, and the vector grows only when more
//! wait at once than ever before. A buffer that comes back is *handed* to the first waiter, by
//! number, in its slot: nobody can take it away between the wake-up and the poll, so the order
//! holds, and a waiter that leaves without taking it finds it there and passes it on.

use std::mem;
use std::task::Waker;

/// A waiter's slot.
#[derive(Debug)]
pub(super) struct Place(u32);

/// No slot.
const NONE: u32 = u32::MAX;

/// What a slot is doing.
#[derive(Debug)]
enum State {
    /// Nobody's. The next such one is its `next`.
    Vacant,
    /// In the list.
    Waiting(Waker),
    /// Out of the list; this buffer is for it.
    Given(u16),
}

#[derive(Debug)]
struct Slot {
    state: State,
    previous: u32,
    next: u32,
}

/// What a waiter had when it left.
pub(super) enum Left {
    /// Nothing yet: its waker, which is the caller's to drop, outside of the lock.
    Waiting(Waker),
    /// This buffer, which is the caller's to take or to pass on.
    Given(u16),
}

/// The waiters, in order.
#[derive(Debug)]
pub(super) struct Waiters {
    slots: Vec<Slot>,
    first: u32,
    last: u32,
    vacant: u32,
}

impl Waiters {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), first: NONE, last: NONE, vacant: NONE }
    }

    /// Whether the waiter at `place` has its buffer.
    pub(super) fn has(&self, place: &Place) -> bool {
        matches!(self.slots[place.0 as usize].state, State::Given(_))
    }

    /// The waker that will be told, while the waiter waits.
    pub(super) fn waker(&self, place: &Place) -> Option<&Waker> {
        match &self.slots[place.0 as usize].state {
            State::Waiting(waker) => Some(waker),
            State::Given(_) | State::Vacant => None,
        }
    }

    /// Has another waker told: gives back the one that is not, for the caller to drop outside of
    /// the lock.
    pub(super) fn replace_waker(&mut self, place: &Place, waker: Waker) -> Waker {
        match &mut self.slots[place.0 as usize].state {
            State::Waiting(old) => mem::replace(old, waker),
            State::Given(_) | State::Vacant => waker,
        }
    }

    /// Joins at the end.
    pub(super) fn join(&mut self, waker: Waker) -> Place {
        let slot = Slot { state: State::Waiting(waker), previous: self.last, next: NONE };
        let at = if self.vacant == NONE {
            self.slots.push(slot);
            (self.slots.len() - 1) as u32
        } else {
            let at = self.vacant;
            self.vacant = self.slots[at as usize].next;
            self.slots[at as usize] = slot;
            at
        };
        match self.last {
            NONE => self.first = at,
            last => self.slots[last as usize].next = at,
        }
        self.last = at;
        Place(at)
    }

    /// Hands buffer `index` to the first waiter: its waker, to be woken outside of the lock. Or
    /// nobody waits, and the caller keeps the buffer.
    pub(super) fn give(&mut self, index: u16) -> Option<Waker> {
        if self.first == NONE {
            return None;
        }
        let at = self.first;
        self.unlink(at);
        match mem::replace(&mut self.slots[at as usize].state, State::Given(index)) {
            State::Waiting(waker) => Some(waker),
            State::Given(_) | State::Vacant => unreachable!("only who waits is in the list"),
        }
    }

    /// Leaves, with what there was for the waiter.
    pub(super) fn leave(&mut self, place: Place) -> Left {
        let at = place.0;
        let left = match mem::replace(&mut self.slots[at as usize].state, State::Vacant) {
            State::Waiting(waker) => {
                self.unlink(at);
                Left::Waiting(waker)
            }
            State::Given(index) => Left::Given(index),
            State::Vacant => unreachable!("a place is left once"),
        };
        self.slots[at as usize].next = self.vacant;
        self.vacant = at;
        left
    }

    fn unlink(&mut self, at: u32) {
        let (previous, next) = (self.slots[at as usize].previous, self.slots[at as usize].next);
        match previous {
            NONE => self.first = next,
            previous => self.slots[previous as usize].next = next,
        }
        match next {
            NONE => self.last = previous,
            next => self.slots[next as usize].previous = previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::{Left, Waiters};

    #[test]
    fn buffers_go_to_the_first_that_still_waits() {
        let mut waiters = Waiters::new();
        assert!(waiters.give(9).is_none());
        let [first, second, third, fourth] = [(); 4].map(|()| waiters.join(Waker::noop().clone()));
        assert!(matches!(waiters.leave(second), Left::Waiting(_)));
        assert!(waiters.give(1).is_some() && waiters.has(&first) && !waiters.has(&third));
        assert!(waiters.give(2).is_some() && waiters.has(&third));
        assert!(matches!(waiters.leave(first), Left::Given(1)));
        assert!(matches!(waiters.leave(fourth), Left::Waiting(_)));
        assert!(waiters.give(3).is_none(), "nobody is in the list");
        assert!(matches!(waiters.leave(third), Left::Given(2)));
    }

    #[test]
    fn slots_are_used_again() {
        let mut waiters = Waiters::new();
        for _ in 0..100 {
            let [a, b] = [(); 2].map(|()| waiters.join(Waker::noop().clone()));
            assert!(waiters.waker(&a).is_some());
            assert!(waiters.give(1).is_some() && waiters.waker(&a).is_none());
            waiters.leave(b);
            waiters.leave(a);
        }
        assert_eq!(waiters.slots.len(), 2);
    }
}
