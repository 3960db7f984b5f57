//! Making what was written durable.

use std::sync::Arc;

use annulus_ring::abi::{FsyncFlags, Sqe, SyncFileRangeFlags, private};
use annulus_ring::op;

use super::file::{OFFSET_MAX, OpenFile};
use super::{File, Op};
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// Making a file durable: see [`File::sync_all`].
#[derive(Debug)]
pub struct Sync {
    file: Arc<OpenFile>,
    flags: FsyncFlags,
    /// Where it begins, and how many bytes: 0 and 0 for all.
    range: (u64, u32),
}

// SAFETY: the entry points to nothing, and names a descriptor that is kept open here.
unsafe impl Operation for Sync {
    type Output = Result<(), Error>;
    const WAITS_IN_WORKER: bool = true;

    fn entry(&mut self) -> Sqe {
        let (offset, bytes) = self.range;
        op::Fsync::new(self.file.raw()).flags(self.flags).range(offset, bytes).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(drop)
    }

    fn reclaim(self, _: Completion) {}
}

impl Sync {
    fn all(file: Arc<OpenFile>) -> Self {
        Self { file, flags: FsyncFlags::empty(), range: (0, 0) }
    }

    fn data(file: Arc<OpenFile>) -> Self {
        Self { file, flags: FsyncFlags::DATASYNC, range: (0, 0) }
    }

    fn range(file: Arc<OpenFile>, offset: u64, bytes: u64) -> Self {
        // The entry has 32 bits for the length, and an end of 0 for "to the end": what does not fit
        // is a sync of all, which is more than was asked for.
        let range = match u32::try_from(bytes) {
            Ok(bytes) if bytes > 0 && offset <= OFFSET_MAX - u64::from(bytes) => (offset, bytes),
            _ => (0, 0),
        };
        Self { file, flags: FsyncFlags::DATASYNC, range }
    }
}

/// Beginning to write a range back: see [`File::start_write_back`].
#[derive(Debug)]
pub struct WriteBack {
    file: Arc<OpenFile>,
    offset: u64,
    bytes: u32,
}

// SAFETY: the entry points to nothing, and names a descriptor that is kept open here.
unsafe impl Operation for WriteBack {
    type Output = Result<(), Error>;
    const WAITS_IN_WORKER: bool = true;

    fn entry(&mut self) -> Sqe {
        let range = op::SyncFileRange::new(self.file.raw()).range(self.offset, self.bytes);
        range.flags(SyncFileRangeFlags::WRITE).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(drop)
    }

    fn reclaim(self, _: Completion) {}
}

/// Making a file system durable: see [`File::sync_filesystem`].
#[derive(Debug)]
pub struct SyncFilesystem {
    file: Arc<OpenFile>,
}

// SAFETY: the entry points to nothing, and names a descriptor that is kept open here.
unsafe impl Operation for SyncFilesystem {
    type Output = Result<(), Error>;
    const IS_PRIVATE: bool = true;

    fn entry(&mut self) -> Sqe {
        private::syncfs(self.file.raw())
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(drop)
    }

    fn reclaim(self, _: Completion) {}
}

/// # Durability
impl File {
    /// Makes all of the file system durable that the file is on, whoever wrote it (`syncfs(2)`,
    /// Linux 2.6.39). That may take long, where others write much.
    ///
    /// io_uring has no operation for it: a thread makes the call (see
    /// [`IS_PRIVATE`](Operation::IS_PRIVATE)).
    ///
    /// # Errors
    /// - `EIO`, `ENOSPC`, `EDQUOT` (122): data was lost, of any file there (told since Linux 5.8).
    /// - `EBADF`: the file is open as a name only.
    /// - [Those of every operation](File#errors-of-every-operation). Neither a cancel nor a
    ///   deadline says that nothing was synced.
    ///
    /// See [syncfs(2)](https://man7.org/linux/man-pages/man2/syncfs.2.html).
    ///
    /// ```
    /// let engine = annulus_runtime::Engine::new()?;
    /// let file = engine.file(std::fs::File::open("/proc/self/status")?);
    /// assert!(futures::executor::block_on(file.sync_filesystem()).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "syncfs")]
    pub fn sync_filesystem(&self) -> Op<SyncFilesystem> {
        self.op(SyncFilesystem { file: self.open() })
    }

