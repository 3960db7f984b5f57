//! [`IoBuf`] and [`IoBufMut`]: what a buffer must promise to be lent to the kernel.

use std::ops::RangeBounds;

use super::registered::Registered;
use super::slice::Slice;

/// Memory that the kernel may read until the operation's completion.
///
/// See [the module's page](super) for who may touch a buffer, and until when.
///
/// ```
/// use annulus_runtime::buffer::IoBuf;
/// let buf = vec![1, 2, 3];
/// assert_eq!((buf.stable_ptr(), buf.bytes_init()), (buf.as_ptr(), 3));
/// ```
///
/// What is borrowed is no such buffer: the borrow would end when the program says so, not when the
/// kernel does.
///
/// ```compile_fail,E0597
/// use annulus_runtime::buffer::IoBuf;
/// fn lend(buf: impl IoBuf) {}
/// let bytes = vec![1, 2, 3];
/// lend(&bytes[..]); // borrowed for less than 'static
/// ```
///
/// # Safety
/// Whoever implements it promises:
/// - [`stable_ptr`](Self::stable_ptr) stays the same, and its first
///   [`bytes_init`](Self::bytes_init) bytes stay valid for reads and unchanged, also while the
///   value itself is moved, until it is dropped or used through `&mut`.
/// - [`registered`](Self::registered) is what its pool gave it, or `None`.
///
/// Whoever lends it takes the pointer where the value has come to rest, and takes it again after a
/// move: the address is the same, but the language counts moving a `Box` as a use of its content.
pub unsafe trait IoBuf: Send + Unpin + 'static {
    /// Where the bytes are.
    ///
    /// ```
    /// use annulus_runtime::buffer::IoBuf;
    /// let buf = vec![7; 64];
    /// let before = buf.stable_ptr();
    /// let moved = Box::new(buf);
    /// assert_eq!(moved.stable_ptr(), before);
    /// ```
    fn stable_ptr(&self) -> *const u8;

    /// How many bytes, from the first on, are initialised.
    ///
    /// ```
    /// use annulus_runtime::buffer::IoBuf;
    /// let mut buf = Vec::with_capacity(64);
    /// buf.extend_from_slice(b"ring");
    /// assert_eq!((buf.bytes_init(), "ring".bytes_init()), (4, 4));
    /// ```
    fn bytes_init(&self) -> usize;

    /// How far a [slice](Self::slice) of it may reach: its initialised bytes, or all that the
    /// kernel may write ([`IoBufMut::bytes_total`]) where it may.
    ///
    /// ```
    /// use annulus_runtime::buffer::IoBuf;
    /// assert_eq!("ring".slice_max(), 4);
    /// assert_eq!(Vec::<u8>::with_capacity(64).slice_max(), 64);
    /// ```
    fn slice_max(&self) -> usize {
        self.bytes_init()
    }

    /// Which registered buffer this is, if it is one.
    #[doc(hidden)]
    fn registered(&self) -> Option<Registered> {
        None
    }

    /// A part of it: a write sends, and a read fills, that part alone. The buffer goes along, and
    /// comes back by [`Slice::into_inner`].
    ///
    /// # Panics
    /// As slices do: where the range begins behind its end or behind the initialised bytes, or ends
    /// behind [`slice_max`](Self::slice_max).
    ///
    /// ```
    /// use annulus_runtime::buffer::{IoBuf, IoBufMut};
    /// let page = vec![0; 4096].slice(512..1024);
    /// assert_eq!((page.bytes_init(), page.bytes_total()), (512, 512));
    /// assert_eq!(page.into_inner().len(), 4096);
    /// ```
    fn slice(self, range: impl RangeBounds<usize>) -> Slice<Self>
    where
        Self: Sized,
    {
        Slice::new(self, range)
    }
}

/// Memory that the kernel may write until the operation's completion.
///
/// A read fills it from the first byte up to [`bytes_total`](Self::bytes_total), whatever is
/// initialised already; [slice](IoBuf::slice) it to read less. See [the module's page](super) for
/// who may touch a buffer, and until when.
///
/// ```
/// use annulus_runtime::buffer::IoBufMut;
/// let mut buf = Vec::with_capacity(64);
/// // The kernel's part: it writes to where the buffer says.
/// // SAFETY: 64 bytes may be written there.
/// unsafe { buf.stable_mut_ptr().copy_from(b"ring".as_ptr(), 4) };
/// // SAFETY: four bytes were written.
/// unsafe { buf.set_init(4) };
/// assert_eq!(buf, b"ring");
/// ```
///
/// # Safety
/// Whoever implements it promises:
/// - [`stable_mut_ptr`](Self::stable_mut_ptr) stays the same, and its first
///   [`bytes_total`](Self::bytes_total) bytes stay valid for writes and used by nobody else, also
///   while the value itself is moved, until it is dropped or used otherwise.
pub unsafe trait IoBufMut: IoBuf {
    /// Where the bytes are.
    ///
    /// ```
    /// use annulus_runtime::buffer::{IoBuf, IoBufMut};
    /// let mut buf = vec![0; 4];
    /// // SAFETY: the vector has four bytes, and nobody else uses them.
    /// unsafe { buf.stable_mut_ptr().write(7) };
    /// assert_eq!(buf, [7, 0, 0, 0]);
    /// ```
    fn stable_mut_ptr(&mut self) -> *mut u8;

    /// How many bytes may be written.
    ///
    /// ```
    /// use annulus_runtime::buffer::{IoBuf, IoBufMut};
    /// let buf = Vec::<u8>::with_capacity(64);
    /// assert_eq!((buf.bytes_init(), buf.bytes_total()), (0, 64));
    /// ```
    fn bytes_total(&self) -> usize;

    /// Says that the first `count` bytes are initialised. Never makes the initialised part shorter.
    ///
    /// # Safety
    /// - They are, and `count` is at most [`bytes_total`](Self::bytes_total).
    ///
    /// ```
    /// use annulus_runtime::buffer::IoBufMut;
    /// let mut buf = vec![7, 8, 9];
    /// // SAFETY: all three bytes are initialised.
    /// unsafe { buf.set_init(1) };
    /// assert_eq!(buf, [7, 8, 9]); // what was initialised stays so
    /// ```
    unsafe fn set_init(&mut self, count: usize);
}
