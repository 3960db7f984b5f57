//! [`At`]: the directory that a relative path begins at, for operations on names.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::abi::{AT_FDCWD, FixedFd};

/// The directory that a relative path begins at (`dfd` of the C helpers).
///
/// An absolute path ignores it. It is a descriptor of the process or [`At::CWD`], never a slot of
/// the ring's file table: Linux answers `EBADF` for those, so the type has no such form. It holds
/// the number alone: the descriptor must stay open until the *completion*, since a worker thread
/// looks it up.
///
/// ```
/// use annulus_ring::op::At;
/// let dir = std::fs::File::open("/tmp")?;
/// assert_ne!(At::from(&dir), At::CWD);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At(i32);

impl At {
    /// The working directory of the process.
    #[doc(alias = "AT_FDCWD")]
    pub const CWD: Self = Self(AT_FDCWD);

    /// The number that goes into the entry.
    ///
    /// ```
    /// assert_eq!(annulus_ring::op::At::CWD.fd(), -100);
    /// ```
    #[inline]
    pub const fn fd(self) -> i32 {
        self.0
    }
}

impl From<RawFd> for At {
    #[inline]
    fn from(fd: RawFd) -> Self {
        Self(fd)
    }
}

impl From<BorrowedFd<'_>> for At {
    #[inline]
    fn from(fd: BorrowedFd<'_>) -> Self {
        Self(fd.as_raw_fd())
    }
}

impl From<&OwnedFd> for At {
    #[inline]
    fn from(fd: &OwnedFd) -> Self {
        Self(fd.as_raw_fd())
    }
}

impl From<&std::fs::File> for At {
    #[inline]
    fn from(dir: &std::fs::File) -> Self {
        Self(dir.as_raw_fd())
    }
}

/// How `sqe->file_index` names a slot: one more than the slot, since 0 means "no slot".
///
/// The two last slots of a `u32` have no such name (one would mean "none", the other
/// `IORING_FILE_INDEX_ALLOC`): they are turned into the one before, which no table reaches (a table
/// holds at most `RLIMIT_NOFILE` slots), so that Linux refuses them instead of taking another
/// meaning.
#[inline]
pub(super) const fn file_index(slot: FixedFd) -> i32 {
    let last_with_name = u32::MAX - 2;
    let slot = if slot.0 > last_with_name { last_with_name } else { slot.0 };
    (slot + 1) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::FILE_INDEX_ALLOC;

    #[test]
    fn a_slot_never_turns_into_another_meaning() {
        assert_eq!(file_index(FixedFd(0)), 1);
        assert_eq!(file_index(FixedFd(41)), 42);
        for slot in [u32::MAX, u32::MAX - 1, u32::MAX - 2] {
            let index = file_index(FixedFd(slot)) as u32;
            assert!(index != 0 && index != FILE_INDEX_ALLOC);
        }
    }
}
