//! Names and attributes of files: how they are opened, found, linked and described.

use super::newtypes::flags;

/// The bits of `open(2)` that aarch64 numbers otherwise than x86-64 and riscv64.
#[cfg(target_arch = "aarch64")]
mod arch {
    pub(super) const DIRECT: u32 = 0o200_000;
    pub(super) const LARGEFILE: u32 = 0o400_000;
    pub(super) const DIRECTORY: u32 = 0o40_000;
    pub(super) const NOFOLLOW: u32 = 0o100_000;
}

#[cfg(not(target_arch = "aarch64"))]
mod arch {
    pub(super) const DIRECT: u32 = 0o40_000;
    pub(super) const LARGEFILE: u32 = 0o100_000;
    pub(super) const DIRECTORY: u32 = 0o200_000;
    pub(super) const NOFOLLOW: u32 = 0o400_000;
}

flags! {
    /// How a file is opened (`sqe->open_flags`; also what SOCKET, ACCEPT and PIPE set on their
    /// descriptors: `CLOEXEC`, `NONBLOCK` and, for a pipe, `DIRECT` and `NOTIFICATION_PIPE`).
    ///
    /// The lowest two bits are the access: none of them is reading.
    ///
    /// ```
    /// use annulus_ring::abi::OpenFlags;
    /// assert_eq!((OpenFlags::RDWR | OpenFlags::CREAT).bits(), 0o102);
    /// ```
    pub struct OpenFlags: u32;
    /// For reading: no bit.
    RDONLY = 0, "O_RDONLY", "1.0";
    /// For writing.
    WRONLY = 1, "O_WRONLY", "1.0";
    /// For both.
    RDWR = 2, "O_RDWR", "1.0";
    /// Make it if it is not there.
    CREAT = 0o100, "O_CREAT", "1.0";
    /// With `CREAT`: fail if it is there. For a pipe: see `NOTIFICATION_PIPE`.
    EXCL = 0o200, "O_EXCL", "1.0";
    /// A terminal does not become the controlling one.
    NOCTTY = 0o400, "O_NOCTTY", "1.0";
    /// Cut it to nothing.
    TRUNC = 0o1_000, "O_TRUNC", "1.0";
    /// Write at the end.
    APPEND = 0o2_000, "O_APPEND", "1.0";
    /// Do not block.
    #[doc(alias = "SOCK_NONBLOCK")]
    NONBLOCK = 0o4_000, "O_NONBLOCK", "1.0";
    /// Writes return when the data is durable.
    DSYNC = 0o10_000, "O_DSYNC", "2.6.33";
    /// Send `SIGIO` when it is ready.
    ASYNC = 0o20_000, "FASYNC", "1.0";
    /// Past the page cache. For a pipe: keep writes apart, as packets.
    DIRECT = arch::DIRECT, "O_DIRECT", "2.4.10";
    /// Longer than 2 GiB: always so on 64 bits.
    LARGEFILE = arch::LARGEFILE, "O_LARGEFILE", "2.4";
    /// Fail unless it is a directory.
    DIRECTORY = arch::DIRECTORY, "O_DIRECTORY", "2.1.126";
    /// Fail if the last part of the path is a symbolic link.
    NOFOLLOW = arch::NOFOLLOW, "O_NOFOLLOW", "2.1.126";
    /// Do not note the time of access.
    NOATIME = 0o1_000_000, "O_NOATIME", "2.6.8";
    /// Close it at `execve`.
    #[doc(alias = "SOCK_CLOEXEC")]
    CLOEXEC = 0o2_000_000, "O_CLOEXEC", "2.6.23";
    /// Writes return when data and metadata are durable (with `DSYNC`: see [`SYNC`](Self::SYNC)).
    SYNC_BIT = 0o4_000_000, "__O_SYNC", "2.6.33";
    /// A name only, neither readable nor writable.
    PATH = 0o10_000_000, "O_PATH", "2.6.39";
    /// A file without a name (with `DIRECTORY`: see [`TMPFILE`](Self::TMPFILE)).
    TMPFILE_BIT = 0o20_000_000, "__O_TMPFILE", "3.11";
}

