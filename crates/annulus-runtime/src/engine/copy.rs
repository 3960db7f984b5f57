//! Copying within the kernel: from file to file, from file to socket, and by sharing blocks.
//!
//! io_uring has no operation for these: they are [private](Operation::IS_PRIVATE), and done by a
//! thread.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use annulus_ring::abi::{Sqe, private};

use super::file::OpenFile;
use super::{File, Op};
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// The most that one of them moves.
const BYTES_MAX: u64 = 0x7fff_f000;

/// Copying a part of a file to another: see [`File::copy_to`].
#[derive(Debug)]
pub struct CopyFileRange {
    from: Arc<OpenFile>,
    from_offset: u64,
    to: Arc<OpenFile>,
    to_offset: u64,
    bytes: u64,
}

// SAFETY: the entry points to nothing, and names two descriptors that are kept open here.
unsafe impl Operation for CopyFileRange {
    type Output = Result<u64, Error>;
    const IS_PRIVATE: bool = true;

    fn entry(&mut self) -> Sqe {
        let bytes = self.bytes.min(BYTES_MAX) as u32;
        let (to, from) = (self.to.raw(), self.from.raw());
        private::copy_file_range(to, self.to_offset, from, self.from_offset, bytes)
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(u64::from)
    }

    fn reclaim(self, _: Completion) {
        // What was copied is there.
    }
}

/// Sending a part of a file: see [`File::send_to`].
#[derive(Debug)]
pub struct SendFile {
    from: Arc<OpenFile>,
    offset: u64,
    to: To,
    bytes: u64,
}

/// Where a file is sent to.
#[derive(Debug)]
enum To {
    File(Arc<OpenFile>),
    Socket(Arc<OwnedFd>),
}

impl SendFile {
    /// To a stream's socket.
    pub(crate) fn to_socket(from: &File, offset: u64, socket: &Arc<OwnedFd>, bytes: u64) -> Self {
        Self { from: from.open(), offset, to: To::Socket(Arc::clone(socket)), bytes }
    }
}

// SAFETY: as of `CopyFileRange`.
unsafe impl Operation for SendFile {
    type Output = Result<u64, Error>;
    const IS_PRIVATE: bool = true;

    fn entry(&mut self) -> Sqe {
        let bytes = self.bytes.min(BYTES_MAX) as u32;
        let to = match &self.to {
            To::File(file) => file.raw(),
            To::Socket(socket) => socket.as_raw_fd(),
        };
        private::sendfile(to, self.from.raw(), self.offset, bytes)
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(u64::from)
    }

    fn reclaim(self, _: Completion) {
        // What was sent is sent.
    }
}

/// Sharing another file's blocks: see [`File::reflink_from`] and [`File::reflink_range_from`].
#[derive(Debug)]
pub struct CloneRange {
    to: Arc<OpenFile>,
    from: Arc<OpenFile>,
    /// Where to, where from, and how many bytes, if not all of it.
    part: Option<(u64, u64, u64)>,
}

// SAFETY: as of `CopyFileRange`.
unsafe impl Operation for CloneRange {
    type Output = Result<(), Error>;
    const IS_PRIVATE: bool = true;

    fn entry(&mut self) -> Sqe {
        let (to, from) = (self.to.raw(), self.from.raw());
        match self.part {
            None => private::ficlone(to, from),
            Some((to_offset, from_offset, bytes)) => {
                private::ficlone_range(to, to_offset, from, from_offset, bytes)
            }
        }
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(drop)
    }

    fn reclaim(self, _: Completion) {
        // What is shared is shared.
    }
}

/// # Copies within the kernel
///
/// io_uring has no operation for them, and they may wait for a disk: a thread makes the call (see
/// [`IS_PRIVATE`](Operation::IS_PRIVATE)). In a chain ([`Op::then`]) they fail with `EINVAL`.
impl File {
    /// Copies up to `bytes` bytes from `offset` of this file on to `to_offset` of `to`, without
    /// bringing them into the program (`copy_file_range(2)`, Linux 4.5). How many were copied: 0
    /// behind the end, fewer than were asked for at any time, and never more than 2 GiB at once.
    ///
    /// Where the file system can, as XFS, Btrfs and NFS can, blocks are shared, or the server
    /// copies.
    ///
    /// # Errors
    /// - `EXDEV`: on two file systems of different kinds: read and write. (Before Linux 5.19, on
    ///   any two.)
    /// - `EOPNOTSUPP`: the file system cannot: read and write.
    /// - `EBADF`: this file is not open for reading, or `to` not for writing, or only to append.
    /// - `EINVAL`: one is no regular file, or the two ranges of one file overlap. Also on some file
    ///   systems that cannot, as `/proc`, whose files have no length: read and write.
    /// - `EISDIR`: a directory. `EPERM`: `to` is immutable. `ETXTBSY` (26): it is swap space.
    /// - `ENOSPC`, `EDQUOT` (122): no room. `EFBIG`: past what the file system or `RLIMIT_FSIZE`
    ///   allows. `EIO`: the device failed.
    /// - [Those of every operation](File#errors-of-every-operation). Neither a cancel nor a
    ///   deadline says that nothing was copied.
    ///
    /// See [copy_file_range(2)](https://man7.org/linux/man-pages/man2/copy_file_range.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// # let path = std::env::temp_dir().join(format!("annulus-copy-{}", std::process::id()));
    /// let engine = Engine::new()?;
    /// let from = engine.file(std::fs::File::open("Cargo.toml")?);
    /// let to = engine.file(std::fs::File::create(&path)?);
    /// let copied = block_on(from.copy_to(1, &to, 0, 7));
    /// # let text = std::fs::read(&path)?;
    /// # std::fs::remove_file(&path)?;
    /// match copied {
    ///     Ok(7) => assert_eq!(text, b"package"),
    ///     other => assert_eq!(other.unwrap_err().errno(), Some(annulus_ring::Errno::EXDEV)),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "copy_file_range")]
    pub fn copy_to(&self, offset: u64, to: &Self, to_offset: u64, bytes: u64) -> Op<CopyFileRange> {
        let (from, to) = (self.open(), to.open());
        self.op(CopyFileRange { from, from_offset: offset, to, to_offset, bytes })
    }

