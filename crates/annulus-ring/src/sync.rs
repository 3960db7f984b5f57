//! The façade through which shared memory is touched: the standard atomics, or loom's under
//! `--cfg loom`, so that the very code that ships is what the model checker explores.
//!
//! Loom's atomics are larger than four bytes. That is why the rings hold typed pointers
//! ([`RingMemory`](crate::kernel::RingMemory)) and not a base address with offsets.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::{
    sync::{Condvar, Mutex, MutexGuard},
    thread,
};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard},
    thread,
};

#[cfg(not(loom))]
use core::cell::UnsafeCell;
#[cfg(loom)]
use loom::cell::UnsafeCell;

/// Takes a lock. No code of the user's runs under one of ours, so none is ever poisoned.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One entry of a queue: memory that the program and the kernel take turns with.
///
/// Whose turn it is, the queue's indices say. Under loom every access is checked against that.
#[derive(Debug)]
#[repr(transparent)]
pub struct Slot<T>(UnsafeCell<T>);

impl<T> Slot<T> {
    /// A slot that holds `value`.
    ///
    /// ```
    /// let slot = annulus_ring::kernel::Slot::new(7);
    /// // SAFETY: nothing else touches the slot.
    /// assert_eq!(unsafe { slot.read() }, 7);
    /// ```
    pub fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Puts `value` into the slot.
    ///
    /// # Safety
    /// - It is the caller's turn: nothing else reads or writes the slot meanwhile.
    ///
    /// ```
    /// let slot = annulus_ring::kernel::Slot::new(7);
    /// // SAFETY: nothing else touches the slot.
    /// unsafe { slot.write(8) };
    /// ```
    #[inline(always)]
    pub unsafe fn write(&self, value: T) {
        self.with_mut(|slot| {
            // SAFETY: the caller has the turn, so nothing else touches the slot; the pointer comes
            // from the cell itself.
            unsafe { slot.write(value) }
        });
    }

    /// Copies the slot's value out.
    ///
    /// # Safety
    /// - It is the caller's turn: nothing else writes the slot meanwhile.
    ///
    /// ```
    /// let slot = annulus_ring::kernel::Slot::new(7);
    /// // SAFETY: nothing else touches the slot.
    /// assert_eq!(unsafe { slot.read() }, 7);
    /// ```
    #[inline(always)]
    pub unsafe fn read(&self) -> T
    where
        T: Copy,
    {
        self.with(|slot| {
            // SAFETY: the caller has the turn, so nothing else writes the slot; the pointer comes
            // from the cell itself.
            unsafe { slot.read() }
        })
    }

    #[cfg(not(loom))]
    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    #[cfg(loom)]
    fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        self.0.with(f)
    }

    #[cfg(not(loom))]
    #[inline(always)]
    fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }

    #[cfg(loom)]
    fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(f)
    }

    /// The slot's address, for access in place.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut T {
        self.with_mut(|slot| slot)
    }
}

// SAFETY: the slot is handed between threads by the indices of its queue: every access is an unsafe
// call whose contract is that it is the caller's turn.
unsafe impl<T: Send> Sync for Slot<T> {}
