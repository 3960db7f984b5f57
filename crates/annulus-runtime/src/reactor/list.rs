//! [`List`]: slots in a row, first in, first out, from which any may be taken out. The links lie in
//! the slots, so nothing is allocated.

use crate::slot::{Slot, SlotPtr, Slots};

/// A list of a reactor's own.
///
/// Its methods ask for the table, which keeps the slots alive.
#[derive(Debug)]
pub(super) struct List {
    first: Option<SlotPtr>,
    last: Option<SlotPtr>,
    len: u32,
}

// SAFETY: slots are shared by all threads; a list goes with the one reactor that has it.
unsafe impl Send for List {}

/// The slot that a list links to.
#[inline(always)]
fn at(_table: &Slots, link: Option<SlotPtr>) -> Option<&Slot> {
    // SAFETY: the promise of `List::new`: the lists of this module have slots of one table only,
    // which is borrowed here, and links that lie in slots are written by those lists alone.
    link.map(|slot| unsafe { slot.as_ref() })
}

impl List {
    /// # Safety
    /// - Its methods are given one table only, and slots of that.
    pub(super) const unsafe fn new() -> Self {
        Self { first: None, last: None, len: 0 }
    }

    #[inline(always)]
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first, which stays.
    #[inline(always)]
    pub(super) fn first<'a>(&self, table: &'a Slots) -> Option<&'a Slot> {
        at(table, self.first)
    }

    /// The first that `is_it` says of.
    pub(super) fn find<'a>(
        &self,
        table: &'a Slots,
        is_it: impl Fn(&Slot) -> bool,
    ) -> Option<&'a Slot> {
        let next = |slot: &&'a Slot| at(table, slot.list_next.get());
        core::iter::successors(self.first(table), next).find(|slot| is_it(slot))
    }

    /// Puts a slot at the end. It must be in no list.
    #[inline]
    pub(super) fn push(&mut self, table: &Slots, slot: &Slot) {
        slot.list_prev.set(self.last);
        slot.list_next.set(None);
        let own = Some(SlotPtr::from(slot));
        match at(table, self.last) {
            Some(last) => last.list_next.set(own),
            None => self.first = own,
        }
        self.last = own;
        self.len += 1;
    }

    /// Takes out the first, which is given.
    #[inline]
    pub(super) fn remove_first(&mut self, table: &Slots, slot: &Slot) {
        debug_assert_eq!(self.first, Some(SlotPtr::from(slot)), "another is the first");
        self.first = slot.list_next.get();
        match at(table, self.first) {
            Some(next) => next.list_prev.set(None),
            None => self.last = None,
        }
        self.len -= 1;
    }

    /// Takes a slot out. It must be in this list.
    pub(super) fn remove(&mut self, table: &Slots, slot: &Slot) {
        debug_assert!(self.len > 0, "slot {} is in no list", slot.index());
        match at(table, slot.list_prev.get()) {
            Some(prev) => prev.list_next.set(slot.list_next.get()),
            None => self.first = slot.list_next.get(),
        }
        match at(table, slot.list_next.get()) {
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
            next = at(slots, slot.list_next.get());
        }
        found
    }

    #[test]
    fn slots_leave_in_order_or_from_the_middle() {
        let slots = Slots::new();
        let taken: Vec<&Slot> = (0..5).map(|_| slots.take()).collect();
        // SAFETY: it has slots of this table alone.
        let mut list = unsafe { List::new() };
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