impl OpenFlags {
    /// The bits of the access.
    #[doc(alias = "O_ACCMODE")]
    pub const ACCMODE: Self = Self(3);
    /// Writes return when data and metadata are durable.
    #[doc(alias = "O_SYNC")]
    pub const SYNC: Self = Self(Self::SYNC_BIT.0 | Self::DSYNC.0);
    /// A file without a name, in the directory of that path.
    #[doc(alias = "O_TMPFILE")]
    pub const TMPFILE: Self = Self(Self::TMPFILE_BIT.0 | Self::DIRECTORY.0);
    /// A pipe that carries the kernel's notifications (PIPE alone).
    #[doc(alias = "O_NOTIFICATION_PIPE")]
    pub const NOTIFICATION_PIPE: Self = Self::EXCL;
}

flags! {
    /// How OPENAT2 walks its path ([`OpenHow::resolve`]).
    ///
    /// ```
    /// use annulus_ring::abi::ResolveFlags;
    /// assert_eq!((ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS).bits(), 12);
    /// ```
    pub struct ResolveFlags: u64;
    /// Cross no mount point.
    NO_XDEV = 1 << 0, "RESOLVE_NO_XDEV", "5.6";
    /// Follow none of procfs's links.
    NO_MAGICLINKS = 1 << 1, "RESOLVE_NO_MAGICLINKS", "5.6";
    /// Follow no symbolic link.
    NO_SYMLINKS = 1 << 2, "RESOLVE_NO_SYMLINKS", "5.6";
    /// Never leave the directory.
    BENEATH = 1 << 3, "RESOLVE_BENEATH", "5.6";
    /// Take the directory for the root.
    IN_ROOT = 1 << 4, "RESOLVE_IN_ROOT", "5.6";
    /// Only if the whole path is cached, else `EAGAIN`.
    CACHED = 1 << 5, "RESOLVE_CACHED", "5.12";
}

/// How OPENAT2 opens (`struct open_how`, Linux 5.6).
///
/// ```
/// use annulus_ring::abi::{OpenFlags, OpenHow, ResolveFlags};
/// let how = OpenHow {
///     flags: OpenFlags::RDONLY.bits().into(),
///     resolve: ResolveFlags::BENEATH,
///     ..OpenHow::default()
/// };
/// assert_eq!((size_of_val(&how), how.mode), (24, 0));
/// ```
#[doc(alias = "open_how")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct OpenHow {
    /// [`OpenFlags`], widened.
    pub flags: u64,
    /// The new file's mode: zero unless `CREAT` or `TMPFILE` is set.
    pub mode: u64,
    /// How the path is walked.
    pub resolve: ResolveFlags,
}

/// In place of a directory's descriptor: the working directory.
///
/// ```
/// assert_eq!(annulus_ring::abi::AT_FDCWD, -100);
/// ```
pub const AT_FDCWD: i32 = -100;

flags! {
    /// How a path is taken: `sqe->statx_flags`, `unlink_flags`, `hardlink_flags` and the private
    /// operations on paths. Which bits an operation knows is on its own page.
    ///
    /// ```
    /// use annulus_ring::abi::AtFlags;
    /// assert_eq!((AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW).bits(), 0x1100);
    /// ```
    pub struct AtFlags: u32;
    /// Do not follow the last symbolic link.
    SYMLINK_NOFOLLOW = 0x100, "AT_SYMLINK_NOFOLLOW", "2.6.16";
    /// Remove a directory (UNLINKAT).
    REMOVEDIR = 0x200, "AT_REMOVEDIR", "2.6.16";
    /// Follow the last symbolic link (LINKAT).
    SYMLINK_FOLLOW = 0x400, "AT_SYMLINK_FOLLOW", "2.6.18";
    /// Do not mount what would be mounted on access.
    NO_AUTOMOUNT = 0x800, "AT_NO_AUTOMOUNT", "2.6.38";
    /// An empty path is the descriptor itself.
    EMPTY_PATH = 0x1000, "AT_EMPTY_PATH", "2.6.39";
    /// Ask the server for fresh attributes (STATX).
    STATX_FORCE_SYNC = 0x2000, "AT_STATX_FORCE_SYNC", "4.11";
    /// Take what is cached (STATX).
    STATX_DONT_SYNC = 0x4000, "AT_STATX_DONT_SYNC", "4.11";
}

