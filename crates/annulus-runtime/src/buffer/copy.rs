//! Bytes copied to and from buffers of any type, by programs without unsafe code.

use super::{IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};

/// The initialised bytes of a buffer.
///
/// ```
/// use annulus_runtime::buffer::as_bytes;
/// assert_eq!(as_bytes(&vec![1, 2]), [1, 2]);
/// assert_eq!(as_bytes(&"ring"), b"ring");
/// ```
pub fn as_bytes(buf: &impl IoBuf) -> &[u8] {
    // SAFETY: the buffer's promise (`IoBuf`): these bytes are valid for reads and unchanged until
    // it is used through `&mut`, which this borrow keeps from happening.
    unsafe { core::slice::from_raw_parts(buf.stable_ptr(), buf.bytes_init()) }
}

/// Puts `bytes` at the beginning of a buffer, as many as there is room for, as a read does: how
/// many that were.
///
/// ```
/// use annulus_runtime::buffer::copy_to;
/// let mut buf = Vec::with_capacity(16);
/// assert_eq!(copy_to(&mut buf, b"ring"), 4);
/// assert_eq!(buf, b"ring");
/// let mut two = Box::new([0; 2]);
/// assert_eq!((copy_to(&mut two, b"ring"), *two), (2, *b"ri"));
/// ```
pub fn copy_to(buf: &mut impl IoBufMut, bytes: &[u8]) -> usize {
    let count = bytes.len().min(buf.bytes_total());
    // SAFETY: so many bytes of the buffer may be written, and nobody else uses them (`IoBufMut`).
    unsafe { buf.stable_mut_ptr().copy_from_nonoverlapping(bytes.as_ptr(), count) };
    // SAFETY: they were written.
    unsafe { buf.set_init(count) };
    count
}

/// The initialised bytes of several buffers in one: at most `max` of them.
///
/// ```
/// use annulus_runtime::buffer::gather;
/// assert_eq!(gather(&("shared ", vec![b'r', b'i', b'n', b'g']), 100), b"shared ring");
/// assert_eq!(gather(&["shared ", "ring"], 9), b"shared ri");
/// ```
pub fn gather(bufs: &impl IoVecBuf, max: usize) -> Vec<u8> {
    let mut all = Vec::with_capacity(bufs.vec_bytes_init().min(max));
    for index in 0..bufs.piece_count() {
        let (start, count) = bufs.piece(index);
        // SAFETY: the buffers' promise (`IoVecBuf`): these bytes are valid for reads and unchanged
        // while they are borrowed here.
        let piece = unsafe { core::slice::from_raw_parts(start, count) };
        all.extend_from_slice(&piece[..count.min(max - all.len())]);
    }
    all
}

/// Puts `bytes` into several buffers, one after the other, as a read does: how many found room.
///
/// ```
/// use annulus_runtime::buffer::scatter;
/// let mut bufs = [vec![0; 2], Vec::with_capacity(1)];
/// assert_eq!(scatter(&mut bufs, b"ring"), 3);
/// assert_eq!(bufs, [b"ri".to_vec(), b"n".to_vec()]);
/// ```
pub fn scatter(bufs: &mut impl IoVecBufMut, bytes: &[u8]) -> usize {
    let mut done = 0;
    for index in 0..bufs.piece_count() {
        let (start, room) = bufs.piece_mut(index);
        let piece = &bytes[done..][..room.min(bytes.len() - done)];
        // SAFETY: so many bytes of the piece may be written, and nobody else uses them
        // (`IoVecBufMut`).
        unsafe { start.copy_from_nonoverlapping(piece.as_ptr(), piece.len()) };
        done += piece.len();
    }
    // SAFETY: so many were written, from the first piece on, each filled before the next.
    unsafe { bufs.vec_set_init(done) };
    done
}
