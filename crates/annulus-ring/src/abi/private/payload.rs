//! What the private operations point to, and the numbers they take.

use crate::abi::newtypes::numbers;

/// As an offset: the file's own position, which then moves.
///
/// ```
/// assert_eq!(annulus_ring::abi::private::POSITION, u64::MAX);
/// ```
pub const POSITION: u64 = u64::MAX;

/// As `tv_nsec` of [`utimensat`](super::utimensat): now.
///
/// ```
/// assert_eq!(annulus_ring::abi::private::UTIME_NOW, 0x3fff_ffff);
/// ```
pub const UTIME_NOW: i64 = (1 << 30) - 1;

/// As `tv_nsec` of [`utimensat`](super::utimensat): leave this time as it is.
///
/// ```
/// assert_eq!(annulus_ring::abi::private::UTIME_OMIT, 0x3fff_fffe);
/// ```
pub const UTIME_OMIT: i64 = (1 << 30) - 2;

numbers! {
    /// From where [`lseek`](super::lseek) counts.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::private::SeekWhence::HOLE.raw(), 4);
    /// ```
    pub struct SeekWhence: u32;
    /// From the beginning.
    SET = 0, "SEEK_SET", "1.0";
    /// From the position.
    CUR = 1, "SEEK_CUR", "1.0";
    /// From the end.
    END = 2, "SEEK_END", "1.0";
    /// To the next data at or behind the offset.
    DATA = 3, "SEEK_DATA", "3.1";
    /// To the next hole at or behind the offset.
    HOLE = 4, "SEEK_HOLE", "3.1";
}

numbers! {
    /// What [`flock`](super::flock) does.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::private::FlockOperation::UN.raw(), 8);
    /// ```
    pub struct FlockOperation: u32;
    /// Locks it, shared with others who do.
    SH = 1, "LOCK_SH", "2.0";
    /// Locks it alone.
    EX = 2, "LOCK_EX", "2.0";
    /// As `SH`, without waiting.
    SH_NB = 5, "LOCK_SH | LOCK_NB", "2.0";
    /// As `EX`, without waiting.
    EX_NB = 6, "LOCK_EX | LOCK_NB", "2.0";
    /// Unlocks it.
    UN = 8, "LOCK_UN", "2.0";
}

numbers! {
    /// What a name of a directory is ([`Dirent64::d_type`]).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::private::DirentType::DIR.raw(), 4);
    /// ```
    pub struct DirentType: u8;
    /// The file system does not say: ask STATX.
    UNKNOWN = 0, "DT_UNKNOWN", "2.4";
    /// A named pipe.
    FIFO = 1, "DT_FIFO", "2.4";
    /// A character device.
    CHR = 2, "DT_CHR", "2.4";
    /// A directory.
    DIR = 4, "DT_DIR", "2.4";
    /// A block device.
    BLK = 6, "DT_BLK", "2.4";
    /// A file.
    REG = 8, "DT_REG", "2.4";
    /// A symbolic link.
    LNK = 10, "DT_LNK", "2.4";
    /// A socket.
    SOCK = 12, "DT_SOCK", "2.4";
}

/// How a name of a directory begins (`struct linux_dirent64`). The name follows at
/// [`DIRENT64_NAME_OFFSET`], inside this struct's padding, and is ended by a zero.
///
/// ```
/// use annulus_ring::abi::private::{DIRENT64_NAME_OFFSET, Dirent64};
/// assert!(DIRENT64_NAME_OFFSET < size_of::<Dirent64>());
/// ```
#[doc(alias = "linux_dirent64")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Dirent64 {
    /// The inode's number.
    pub d_ino: u64,
    /// Where the next one is, for [`lseek`](super::lseek).
    pub d_off: i64,
    /// Length in bytes, from this one to the next.
    pub d_reclen: u16,
    /// What it is.
    pub d_type: DirentType,
}

/// Where in a [`Dirent64`] the name begins.
///
/// ```
/// assert_eq!(annulus_ring::abi::private::DIRENT64_NAME_OFFSET, 19);
/// ```
pub const DIRENT64_NAME_OFFSET: usize = 19;

/// How full a file system is: `struct statfs` of the 64-bit architectures, whatever this one is.
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::private::Statfs>(), 120);
/// ```
#[doc(alias = "statfs")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Statfs {
    /// Which kind.
    pub f_type: i64,
    /// Bytes that are best read or written at once.
    pub f_bsize: i64,
    /// Its size, in units of `f_frsize`.
    pub f_blocks: u64,
    /// What is free of it.
    pub f_bfree: u64,
    /// What is free of it for those without privilege.
    pub f_bavail: u64,
    /// How many files it can have.
    pub f_files: u64,
    /// How many more it can have.
    pub f_ffree: u64,
    /// Its identifier.
    pub f_fsid: [i32; 2],
    /// The longest name, in bytes.
    pub f_namelen: i64,
    /// Bytes of the unit.
    pub f_frsize: i64,
    /// How it is mounted.
    pub f_flags: i64,
    /// Zero.
    pub f_spare: [i64; 4],
}

/// An address that [`getaddrinfo`](super::getaddrinfo) found.
///
/// ```
/// use annulus_ring::abi::private::ResolvedAddress;
/// assert_eq!(size_of::<ResolvedAddress>(), 24);
/// assert_eq!(ResolvedAddress::default().family, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ResolvedAddress {
    /// The address family: `AF_INET` (2) or `AF_INET6` (10).
    pub family: u16,
    /// Zero.
    pub resv: u16,
    /// The interface that a link-local address of IPv6 belongs to; else 0.
    pub scope_id: u32,
    /// The address, most significant byte first: the first 4 bytes of IPv4, all 16 of IPv6.
    pub addr: [u8; 16],
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Dirent64>() == 24 && align_of::<Dirent64>() == 8);
    assert!(offset_of!(Dirent64, d_ino) == 0 && offset_of!(Dirent64, d_off) == 8);
    assert!(offset_of!(Dirent64, d_reclen) == 16 && offset_of!(Dirent64, d_type) == 18);
    assert!(DIRENT64_NAME_OFFSET == offset_of!(Dirent64, d_type) + 1);
    assert!(size_of::<Statfs>() == 120 && align_of::<Statfs>() == 8);
    assert!(offset_of!(Statfs, f_type) == 0 && offset_of!(Statfs, f_bsize) == 8);
    assert!(offset_of!(Statfs, f_blocks) == 16 && offset_of!(Statfs, f_bfree) == 24);
    assert!(offset_of!(Statfs, f_bavail) == 32 && offset_of!(Statfs, f_files) == 40);
    assert!(offset_of!(Statfs, f_ffree) == 48 && offset_of!(Statfs, f_fsid) == 56);
    assert!(offset_of!(Statfs, f_namelen) == 64 && offset_of!(Statfs, f_frsize) == 72);
    assert!(offset_of!(Statfs, f_flags) == 80 && offset_of!(Statfs, f_spare) == 88);
    assert!(size_of::<ResolvedAddress>() == 24 && align_of::<ResolvedAddress>() == 4);
    assert!(offset_of!(ResolvedAddress, family) == 0 && offset_of!(ResolvedAddress, resv) == 2);
    assert!(offset_of!(ResolvedAddress, scope_id) == 4 && offset_of!(ResolvedAddress, addr) == 8);
};