impl AtFlags {
    /// The bits that say how fresh attributes must be; none of them is as `stat(2)` does.
    #[doc(alias = "AT_STATX_SYNC_TYPE")]
    pub const STATX_SYNC_TYPE: Self = Self(Self::STATX_FORCE_SYNC.0 | Self::STATX_DONT_SYNC.0);
}

flags! {
    /// How RENAMEAT renames (`sqe->rename_flags`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::RenameFlags::EXCHANGE.bits(), 2);
    /// ```
    pub struct RenameFlags: u32;
    /// Fail if the new name is taken.
    NOREPLACE = 1 << 0, "RENAME_NOREPLACE", "3.15";
    /// Exchange the two.
    EXCHANGE = 1 << 1, "RENAME_EXCHANGE", "3.15";
    /// Leave a whiteout under the old name.
    WHITEOUT = 1 << 2, "RENAME_WHITEOUT", "3.18";
}

flags! {
    /// How an extended attribute is set (`sqe->xattr_flags`). None: made or replaced.
    ///
    /// ```
    /// assert_eq!(annulus_ring::abi::XattrFlags::REPLACE.bits(), 2);
    /// ```
    pub struct XattrFlags: u32;
    /// Fail if it is there.
    CREATE = 1 << 0, "XATTR_CREATE", "2.6.25";
    /// Fail if it is not there.
    REPLACE = 1 << 1, "XATTR_REPLACE", "2.6.25";
}

flags! {
    /// Which attributes STATX is asked for (`sqe->len`), and which it found ([`Statx::stx_mask`]).
    ///
    /// ```
    /// use annulus_ring::abi::StatxMask;
    /// assert!(StatxMask::BASIC_STATS.contains(StatxMask::SIZE | StatxMask::MTIME));
    /// ```
    pub struct StatxMask: u32;
    /// The type, in `stx_mode`.
    TYPE = 0x1, "STATX_TYPE", "4.11";
    /// The permissions, in `stx_mode`.
    MODE = 0x2, "STATX_MODE", "4.11";
    /// `stx_nlink`.
    NLINK = 0x4, "STATX_NLINK", "4.11";
    /// `stx_uid`.
    UID = 0x8, "STATX_UID", "4.11";
    /// `stx_gid`.
    GID = 0x10, "STATX_GID", "4.11";
    /// `stx_atime`.
    ATIME = 0x20, "STATX_ATIME", "4.11";
    /// `stx_mtime`.
    MTIME = 0x40, "STATX_MTIME", "4.11";
    /// `stx_ctime`.
    CTIME = 0x80, "STATX_CTIME", "4.11";
    /// `stx_ino`.
    INO = 0x100, "STATX_INO", "4.11";
    /// `stx_size`.
    SIZE = 0x200, "STATX_SIZE", "4.11";
    /// `stx_blocks`.
    BLOCKS = 0x400, "STATX_BLOCKS", "4.11";
    /// `stx_btime`.
    BTIME = 0x800, "STATX_BTIME", "4.11";
    /// `stx_mnt_id`, of a mount that is there now.
    MNT_ID = 0x1000, "STATX_MNT_ID", "5.8";
    /// `stx_dio_mem_align` and `stx_dio_offset_align`.
    DIOALIGN = 0x2000, "STATX_DIOALIGN", "6.1";
    /// `stx_mnt_id`, never used again for another mount.
    MNT_ID_UNIQUE = 0x4000, "STATX_MNT_ID_UNIQUE", "6.8";
    /// `stx_subvol`.
    SUBVOL = 0x8000, "STATX_SUBVOL", "6.10";
    /// The `stx_atomic_write_` fields.
    WRITE_ATOMIC = 0x1_0000, "STATX_WRITE_ATOMIC", "6.11";
    /// `stx_dio_read_offset_align`.
    DIO_READ_ALIGN = 0x2_0000, "STATX_DIO_READ_ALIGN", "6.14";
}

