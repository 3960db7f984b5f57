//! [`Description`]: what a descriptor is, for who must choose a way to use it.

use std::os::fd::{BorrowedFd, RawFd};

use rustix::fs::{FileType, OFlags};

use crate::errno::Errno;

/// What kind of file a descriptor is.
///
/// ```
/// use annulus_ring::{Fd, FdKind};
/// let fd: Fd = std::fs::File::open("Cargo.toml")?.into();
/// assert_eq!(fd.describe()?.kind, FdKind::Regular);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FdKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A block device.
    Block,
    /// A character device.
    Character,
    /// A pipe or FIFO.
    Pipe,
    /// A socket.
    Socket,
    /// Something else: an eventfd, a timer, a symbolic link opened as such.
    Other,
}

/// What is known of a descriptor. The flags are as they were when it was asked.
///
/// ```
/// use annulus_ring::Fd;
/// let fd: Fd = std::fs::File::open("Cargo.toml")?.into();
/// let what = fd.describe()?;
/// assert!(!what.is_direct && !what.is_synchronous && !what.is_nonblocking);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// What kind of file it is.
    pub kind: FdKind,
    /// Whether it goes past the page cache (`O_DIRECT`).
    pub is_direct: bool,
    /// Whether each write waits for the device (`O_SYNC`, `O_DSYNC`).
    pub is_synchronous: bool,
    /// Whether it never waits (`O_NONBLOCK`).
    pub is_nonblocking: bool,
}

/// Asks the process's kernel: `fstat(2)` and `fcntl(2)`.
pub(crate) fn describe(raw: RawFd) -> Result<Description, Errno> {
    let failed = |error: rustix::io::Errno| Errno::from_raw(error.raw_os_error());
    // SAFETY: it is borrowed for this call only; one that is not open is an error, and no harm.
    let fd = unsafe { BorrowedFd::borrow_raw(raw) };
    let stat = rustix::fs::fstat(fd).map_err(failed)?;
    let flags = rustix::fs::fcntl_getfl(fd).map_err(failed)?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FdKind::Regular,
        FileType::Directory => FdKind::Directory,
        FileType::BlockDevice => FdKind::Block,
        FileType::CharacterDevice => FdKind::Character,
        FileType::Fifo => FdKind::Pipe,
        FileType::Socket => FdKind::Socket,
        _ => FdKind::Other,
    };
    Ok(Description {
        kind,
        is_direct: flags.contains(OFlags::DIRECT),
        is_synchronous: flags.intersects(OFlags::SYNC | OFlags::DSYNC),
        is_nonblocking: flags.contains(OFlags::NONBLOCK),
    })
}
