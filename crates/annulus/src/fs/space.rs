//! Making a [`File`] durable, its length, and the space behind it.

use annulus_runtime::LocalOp;
use annulus_runtime::engine::ops::{Advise, Allocate, Sync, SyncFilesystem, Truncate, WriteBack};

use super::{Advice, File};

/// # Durability
impl File {
    /// Makes the file durable, data and metadata, as `fsync(2)`: what was written *before* is on
    /// the device when this is over. Await the writes first.
    ///
    /// A new file's name is in its directory: sync that too ([`Dir::sync_all`](super::Dir)).
    ///
    /// *Cancel and discard*: it may have synced; an error that was met is told once, and nobody
    /// heard it.
    ///
    /// # Errors
    /// - `EIO`, `ENOSPC`, `EDQUOT` (122): data was lost. Linux says so once for each open file: a
    ///   second sync that succeeds proves nothing. Write again from your own copy, or stop.
    /// - `EINVAL`: what cannot be synced: a pipe, a socket. `EROFS`: a read-only file system.
    ///
    /// By the ring (`IORING_OP_FSYNC`, Linux 5.1). See
    /// [fsync(2)](https://man7.org/linux/man-pages/man2/fsync.2.html).
    ///
    /// ```
    /// use annulus::fs::{File, remove_file};
    /// let path = std::env::temp_dir().join(format!("annulus-durable-{}", std::process::id()));
    /// annulus::run(async {
    ///     let file = File::create(&path).await?;
    ///     file.write_all_at("precious", 0).await?;
    ///     file.sync_all().await?;
    ///     remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fsync")]
    pub fn sync_all(&self) -> LocalOp<Sync> {
        self.file.sync_all()
    }

    /// As [`sync_all`](Self::sync_all) without metadata that reading the data back does not need,
    /// such as times: `fdatasync(2)`.
    ///
    /// *Cancel and discard*, as [`sync_all`](Self::sync_all).
    ///
    /// # Errors
    /// Those of [`sync_all`](Self::sync_all).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     File::open("Cargo.toml").await?.sync_data().await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fdatasync")]
    pub fn sync_data(&self) -> LocalOp<Sync> {
        self.file.sync_data()
    }

    /// Makes all of the file system durable that the file is on, whoever wrote it: `syncfs(2)`.
    /// That may take long, where others write much.
    ///
    /// *Cancel and discard*, as [`sync_all`](Self::sync_all).
    ///
    /// # Errors
    /// - `EIO`, `ENOSPC`, `EDQUOT` (122): data was lost, of any file there (told since Linux 5.8).
    /// - `EBADF`: the file is open as a name only.
    ///
    /// io_uring has no operation for it: a thread makes the call (Linux 2.6.39). See
    /// [syncfs(2)](https://man7.org/linux/man-pages/man2/syncfs.2.html).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     File::open("/proc/self/status").await?.sync_filesystem().await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "syncfs")]
    pub fn sync_filesystem(&self) -> LocalOp<SyncFilesystem> {
        self.file.sync_filesystem()
    }

    /// As [`sync_data`](Self::sync_data) for `bytes` bytes from `offset` on, if the file system can
    /// tell them apart: at least those. 0 bytes: to the end.
    ///
    /// *Cancel and discard*, as [`sync_all`](Self::sync_all).
    ///
    /// # Errors
    /// Those of [`sync_all`](Self::sync_all).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     file.sync_range(0, 4096).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn sync_range(&self, offset: u64, bytes: u64) -> LocalOp<Sync> {
        self.file.sync_range(offset, bytes)
    }

    /// Begins to write a range back to the device, without waiting for it (0 bytes: to the end).
    /// *Not durable*: it spreads the work out, so that a later sync has less to do.
    ///
    /// *Resumable*: it may have begun.
    ///
    /// # Errors
    /// - `EINVAL`: the range does not end before 2⁶³. `ESPIPE`: neither a regular file, a block
    ///   device nor a directory. `EIO`, `ENOSPC`: as for [`sync_all`](Self::sync_all).
    ///
    /// By the ring (`IORING_OP_SYNC_FILE_RANGE`, Linux 5.2). See
    /// [sync_file_range(2)](https://man7.org/linux/man-pages/man2/sync_file_range.2.html).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     file.start_write_back(0, 0).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "sync_file_range")]
    pub fn start_write_back(&self, offset: u64, bytes: u64) -> LocalOp<WriteBack> {
        self.file.start_write_back(offset, bytes)
    }
}

/// # Length and space
///
/// By the ring (`IORING_OP_FTRUNCATE`, Linux 6.9, before that on a thread; `IORING_OP_FALLOCATE`,
/// Linux 5.6). See [fallocate(2)](https://man7.org/linux/man-pages/man2/fallocate.2.html).
///
/// What most file systems cannot is `EOPNOTSUPP`, which is of kind `Unsupported`.
impl File {
    /// Makes the file `bytes` long: what is behind is gone, what was not there reads as zeros.
    ///
    /// *Cancel and discard*: done, or not, or later; the same again makes it good.
    ///
    /// # Errors
    /// - `EINVAL`: not open for writing, not a regular file, or longer than 2⁶³ − 1.
    /// - `EFBIG`: longer than the file system, or `RLIMIT_FSIZE`, allows. `EPERM`: immutable,
    ///   append-only or sealed. `ETXTBSY` (26): a program that runs. `EIO`.
    ///
    /// See [ftruncate(2)](https://man7.org/linux/man-pages/man2/ftruncate.2.html).
    ///
    /// ```
    /// use annulus::fs::{File, remove_file};
    /// let path = std::env::temp_dir().join(format!("annulus-len-{}", std::process::id()));
    /// annulus::run(async {
    ///     let file = File::create_new(&path).await?;
    ///     file.set_len(1 << 20).await?;
    ///     assert_eq!(file.metadata().await?.len(), 1 << 20);
    ///     remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "ftruncate")]
    #[doc(alias = "truncate")]
    pub fn set_len(&self, bytes: u64) -> LocalOp<Truncate> {
        self.file.truncate(bytes)
    }

