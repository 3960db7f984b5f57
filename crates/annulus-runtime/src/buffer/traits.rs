//! [`IoBuf`] and [`IoBufMut`]: what a buffer must promise to be lent to the kernel.

/// Memory that the kernel may read until the operation's completion.
///
/// # Safety
/// Whoever implements it promises:
/// - [`stable_ptr`](Self::stable_ptr) stays the same, and its first
///   [`bytes_init`](Self::bytes_init) bytes stay valid for reads and unchanged, also while the
///   value itself is moved, until it is dropped or used through `&mut`.
pub unsafe trait IoBuf: Send + Unpin + 'static {
    /// Where the bytes are.
    fn stable_ptr(&self) -> *const u8;

    /// How many bytes, from the first on, are initialised.
    fn bytes_init(&self) -> usize;
}

/// Memory that the kernel may write until the operation's completion.
///
/// # Safety
/// Whoever implements it promises:
/// - [`stable_mut_ptr`](Self::stable_mut_ptr) stays the same, and its first
///   [`bytes_total`](Self::bytes_total) bytes stay valid for writes and used by nobody else, also
///   while the value itself is moved, until it is dropped or used otherwise.
pub unsafe trait IoBufMut: IoBuf {
    /// Where the bytes are.
    fn stable_mut_ptr(&mut self) -> *mut u8;

    /// How many bytes may be written.
    fn bytes_total(&self) -> usize;

    /// Says that the first `count` bytes are initialised. Never makes the initialised part shorter.
    ///
    /// # Safety
    /// - They are, and `count` is at most [`bytes_total`](Self::bytes_total).
    unsafe fn set_init(&mut self, count: usize);
}

// SAFETY: a vector's bytes are on the heap: they stay where they are when it is moved.
unsafe impl IoBuf for Vec<u8> {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
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
