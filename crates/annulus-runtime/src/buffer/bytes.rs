//! `Bytes` and `BytesMut` as buffers: the feature `bytes`.

use bytes::{Bytes, BytesMut};

use super::{IoBuf, IoBufMut};

/// Shared bytes: a write sends them, and clones may be read meanwhile. Where this trait is in
/// scope, `bytes.slice(..)` is the trait's, which takes the handle along; `Bytes::slice(&bytes,
/// ..)` is its own, which makes another handle.
// SAFETY: the bytes are static or owned by what its handles share, never in the handle; while one
// exists nobody can change them.
unsafe impl IoBuf for Bytes {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }
}

/// As a vector: a read fills its capacity from the first byte on.
// SAFETY: the bytes are on the heap, never in the handle; other handles have other bytes.
unsafe impl IoBuf for BytesMut {
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
unsafe impl IoBufMut for BytesMut {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        // Not `as_mut_ptr`: that pointer is good for the initialised bytes alone.
        let len = self.len();
        // SAFETY: no byte is claimed to be initialised.
        unsafe { self.set_len(0) };
        let start = self.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: so many were initialised, and nothing was written.
        unsafe { self.set_len(len) };
        start
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