    /// Sends up to `bytes` bytes from `offset` of this file on to `to`, a socket, pipe or file, at
    /// its position (`sendfile(2)`). How many were sent: 0 behind the end, fewer at any time, and
    /// never more than 2 GiB at once.
    ///
    /// It waits until the peer has made room, on a thread of its own, however long that takes: with
    /// a [`deadline`](Op::deadline) not longer than that. Two at a time to one socket mix.
    ///
    /// # Errors
    /// - `EINVAL`: this file cannot be mapped, as a socket, or `to` was opened to append: read and
    ///   write.
    /// - `EAGAIN`: `to` is non-blocking, and full: wait until it is
    ///   [`writable`](Self::writable).
    /// - `EBADF`: this file is not open for reading, or `to` not for writing.
    /// - `EPIPE`, `ECONNRESET`, `ENOTCONN`: the peer is gone.
    /// - `EIO`: the device failed. `EOVERFLOW`: past the end of what a file can be.
    /// - [Those of every operation](File#errors-of-every-operation). Neither a cancel nor a
    ///   deadline says that nothing was sent.
    ///
    /// See [sendfile(2)](https://man7.org/linux/man-pages/man2/sendfile.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use std::io::Read;
    /// let (mut here, there) = std::os::unix::net::UnixStream::pair()?;
    /// let engine = Engine::new()?;
    /// let (file, socket) = (engine.file(std::fs::File::open("Cargo.toml")?), engine.file(there));
    /// assert_eq!(futures::executor::block_on(file.send_to(0, &socket, 9)), Ok(9));
    /// let mut text = [0; 9];
    /// here.read_exact(&mut text)?;
    /// assert_eq!(&text, b"[package]");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "sendfile")]
    pub fn send_to(&self, offset: u64, to: &Self, bytes: u64) -> Op<SendFile> {
        self.op(SendFile { from: self.open(), offset, to: To::File(to.open()), bytes })
    }

    /// Makes all of this file a copy of `from` that shares its blocks: it takes no time and no
    /// space until one of the two is changed (`ioctl(FICLONE)`, Linux 4.5).
    ///
    /// # Errors
    /// - `EOPNOTSUPP`: the file system cannot, as ext4 and tmpfs: [`copy_to`](Self::copy_to).
    /// - `EXDEV`: on two file systems: [`copy_to`](Self::copy_to).
    /// - `EINVAL`: one is no regular file, or blocks do not fit. `EISDIR`: a directory.
    /// - `EBADF`: this file is not open for writing, or `from` not for reading.
    /// - `EPERM`: this file is immutable. `ETXTBSY` (26): one is swap space.
    /// - `ENOSPC`, `EDQUOT` (122): no room, even for that.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// See [ioctl_ficlone(2)](https://man7.org/linux/man-pages/man2/ioctl_ficlone.2.html).
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// use annulus_runtime::Engine;
    /// # let path = std::env::temp_dir().join(format!("annulus-clone-{}", std::process::id()));
    /// let engine = Engine::new()?;
    /// let from = engine.file(std::fs::File::open("Cargo.toml")?);
    /// let to = engine.file(std::fs::File::create(&path)?);
    /// match futures::executor::block_on(to.reflink_from(&from)) {
    ///     Ok(()) => assert_eq!(std::fs::read(&path)?, std::fs::read("Cargo.toml")?),
    ///     Err(error) => {
    ///         let cannot = [Some(Errno::EOPNOTSUPP), Some(Errno::EXDEV)];
    ///         assert!(cannot.contains(&error.errno()));
    ///     }
    /// }
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "FICLONE")]
    pub fn reflink_from(&self, from: &Self) -> Op<CloneRange> {
        self.op(CloneRange { to: self.open(), from: from.open(), part: None })
    }

    /// As [`reflink_from`](Self::reflink_from), of `bytes` bytes (0: to the end) from
    /// `from_offset` of `from` on, to `offset` of this file. All three are multiples of the file
    /// system's block, but for an end at the end of the file.
    ///
    /// # Errors
    /// Those of [`reflink_from`](Self::reflink_from); `EINVAL` also for ranges that overlap or are
    /// not of whole blocks.
    ///
    /// See
    /// [ioctl_ficlonerange(2)](https://man7.org/linux/man-pages/man2/ioctl_ficlonerange.2.html).
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// # let path = std::env::temp_dir().join(format!("annulus-share-{}", std::process::id()));
    /// # std::fs::write(&path, [7; 8192])?;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let file = engine.file(std::fs::File::options().read(true).write(true).open(&path)?);
    /// let shared = futures::executor::block_on(file.reflink_range_from(8192, &file, 0, 4096));
    /// # let length = std::fs::metadata(&path)?.len();
    /// # std::fs::remove_file(&path)?;
    /// match shared {
    ///     Ok(()) => assert_eq!(length, 12288),
    ///     Err(error) => assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP)),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "FICLONERANGE")]
    pub fn reflink_range_from(
        &self,
        offset: u64,
        from: &Self,
        from_offset: u64,
        bytes: u64,
    ) -> Op<CloneRange> {
        let part = Some((offset, from_offset, bytes));
        self.op(CloneRange { to: self.open(), from: from.open(), part })
    }
}
