//! The buffer table: memory that the kernel pins once, so that entries that name it by index need
//! not be looked up page by page.
//!
//! # Who promises what
//! Registering pins the pages and writes nothing: the kernel reaches the memory only through
//! entries, and pushing those is unsafe. Two promises meet there.
//! - *Who registers* promises that the memory stays: allocated, at its address, the same pages. An
//!   index outlives every borrow, so no lifetime can say this, and the functions are unsafe.
//! - *Who pushes* an entry promises what is true of every buffer: that nobody else uses the part
//!   that the entry names while the kernel writes to it (or writes to it while the kernel reads).
//!
//! Memory that is unmapped all the same keeps its pages until the last operation with them ended:
//! the kernel then writes to pages that nobody sees. Memory given back to an *allocator* keeps its
//! pages too, and they are the next owner's: that is the error to avoid. So register mappings, or
//! allocations that live as long as the ring.

use std::os::fd::RawFd;

use super::{Register, RingIndex, check_tags, count_of};
use crate::abi::{
    BufIndex, CloneBuffers, CloneBuffersFlags, Iovec, RegisterOp, RsrcRegister, RsrcRegisterFlags,
    RsrcUpdate2,
};
use crate::error::Result;
use crate::kernel::Kernel;

/// Which buffers of another ring are taken: for [`Register::clone_buffers`].
///
/// ```
/// use annulus_ring::{LocalRing, abi::BufIndex, register::CloneFrom};
/// let (first, second) = (LocalRing::new(8)?, LocalRing::new(8)?);
/// first.register().buffers_sparse(4)?;
/// let part = CloneFrom::ring(first.raw_fd()).source(BufIndex(1)).count(2);
/// // SAFETY: the slots are empty: no memory is shared.
/// let cloned = unsafe { second.register().clone_buffers(part) };
/// # if cloned.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.13
/// assert!(cloned.is_ok());
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[doc(alias = "io_uring_clone_buffers")]
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct CloneFrom(CloneBuffers);

impl CloneFrom {
    /// All buffers of the ring with this descriptor ([`raw_fd`](crate::LocalRing::raw_fd)).
    ///
    /// ```
    /// let all = annulus_ring::register::CloneFrom::ring(3);
    /// assert!(format!("{all:?}").contains("src_fd: 3"));
    /// ```
    pub fn ring(descriptor: RawFd) -> Self {
        Self(CloneBuffers { src_fd: descriptor as u32, ..Default::default() })
    }

    /// All buffers of the ring that has this index in the thread's table.
    ///
    /// ```
    /// use annulus_ring::register::{CloneFrom, RingIndex};
    /// let all = CloneFrom::registered(RingIndex(2));
    /// assert!(format!("{all:?}").contains("SRC_REGISTERED"));
    /// ```
    #[doc(alias = "IORING_REGISTER_SRC_REGISTERED")]
    pub fn registered(index: RingIndex) -> Self {
        let flags = CloneBuffersFlags::SRC_REGISTERED;
        Self(CloneBuffers { src_fd: index.0, flags, ..Default::default() })
    }

    /// From this buffer on (Linux 6.13).
    ///
    /// ```
    /// use annulus_ring::{abi::BufIndex, register::CloneFrom};
    /// assert!(format!("{:?}", CloneFrom::ring(3).source(BufIndex(2))).contains("src_off: 2"));
    /// ```
    pub fn source(mut self, first: BufIndex) -> Self {
        self.0.src_off = u32::from(first.0);
        self
    }

    /// Into the slots from this one on (Linux 6.13).
    ///
    /// ```
    /// use annulus_ring::{abi::BufIndex, register::CloneFrom};
    /// let part = CloneFrom::ring(3).destination(BufIndex(2));
    /// assert!(format!("{part:?}").contains("dst_off: 2"));
    /// ```
    pub fn destination(mut self, first: BufIndex) -> Self {
        self.0.dst_off = u32::from(first.0);
        self
    }

    /// So many of them; 0 for all that come (Linux 6.13).
    ///
    /// ```
    /// let part = annulus_ring::register::CloneFrom::ring(3).count(5);
    /// assert!(format!("{part:?}").contains("nr: 5"));
    /// ```
    pub fn count(mut self, count: u32) -> Self {
        self.0.nr = count;
        self
    }

    /// Replaces what is in the slots, where the ring has a table already (Linux 6.13).
    ///
    /// ```
    /// let part = annulus_ring::register::CloneFrom::ring(3).replace();
    /// assert!(format!("{part:?}").contains("DST_REPLACE"));
    /// ```
    #[doc(alias = "IORING_REGISTER_DST_REPLACE")]
    pub fn replace(mut self) -> Self {
        self.0.flags |= CloneBuffersFlags::DST_REPLACE;
        self
    }
}

