//! Reading and writing a [`File`].

use annulus_runtime::LocalOp;
use annulus_runtime::buffer::{BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use annulus_runtime::engine::ops::{Read, ReadVectored, Write, WriteVectored};

use super::{File, RwFlags, whole};

/// # At an offset
impl File {
    /// Reads at `offset`, as `pread(2)`: how many bytes, and the buffer. 0 at the end of the file.
    ///
    /// *Resumable*: read again. Its buffer is gone: [cancel](LocalOp::cancel) it instead to have it
    /// back.
    ///
    /// # Errors
    /// [Those of an engine's file](annulus_runtime::File::read_at). `EINVAL` of a file that is open
    /// for [direct I/O](super::OpenOptions::direct) says what is not aligned.
    ///
    /// See [pread(2)](https://man7.org/linux/man-pages/man2/pread.2.html).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     let (n, buf) = file.read_at(Vec::with_capacity(7), 1).await?;
    ///     assert_eq!((n, &buf[..]), (7, &b"package"[..]));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "pread")]
    #[inline]
    pub fn read_at<B: IoBufMut>(&self, buf: B, offset: u64) -> LocalOp<Read<B>> {
        self.file.read_at(buf, offset)
    }

    /// As [`read_at`](Self::read_at), the way that `flags` say (`preadv2(2)`):
    /// [`DONTCACHE`](RwFlags::DONTCACHE) leaves nothing of it in the page cache (Linux 6.14),
    /// [`NOWAIT`](RwFlags::NOWAIT) waits for no device.
    ///
    /// *Resumable*, as [`read_at`](Self::read_at).
    ///
    /// # Errors
    /// Those of [`read_at`](Self::read_at).
    /// - `EOPNOTSUPP`: the kernel, or the file system, has it not: do without.
    /// - `EAGAIN`: it would have waited, and was not to.
    ///
    /// See [preadv2(2)](https://man7.org/linux/man-pages/man2/preadv2.2.html).
    ///
    /// ```
    /// use annulus::{Errno, fs::{File, RwFlags}};
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     match file.read_at_with(vec![0; 9], 0, RwFlags::DONTCACHE).await {
    ///         Ok((_, buf)) => assert_eq!(buf, b"[package]"),
    ///         Err(error) => assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP)),
    ///     }
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "RWF_DONTCACHE")]
    pub fn read_at_with<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
        flags: RwFlags,
    ) -> LocalOp<Read<B>> {
        LocalOp::of(self.file.shared().read_at(buf, offset).flags(flags))
    }

    /// Reads at `offset` until the buffer is full.
    ///
    /// *Resumable*, as [`read_at`](Self::read_at).
    ///
    /// # Errors
    /// - `UnexpectedEof`: the file ended first. [`done`](crate::buffer::BufError::done) says how
    ///   much of it is in the buffer.
    /// - Those of [`read_at`](Self::read_at), also after a part.
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     let error = file.read_exact_at(vec![0; 9], 1 << 40).await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_exact_at<B: IoBufMut>(&self, buf: B, offset: u64) -> LocalOp<Read<B>> {
        self.file.read_exact_at(buf, offset)
    }

    /// Reads from `offset` to the end of the file, behind what is in `buf` already, which grows as
    /// it needs to: how many bytes were read, and the buffer.
    ///
    /// *Resumable*: read again; the buffer is gone.
    ///
    /// # Errors
    /// Those of [`read_at`](Self::read_at), also after a part, which is in the buffer. `ENOMEM`: it
    /// cannot grow so far.
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     let (n, text) = file.read_to_end_at(b"# ".to_vec(), 0).await?;
    ///     assert!(text.starts_with(b"# [package]") && text.len() == n + 2);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn read_to_end_at(&self, buf: Vec<u8>, offset: u64) -> BufResult<usize, Vec<u8>> {
        whole::read_to_end(self, buf, Some(offset)).await
    }

    /// Writes at `offset`, as `pwrite(2)`: how many bytes, and the buffer. To a file open for
    /// appending it goes to the end.
    ///
    /// It is in the page cache then: [`sync_data`](Self::sync_data) makes it durable.
    ///
    /// *Cancel and discard*: the bytes are there, a part of them or none; the same write again
    /// makes it good, unless it appends.
    ///
    /// # Errors
    /// Each gives the buffer back: [those of an engine's file](annulus_runtime::File::write_at),
    /// `ENOSPC`, `EDQUOT` (122), `EFBIG`, `EIO` among them.
    ///
    /// See [pwrite(2)](https://man7.org/linux/man-pages/man2/pwrite.2.html).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let null = File::options().write(true).open("/dev/null").await?;
    ///     let (n, buf) = null.write_at(vec![7; 100], 0).await?;
    ///     assert_eq!((n, buf.len()), (100, 100));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "pwrite")]
    #[inline]
    pub fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> LocalOp<Write<B>> {
        self.file.write_at(buf, offset)
    }

    /// As [`write_at`](Self::write_at), the way that `flags` say (`pwritev2(2)`):
    /// [`DSYNC`](RwFlags::DSYNC) and [`SYNC`](RwFlags::SYNC) make it durable,
    /// [`APPEND`](RwFlags::APPEND) goes to the end, [`DONTCACHE`](RwFlags::DONTCACHE) leaves
    /// nothing in the page cache (Linux 6.14), [`ATOMIC`](RwFlags::ATOMIC) is all or nothing, also
    /// where the power fails (Linux 6.11).
    ///
    /// *Cancel and discard*, as [`write_at`](Self::write_at).
    ///
    /// # Errors
    /// Those of [`write_at`](Self::write_at).
    /// - `EOPNOTSUPP`, `EINVAL`: the kernel, or the file system, has it not.
    ///
    /// See [pwritev2(2)](https://man7.org/linux/man-pages/man2/preadv2.2.html).
    ///
    /// ```
    /// use annulus::fs::{self, File, RwFlags};
    /// let path = std::env::temp_dir().join(format!("annulus-append-{}", std::process::id()));
    /// annulus::run(async {
    ///     fs::write(&path, "one, ").await?;
    ///     let file = File::options().write(true).open(&path).await?;
    ///     file.write_at_with("two", 0, RwFlags::APPEND).await?;
    ///     assert_eq!(fs::read(&path).await?, b"one, two");
    ///     fs::remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_at_with<B: IoBuf>(
        &self,
        buf: B,
        offset: u64,
        flags: RwFlags,
    ) -> LocalOp<Write<B>> {
        LocalOp::of(self.file.shared().write_at(buf, offset).flags(flags))
    }

    /// Writes all of the buffer at `offset`.
    ///
    /// *Cancel and discard*, as [`write_at`](Self::write_at).
    ///
    /// # Errors
    /// - `WriteZero`: the file takes no more, and says no reason.
    /// - Those of [`write_at`](Self::write_at), also after a part:
    ///   [`done`](crate::buffer::BufError::done) says how much.
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let full = File::options().write(true).open("/dev/full").await?;
    ///     let error = full.write_all_at("ring", 0).await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    ///     assert_eq!(error.into_buf(), "ring");
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_all_at<B: IoBuf>(&self, buf: B, offset: u64) -> LocalOp<Write<B>> {
        self.file.write_all_at(buf, offset)
    }

    /// Reads at `offset` into several buffers, one after the other.
    ///
    /// *Resumable*, as [`read_at`](Self::read_at).
    ///
    /// # Errors
    /// Those of [`read_at`](Self::read_at).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     let (n, [one, two]) = file.read_vectored_at([vec![0; 1], vec![0; 7]], 0).await?;
    ///     assert_eq!((n, &one[..], &two[..]), (8, &b"["[..], &b"package"[..]));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "preadv")]
    pub fn read_vectored_at<V: IoVecBufMut>(
        &self,
        bufs: V,
        offset: u64,
    ) -> LocalOp<ReadVectored<V>> {
        self.file.read_vectored_at(bufs, offset)
    }

    /// Reads at `offset` until all of several buffers are full.
    ///
    /// *Resumable*, as [`read_at`](Self::read_at).
    ///
    /// # Errors
    /// Those of [`read_exact_at`](Self::read_exact_at).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     let (_, [one, two]) = file.read_vectored_exact_at([vec![0; 1], vec![0; 7]], 0).await?;
    ///     assert_eq!((&one[..], &two[..]), (&b"["[..], &b"package"[..]));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_vectored_exact_at<V: IoVecBufMut>(
        &self,
        bufs: V,
        offset: u64,
    ) -> LocalOp<ReadVectored<V>> {
        self.file.read_vectored_exact_at(bufs, offset)
    }

    /// Writes several buffers at `offset`, one after the other.
    ///
    /// *Cancel and discard*, as [`write_at`](Self::write_at).
    ///
    /// # Errors
    /// Those of [`write_at`](Self::write_at).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let null = File::options().write(true).open("/dev/null").await?;
    ///     assert_eq!(null.write_vectored_at([vec![1; 3], vec![2; 4]], 0).await?.0, 7);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "pwritev")]
    pub fn write_vectored_at<V: IoVecBuf>(
        &self,
        bufs: V,
        offset: u64,
    ) -> LocalOp<WriteVectored<V>> {
        self.file.write_vectored_at(bufs, offset)
    }

    /// Writes all of several buffers at `offset`.
    ///
    /// *Cancel and discard*, as [`write_at`](Self::write_at).
    ///
    /// # Errors
    /// Those of [`write_all_at`](Self::write_all_at).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let null = File::options().write(true).open("/dev/null").await?;
    ///     assert_eq!(null.write_vectored_all_at([vec![1; 3], vec![2; 4]], 0).await?.0, 7);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_vectored_all_at<V: IoVecBuf>(
        &self,
        bufs: V,
        offset: u64,
    ) -> LocalOp<WriteVectored<V>> {
        self.file.write_vectored_all_at(bufs, offset)
    }
}

