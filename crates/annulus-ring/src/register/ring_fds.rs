//! The thread's table of rings: an enter by index looks no descriptor up.

use std::os::fd::RawFd;

use super::Register;
use crate::abi::{RegisterOp, RsrcUpdate};
use crate::error::{Error, Result};
use crate::kernel::Kernel;

/// The place of a ring in this thread's table.
///
/// ```
/// assert_eq!(annulus_ring::register::RingIndex(3).0, 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct RingIndex(pub u32);

/// # Ring descriptors
///
/// A table of 16 rings per *thread*: an index means nothing on another thread, and ends with its
/// own. A [`LocalRing`](crate::LocalRing) does this for itself, and gives its index back.
impl<K: Kernel> Register<'_, K> {
    /// Gives the ring with this descriptor an index in this thread's table: `at` that place, or at
    /// any. `IORING_REGISTER_RING_FDS`, Linux 5.18.
    ///
    /// It may be any ring's descriptor, not only this one's.
    ///
    /// # Errors
    /// - `EBUSY`: the table is full, or the place taken.
    /// - `EBADF`, `EOPNOTSUPP`: the descriptor is not open, or not a ring's.
    /// - `EINVAL`: a place beyond the 16th.
    ///
    /// See `io_uring_register_ring_fd(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_ring_fd.3.html>.
    ///
    /// ```
    /// use annulus_ring::{Ring, register::RingIndex};
    /// let ring = Ring::new(8)?;
    /// let index = ring.register().ring_fd(ring.raw_fd(), Some(RingIndex(9)))?;
    /// assert_eq!(index, RingIndex(9));
    /// // SAFETY: the index was given above, and is not used.
    /// unsafe { ring.register().unregister_ring_fd(index)? };
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_ring_fd")]
    #[doc(alias = "IORING_REGISTER_RING_FDS")]
    pub fn ring_fd(&self, descriptor: RawFd, at: Option<RingIndex>) -> Result<RingIndex> {
        let offset = at.map_or(u32::MAX, |index| index.0);
        let mut update = RsrcUpdate { offset, resv: 0, data: u64::from(descriptor as u32) };
        let op = RegisterOp::RING_FDS;
        // SAFETY: one `io_uring_rsrc_update` that holds a descriptor, not an address.
        match unsafe { self.with(op, &mut update, 1) }? {
            0 => Err(Error::usage("the kernel registered no ring, and gave no reason")),
            _ => Ok(RingIndex(update.offset)),
        }
    }

    /// Takes an index back. `IORING_UNREGISTER_RING_FDS`, Linux 5.18.
    ///
    /// An index that is not in use is no error.
    ///
    /// # Safety
    /// - [`ring_fd`](Self::ring_fd) gave the index on this thread, and nothing goes by it any more.
    ///   A local ring that lost its own would take the next ring with that index for itself: what
    ///   it registers and unregisters would be the other's, whose kernel would go on using memory
    ///   that was thought free.
    ///
    /// # Errors
    /// `EINVAL`: a place beyond the 16th, or this thread has no table.
    ///
    /// See `io_uring_unregister_ring_fd(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_unregister_ring_fd.3.html>.
    ///
    /// ```
    /// use annulus_ring::Ring;
    /// let ring = Ring::new(8)?;
    /// let index = ring.register().ring_fd(ring.raw_fd(), None)?;
    /// // SAFETY: the index was given above, and is not used.
    /// unsafe { ring.register().unregister_ring_fd(index)? };
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    ///
    /// Safe code cannot take a local ring's own:
    ///
    /// ```compile_fail,E0133
    /// use annulus_ring::{LocalRing, register::RingIndex};
    /// let _ = LocalRing::new(8)?.register().unregister_ring_fd(RingIndex(0));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_unregister_ring_fd")]
    #[doc(alias = "IORING_UNREGISTER_RING_FDS")]
    pub unsafe fn unregister_ring_fd(&self, index: RingIndex) -> Result<()> {
        let mut update = RsrcUpdate { offset: index.0, resv: 0, data: 0 };
        // SAFETY: one `io_uring_rsrc_update` without an address.
        unsafe { self.with(RegisterOp::UNREGISTER_RING_FDS, &mut update, 1) }.map(drop)
    }
}
