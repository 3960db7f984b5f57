//! [`Target`]: the file that an operation is about, open in the process or in the ring's table.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::abi::{FixedFd, SqeFlags};

/// The file that an operation is about: a descriptor of the process, or a slot of the ring's own
/// file table.
///
/// Every builder takes `impl Into<Target>`: a [`RawFd`], a [`BorrowedFd`], a reference to an
/// [`OwnedFd`], a [`File`](std::fs::File), a socket or a pipe, or a [`FixedFd`]. It holds the
/// number alone: the descriptor must stay open until the entry has been submitted (Linux takes its
/// own reference then).
///
/// ```
/// use annulus_ring::{abi::{FixedFd, SqeFlags}, op::Target};
/// let file = std::fs::File::open("/dev/null")?;
/// assert_eq!(Target::from(&file).flags(), SqeFlags::empty());
/// assert_eq!(Target::from(FixedFd(3)).flags(), SqeFlags::FIXED_FILE);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    fd: i32,
    flags: SqeFlags,
}

impl Target {
    /// The number that goes into `sqe->fd`.
    ///
    /// ```
    /// use annulus_ring::{abi::FixedFd, op::Target};
    /// assert_eq!(Target::from(FixedFd(3)).fd(), 3);
    /// ```
    #[inline]
    pub const fn fd(self) -> i32 {
        self.fd
    }

    /// `IOSQE_FIXED_FILE` for a slot of the table, else nothing.
    ///
    /// ```
    /// use annulus_ring::{abi::SqeFlags, op::Target};
    /// assert_eq!(Target::from(0).flags(), SqeFlags::empty());
    /// ```
    #[inline]
    pub const fn flags(self) -> SqeFlags {
        self.flags
    }
}

impl From<RawFd> for Target {
    #[inline]
    fn from(fd: RawFd) -> Self {
        Self { fd, flags: SqeFlags::empty() }
    }
}

impl From<FixedFd> for Target {
    #[inline]
    fn from(slot: FixedFd) -> Self {
        // A slot beyond i32::MAX is refused by the kernel like any that does not exist: EBADF.
        Self { fd: slot.0 as i32, flags: SqeFlags::FIXED_FILE }
    }
}

impl From<BorrowedFd<'_>> for Target {
    #[inline]
    fn from(fd: BorrowedFd<'_>) -> Self {
        fd.as_raw_fd().into()
    }
}

macro_rules! from_owner {
    ($($Owner:ty),* $(,)?) => {$(
        impl From<&$Owner> for Target {
            #[inline]
            fn from(owner: &$Owner) -> Self {
                owner.as_raw_fd().into()
            }
        }
    )*};
}

from_owner!(
    OwnedFd,
    std::fs::File,
    std::net::TcpListener,
    std::net::TcpStream,
    std::net::UdpSocket,
    std::os::unix::net::UnixDatagram,
    std::os::unix::net::UnixListener,
    std::os::unix::net::UnixStream,
    std::io::PipeReader,
    std::io::PipeWriter,
    std::io::Stdin,
    std::io::Stdout,
    std::io::Stderr,
);