/// # Buffers
///
/// Registered memory is pinned and counts as locked: `RLIMIT_MEMLOCK`, unless the process has
/// `CAP_IPC_LOCK`. A slot may be empty: null and 0 bytes.
impl<K: Kernel> Register<'_, K> {
    /// Makes the buffer table of these pieces of memory. `IORING_REGISTER_BUFFERS`, Linux 5.1.
    ///
    /// # Safety
    /// - Each piece stays allocated, and at its address, until its slot is changed or the table is
    ///   unregistered, *and* every operation that uses it completed. Dropping the ring is no such
    ///   end: operations may go on after it.
    ///
    /// # Errors
    /// - `EBUSY`: the ring has a table: unregister it first.
    /// - `ENOMEM`: over `RLIMIT_MEMLOCK`: raise it, or register less.
    /// - `EFAULT`: an address that is not the process's, or null with a length.
    /// - `EOPNOTSUPP`: the memory is a mapping of a file.
    /// - `EINVAL`: more than 16,384 buffers, one of more than 1 GiB, or an empty list.
    /// - [those of every registration](super#errors-of-every-registration).
    ///
    /// See `io_uring_register_buffers(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_buffers.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::{BufIndex, Iovec}, op};
    /// let mut ring = LocalRing::new(8)?;
    /// let zero = std::fs::File::open("/dev/zero")?;
    /// let buf: &'static mut [u8] = vec![1u8; 4096].leak();
    /// let piece = Iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: 4096 };
    /// // SAFETY: the memory is never freed.
    /// unsafe { ring.register().buffers(&[piece])? };
    /// let read = op::ReadFixed::new(&zero, buf.as_mut_ptr(), 16, BufIndex(0));
    /// // SAFETY: nothing else uses the buffer until the completion, which is waited for.
    /// unsafe { ring.push(read)? };
    /// ring.submit_and_wait(1)?;
    /// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(16));
    /// assert_eq!((buf[15], buf[16]), (0, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "io_uring_register_buffers")]
    #[doc(alias = "IORING_REGISTER_BUFFERS")]
    pub unsafe fn buffers(&self, pieces: &[Iovec]) -> Result<()> {
        // SAFETY: the kernel reads the list of pieces; that they stay is the caller's promise.
        unsafe { self.list(RegisterOp::BUFFERS, pieces) }.map(drop)
    }

    /// Makes a buffer table of `count` empty slots. `IORING_REGISTER_BUFFERS2` with
    /// `IORING_RSRC_REGISTER_SPARSE`, Linux 5.19.
    ///
    /// # Errors
    /// - `EBUSY`: the ring has a table.
    /// - `EINVAL`: a count of 0 or above 16,384.
    ///
    /// See `io_uring_register_buffers_sparse(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_buffers_sparse.3.html>.
    ///
    /// ```
    /// let ring = annulus_ring::LocalRing::new(8)?;
    /// ring.register().buffers_sparse(16)?;
    /// assert!(ring.register().buffers_sparse(16).is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_buffers_sparse")]
    pub fn buffers_sparse(&self, count: u32) -> Result<()> {
        let mut table =
            RsrcRegister { nr: count, flags: RsrcRegisterFlags::SPARSE, ..Default::default() };
        let bytes = size_of::<RsrcRegister>() as u32;
        // SAFETY: one `io_uring_rsrc_register`, counted by its length; no address is in it.
        unsafe { self.with(RegisterOp::BUFFERS2, &mut table, bytes) }.map(drop)
    }

    /// As [`buffers`](Self::buffers), each with a tag: when nothing uses the buffer any more after
    /// its slot was changed, a completion comes with the tag as `user_data` and 0 as result. A tag
    /// of 0 asks for none. `IORING_REGISTER_BUFFERS2`, Linux 5.13.
    ///
    /// # Safety
    /// - As [`buffers`](Self::buffers).
    ///
    /// # Errors
    /// As [`buffers`](Self::buffers); `EINVAL` if there are not as many tags as buffers, or for a
    /// tag on an empty slot.
    ///
    /// See `io_uring_register_buffers_tags(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_buffers_tags.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::Iovec};
    /// let mut ring = LocalRing::new(8)?;
    /// let buf: &'static mut [u8] = vec![0u8; 4096].leak();
    /// let piece = Iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: 4096 };
    /// // SAFETY: the memory is never freed.
    /// unsafe { ring.register().buffers_tagged(&[piece], &[78])? };
    /// ring.register().unregister_buffers()?;
    /// ring.submit_and_wait(1)?;
    /// assert_eq!(ring.completions()?.next().unwrap().user_data, 78);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_buffers_tags")]
    #[doc(alias = "IORING_REGISTER_BUFFERS2")]
    pub unsafe fn buffers_tagged(&self, pieces: &[Iovec], tags: &[u64]) -> Result<()> {
        check_tags(pieces, tags)?;
        let mut table = RsrcRegister {
            nr: count_of(pieces)?,
            data: pieces.as_ptr() as u64,
            tags: tags.as_ptr() as u64,
            ..Default::default()
        };
        let bytes = size_of::<RsrcRegister>() as u32;
        // SAFETY: one `io_uring_rsrc_register`, counted by its length; both lists are `nr` long;
        // that the pieces stay is the caller's promise.
        unsafe { self.with(RegisterOp::BUFFERS2, &mut table, bytes) }.map(drop)
    }

    /// Changes slots from `first` on, with tags as in [`buffers_tagged`](Self::buffers_tagged)
    /// (an empty list of tags for none). Returns how many were dealt with: fewer than asked for
    /// means that the next one was refused. `IORING_REGISTER_BUFFERS_UPDATE`, Linux 5.13.
    ///
    /// What was in a slot is released when the operations that use it ended; its tag says when.
    ///
    /// # Safety
    /// - As [`buffers`](Self::buffers), for the new pieces.
    ///
    /// # Errors
    /// As [`buffers`](Self::buffers), for the first piece; and
    /// - `ENXIO`: the ring has no table.
    /// - `EINVAL`: slots beyond its end.
    ///
    /// See `io_uring_register_buffers_update_tag(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_buffers_update_tag.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::{BufIndex, Iovec}};
    /// let ring = LocalRing::new(8)?;
    /// ring.register().buffers_sparse(4)?;
    /// let buf: &'static mut [u8] = vec![0u8; 4096].leak();
    /// let piece = Iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: 4096 };
    /// // SAFETY: the memory is never freed.
    /// let changed = unsafe { ring.register().update_buffers(BufIndex(2), &[piece], &[])? };
    /// assert_eq!(changed, 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_buffers_update_tag")]
    #[doc(alias = "IORING_REGISTER_BUFFERS_UPDATE")]
    pub unsafe fn update_buffers(
        &self,
        first: BufIndex,
        pieces: &[Iovec],
        tags: &[u64],
    ) -> Result<u32> {
        if !tags.is_empty() {
            check_tags(pieces, tags)?;
        }
        let mut update = RsrcUpdate2 {
            offset: u32::from(first.0),
            data: pieces.as_ptr() as u64,
            tags: if tags.is_empty() { 0 } else { tags.as_ptr() as u64 },
            nr: count_of(pieces)?,
            ..Default::default()
        };
        let bytes = size_of::<RsrcUpdate2>() as u32;
        // SAFETY: one `io_uring_rsrc_update2`, counted by its length; both lists are `nr` long;
        // that the pieces stay is the caller's promise.
        unsafe { self.with(RegisterOp::BUFFERS_UPDATE, &mut update, bytes) }
    }

    /// Takes buffers of another ring into this one's table: no page is pinned again.
    /// `IORING_REGISTER_CLONE_BUFFERS`, Linux 6.12 (parts and replacing: 6.13).
    ///
    /// The tables are separate from then on. Tags are not taken along.
    ///
    /// # Safety
    /// - The memory stays as [`buffers`](Self::buffers) demands, for this ring too.
    ///
    /// # Errors
    /// - `EBUSY`: this ring has a table, and [`replace`](CloneFrom::replace) was not asked for.
    /// - `ENXIO`: the other ring has none.
    /// - `EBADF`, `EOPNOTSUPP`: the descriptor is not open, or not a ring's.
    /// - `EOVERFLOW`: more buffers than the other ring has from there on.
    ///
    /// See `io_uring_clone_buffers(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_clone_buffers.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, register::CloneFrom};
    /// let (first, second) = (LocalRing::new(8)?, LocalRing::new(8)?);
    /// first.register().buffers_sparse(4)?;
    /// // SAFETY: the slots are empty: no memory is shared.
    /// let cloned = unsafe { second.register().clone_buffers(CloneFrom::ring(first.raw_fd())) };
    /// # if cloned.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); } // before 6.12
    /// assert!(cloned.is_ok() && second.register().unregister_buffers().is_ok());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_clone_buffers")]
    #[doc(alias = "io_uring_clone_buffers_offset")]
    #[doc(alias = "IORING_REGISTER_CLONE_BUFFERS")]
    pub unsafe fn clone_buffers(&self, from: CloneFrom) -> Result<()> {
        let mut clone = from.0;
        // SAFETY: one `io_uring_clone_buffers`; that the memory stays is the caller's promise.
        unsafe { self.with(RegisterOp::CLONE_BUFFERS, &mut clone, 1) }.map(drop)
    }

    /// Gives up the buffer table. Operations that use its buffers go on: their memory must stay
    /// until they complete. `IORING_UNREGISTER_BUFFERS`, Linux 5.1.
    ///
    /// Up to Linux 6.12 it waits for those operations, for ever if it is this thread that would
    /// make them end; and no tags come back.
    ///
    /// # Errors
    /// `ENXIO`: the ring has none.
    ///
    /// See `io_uring_unregister_buffers(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_unregister_buffers.3.html>.
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing};
    /// let ring = LocalRing::new(8)?;
    /// ring.register().buffers_sparse(4)?;
    /// ring.register().unregister_buffers()?;
    /// let again = ring.register().unregister_buffers().unwrap_err();
    /// assert_eq!(again.errno(), Some(Errno::ENXIO));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_unregister_buffers")]
    #[doc(alias = "IORING_UNREGISTER_BUFFERS")]
    pub fn unregister_buffers(&self) -> Result<()> {
        self.bare(RegisterOp::UNREGISTER_BUFFERS).map(drop)
    }
}
