//! [`Metadata`]: what is known of a file.

use core::time::Duration;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::SystemTime;

use annulus_ring::FdKind;
use annulus_ring::abi::{self, StatxAttributes, StatxMask, StatxTimestamp};

/// What is known of a file, as of one moment: what `statx(2)` says.
///
/// ```
/// use annulus_runtime::Engine;
/// let engine = Engine::new()?;
/// let file = engine.file(std::fs::File::open("Cargo.toml")?);
/// let metadata = futures::executor::block_on(file.metadata())?;
/// assert!(metadata.is_file() && metadata.len() > 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata(abi::Statx);

/// What addresses, lengths and offsets of direct I/O (`O_DIRECT`) must be multiples of, in bytes.
///
/// ```
/// let any = annulus_runtime::engine::DioAlignment { memory: 4096, offset: 512, read_offset: 512 };
/// assert!(any.offset <= any.memory);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DioAlignment {
    /// Buffers' addresses.
    pub memory: u32,
    /// Offsets in the file, and lengths.
    pub offset: u32,
    /// The same for reads, where they may be finer (Linux 6.14): else as `offset`.
    pub read_offset: u32,
}

/// The file type's bits of a mode.
const TYPE_MASK: u32 = 0o170_000;

impl Metadata {
    /// What STATX is asked for.
    pub(crate) const MASK: StatxMask = StatxMask(
        StatxMask::BASIC_STATS.bits()
            | StatxMask::BTIME.bits()
            | StatxMask::DIOALIGN.bits()
            | StatxMask::DIO_READ_ALIGN.bits(),
    );

    /// Of what STATX found, asked for [`MASK`](Self::MASK).
    pub(crate) fn new(found: abi::Statx) -> Self {
        Self(found)
    }

