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
    /// Whether its attributes are this kernel's own, and so in memory: not a server's or another
    /// process's, as those of a file on NFS or FUSE are. `false` for file systems not known here.
    pub is_local: bool,
}

/// File systems whose attributes are in this kernel's memory, by the numbers of
/// `linux/magic.h` and of each one's own sources. A layered one (overlayfs) counts as one too: what
/// lies below is local almost always, and if not, its attributes may be a moment old.
const LOCAL: &[u32] = &[
    0x0000_ef53, // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // btrfs
    0x0102_1994, // tmpfs, devtmpfs, memfd
    0x8584_58f6, // ramfs
    0x9584_58f6, // hugetlbfs
    0xf2f5_2010, // F2FS
    0x794c_7630, // overlayfs
    0xca45_1a4e, // bcachefs
    0x2fc1_2fc1, // ZFS
    0x7371_7368, // squashfs
    0xe0f5_e1e2, // EROFS
    0x0000_9660, // ISO 9660
    0x1501_3346, // UDF
    0x0000_4d44, // FAT
    0x2011_bab0, // exFAT
    0x7366_746e, // NTFS3
    0x0000_9fa0, // procfs
    0x6265_6572, // sysfs
    0x0904_1934, // what has no file: eventfd, timerfd, epoll
];

/// Asks the process's kernel: `fstat(2)`, `fcntl(2)` and, of what has attributes on a file system,
/// `fstatfs(2)`.
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
    let is_local = match kind {
        FdKind::Regular | FdKind::Directory | FdKind::Other => {
            // The type's width is the architecture's, the numbers have 32 bits.
            rustix::fs::fstatfs(fd).is_ok_and(|answer| LOCAL.contains(&(answer.f_type as u32)))
        }
        FdKind::Block | FdKind::Character | FdKind::Pipe | FdKind::Socket => true,
    };
    Ok(Description {
        kind,
        is_local,
        is_direct: flags.contains(OFlags::DIRECT),
        is_synchronous: flags.intersects(OFlags::SYNC | OFlags::DSYNC),
        is_nonblocking: flags.contains(OFlags::NONBLOCK),
    })
}
