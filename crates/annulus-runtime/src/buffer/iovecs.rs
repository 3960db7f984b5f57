//! [`Iovecs`]: the list of pieces that a vectored operation hands to the kernel.

use std::{fmt, ptr};

use annulus_ring::abi::Iovec;

use super::{IoVecBuf, IoVecBufMut};

/// As many bytes as the kernel moves in one operation at most (`MAX_RW_COUNT`): the largest
/// multiple of 4096 that an `i32` result can tell.
pub const IO_BYTES_MAX: usize = 0x7fff_f000;

/// As many pieces as the kernel takes in one operation at most (`IOV_MAX`).
pub const IOVECS_MAX: usize = 1024;

/// So many pieces are held without an allocation.
const INLINE: usize = 8;

/// The length field of an entry for `bytes`: capped at [`IO_BYTES_MAX`], so that a larger operation
/// is a short one, as the kernel would make it.
///
/// ```
/// use annulus_runtime::buffer::{IO_BYTES_MAX, io_len};
/// assert_eq!(io_len(4096), 4096);
/// assert_eq!(io_len(usize::MAX), IO_BYTES_MAX as u32);
/// ```
#[inline]
pub const fn io_len(bytes: usize) -> u32 {
    if bytes < IO_BYTES_MAX { bytes as u32 } else { IO_BYTES_MAX as u32 }
}

/// What one vectored operation hands to the kernel: addresses and lengths, in order.
///
/// Up to 8 pieces are held in the value itself, more on the heap. So [`as_ptr`](Self::as_ptr) holds
/// only while the value is *not moved*: take it where the value has come to rest (a slot). Empty
/// pieces are left out. What is over [`IOVECS_MAX`] pieces or [`IO_BYTES_MAX`] bytes is left out
/// too, and makes the operation a short one: the next begins behind what this one did.
///
/// It holds addresses, and no buffer: the pieces are good as long as the buffers are, and who made
/// the list keeps them.
///
/// ```
/// use annulus_runtime::buffer::Iovecs;
/// let message = ("head", vec![0; 60], "");
/// let iovecs = Iovecs::for_write(&message, 0);
/// assert_eq!((iovecs.count(), iovecs.bytes()), (2, 64));
/// // The first 10 bytes were written: what is left is in the second piece.
/// assert_eq!(Iovecs::for_write(&message, 10).as_slice()[0].iov_len, 54);
/// ```
#[derive(Clone)]
pub struct Iovecs {
    pieces: Pieces,
    bytes: usize,
}

#[derive(Clone)]
enum Pieces {
    Inline { pieces: [Iovec; INLINE], count: usize },
    Heap(Vec<Iovec>),
}

// SAFETY: addresses and lengths; whoever has something done with them answers for the buffers.
unsafe impl Send for Iovecs {}
// SAFETY: as above.
unsafe impl Sync for Iovecs {}

impl Iovecs {
    /// No piece.
    ///
    /// ```
    /// assert_eq!(annulus_runtime::buffer::Iovecs::new().count(), 0);
    /// ```
    pub const fn new() -> Self {
        let none = Iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        Self { pieces: Pieces::Inline { pieces: [none; INLINE], count: 0 }, bytes: 0 }
    }

    /// The initialised bytes of `buf` behind the first `skip` of them: what is to be written.
    ///
    /// ```
    /// let iovecs = annulus_runtime::buffer::Iovecs::for_write(&["shared ", "ring"], 7);
    /// assert_eq!((iovecs.count(), iovecs.bytes()), (1, 4));
    /// ```
    pub fn for_write<V: IoVecBuf + ?Sized>(buf: &V, skip: usize) -> Self {
        let mut filling = Filling::new(skip);
        for index in 0..buf.piece_count() {
            let (start, bytes) = buf.piece(index);
            if !filling.push(start.cast_mut(), bytes) {
                break;
            }
        }
        filling.into_iovecs()
    }

