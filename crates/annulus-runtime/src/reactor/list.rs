//! [`List`]: slots in a row, first in, first out, from which any may be taken out. The links lie in
//! the slots, so nothing is allocated.

use crate::slot::{NONE, Slot, Slots};

/// A list of a reactor's own.
#[derive(Debug)]
pub(super) struct List {
    first: u32,
    last: u32,
    len: u32,
}

impl List {
    pub(super) const fn new() -> Self {
        Self { first: NONE, last: NONE, len: 0 }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first, which stays.
    pub(super) fn first<'a>(&self, slots: &'a Slots) -> Option<&'a Slot> {
        slots.get(self.first)
    }

    /// The first that `is_it` says of.
    pub(super) fn find<'a>(
        &self,
        slots: &'a Slots,
        is_it: impl Fn(&Slot) -> bool,
    ) -> Option<&'a Slot> {
        let first = self.first(slots);
        let next = |slot: &&'a Slot| slots.get(slot.list_next.get());
        core::iter::successors(first, next).find(|slot| is_it(slot))
    }

    /// Puts a slot at the end. It must be in no list.
    pub(super) fn push(&mut self, slots: &Slots, slot: &Slot) {
        slot.list_prev.set(self.last);
        slot.list_next.set(NONE);
        match slots.get(self.last) {
            Some(last) => last.list_next.set(slot.index()),
            None => self.first = slot.index(),
        }
        self.last = slot.index();
        self.len += 1;
    }

    /// Takes out the first, which is given.
    #[inline]
    pub(super) fn remove_first(&mut self, slots: &Slots, slot: &Slot) {
        debug_assert_eq!(self.first, slot.index(), "another is the first");
        self.first = slot.list_next.get();
        match slots.get(self.first) {
            Some(next) => next.list_prev.set(NONE),
            None => self.last = NONE,
        }
        self.len -= 1;
    }

    /// Takes a slot out. It must be in this list.
    pub(super) fn remove(&mut self, slots: &Slots, slot: &Slot) {
        debug_assert!(self.len > 0, "slot {} is in no list", slot.index());
        match slots.get(slot.list_prev.get()) {
            Some(prev) => prev.list_next.set(slot.list_next.get()),
            None => self.first = slot.list_next.get(),
        }
        match slots.get(slot.list_next.get()) {
            Some(next) => next.list_prev.set(slot.list_prev.get()),
            None => self.last = slot.list_prev.get(),
        }
        self.len -= 1;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn numbers(list: &List, slots: &Slots) -> Vec<u32> {
        let mut found = Vec::new();
        let mut next = list.first(slots);
        while let Some(slot) = next {
            found.push(slot.index());
            next = slots.get(slot.list_next.get());
        }
        found
    }

    #[test]
    fn slots_leave_in_order_or_from_the_middle() {
        let slots = Slots::new();
        let taken: Vec<&Slot> = (0..5).map(|_| slots.take()).collect();
        let mut list = List::new();
        for slot in &taken {
            list.push(&slots, slot);
        }
        let all: Vec<u32> = taken.iter().map(|slot| slot.index()).collect();
        assert_eq!(numbers(&list, &slots), all);
        list.remove(&slots, taken[2]);
        list.remove(&slots, taken[0]);
        list.remove(&slots, taken[4]);
        assert_eq!(numbers(&list, &slots), [all[1], all[3]]);
        list.push(&slots, taken[0]);
        assert_eq!(numbers(&list, &slots), [all[1], all[3], all[0]]);
        assert_eq!(list.len(), 3);
        list.remove_first(&slots, taken[1]);
        assert_eq!(numbers(&list, &slots), [all[3], all[0]]);
        list.remove_first(&slots, taken[3]);
        list.remove_first(&slots, taken[0]);
        assert!(list.is_empty() && list.first(&slots).is_none());
        list.push(&slots, taken[4]);
        assert_eq!(numbers(&list, &slots), [all[4]]);
    }
}
