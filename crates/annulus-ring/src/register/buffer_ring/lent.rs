//! What is lent of a ring of buffers: one part of one buffer, or those of a bundle.

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use super::BufferRing;
use crate::kernel::Kernel;
use crate::linux::Linux;

/// The buffers of one completion, slot by slot.
pub(super) struct Bundle<'b, 'r, K: Kernel> {
    pub(super) buffers: &'b BufferRing<'r, K>,
    pub(super) slot: u16,
    pub(super) left_bytes: u32,
    /// The last of them is used in part, and stays in the ring.
    pub(super) ends_inside: bool,
}

impl<'b, 'r, K: Kernel> Bundle<'b, 'r, K> {
    pub(super) fn next(&mut self) -> Option<Buffer<'b, 'r, K>> {
        if self.left_bytes == 0 {
            return None;
        }
        let (id, room) = {
            let inner = self.buffers.inner.borrow();
            let id = inner.by_slot[usize::from(self.slot)];
            let state = inner.states.get(usize::from(id))?;
            (id, self.buffers.buffer_bytes.wrapping_sub(state.used_bytes))
        };
        let bytes = room.min(self.left_bytes);
        self.left_bytes -= bytes;
        let entries = self.buffers.inner.borrow().ring.entries();
        self.slot = self.slot.wrapping_add(1) & entries.wrapping_sub(1);
        self.buffers.lend(id, bytes, self.left_bytes == 0 && self.ends_inside)
    }
}

impl<K: Kernel> Drop for Bundle<'_, '_, K> {
    fn drop(&mut self) {
        // Those that nobody looked at go back too.
        while self.next().is_some() {}
    }
}

/// What one completion put into one buffer. When it is dropped, the buffer goes back into the ring
/// (if the kernel has done with it, and no other part of it is out).
///
/// ```
/// use annulus_ring::{LocalRing, abi::BufGroup, op, register::BufferRing};
/// let (reader, mut writer) = std::io::pipe()?;
/// let mut ring = LocalRing::new(8)?;
/// let (sq, cq, submitter) = ring.parts();
/// let buffers = BufferRing::new(submitter.register(), BufGroup(0), 1, 64)?;
/// std::io::Write::write_all(&mut writer, b"hello")?;
/// let read = op::Read::new(&reader, std::ptr::null_mut(), 64).build().buffer_select(BufGroup(0));
/// // SAFETY: the kernel picks a buffer of the group, which lives until the completion.
/// unsafe { sq.push(read)? };
/// submitter.submit_and_wait(sq, 1)?;
/// let cqe = cq.completions()?.next().unwrap();
/// // SAFETY: a completion of this ring, for this group, taken once.
/// let mut buffer = unsafe { buffers.take(&cqe) }.unwrap();
/// buffer.make_ascii_uppercase();
/// assert_eq!((buffer.id(), &*buffer), (0, &b"HELLO"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Buffer<'b, 'r, K: Kernel = Linux> {
    pub(super) buffers: &'b BufferRing<'r, K>,
    pub(super) id: u16,
    pub(super) start: u32,
    pub(super) bytes: u32,
}

impl<K: Kernel> Buffer<'_, '_, K> {
    /// Which buffer of the group it is in: the example above asks.
    pub fn id(&self) -> u16 {
        self.id
    }

    fn first(&self) -> NonNull<u8> {
        // SAFETY: `lend` saw that the part lies inside its buffer.
        unsafe { self.buffers.buffer(self.id).add(self.start as usize) }
    }
}

impl<K: Kernel> Deref for Buffer<'_, '_, K> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the kernel wrote this part (or it is still zero from the mapping), and writes to
        // it no more until the buffer is back in the ring, which needs this dropped (`take`).
        unsafe { core::slice::from_raw_parts(self.first().as_ptr(), self.bytes as usize) }
    }
}

impl<K: Kernel> DerefMut for Buffer<'_, '_, K> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; no other `Buffer` has this part: each completion is taken once.
        unsafe { core::slice::from_raw_parts_mut(self.first().as_ptr(), self.bytes as usize) }
    }
}

impl<K: Kernel> AsRef<[u8]> for Buffer<'_, '_, K> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<K: Kernel> Drop for Buffer<'_, '_, K> {
    fn drop(&mut self) {
        self.buffers.give_back(self.id);
    }
}

impl<K: Kernel> fmt::Debug for Buffer<'_, '_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("id", &self.id)
            .field("start", &self.start)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