    /// Makes the file durable, data and metadata, as `fsync(2)`: what was written *before* is on
    /// the device when this is over. Await the writes first; what is under way beside it may be in
    /// or not.
    ///
    /// A new file's name is in its directory: sync that too.
    ///
    /// # Errors
    /// - `EIO`, `ENOSPC`, `EDQUOT` (122): data was lost. Linux says so once for each open file, and
    ///   may have thrown the pages away: a second sync that succeeds proves nothing. Write again
    ///   from your own copy, or stop.
    /// - `EINVAL`: what cannot be synced: a pipe, a socket.
    /// - `EROFS`: the file system is read-only.
    /// - [Those of every operation](File#errors-of-every-operation). Neither a cancel nor a
    ///   deadline says that nothing was synced.
    ///
    /// By the ring (`IORING_OP_FSYNC`, Linux 5.1), which gives it to a thread of the kernel.
    ///
    /// See [fsync(2)](https://man7.org/linux/man-pages/man2/fsync.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// let path = std::env::temp_dir().join(format!("annulus-sync-all-{}", std::process::id()));
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::create(&path)?);
    /// block_on(file.write_all_at("precious", 0))?;
    /// assert!(block_on(file.sync_all()).is_ok());
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fsync")]
    #[doc(alias = "IORING_OP_FSYNC")]
    pub fn sync_all(&self) -> Op<Sync> {
        self.op(Sync::all(self.open()))
    }

    /// As [`sync_all`](Self::sync_all) without the metadata that reading the data back does not
    /// need, such as times: a real `fdatasync(2)`, which is one write less on most file systems.
    ///
    /// # Errors
    /// Those of [`sync_all`](Self::sync_all).
    ///
    /// See [fdatasync(2)](https://man7.org/linux/man-pages/man2/fdatasync.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// assert!(futures::executor::block_on(file.sync_data()).is_ok());
    /// let (pipe, _writer) = std::io::pipe()?;
    /// let error = futures::executor::block_on(engine.file(pipe).sync_data()).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fdatasync")]
    #[doc(alias = "IORING_FSYNC_DATASYNC")]
    pub fn sync_data(&self) -> Op<Sync> {
        self.op(Sync::data(self.open()))
    }

    /// As [`sync_data`](Self::sync_data) for `bytes` bytes from `offset` on, if the file system can
    /// tell them apart: it syncs at least those, and most sync more. 0 bytes: to the end.
    ///
    /// # Errors
    /// Those of [`sync_all`](Self::sync_all).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// assert!(futures::executor::block_on(file.sync_range(4096, 4096)).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn sync_range(&self, offset: u64, bytes: u64) -> Op<Sync> {
        self.op(Sync::range(self.open(), offset, bytes))
    }

    /// Begins to write `bytes` bytes from `offset` on back to the device, without waiting for them
    /// (0 bytes: to the end). *Not durable*: neither metadata nor the device's cache are cared for.
    /// It spreads the work out, so that a later sync has less to do.
    ///
    /// # Errors
    /// - `EINVAL`: the range does not end before 2⁶³.
    /// - `ESPIPE`: not a regular file, a block device or a directory.
    /// - `EIO`, `ENOSPC`: as for [`sync_all`](Self::sync_all).
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// By the ring (`IORING_OP_SYNC_FILE_RANGE`, Linux 5.2), which gives it to a thread of the
    /// kernel. More than 4 GiB − 1 is taken for "to the end".
    ///
    /// See [sync_file_range(2)](https://man7.org/linux/man-pages/man2/sync_file_range.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// assert!(futures::executor::block_on(file.start_write_back(0, 4096)).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "sync_file_range")]
    #[doc(alias = "IORING_OP_SYNC_FILE_RANGE")]
    pub fn start_write_back(&self, offset: u64, bytes: u64) -> Op<WriteBack> {
        let bytes = u32::try_from(bytes).unwrap_or(0);
        self.op(WriteBack { file: self.open(), offset, bytes })
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;
    use crate::Engine;

    #[test]
    fn a_data_sync_is_one_and_a_range_never_too_small() {
        let engine = Engine::new().expect("an engine");
        let file = engine.file(std::fs::File::open("Cargo.toml").expect("it is there"));
        let asked = |mut sync: Sync| {
            let entry = sync.entry();
            (FsyncFlags(entry.rw_flags), entry.off, entry.len)
        };
        let data = FsyncFlags::DATASYNC;
        assert_eq!(asked(Sync::all(file.open())), (FsyncFlags::empty(), 0, 0));
        assert_eq!(asked(Sync::data(file.open())), (data, 0, 0));
        let range = |offset, bytes| asked(Sync::range(file.open(), offset, bytes));
        assert_eq!(range(4096, 512), (data, 4096, 512));
        assert_eq!(range(OFFSET_MAX - 1, 1), (data, OFFSET_MAX - 1, 1));
        for (offset, bytes) in [(4096, 0), (4096, 1 << 32), (OFFSET_MAX, 1), (u64::MAX, u64::MAX)] {
            assert_eq!(range(offset, bytes), (data, 0, 0), "{bytes} bytes at {offset}");
        }
    }
}
