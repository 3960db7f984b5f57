//! The file table: descriptors that entries name by slot, so that the kernel looks nothing up and
//! takes no reference per entry.

use std::os::fd::RawFd;

use super::{Register, check_tags, count_of};
use crate::abi::{
    FileIndexRange, FilesUpdate, FixedFd, RegisterOp, RsrcRegister, RsrcRegisterFlags, RsrcUpdate2,
};
use crate::error::Result;
use crate::kernel::Kernel;

/// In place of a descriptor: the slot is empty, or becomes so.
///
/// ```
/// assert_eq!(annulus_ring::register::EMPTY_SLOT, -1);
/// ```
pub const EMPTY_SLOT: RawFd = -1;

/// # Files
///
/// A registered file stays open in the table after its descriptor is closed, until its slot is
/// changed or the table is unregistered; operations that use it then keep it until they end. The
/// kernel copies the list, so nothing has to outlive the call.
impl<K: Kernel> Register<'_, K> {
    /// Makes the file table of these descriptors: slot 0 is the first ([`EMPTY_SLOT`] for none).
    /// `IORING_REGISTER_FILES`, Linux 5.1.
    ///
    /// # Errors
    /// - `EBUSY`: the ring has a table: unregister it first.
    /// - `EBADF`: a descriptor is not open, or is a ring's. There is no table then.
    /// - `EMFILE`: more slots than `RLIMIT_NOFILE` (or 2^20): raise it.
    /// - `EINVAL`: an empty list.
    /// - [those of every registration](super#errors-of-every-registration).
    ///
    /// See `io_uring_register_files(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_files.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::FixedFd, op};
    /// use std::{fs::File, os::fd::AsRawFd};
    /// let mut ring = LocalRing::new(8)?;
    /// let file = File::open("/dev/zero")?;
    /// ring.register().files(&[file.as_raw_fd()])?;
    /// drop(file); // the table keeps it open
    /// let mut buf = [1u8; 4];
    /// // SAFETY: the buffer lives until the completion, which is waited for.
    /// unsafe { ring.push(op::Read::new(FixedFd(0), buf.as_mut_ptr(), 4))? };
    /// ring.submit_and_wait(1)?;
    /// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(4));
    /// assert_eq!(buf, [0; 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "io_uring_register_files")]
    #[doc(alias = "IORING_REGISTER_FILES")]
    pub fn files(&self, descriptors: &[RawFd]) -> Result<()> {
        // SAFETY: the kernel reads the list of descriptors, and checks each.
        unsafe { self.list(RegisterOp::FILES, descriptors) }.map(drop)
    }

    /// Makes a file table of `count` empty slots. `IORING_REGISTER_FILES2` with
    /// `IORING_RSRC_REGISTER_SPARSE`, Linux 5.19.
    ///
    /// # Errors
    /// - `EBUSY`: the ring has a table.
    /// - `EMFILE`: more than `RLIMIT_NOFILE` (or 2^20): raise it.
    /// - `EINVAL`: a count of 0.
    ///
    /// See `io_uring_register_files_sparse(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_files_sparse.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::FixedFd};
    /// let ring = LocalRing::new(8)?;
    /// ring.register().files_sparse(16)?;
    /// assert_eq!(ring.register().update_files(FixedFd(3), &[0])?, 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_files_sparse")]
    #[doc(alias = "IORING_RSRC_REGISTER_SPARSE")]
    pub fn files_sparse(&self, count: u32) -> Result<()> {
        let mut table =
            RsrcRegister { nr: count, flags: RsrcRegisterFlags::SPARSE, ..Default::default() };
        let bytes = size_of::<RsrcRegister>() as u32;
        // SAFETY: one `io_uring_rsrc_register`, counted by its length; no address is in it.
        unsafe { self.with(RegisterOp::FILES2, &mut table, bytes) }.map(drop)
    }

    /// As [`files`](Self::files), each with a tag: when nothing uses the file any more after its
    /// slot was changed, a completion comes with the tag as `user_data` and 0 as result. A tag of 0
    /// asks for none. `IORING_REGISTER_FILES2`, Linux 5.13.
    ///
    /// # Errors
    /// As [`files`](Self::files); `EINVAL` if there are not as many tags as files, or for a tag
    /// without a file.
    ///
    /// See `io_uring_register_files_tags(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_files_tags.3.html>.
    ///
    /// ```
    /// use annulus_ring::LocalRing;
    /// let mut ring = LocalRing::new(8)?;
    /// ring.register().files_tagged(&[0], &[77])?;
    /// ring.register().unregister_files()?;
    /// ring.submit_and_wait(1)?;
    /// assert_eq!(ring.completions()?.next().unwrap().user_data, 77);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_files_tags")]
    #[doc(alias = "IORING_REGISTER_FILES2")]
    pub fn files_tagged(&self, descriptors: &[RawFd], tags: &[u64]) -> Result<()> {
        check_tags(descriptors, tags)?;
        let mut table = RsrcRegister {
            nr: count_of(descriptors)?,
            data: descriptors.as_ptr() as u64,
            tags: tags.as_ptr() as u64,
            ..Default::default()
        };
        let bytes = size_of::<RsrcRegister>() as u32;
        // SAFETY: one `io_uring_rsrc_register`, counted by its length; both lists are `nr` long.
        unsafe { self.with(RegisterOp::FILES2, &mut table, bytes) }.map(drop)
    }

    /// Changes slots from `first` on: a descriptor, [`EMPTY_SLOT`] to clear a slot,
    /// [`REGISTER_FILES_SKIP`](crate::abi::REGISTER_FILES_SKIP) to leave one. Returns how many were
    /// dealt with. `IORING_REGISTER_FILES_UPDATE`, Linux 5.5 (skip: 5.12).
    ///
    /// # Errors
    /// - `ENXIO`: the ring has no table.
    /// - `EINVAL`: slots beyond its end, or an empty list.
    /// - `EBADF`: the first descriptor is not open, or is a ring's. If a later one is not, the
    ///   count of those before it is the answer: fewer than asked for means this error.
    ///
    /// See `io_uring_register_files_update(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_files_update.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::FixedFd, register::EMPTY_SLOT};
    /// let ring = LocalRing::new(8)?;
    /// ring.register().files(&[0, 0, 0])?;
    /// assert_eq!(ring.register().update_files(FixedFd(1), &[EMPTY_SLOT, 0])?, 2);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_files_update")]
    #[doc(alias = "IORING_REGISTER_FILES_UPDATE")]
    pub fn update_files(&self, first: FixedFd, descriptors: &[RawFd]) -> Result<u32> {
        let mut update = FilesUpdate { offset: first.0, resv: 0, fds: descriptors.as_ptr() as u64 };
        let count = count_of(descriptors)?;
        // SAFETY: one `io_uring_files_update` whose list is `count` long; the kernel reads it.
        unsafe { self.with(RegisterOp::FILES_UPDATE, &mut update, count) }
    }

    /// As [`update_files`](Self::update_files), with tags as in
    /// [`files_tagged`](Self::files_tagged); what was in a slot is released, and its own tag comes
    /// back. `IORING_REGISTER_FILES_UPDATE2`, Linux 5.13.
    ///
    /// # Errors
    /// As [`update_files`](Self::update_files); `EINVAL` for a tag on a slot that is cleared.
    ///
    /// See `io_uring_register_files_update_tag(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_files_update_tag.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::FixedFd};
    /// let mut ring = LocalRing::new(8)?;
    /// ring.register().files_tagged(&[0], &[1])?;
    /// assert_eq!(ring.register().update_files_tagged(FixedFd(0), &[0], &[2])?, 1);
    /// ring.submit_and_wait(1)?;
    /// assert_eq!(ring.completions()?.next().unwrap().user_data, 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_files_update_tag")]
    #[doc(alias = "IORING_REGISTER_FILES_UPDATE2")]
    pub fn update_files_tagged(
        &self,
        first: FixedFd,
        descriptors: &[RawFd],
        tags: &[u64],
    ) -> Result<u32> {
        check_tags(descriptors, tags)?;
        let mut update = RsrcUpdate2 {
            offset: first.0,
            data: descriptors.as_ptr() as u64,
            tags: tags.as_ptr() as u64,
            nr: count_of(descriptors)?,
            ..Default::default()
        };
        let bytes = size_of::<RsrcUpdate2>() as u32;
        // SAFETY: one `io_uring_rsrc_update2`, counted by its length; both lists are `nr` long.
        unsafe { self.with(RegisterOp::FILES_UPDATE2, &mut update, bytes) }
    }

    /// Which slots the kernel may pick where an operation asks for any free one
    /// ([`FILE_INDEX_ALLOC`](crate::abi::FILE_INDEX_ALLOC)): `count` from `first` on. The others
    /// are the program's own. `IORING_REGISTER_FILE_ALLOC_RANGE`, Linux 6.0.
    ///
    /// # Errors
    /// - `EINVAL`: the range is not inside the table (or there is none).
    /// - `EOVERFLOW`: its end is beyond 2^32.
    ///
    /// See `io_uring_register_file_alloc_range(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_file_alloc_range.3.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::FixedFd};
    /// let ring = LocalRing::new(8)?;
    /// ring.register().files_sparse(16)?;
    /// ring.register().file_alloc_range(FixedFd(8), 8)?;
    /// assert!(ring.register().file_alloc_range(FixedFd(8), 9).is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_register_file_alloc_range")]
    #[doc(alias = "IORING_REGISTER_FILE_ALLOC_RANGE")]
    pub fn file_alloc_range(&self, first: FixedFd, count: u32) -> Result<()> {
        let mut range = FileIndexRange { off: first.0, len: count, resv: 0 };
        // The kernel demands a count of 0 with this one.
        // SAFETY: one `io_uring_file_index_range`, read during the call.
        unsafe { self.with(RegisterOp::FILE_ALLOC_RANGE, &mut range, 0) }.map(drop)
    }

    /// Gives up the file table. Operations that use its files go on and keep them open until they
    /// end. `IORING_UNREGISTER_FILES`, Linux 5.1.
    ///
    /// Up to Linux 6.12 it waits for those operations, for ever if it is this thread that would
    /// make them end; and no tags come back.
    ///
    /// # Errors
    /// `ENXIO`: the ring has none.
    ///
    /// See `io_uring_unregister_files(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_unregister_files.3.html>.
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing};
    /// let ring = LocalRing::new(8)?;
    /// ring.register().files(&[0])?;
    /// ring.register().unregister_files()?;
    /// let again = ring.register().unregister_files().unwrap_err();
    /// assert_eq!(again.errno(), Some(Errno::ENXIO));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_unregister_files")]
    #[doc(alias = "IORING_UNREGISTER_FILES")]
    pub fn unregister_files(&self) -> Result<()> {
        self.bare(RegisterOp::UNREGISTER_FILES).map(drop)
    }
}
