//! Pipes: making one, and moving bytes through them within the kernel.

use std::io;

use annulus_runtime::LocalOp;
use annulus_runtime::engine::ops::{Splice, Tee};
use annulus_runtime::runtime::engine;

use super::{File, Reads, RecvPool};

/// Makes a pipe: the end to read from, and the end to write to.
///
/// *Cancel and discard*: dropped, both are closed.
///
/// # Errors
/// - `EMFILE`, `ENFILE`: the process, or the system, has no two descriptors left: close some, or
///   raise the limit.
///
/// By the ring (`IORING_OP_PIPE`, Linux 6.16), else at once on this thread. See
/// [pipe2(2)](https://man7.org/linux/man-pages/man2/pipe2.2.html).
///
/// ```
/// annulus::run(async {
///     let (reader, writer) = annulus::fs::pipe().await?;
///     writer.write("ring").await?;
///     assert_eq!(reader.read(vec![0; 16]).await?.0, 4);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "pipe2")]
pub async fn pipe() -> io::Result<(File, File)> {
    let (reader, writer) = LocalOp::of(engine().pipe()).await?;
    Ok((reader.into(), writer.into()))
}

/// # From pipes
impl File {
    /// Reads whatever comes, whenever it comes, by one operation, into buffers that the kernel
    /// picks from `pool`: [`next`](Reads::next) gives it, where it lies. For what has no end that
    /// is near: pipes, terminals, tun devices. Of other files, and before Linux 6.7, each is a
    /// read of 4 KiB.
    ///
    /// *Resumable*, by its `next`; dropped, it is ended, and what it has read by then is lost.
    ///
    /// # Panics
    /// Where the pool is another runtime's.
    ///
    /// By the ring (`IORING_OP_READ_MULTISHOT`, Linux 6.7). See `io_uring_prep_read_multishot(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_prep_read_multishot.3.html>.
    ///
    /// ```
    /// use annulus::fs::{self, RecvPool};
    /// annulus::run(async {
    ///     let (reader, writer) = fs::pipe().await?;
    ///     let mut reads = reader.read_many(&RecvPool::new()?);
    ///     for text in ["one", "two"] {
    ///         writer.write_all(text).await?;
    ///         assert_eq!(&reads.next().await?.expect("not the end")[..], text.as_bytes());
    ///     }
    ///     drop(writer);
    ///     assert!(reads.next().await?.is_none());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn read_many(&self, pool: &RecvPool) -> Reads {
        self.file.read_many(pool)
    }
}

/// # Through pipes
impl File {
    /// Moves up to `bytes` bytes from this file to `to` within the kernel, as `splice(2)`: one of
    /// the two has to be a pipe. How many; 0 at the end of what is read.
    ///
    /// An offset is where in a file; without one it is the file's own position. A pipe has none.
    ///
    /// *Cancel and discard*: what was taken out of a pipe is in the other file, or lost.
    ///
    /// # Errors
    /// - `EINVAL`: neither is a pipe, both are the same one, `to` is open for appending, or the
    ///   file cannot be spliced: read and write instead.
    /// - `ESPIPE`: an offset, and it is a pipe. `EBADF`: one is not open for its direction.
    /// - `EPIPE`: nobody will read it. `ENOSPC`, `EFBIG`, `EIO`: as for
    ///   [`write_at`](Self::write_at).
    ///
    /// By the ring (`IORING_OP_SPLICE`, Linux 5.7), which gives it to a thread of the kernel, where
    /// it waits for the pipe. See
    /// [splice(2)](https://man7.org/linux/man-pages/man2/splice.2.html).
    ///
    /// ```
    /// use annulus::fs::{self, File};
    /// annulus::run(async {
    ///     let (reader, writer) = fs::pipe().await?;
    ///     let file = File::open("Cargo.toml").await?;
    ///     assert_eq!(file.splice(Some(1), &writer, None, 7).await?, 7);
    ///     assert_eq!(reader.read(vec![0; 16]).await?.1[..7], *b"package");
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn splice(
        &self,
        offset: Option<u64>,
        to: &Self,
        to_offset: Option<u64>,
        bytes: usize,
    ) -> LocalOp<Splice> {
        self.file.splice(offset, &to.file, to_offset, bytes)
    }

    /// Copies up to `bytes` bytes of this pipe to the pipe `to`, and leaves them here, as `tee(2)`.
    /// How many; 0 where it is empty and nobody can write to it any more.
    ///
    /// *Cancel and discard*: nobody knows how much was copied.
    ///
    /// # Errors
    /// - `EINVAL`: one is no pipe, or both are the same. `EBADF`: not open for its direction.
    /// - `EPIPE`: nobody will read it.
    ///
    /// By the ring (`IORING_OP_TEE`, Linux 5.8), as [`splice`](Self::splice). See
    /// [tee(2)](https://man7.org/linux/man-pages/man2/tee.2.html).
    ///
    /// ```
    /// use annulus::fs;
    /// annulus::run(async {
    ///     let ((reader, writer), (copy, copied)) = (fs::pipe().await?, fs::pipe().await?);
    ///     writer.write("twice").await?;
    ///     assert_eq!(reader.tee(&copied, 5).await?, 5);
    ///     assert_eq!(copy.read_exact(vec![0; 5]).await?.1, b"twice");
    ///     assert_eq!(reader.read_exact(vec![0; 5]).await?.1, b"twice");
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn tee(&self, to: &Self, bytes: usize) -> LocalOp<Tee> {
        self.file.tee(&to.file, bytes)
    }
}
