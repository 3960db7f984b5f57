//! The façade through which threads share memory: the standard atomics, or loom's under
//! `--cfg loom`, so that the very code that ships is what the model checker explores.

#[cfg(not(loom))]
pub(crate) use core::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering},
};
#[cfg(loom)]
pub(crate) use loom::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

#[cfg(not(loom))]
use core::cell::UnsafeCell;
#[cfg(loom)]
use loom::cell::UnsafeCell;

/// Memory that threads take turns with; whose turn it is, a state word says.
///
/// Under loom every access is checked against all others.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Turn<T>(UnsafeCell<T>);

// SAFETY: every access is an unsafe call whose contract is that it is the caller's turn, so the
// value is only ever handed from thread to thread.
unsafe impl<T: Send> Sync for Turn<T> {}

impl<T> Turn<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Puts `value` there; what was there is forgotten, not dropped.
    ///
    /// # Safety
    /// - It is the caller's turn: nobody else reads or writes it meanwhile.
    #[inline(always)]
    pub(crate) unsafe fn write(&self, value: T) {
        self.with_mut(|cell| {
            // SAFETY: the caller has the turn; the pointer comes from the cell itself.
            unsafe { cell.write(value) }
        });
    }

    /// Copies the bits out: whoever treats them as a value of `T` must be the only one.
    ///
    /// # Safety
    /// - Nobody writes it meanwhile.
    /// - A `T` that is not `Copy` is used as a value once for each time it was written.
    #[inline(always)]
    pub(crate) unsafe fn read(&self) -> T {
        self.with(|cell| {
            // SAFETY: the caller's promises; the pointer comes from the cell itself.
            unsafe { cell.read() }
        })
    }

    /// The value's address. What is done through it is the caller's promise.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut T {
        self.with_mut(|cell| cell)
    }

    /// The value's address, to look at.
    #[inline(always)]
    pub(crate) fn as_const_ptr(&self) -> *const T {
        self.with(|cell| cell)
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
}