impl StatxMask {
    /// What `stat(2)` gives.
    #[doc(alias = "STATX_BASIC_STATS")]
    pub const BASIC_STATS: Self = Self(0x7ff);
}

flags! {
    /// What is special about a file ([`Statx::stx_attributes`]).
    ///
    /// ```
    /// use annulus_ring::abi::StatxAttributes;
    /// assert!(StatxAttributes(0x30).contains(StatxAttributes::IMMUTABLE));
    /// ```
    pub struct StatxAttributes: u64;
    /// Compressed by the file system.
    COMPRESSED = 0x4, "STATX_ATTR_COMPRESSED", "4.11";
    /// Cannot be changed.
    IMMUTABLE = 0x10, "STATX_ATTR_IMMUTABLE", "4.11";
    /// Can only be appended to.
    APPEND = 0x20, "STATX_ATTR_APPEND", "4.11";
    /// Left out of backups.
    NODUMP = 0x40, "STATX_ATTR_NODUMP", "4.11";
    /// Encrypted by the file system.
    ENCRYPTED = 0x800, "STATX_ATTR_ENCRYPTED", "4.11";
    /// Mounts something on access.
    AUTOMOUNT = 0x1000, "STATX_ATTR_AUTOMOUNT", "4.11";
    /// The root of a mount.
    MOUNT_ROOT = 0x2000, "STATX_ATTR_MOUNT_ROOT", "5.8";
    /// Checked by fs-verity.
    VERITY = 0x10_0000, "STATX_ATTR_VERITY", "5.5";
    /// Mapped straight from the device.
    DAX = 0x20_0000, "STATX_ATTR_DAX", "5.8";
    /// Can be written atomically.
    WRITE_ATOMIC = 0x40_0000, "STATX_ATTR_WRITE_ATOMIC", "6.11";
}

/// A time of a file (`struct statx_timestamp`).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::StatxTimestamp>(), 16);
/// ```
#[doc(alias = "statx_timestamp")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct StatxTimestamp {
    /// Seconds since 1970.
    pub tv_sec: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub tv_nsec: u32,
    /// Zero.
    pub __reserved: i32,
}