    /// The length in bytes; of a block device 0.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// let metadata = futures::executor::block_on(file.metadata())?;
    /// assert_eq!(metadata.len(), std::fs::metadata("Cargo.toml")?.len());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[expect(
        clippy::len_without_is_empty,
        reason = "a file, not a collection; std has none either"
    )]
    pub fn len(&self) -> u64 {
        self.0.stx_size
    }

    /// What kind of file it is; a symbolic link that was opened as such is
    /// [`Other`](FdKind::Other).
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("/dev/null")?);
    /// let metadata = futures::executor::block_on(file.metadata())?;
    /// assert_eq!(metadata.file_type(), annulus_ring::FdKind::Character);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn file_type(&self) -> FdKind {
        match u32::from(self.0.stx_mode) & TYPE_MASK {
            0o100_000 => FdKind::Regular,
            0o040_000 => FdKind::Directory,
            0o060_000 => FdKind::Block,
            0o020_000 => FdKind::Character,
            0o010_000 => FdKind::Pipe,
            0o140_000 => FdKind::Socket,
            _ => FdKind::Other,
        }
    }

    /// Whether it is a regular file.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// assert!(futures::executor::block_on(file.metadata())?.is_file());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_file(&self) -> bool {
        self.file_type() == FdKind::Regular
    }

    /// Whether it is a directory.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("src")?);
    /// assert!(futures::executor::block_on(file.metadata())?.is_dir());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_dir(&self) -> bool {
        self.file_type() == FdKind::Directory
    }

    /// Whether it is a symbolic link, which only who asks for the link itself is told of.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// assert!(!futures::executor::block_on(file.metadata())?.is_symlink());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_symlink(&self) -> bool {
        u32::from(self.0.stx_mode) & TYPE_MASK == 0o120_000
    }

    /// Type and permissions, as `st_mode`.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// let metadata = futures::executor::block_on(file.metadata())?;
    /// assert_eq!(metadata.mode() & 0o400, 0o400); // its owner may read it
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn mode(&self) -> u32 {
        self.0.stx_mode.into()
    }

    /// Who may do what, as the standard library has it.
    ///
    /// ```
    /// use std::os::unix::fs::PermissionsExt;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let found = futures::executor::block_on(engine.metadata("Cargo.toml"))?;
    /// assert_eq!(found.permissions().mode(), found.mode());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn permissions(&self) -> Permissions {
        Permissions::from_mode(self.mode())
    }

    /// The owner's number.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("/proc/1/comm")?);
    /// assert_eq!(futures::executor::block_on(file.metadata())?.uid(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn uid(&self) -> u32 {
        self.0.stx_uid
    }

    /// The group's number.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("/proc/1/comm")?);
    /// assert_eq!(futures::executor::block_on(file.metadata())?.gid(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn gid(&self) -> u32 {
        self.0.stx_gid
    }

    /// The inode's number: with [`dev`](Self::dev) it names the file.
    ///
    /// ```
    /// use std::os::unix::fs::MetadataExt;
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// let metadata = futures::executor::block_on(file.metadata())?;
    /// assert_eq!(metadata.ino(), std::fs::metadata("Cargo.toml")?.ino());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn ino(&self) -> u64 {
        self.0.stx_ino
    }

    /// The device it is on: major and minor number.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let engine = Engine::new()?;
    /// let (one, two) = (std::fs::File::open("Cargo.toml")?, std::fs::File::open("src")?);
    /// let one = futures::executor::block_on(engine.file(one).metadata())?;
    /// let two = futures::executor::block_on(engine.file(two).metadata())?;
    /// assert_eq!(one.dev(), two.dev());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dev(&self) -> (u32, u32) {
        (self.0.stx_dev_major, self.0.stx_dev_minor)
    }

    /// The device it stands for, if it is one: major and minor number.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("/dev/null")?);
    /// assert_eq!(futures::executor::block_on(file.metadata())?.rdev(), (1, 3));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn rdev(&self) -> (u32, u32) {
        (self.0.stx_rdev_major, self.0.stx_rdev_minor)
    }

    /// How many names it has: 0 once the last is removed.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// assert!(futures::executor::block_on(file.metadata())?.nlink() > 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn nlink(&self) -> u32 {
        self.0.stx_nlink
    }

    /// How many bytes are best read or written at once.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// assert!(futures::executor::block_on(file.metadata())?.blksize() > 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn blksize(&self) -> u32 {
        self.0.stx_blksize
    }

    /// The space it takes, in units of 512 bytes: less than its length if it has holes.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("/dev/null")?);
    /// assert_eq!(futures::executor::block_on(file.metadata())?.blocks(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn blocks(&self) -> u64 {
        self.0.stx_blocks
    }

    /// When it was last written.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// let metadata = futures::executor::block_on(file.metadata())?;
    /// assert_eq!(metadata.modified(), Some(std::fs::metadata("Cargo.toml")?.modified()?));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn modified(&self) -> Option<SystemTime> {
        self.time(StatxMask::MTIME, self.0.stx_mtime)
    }

    /// When it was last read, as far as the mount's options (`relatime`, `noatime`) have it noted.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// assert!(futures::executor::block_on(file.metadata())?.accessed().is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn accessed(&self) -> Option<SystemTime> {
        self.time(StatxMask::ATIME, self.0.stx_atime)
    }

    /// When its attributes (mode, owner, names, length) last changed.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// assert!(futures::executor::block_on(file.metadata())?.changed().is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn changed(&self) -> Option<SystemTime> {
        self.time(StatxMask::CTIME, self.0.stx_ctime)
    }

    /// When it was made, where the file system keeps that.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// let metadata = futures::executor::block_on(file.metadata())?;
    /// assert_eq!(metadata.created(), std::fs::metadata("Cargo.toml")?.created().ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn created(&self) -> Option<SystemTime> {
        self.time(StatxMask::BTIME, self.0.stx_btime)
    }

    /// What direct I/O on it must be aligned to; none where the file system does not say (or before
    /// Linux 6.1), or cannot do it. What it does not say is 4096 on all but odd devices.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// let metadata = futures::executor::block_on(file.metadata())?;
    /// if let Some(alignment) = metadata.dio_alignment() {
    ///     assert!(alignment.memory.is_power_of_two() && alignment.offset.is_power_of_two());
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "STATX_DIOALIGN")]
    pub fn dio_alignment(&self) -> Option<DioAlignment> {
        let (memory, offset) = (self.0.stx_dio_mem_align, self.0.stx_dio_offset_align);
        if !self.0.stx_mask.contains(StatxMask::DIOALIGN) || memory == 0 || offset == 0 {
            return None;
        }
        let finer = self.0.stx_mask.contains(StatxMask::DIO_READ_ALIGN);
        let read_offset =
            Some(self.0.stx_dio_read_offset_align).filter(|bytes| finer && *bytes > 0);
        Some(DioAlignment { memory, offset, read_offset: read_offset.unwrap_or(offset) })
    }

    /// What is special about it: immutable, compressed, …
    ///
    /// ```
    /// use annulus_ring::abi::StatxAttributes;
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// let metadata = futures::executor::block_on(file.metadata())?;
    /// assert!(!metadata.attributes().contains(StatxAttributes::IMMUTABLE));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn attributes(&self) -> StatxAttributes {
        self.0.stx_attributes
    }

    /// All that the kernel said, in its own form.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # let file = Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// let metadata = futures::executor::block_on(file.metadata())?;
    /// assert_eq!(metadata.as_statx().stx_size, metadata.len());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn as_statx(&self) -> &abi::Statx {
        &self.0
    }

    fn time(&self, what: StatxMask, time: StatxTimestamp) -> Option<SystemTime> {
        if !self.0.stx_mask.contains(what) {
            return None;
        }
        let whole = Duration::from_secs(time.tv_sec.unsigned_abs());
        let epoch = SystemTime::UNIX_EPOCH;
        let begun =
            if time.tv_sec >= 0 { epoch.checked_add(whole) } else { epoch.checked_sub(whole) };
        begun?.checked_add(Duration::from_nanos(time.tv_nsec.into()))
    }
}
