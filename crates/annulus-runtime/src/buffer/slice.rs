//! [`Slice`]: a part of a buffer that goes along with it.

use std::ops::{Bound, Deref, DerefMut, RangeBounds};

use super::registered::Registered;
use super::{IoBuf, IoBufMut};

/// A range of an owned buffer: made by [`IoBuf::slice`], taken apart by
/// [`into_inner`](Self::into_inner).
///
/// To the kernel it is the range alone: a write sends its initialised bytes, a read fills it from
/// its first byte to its end. It dereferences to its initialised bytes.
///
/// ```
/// use annulus_runtime::buffer::{IoBuf, IoBufMut};
/// let mut buf = Vec::with_capacity(64);
/// buf.extend(*b"head");
/// // What a read may fill: behind the head, 8 bytes and not the whole capacity.
/// let tail = buf.slice(4..12);
/// assert_eq!((tail.bytes_init(), tail.bytes_total()), (0, 8));
/// ```
#[derive(Debug)]
pub struct Slice<B> {
    buf: B,
    /// Never behind the initialised bytes of `buf`: what lies before it is initialised.
    begin: usize,
    end: usize,
}

impl<B: IoBuf> Slice<B> {
    pub(super) fn new(buf: B, range: impl RangeBounds<usize>) -> Self {
        let (init, max) = (buf.bytes_init(), buf.slice_max());
        let begin = match range.start_bound() {
            Bound::Included(&begin) => begin,
            Bound::Excluded(&before) => before.checked_add(1).expect("the range begins somewhere"),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.checked_add(1).expect("the range ends somewhere"),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => max,
        };
        assert!(begin <= end, "range begins at {begin} but ends at {end}");
        assert!(end <= max, "range end {end} is out of range for a buffer of {max} bytes");
        assert!(begin <= init, "range begins at {begin}, behind the {init} initialised bytes");
        Self { buf, begin, end }
    }

    /// Where it begins in the buffer.
    ///
    /// ```
    /// use annulus_runtime::buffer::IoBuf;
    /// assert_eq!("shared ring".slice(7..).begin(), 7);
    /// ```
    pub fn begin(&self) -> usize {
        self.begin
    }

    /// Where it ends in the buffer, also if what is before that is not initialised yet.
    ///
    /// ```
    /// use annulus_runtime::buffer::IoBuf;
    /// assert_eq!("shared ring".slice(7..).end(), 11);
    /// ```
    pub fn end(&self) -> usize {
        self.end
    }

    /// The whole buffer, to look at.
    ///
    /// ```
    /// use annulus_runtime::buffer::IoBuf;
    /// assert_eq!(*"shared ring".slice(7..).get_ref(), "shared ring");
    /// ```
    pub fn get_ref(&self) -> &B {
        &self.buf
    }

    /// The buffer, whole again.
    ///
    /// ```
    /// use annulus_runtime::buffer::IoBuf;
    /// assert_eq!(vec![1, 2, 3].slice(1..).into_inner(), [1, 2, 3]);
    /// ```
    pub fn into_inner(self) -> B {
        self.buf
    }
}

// SAFETY: a part of what the buffer promises: `bytes_init` counts bytes from `begin` on that are
// before both the end and the end of the buffer's own initialised bytes.
unsafe impl<B: IoBuf> IoBuf for Slice<B> {
    fn stable_ptr(&self) -> *const u8 {
        self.buf.stable_ptr().wrapping_add(self.begin)
    }

    fn bytes_init(&self) -> usize {
        self.end.min(self.buf.bytes_init()).saturating_sub(self.begin)
    }

    fn slice_max(&self) -> usize {
        self.end.min(self.buf.slice_max()).saturating_sub(self.begin)
    }

    fn registered(&self) -> Option<Registered> {
        self.buf.registered()
    }
}

// SAFETY: as above, of the bytes that the buffer lets be written.
unsafe impl<B: IoBufMut> IoBufMut for Slice<B> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.buf.stable_mut_ptr().wrapping_add(self.begin)
    }

    fn bytes_total(&self) -> usize {
        self.end.min(self.buf.bytes_total()).saturating_sub(self.begin)
    }

    unsafe fn set_init(&mut self, count: usize) {
        debug_assert!(count <= self.bytes_total());
        // SAFETY: those before the beginning are initialised, as `new` checked; the `count` behind
        // them by the caller's promise, which keeps them before the buffer's end too.
        unsafe { self.buf.set_init(self.begin + count) };
    }
}

impl<B: IoBuf> Deref for Slice<B> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the buffer's promise: these bytes are valid for reads and unchanged until it is
        // used through `&mut`, which this borrow keeps from happening.
        unsafe { std::slice::from_raw_parts(self.stable_ptr(), self.bytes_init()) }
    }
}

impl<B: IoBufMut> DerefMut for Slice<B> {
    fn deref_mut(&mut self) -> &mut [u8] {
        let count = self.bytes_init().min(self.bytes_total());
        let start = self.stable_mut_ptr();
        // SAFETY: the buffer's promise: these bytes are initialised, valid for writes, and used by
        // nobody else while this borrow has the buffer.
        unsafe { std::slice::from_raw_parts_mut(start, count) }
    }
}