/// What STATX finds out (`struct statx`).
///
/// ```
/// assert_eq!(size_of::<annulus_ring::abi::Statx>(), 256);
/// ```
#[doc(alias = "statx")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Statx {
    /// Which fields are filled.
    pub stx_mask: StatxMask,
    /// Bytes that are best read or written at once.
    pub stx_blksize: u32,
    /// What is special about it.
    pub stx_attributes: StatxAttributes,
    /// How many names it has.
    pub stx_nlink: u32,
    /// The owner.
    pub stx_uid: u32,
    /// The group.
    pub stx_gid: u32,
    /// Type and permissions.
    pub stx_mode: u16,
    /// Zero.
    pub __spare0: [u16; 1],
    /// The inode's number.
    pub stx_ino: u64,
    /// Length in bytes.
    pub stx_size: u64,
    /// Space taken, in units of 512 bytes.
    pub stx_blocks: u64,
    /// Which bits of `stx_attributes` the file system knows.
    pub stx_attributes_mask: StatxAttributes,
    /// When it was last read.
    pub stx_atime: StatxTimestamp,
    /// When it was made.
    pub stx_btime: StatxTimestamp,
    /// When its attributes last changed.
    pub stx_ctime: StatxTimestamp,
    /// When it was last written.
    pub stx_mtime: StatxTimestamp,
    /// The device it stands for: major number.
    pub stx_rdev_major: u32,
    /// Minor number.
    pub stx_rdev_minor: u32,
    /// The device it is on: major number.
    pub stx_dev_major: u32,
    /// Minor number.
    pub stx_dev_minor: u32,
    /// The mount it was found in.
    pub stx_mnt_id: u64,
    /// Alignment in bytes that direct I/O needs in memory; 0 if it cannot be done.
    pub stx_dio_mem_align: u32,
    /// Alignment in bytes that it needs in the file.
    pub stx_dio_offset_align: u32,
    /// The subvolume.
    pub stx_subvol: u64,
    /// The smallest atomic write, in bytes.
    pub stx_atomic_write_unit_min: u32,
    /// The largest.
    pub stx_atomic_write_unit_max: u32,
    /// How many `iovec`s it may have.
    pub stx_atomic_write_segments_max: u32,
    /// Alignment in bytes that direct reads need in the file.
    pub stx_dio_read_offset_align: u32,
    /// The largest atomic write that is fast, in bytes.
    pub stx_atomic_write_unit_max_opt: u32,
    /// Zero.
    pub __spare2: [u32; 1],
    /// Zero.
    pub __spare3: [u64; 8],
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<OpenHow>() == 24 && align_of::<OpenHow>() == 8);
    assert!(offset_of!(OpenHow, flags) == 0 && offset_of!(OpenHow, mode) == 8);
    assert!(offset_of!(OpenHow, resolve) == 16);
    assert!(size_of::<StatxTimestamp>() == 16 && offset_of!(StatxTimestamp, tv_nsec) == 8);
    assert!(offset_of!(StatxTimestamp, tv_sec) == 0);
    assert!(offset_of!(StatxTimestamp, __reserved) == 12);
    assert!(size_of::<Statx>() == 256 && align_of::<Statx>() == 8);
    assert!(offset_of!(Statx, stx_mask) == 0 && offset_of!(Statx, stx_blksize) == 4);
    assert!(offset_of!(Statx, stx_attributes) == 8 && offset_of!(Statx, stx_nlink) == 16);
    assert!(offset_of!(Statx, stx_uid) == 20 && offset_of!(Statx, stx_gid) == 24);
    assert!(offset_of!(Statx, stx_mode) == 28 && offset_of!(Statx, __spare0) == 30);
    assert!(offset_of!(Statx, stx_ino) == 32 && offset_of!(Statx, stx_size) == 40);
    assert!(offset_of!(Statx, stx_blocks) == 48 && offset_of!(Statx, stx_attributes_mask) == 56);
    assert!(offset_of!(Statx, stx_atime) == 64 && offset_of!(Statx, stx_btime) == 80);
    assert!(offset_of!(Statx, stx_ctime) == 96 && offset_of!(Statx, stx_mtime) == 112);
    assert!(offset_of!(Statx, stx_rdev_major) == 128 && offset_of!(Statx, stx_rdev_minor) == 132);
    assert!(offset_of!(Statx, stx_dev_major) == 136 && offset_of!(Statx, stx_dev_minor) == 140);
    assert!(offset_of!(Statx, stx_mnt_id) == 144 && offset_of!(Statx, stx_dio_mem_align) == 152);
    assert!(offset_of!(Statx, stx_dio_offset_align) == 156);
    assert!(offset_of!(Statx, stx_subvol) == 160);
    assert!(offset_of!(Statx, stx_atomic_write_unit_min) == 168);
    assert!(offset_of!(Statx, stx_atomic_write_unit_max) == 172);
    assert!(offset_of!(Statx, stx_atomic_write_segments_max) == 176);
    assert!(offset_of!(Statx, stx_dio_read_offset_align) == 180);
    assert!(offset_of!(Statx, stx_atomic_write_unit_max_opt) == 184);
    assert!(offset_of!(Statx, __spare2) == 188 && offset_of!(Statx, __spare3) == 192);
};
