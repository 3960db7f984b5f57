//! Where the iovecs of vectored entries live until the kernel has taken the entry.
//!
//! The kernel copies an entry's iovecs when it takes the entry (`IORING_FEAT_SUBMIT_STABLE`), so an
//! array of them must live from the push to that moment and not a moment longer. Which is how long
//! the entry's own slot is the kernel's: so each slot of the queue has a place beside it, and what
//! allows the slot to be written again (the kernel's head has passed it) allows the same of its
//! place.
//!
//! Up to [`INLINE`] iovecs lie in the place itself. A longer list is an allocation that the place
//! keeps until its slot is used again.

use core::cell::{Cell, UnsafeCell};
use core::ptr;

use crate::abi::Iovec;

/// How many iovecs cost no allocation.
pub(super) const INLINE: usize = 8;

/// A list of iovecs on its way into a slot's place.
pub(super) enum List {
    /// As many of these as the number says.
    Short([Iovec; INLINE], u32),
    /// More.
    Long(Vec<Iovec>),
}

const EMPTY: Iovec = Iovec { iov_base: ptr::null_mut(), iov_len: 0 };

impl List {
    pub(super) fn of_slice(iovecs: &[Iovec]) -> Self {
        Self::of_iter(iovecs.iter().copied())
    }

    /// Allocates only from the ninth on.
    pub(super) fn of_iter(iovecs: impl Iterator<Item = Iovec>) -> Self {
        let (mut short, mut count) = ([EMPTY; INLINE], 0_u32);
        let mut iovecs = iovecs;
        for iovec in iovecs.by_ref() {
            if count as usize == INLINE {
                let mut long = Vec::with_capacity(4 * INLINE);
                long.extend_from_slice(&short);
                long.push(iovec);
                long.extend(iovecs);
                return Self::Long(long);
            }
            short[count as usize] = iovec;
            count += 1;
        }
        Self::Short(short, count)
    }

    pub(super) fn count(&self) -> u32 {
        match self {
            Self::Short(_, count) => *count,
            // More than a u32 holds is more than the kernel takes: it answers EINVAL to either.
            Self::Long(list) => u32::try_from(list.len()).unwrap_or(u32::MAX),
        }
    }
}

/// What lies beside one slot.
///
/// Cells, since the kernel may be reading one place while another is written: a `&mut` to all of
/// them would say that it does not.
struct Place {
    short: UnsafeCell<[Iovec; INLINE]>,
    /// A `Vec`, since moving a `Box` says that nobody else has its address.
    long: Cell<Vec<Iovec>>,
}

/// The places beside a queue's slots: none until the first vectored entry.
pub(super) struct Slots(Vec<Place>);

// SAFETY: iovecs are addresses and lengths: nothing here reads what they point to.
unsafe impl Send for Slots {}

impl Slots {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// Makes the places, once: what the first vectored entry of a ring costs.
    pub(super) fn prepare(&mut self, entries: u32) {
        if self.0.is_empty() {
            let place =
                |_| Place { short: UnsafeCell::new([EMPTY; INLINE]), long: Cell::default() };
            self.0 = (0..entries).map(place).collect();
        }
    }

    /// Puts `list` beside the slot of the entry `index`: where it lies now, and what lay there.
    ///
    /// The caller has room for the entry, so the kernel has done with what lay there.
    pub(super) fn put(&mut self, index: u32, list: List) -> (*const Iovec, Vec<Iovec>) {
        let mask = self.0.len().wrapping_sub(1);
        let place = &self.0[index as usize & mask];
        match list {
            List::Short(short, _) => {
                let at = place.short.get();
                // SAFETY: `self` is borrowed alone, so no other thread is here; the kernel has done
                // with this place (the caller has room for the entry).
                unsafe { at.write(short) };
                (at.cast_const().cast(), place.long.take())
            }
            List::Long(long) => {
                let at = long.as_ptr();
                (at, place.long.replace(long))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iovecs(count: usize) -> Vec<Iovec> {
        (1..=count).map(|n| Iovec { iov_base: ptr::null_mut(), iov_len: n }).collect()
    }

    fn put(slots: &mut Slots, index: u32, count: usize) -> (Vec<Iovec>, usize) {
        let list = List::of_slice(&iovecs(count));
        assert_eq!(list.count() as usize, count);
        let (at, old) = slots.put(index, list);
        // SAFETY: the list was put there a line above, and the slots are not touched since.
        let lies = unsafe { core::slice::from_raw_parts(at, count) };
        (lies.to_vec(), old.len())
    }

    #[test]
    fn lists_lie_beside_their_slot_until_it_is_used_again() {
        let mut slots = Slots::new();
        slots.prepare(2);
        for (index, count, old) in
            [(0, 1, 0), (1, 8, 0), (2, 9, 0), (3, 3, 0), (4, 2, 9), (u32::MAX, 40, 0)]
        {
            assert_eq!(put(&mut slots, index, count), (iovecs(count), old), "{index}");
        }
        assert_eq!(put(&mut slots, 1, 0), (vec![], 40));
    }
}