    /// The room of `buf` behind its first `skip` bytes: what is to be read into.
    ///
    /// ```
    /// use annulus_runtime::buffer::Iovecs;
    /// let mut bufs = [Vec::<u8>::with_capacity(16), Vec::with_capacity(16)];
    /// assert_eq!(Iovecs::for_read(&mut bufs, 4).bytes(), 28);
    /// ```
    pub fn for_read<V: IoVecBufMut + ?Sized>(buf: &mut V, skip: usize) -> Self {
        let mut filling = Filling::new(skip);
        for index in 0..buf.piece_count() {
            let (start, bytes) = buf.piece_mut(index);
            if !filling.push(start, bytes) {
                break;
            }
        }
        filling.into_iovecs()
    }

    /// Appends `bytes` bytes at `start`, or as many as an operation takes besides what is here:
    /// says how many. Nothing is added for none.
    ///
    /// ```
    /// use annulus_runtime::buffer::{IO_BYTES_MAX, Iovecs};
    /// let mut iovecs = Iovecs::new();
    /// assert_eq!(iovecs.push(std::ptr::dangling_mut(), 10), 10);
    /// assert_eq!(iovecs.push(std::ptr::dangling_mut(), usize::MAX), IO_BYTES_MAX - 10);
    /// assert_eq!(iovecs.push(std::ptr::dangling_mut(), 1), 0);
    /// ```
    pub fn push(&mut self, start: *mut u8, bytes: usize) -> usize {
        let room = if self.as_slice().len() < IOVECS_MAX { IO_BYTES_MAX - self.bytes } else { 0 };
        let bytes = bytes.min(room);
        if bytes == 0 {
            return 0;
        }
        let piece = Iovec { iov_base: start.cast(), iov_len: bytes };
        match &mut self.pieces {
            Pieces::Inline { pieces, count } if *count < INLINE => {
                pieces[*count] = piece;
                *count += 1;
            }
            Pieces::Inline { pieces, .. } => {
                let mut heap = Vec::with_capacity(4 * INLINE);
                heap.extend_from_slice(pieces);
                heap.push(piece);
                self.pieces = Pieces::Heap(heap);
            }
            Pieces::Heap(heap) => heap.push(piece),
        }
        self.bytes += bytes;
        bytes
    }

    /// The pieces.
    ///
    /// ```
    /// let iovecs = annulus_runtime::buffer::Iovecs::for_write(&["a", "", "bc"], 0);
    /// assert_eq!(iovecs.as_slice().iter().map(|p| p.iov_len).collect::<Vec<_>>(), [1, 2]);
    /// ```
    pub fn as_slice(&self) -> &[Iovec] {
        match &self.pieces {
            Pieces::Inline { pieces, count } => &pieces[..*count],
            Pieces::Heap(heap) => heap,
        }
    }

    /// The address of the first piece: of the list, for the entry. Good while this value is neither
    /// moved nor changed nor dropped.
    ///
    /// ```
    /// let iovecs = annulus_runtime::buffer::Iovecs::for_write(&("a", "b"), 0);
    /// assert_eq!(iovecs.as_ptr(), iovecs.as_slice().as_ptr());
    /// ```
    pub fn as_ptr(&self) -> *const Iovec {
        self.as_slice().as_ptr()
    }

    /// How many pieces there are: what an entry has in the place of a length.
    ///
    /// ```
    /// assert_eq!(annulus_runtime::buffer::Iovecs::for_write(&("a", "b"), 0).count(), 2);
    /// ```
    pub fn count(&self) -> u32 {
        self.as_slice().len() as u32
    }

    /// How many bytes they are: as many as the operation can move at most.
    ///
    /// ```
    /// assert_eq!(annulus_runtime::buffer::Iovecs::for_write(&("a", "bc"), 0).bytes(), 3);
    /// ```
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Default for Iovecs {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Iovecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// A list in the making, of which the first bytes are skipped.
pub(super) struct Filling {
    iovecs: Iovecs,
    skip: usize,
}

impl Filling {
    pub(super) fn new(skip: usize) -> Self {
        Self { iovecs: Iovecs::new(), skip }
    }

    /// Takes a piece. False if it took less than all of it: no further piece may follow.
    pub(super) fn push(&mut self, start: *mut u8, bytes: usize) -> bool {
        let skipped = self.skip.min(bytes);
        self.skip -= skipped;
        let left = bytes - skipped;
        self.iovecs.push(start.wrapping_add(skipped), left) == left
    }

    pub(super) fn into_iovecs(self) -> Iovecs {
        self.iovecs
    }
}