    /// Reserves `bytes` bytes from `offset` on: writing there will not fail for want of space. The
    /// file is longer now if it ended before.
    ///
    /// *Cancel and discard*: done, not or in part; the same again makes it good.
    ///
    /// # Errors
    /// - `ENOSPC`, `EDQUOT` (122): there is not so much. `EFBIG`: past what is allowed.
    /// - `EINVAL`: 0 bytes, or the range does not end before 2⁶³. `EBADF`: not open for writing.
    /// - `EOPNOTSUPP`: the file system cannot: write zeros instead.
    /// - [All the others](annulus_runtime::File::allocate).
    ///
    /// ```
    /// use annulus::fs::{File, remove_file};
    /// let path = std::env::temp_dir().join(format!("annulus-room-{}", std::process::id()));
    /// annulus::run(async {
    ///     let file = File::create_new(&path).await?;
    ///     file.allocate(0, 8192).await?;
    ///     assert_eq!(file.metadata().await?.len(), 8192);
    ///     remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fallocate")]
    pub fn allocate(&self, offset: u64, bytes: u64) -> LocalOp<Allocate> {
        self.file.allocate(offset, bytes)
    }

    /// Frees the range's blocks: it reads as zeros, and the file stays as long as it is.
    ///
    /// *Cancel and discard*, as [`allocate`](Self::allocate).
    ///
    /// # Errors
    /// Those of [`allocate`](Self::allocate).
    ///
    /// ```
    /// use annulus::fs::{File, remove_file};
    /// let path = std::env::temp_dir().join(format!("annulus-hole-{}", std::process::id()));
    /// annulus::run(async {
    ///     let file = File::create_new(&path).await?;
    ///     file.write_all_at(vec![7; 8192], 0).await?;
    ///     file.punch_hole(0, 4096).await?;
    ///     assert_eq!(file.read_exact_at(vec![1; 2], 4095).await?.1, [0, 7]);
    ///     remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "FALLOC_FL_PUNCH_HOLE")]
    pub fn punch_hole(&self, offset: u64, bytes: u64) -> LocalOp<Allocate> {
        self.file.punch_hole(offset, bytes)
    }

    /// Has the range read as zeros, with its space reserved; the file stays as long as it is. Not
    /// on tmpfs.
    ///
    /// *Cancel and discard*, as [`allocate`](Self::allocate).
    ///
    /// # Errors
    /// Those of [`allocate`](Self::allocate).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let null = File::options().write(true).open("/dev/null").await?;
    ///     assert!(null.zero_range(0, 4096).await.is_err());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "FALLOC_FL_ZERO_RANGE")]
    pub fn zero_range(&self, offset: u64, bytes: u64) -> LocalOp<Allocate> {
        self.file.zero_range(offset, bytes)
    }

    /// Takes a range of whole blocks out of the file: what is behind moves up. ext4 and XFS.
    ///
    /// *Cancel and discard*: done or not, and not to be done twice: look at the length.
    ///
    /// # Errors
    /// Those of [`allocate`](Self::allocate); `EINVAL`: not whole blocks, or to the file's end:
    /// [`set_len`](Self::set_len) does that.
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     assert!(file.collapse_range(0, 4096).await.is_err()); // not open for writing
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "FALLOC_FL_COLLAPSE_RANGE")]
    pub fn collapse_range(&self, offset: u64, bytes: u64) -> LocalOp<Allocate> {
        self.file.collapse_range(offset, bytes)
    }

    /// Makes room for whole blocks in the middle of a file: what is behind moves away. ext4 and
    /// XFS.
    ///
    /// *Cancel and discard*, as [`collapse_range`](Self::collapse_range).
    ///
    /// # Errors
    /// Those of [`collapse_range`](Self::collapse_range).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     assert!(file.insert_range(0, 4096).await.is_err()); // not open for writing
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "FALLOC_FL_INSERT_RANGE")]
    pub fn insert_range(&self, offset: u64, bytes: u64) -> LocalOp<Allocate> {
        self.file.insert_range(offset, bytes)
    }

    /// Tells the kernel how a range will be used (0 bytes: to the end). A hint: it may do nothing.
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// - `ESPIPE`: a pipe. `EBADF`: open as a name only.
    ///
    /// At once on this thread where it is only noted down, else by the ring (`IORING_OP_FADVISE`,
    /// Linux 5.6). See
    /// [posix_fadvise(2)](https://man7.org/linux/man-pages/man2/posix_fadvise.2.html).
    ///
    /// ```
    /// use annulus::fs::{Advice, File};
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     file.advise(0, 0, Advice::WillNeed).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "posix_fadvise")]
    pub fn advise(&self, offset: u64, bytes: u64, advice: Advice) -> LocalOp<Advise> {
        self.file.advise(offset, bytes, advice)
    }
}
