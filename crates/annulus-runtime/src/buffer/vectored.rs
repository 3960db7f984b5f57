//! [`IoVecBuf`] and [`IoVecBufMut`]: several buffers that one operation goes through in order.

use super::{IoBuf, IoBufMut};

/// Several buffers that the kernel may read, in order, until the operation's completion.
///
/// Vectors, boxed slices, arrays and tuples (up to four) of buffers are such; [`Iovecs`] makes of
/// them what the kernel takes. [The module's page](super) holds for each piece.
///
/// [`Iovecs`]: super::Iovecs
///
/// ```
/// use annulus_runtime::buffer::IoVecBuf;
/// let message = (vec![1, 2], "body");
/// assert_eq!((message.piece_count(), message.vec_bytes_init()), (2, 6));
/// ```
///
/// # Safety
/// Whoever implements it promises:
/// - for each index below [`piece_count`](Self::piece_count), which stays the same,
///   [`piece`](Self::piece) is what [`IoBuf::stable_ptr`] and [`IoBuf::bytes_init`] are for one
///   buffer: valid for reads and unchanged, also while the value itself is moved, until it is
///   dropped or used through `&mut`.
pub unsafe trait IoVecBuf: Send + Unpin + 'static {
    /// How many pieces there are.
    ///
    /// ```
    /// use annulus_runtime::buffer::IoVecBuf;
    /// assert_eq!((vec![0; 512], "trailer").piece_count(), 2);
    /// ```
    fn piece_count(&self) -> usize;

    /// Where the bytes of a piece are, and how many of them are initialised.
    ///
    /// # Panics
    /// Where `index` is not below the [`piece_count`](Self::piece_count).
    ///
    /// ```
    /// use annulus_runtime::buffer::{IoBuf, IoVecBuf};
    /// let message = ("head", "body of it");
    /// assert_eq!(message.piece(1), (message.1.stable_ptr(), 10));
    /// ```
    fn piece(&self, index: usize) -> (*const u8, usize);

    /// How many bytes of all pieces are initialised: what a write sends.
    ///
    /// ```
    /// use annulus_runtime::buffer::IoVecBuf;
    /// assert_eq!(["shared ", "ring"].vec_bytes_init(), 11);
    /// ```
    fn vec_bytes_init(&self) -> usize {
        (0..self.piece_count()).map(|i| self.piece(i).1).fold(0, usize::saturating_add)
    }
}

/// Several buffers that the kernel may write, in order, until the operation's completion: it begins
/// the next one when one is full.
///
/// # Safety
/// Whoever implements it promises:
/// - for each index below [`piece_count`](IoVecBuf::piece_count),
///   [`piece_mut`](Self::piece_mut) is what [`IoBufMut::stable_mut_ptr`] and
///   [`IoBufMut::bytes_total`] are for one buffer: valid for writes and used by nobody else, also
///   while the value itself is moved, until it is dropped or used otherwise. The pieces have no
///   byte in common, and asking for one leaves the pointers to the others usable.
pub unsafe trait IoVecBufMut: IoVecBuf {
    /// Where a piece is, and how many bytes may be written there.
    ///
    /// # Panics
    /// Where `index` is not below the [`piece_count`](IoVecBuf::piece_count).
    ///
    /// ```
    /// use annulus_runtime::buffer::IoVecBufMut;
    /// let mut bufs = [Vec::with_capacity(512), Vec::with_capacity(64)];
    /// assert_eq!(bufs.piece_mut(1), (bufs[1].as_mut_ptr(), 64));
    /// ```
    fn piece_mut(&mut self, index: usize) -> (*mut u8, usize);

    /// Says that the first `count` bytes of a piece are initialised.
    ///
    /// # Safety
    /// - They are, and `count` is at most what [`piece_mut`](Self::piece_mut) says.
    ///
    /// ```
    /// use annulus_runtime::buffer::IoVecBufMut;
    /// let mut bufs = [vec![], Vec::with_capacity(64)];
    /// let (start, _) = bufs.piece_mut(1);
    /// // SAFETY: the piece has room for that.
    /// unsafe { start.write(7) };
    /// // SAFETY: it was written.
    /// unsafe { bufs.set_piece_init(1, 1) };
    /// assert_eq!(bufs, [vec![], vec![7]]);
    /// ```
    unsafe fn set_piece_init(&mut self, index: usize, count: usize);

