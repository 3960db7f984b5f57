//! The ring's file table, changed by operations rather than by registration.

use super::{address, bare_entry, entry, operation};
use crate::abi::{FILE_INDEX_ALLOC, FixedFd, InstallFdFlags, Op, Sqe};

/// Puts descriptors into the ring's file table, or takes them out (`IORING_OP_FILES_UPDATE`, Linux
/// 5.6): what `IORING_REGISTER_FILES_UPDATE` does, in order with other operations.
///
/// The table must have been registered. A descriptor of −1 empties its slot, −2
/// (`IORING_REGISTER_FILES_SKIP`, 5.12) leaves it; any other replaces what is there. The table
/// holds a reference of its own: the descriptor may be closed afterwards.
///
/// # Result
/// How many descriptors were dealt with. An error in the middle is not told: fewer than asked for
/// means that the next one is at fault.
///
/// # Errors
/// The first descriptor's; those before it count as success.
/// - `ENXIO`: the ring has no file table. `EINVAL`: slots past its end, or a count of 0.
/// - `EBADF`: not an open descriptor, or another ring's, which no table takes.
/// - `EFAULT`: the array cannot be read; with [`alloc`](Self::alloc), not written.
/// - `ENFILE`: with `alloc`, no slot is free. `EOVERFLOW`: the slots' numbers overflow.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// The array must stay until the *completion*: unlike paths, Linux reads it only when the operation
/// runs.
///
/// # Cost
/// Inline. A replaced file is closed when what used it is complete.
///
/// See `io_uring_prep_files_update(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_files_update.3.html>.
///
/// ```
/// use annulus_ring::{abi::{FixedFd, Op}, op};
/// let fds = [0, -1];
/// let sqe = op::FilesUpdate::new(FixedFd(4), fds.as_ptr(), 2).build();
/// assert_eq!((sqe.opcode, sqe.off, sqe.len), (Op::FILES_UPDATE, 4, 2));
/// ```
#[doc(alias = "IORING_OP_FILES_UPDATE")]
#[doc(alias = "io_uring_prep_files_update")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct FilesUpdate {
    sqe: Sqe,
}

impl FilesUpdate {
    /// Puts the `count` descriptors at `fds` into the slots from `first` on.
    ///
    /// ```
    /// use annulus_ring::{abi::FixedFd, op::FilesUpdate};
    /// let fds = [0];
    /// let sqe = FilesUpdate::new(FixedFd(4), fds.as_ptr(), 1).build();
    /// assert_eq!((sqe.addr, sqe.fd), (fds.as_ptr() as u64, -1));
    /// ```
    #[inline]
    pub fn new(first: FixedFd, fds: *const i32, count: u32) -> Self {
        let (off, addr) = (first.0 as u64, address(fds));
        Self { sqe: Sqe { off, addr, len: count, ..bare_entry(Op::FILES_UPDATE) } }
    }

    /// Puts the `count` descriptors at `fds` into free slots, and writes there which
    /// (`IORING_FILE_INDEX_ALLOC`, Linux 5.19).
    ///
    /// If it comes short, the slots that it had taken are still taken.
    ///
    /// ```
    /// use annulus_ring::{abi::FILE_INDEX_ALLOC, op::FilesUpdate};
    /// let mut fds = [0, 1];
    /// let sqe = FilesUpdate::alloc(fds.as_mut_ptr(), 2).build();
    /// assert_eq!(sqe.off as u32, FILE_INDEX_ALLOC);
    /// ```
    #[doc(alias = "IORING_FILE_INDEX_ALLOC")]
    #[inline]
    pub fn alloc(fds: *mut i32, count: u32) -> Self {
        Self::new(FixedFd(FILE_INDEX_ALLOC), fds, count)
    }
}

/// Gives a slot of the ring's file table a descriptor of the process (`IORING_OP_FIXED_FD_INSTALL`,
/// Linux 6.8). The slot stays as it is.
///
/// # Result
/// The descriptor: the caller's to close. It is closed on `execve(2)` unless
/// [`NO_CLOEXEC`](InstallFdFlags::NO_CLOEXEC) is set.
///
/// # Errors
/// - `EBADF`: an empty slot, or past the table's end.
/// - `EMFILE`: the process has no descriptor left (`RLIMIT_NOFILE`).
/// - `EPERM`: with a [personality](Sqe::personality): descriptors are made with the task's own
///   rights.
/// - `EINVAL`: unknown flags. `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// None.
///
/// # Cost
/// Inline.
///
/// See `io_uring_prep_fixed_fd_install(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_fixed_fd_install.3.html>.
///
/// ```
/// use annulus_ring::{abi::{FixedFd, Op, SqeFlags}, op};
/// let sqe = op::FixedFdInstall::new(FixedFd(4)).build();
/// assert_eq!((sqe.opcode, sqe.fd, sqe.flags), (Op::FIXED_FD_INSTALL, 4, SqeFlags::FIXED_FILE));
/// ```
#[doc(alias = "IORING_OP_FIXED_FD_INSTALL")]
#[doc(alias = "io_uring_prep_fixed_fd_install")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct FixedFdInstall {
    sqe: Sqe,
}

impl FixedFdInstall {
    /// Gives `slot` a descriptor.
    ///
    /// ```
    /// use annulus_ring::{abi::FixedFd, op::FixedFdInstall};
    /// assert_eq!(FixedFdInstall::new(FixedFd(4)).build().fd, 4);
    /// ```
    #[inline]
    pub fn new(slot: FixedFd) -> Self {
        Self { sqe: entry(Op::FIXED_FD_INSTALL, slot.into()) }
    }

    /// How the descriptor is made (`install_fd_flags`).
    ///
    /// ```
    /// use annulus_ring::{abi::{FixedFd, InstallFdFlags}, op::FixedFdInstall};
    /// let op = FixedFdInstall::new(FixedFd(4)).flags(InstallFdFlags::NO_CLOEXEC);
    /// assert_eq!(op.build().rw_flags, 1);
    /// ```
    #[doc(alias = "install_fd_flags")]
    #[inline]
    pub const fn flags(mut self, flags: InstallFdFlags) -> Self {
        self.sqe.rw_flags = flags.0;
        self
    }
}

operation!(FilesUpdate, FixedFdInstall);