/// # At the file's own position
///
/// For pipes, terminals and the like, and for who goes from the front to the back: one at a time,
/// for of two at once nobody knows which is where.
impl File {
    /// Reads what comes next, as `read(2)`: how many bytes, and the buffer. 0 at the end.
    ///
    /// *Cancel and discard*: bytes that a pipe or a terminal gave are lost, and the position may
    /// have moved.
    ///
    /// # Errors
    /// Those of [`read_at`](Self::read_at).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     assert_eq!(file.read(vec![0; 1]).await?.1, b"[");
    ///     assert_eq!(file.read(vec![0; 7]).await?.1, b"package");
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read<B: IoBufMut>(&self, buf: B) -> LocalOp<Read<B>> {
        self.file.read(buf)
    }

    /// Reads what comes next until the buffer is full.
    ///
    /// *Cancel and discard*, as [`read`](Self::read).
    ///
    /// # Errors
    /// Those of [`read_exact_at`](Self::read_exact_at).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let zero = File::open("/dev/zero").await?;
    ///     assert_eq!(zero.read_exact(vec![7; 100]).await?.1, [0; 100]);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_exact<B: IoBufMut>(&self, buf: B) -> LocalOp<Read<B>> {
        self.file.read_exact(buf)
    }

    /// Reads all that comes next, behind what is in `buf` already, which grows as it needs to: how
    /// many bytes, and the buffer.
    ///
    /// *Cancel and discard*, as [`read`](Self::read).
    ///
    /// # Errors
    /// Those of [`read_to_end_at`](Self::read_to_end_at).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let status = File::open("/proc/self/status").await?;
    ///     let (n, text) = status.read_to_end(Vec::new()).await?;
    ///     assert!(text.starts_with(b"Name:") && n == text.len());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn read_to_end(&self, buf: Vec<u8>) -> BufResult<usize, Vec<u8>> {
        whole::read_to_end(self, buf, None).await
    }

    /// Writes what comes next, as `write(2)`: how many bytes, and the buffer.
    ///
    /// Where the space of a regular file runs out after a part, Linux (6.18, and before) says how
    /// much was written and leaves the position where it was: what is written next goes over it.
    /// [`write_at`](Self::write_at) is free of that.
    ///
    /// *Cancel and discard*: nobody knows how much was written.
    ///
    /// # Errors
    /// Those of [`write_at`](Self::write_at); `EPIPE`: nobody will read it.
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let null = File::options().write(true).open("/dev/null").await?;
    ///     assert_eq!(null.write("ring").await?.0, 4);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write<B: IoBuf>(&self, buf: B) -> LocalOp<Write<B>> {
        self.file.write(buf)
    }

    /// Writes all of the buffer as what comes next.
    ///
    /// *Cancel and discard*, as [`write`](Self::write).
    ///
    /// # Errors
    /// Those of [`write_all_at`](Self::write_all_at); `EPIPE`: nobody will read it. `WriteZero` of
    /// a regular file that took a part: it has no more room, most likely.
    ///
    /// ```
    /// use annulus::fs;
    /// annulus::run(async {
    ///     let (reader, writer) = fs::pipe().await?;
    ///     writer.write_all("all of it").await?;
    ///     drop(writer);
    ///     assert_eq!(reader.read_to_end(Vec::new()).await?.1, b"all of it");
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_all<B: IoBuf>(&self, buf: B) -> LocalOp<Write<B>> {
        self.file.write_all(buf)
    }

    /// Reads what comes next into several buffers, one after the other.
    ///
    /// *Cancel and discard*, as [`read`](Self::read).
    ///
    /// # Errors
    /// Those of [`read_at`](Self::read_at).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let zero = File::open("/dev/zero").await?;
    ///     assert_eq!(zero.read_vectored([vec![7; 3], vec![7; 4]]).await?.0, 7);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "readv")]
    pub fn read_vectored<V: IoVecBufMut>(&self, bufs: V) -> LocalOp<ReadVectored<V>> {
        self.file.read_vectored(bufs)
    }

    /// Writes several buffers as what comes next, one after the other.
    ///
    /// *Cancel and discard*, as [`write`](Self::write).
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let null = File::options().write(true).open("/dev/null").await?;
    ///     assert_eq!(null.write_vectored([vec![7; 3], vec![7; 4]]).await?.0, 7);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "writev")]
    pub fn write_vectored<V: IoVecBuf>(&self, bufs: V) -> LocalOp<WriteVectored<V>> {
        self.file.write_vectored(bufs)
    }
}