    /// Says that the first `count` bytes of all are initialised: pieces before the one where they
    /// end are full. Never makes an initialised part shorter.
    ///
    /// # Safety
    /// - They are, and there are so many.
    ///
    /// ```
    /// use annulus_runtime::buffer::{Iovecs, IoVecBufMut};
    /// let mut bufs = [Vec::with_capacity(2), Vec::with_capacity(8)];
    /// let iovecs = Iovecs::for_read(&mut bufs, 0);
    /// // The kernel's part, three bytes read:
    /// for (piece, bytes) in iovecs.as_slice().iter().zip([&b"ri"[..], b"n"]) {
    ///     // SAFETY: the pieces have room for that.
    ///     unsafe { piece.iov_base.cast::<u8>().copy_from(bytes.as_ptr(), bytes.len()) };
    /// }
    /// // SAFETY: three bytes were written from the first one on.
    /// unsafe { bufs.vec_set_init(3) };
    /// assert_eq!(bufs, [b"ri".to_vec(), b"n".to_vec()]);
    /// ```
    unsafe fn vec_set_init(&mut self, count: usize) {
        let mut left = count;
        for index in 0..self.piece_count() {
            if left == 0 {
                return;
            }
            let here = left.min(self.piece_mut(index).1);
            // SAFETY: the caller's promise, of the part that is in this piece.
            unsafe { self.set_piece_init(index, here) };
            left -= here;
        }
        debug_assert_eq!(left, 0, "more bytes than there is room for");
    }
}

/// What all collections of one type of buffer have in common.
macro_rules! collections {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        // SAFETY: each piece keeps the promise of its buffer. Moving the collection moves the
        // buffers at most, and their bytes stay; changing their number needs `&mut`.
        unsafe impl<B: IoBuf, $($generics)*> IoVecBuf for $type {
            fn piece_count(&self) -> usize {
                self.len()
            }

            fn piece(&self, index: usize) -> (*const u8, usize) {
                (self[index].stable_ptr(), self[index].bytes_init())
            }
        }

        // SAFETY: as above; each buffer's bytes are its own, so no two pieces have one in common,
        // and going to one buffer uses the bytes of no other.
        unsafe impl<B: IoBufMut, $($generics)*> IoVecBufMut for $type {
            fn piece_mut(&mut self, index: usize) -> (*mut u8, usize) {
                let total = self[index].bytes_total();
                (self[index].stable_mut_ptr(), total)
            }

            unsafe fn set_piece_init(&mut self, index: usize, count: usize) {
                // SAFETY: the caller's promise.
                unsafe { self[index].set_init(count) };
            }
        }
    )*};
}

collections! {
    [] Vec<B>;
    [] Box<[B]>;
    [const N: usize] [B; N];
}

/// Tuples: each place of a type of its own.
macro_rules! tuples {
    ($($count:literal: $($name:ident $index:tt),*;)*) => {$(
        // SAFETY: each piece keeps the promise of its buffer. Moving the tuple moves the buffers,
        // and their bytes stay.
        unsafe impl<$($name: IoBuf),*> IoVecBuf for ($($name,)*) {
            fn piece_count(&self) -> usize {
                $count
            }

            fn piece(&self, index: usize) -> (*const u8, usize) {
                match index {
                    $($index => (self.$index.stable_ptr(), self.$index.bytes_init()),)*
                    _ => panic!("piece {index} of {}", $count),
                }
            }
        }

        // SAFETY: as above; each buffer's bytes are its own, so no two pieces have one in common,
        // and going to one buffer uses the bytes of no other.
        unsafe impl<$($name: IoBufMut),*> IoVecBufMut for ($($name,)*) {
            fn piece_mut(&mut self, index: usize) -> (*mut u8, usize) {
                match index {
                    $($index => {
                        let total = self.$index.bytes_total();
                        (self.$index.stable_mut_ptr(), total)
                    })*
                    _ => panic!("piece {index} of {}", $count),
                }
            }

            unsafe fn set_piece_init(&mut self, index: usize, count: usize) {
                match index {
                    // SAFETY: the caller's promise.
                    $($index => unsafe { self.$index.set_init(count) },)*
                    _ => panic!("piece {index} of {}", $count),
                }
            }
        }
    )*};
}

tuples! {
    1: A 0;
    2: A 0, B 1;
    3: A 0, B 1, C 2;
    4: A 0, B 1, C 2, D 3;
}
