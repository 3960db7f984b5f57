//! The standard library's types as buffers.

use std::sync::Arc;

use super::{IoBuf, IoBufMut};

// SAFETY: a vector's bytes are on the heap: they stay where they are when it is moved.
unsafe impl IoBuf for Vec<u8> {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }

    fn slice_max(&self) -> usize {
        self.capacity()
    }
}

// SAFETY: as above, with all of its capacity.
unsafe impl IoBufMut for Vec<u8> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn bytes_total(&self) -> usize {
        self.capacity()
    }

    unsafe fn set_init(&mut self, count: usize) {
        if self.len() < count {
            // SAFETY: the caller's promise.
            unsafe { self.set_len(count) };
        }
    }
}

/// Types that own, or borrow for ever, bytes elsewhere, which nobody can change while they exist
/// and are not used through `&mut`. All of them are initialised.
macro_rules! readable {
    ($([$($generics:tt)*] $type:ty, $why:literal;)*) => {$(
        #[doc = $why]
        // SAFETY: the bytes are not in the value itself, so they stay where they are when it is
        // moved; what owns them, or that they are static, says the line of the type.
        unsafe impl<$($generics)*> IoBuf for $type {
            fn stable_ptr(&self) -> *const u8 {
                self.as_ptr().cast()
            }

            fn bytes_init(&self) -> usize {
                self.len()
            }
        }
    )*};
}

readable! {
    [] &'static [u8], "Static bytes: never freed, never changed.";
    [const N: usize] &'static [u8; N], "Static bytes, such as `b\"ring\"`: never freed or changed.";
    [] &'static str, "Static text: never freed, never changed.";
    [] String, "Text on the heap, for writes: what a read brings need not be text.";
    [] Arc<[u8]>, "Shared bytes: while one holder has lent them, `Arc::get_mut` refuses.";
    [] Arc<str>, "Shared text: as shared bytes.";
    [] Box<[u8]>, "Bytes on the heap, owned.";
    [const N: usize] Box<[u8; N]>, "An array on the heap, owned.";
}

/// Boxes of bytes, all initialised.
macro_rules! writable {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        // SAFETY: the bytes are on the heap, owned by the box alone, and stay there when it is
        // moved.
        unsafe impl<$($generics)*> IoBufMut for $type {
            fn stable_mut_ptr(&mut self) -> *mut u8 {
                self.as_mut_ptr()
            }

            fn bytes_total(&self) -> usize {
                self.len()
            }

            unsafe fn set_init(&mut self, count: usize) {
                // All of them always are.
                debug_assert!(count <= self.len());
            }
        }
    )*};
}

writable! {
    [] Box<[u8]>;
    [const N: usize] Box<[u8; N]>;
}
