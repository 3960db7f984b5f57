//! Reading and writing one buffer.

use std::sync::Arc;

use annulus_ring::abi::{RwFlags, Sqe};
use annulus_ring::op;

use super::file::{OpenFile, Way};
use super::transfer::{Load, Progress, complete_otherwise, rw_operations};
use super::{File, Op};
use crate::buffer::{BufResult, IoBuf, IoBufMut, io_len};
use crate::operation::{Advance, Completion, Operation};

/// A buffer to be filled.
#[derive(Debug)]
struct Room<B>(B);

// SAFETY: the entry points into the buffer, which is owned here and stable (`IoBufMut`). If it
// names the buffer by index too, that is the one with which the engine's rings have it registered
// (`OpenFile::by_index`).
unsafe impl<B: IoBufMut> Load for Room<B> {
    type Buf = B;
    const WAY: Way = Way::Read;

    #[inline]
    fn bytes(&self) -> usize {
        self.0.bytes_total()
    }

    #[inline]
    fn next(&mut self, file: &OpenFile, progress: &Progress) -> Sqe {
        let left = self.0.bytes_total().saturating_sub(progress.done());
        let start = self.0.stable_mut_ptr().wrapping_add(progress.done());
        let read = op::Read::new(file.raw(), start, io_len(left));
        read.offset(progress.offset()).flags(progress.flags()).build()
    }

    #[inline]
    fn by_index(&self, file: &OpenFile, entry: Sqe) -> Sqe {
        file.by_index(entry, &self.0)
    }

    #[inline]
    unsafe fn give_back(mut self, done: usize) -> B {
        if done > 0 {
            // SAFETY: so many bytes were written, from the first on (the caller's promise).
            unsafe { self.0.set_init(done) };
        }
        self.0
    }
}

/// A buffer to be written.
#[derive(Debug)]
struct Data<B>(B);

// SAFETY: the entry points into the buffer, which is owned here and stable (`IoBuf`). An index: as
// for reading.
unsafe impl<B: IoBuf> Load for Data<B> {
    type Buf = B;
    const WAY: Way = Way::Write;

    #[inline]
    fn bytes(&self) -> usize {
        self.0.bytes_init()
    }

    #[inline]
    fn next(&mut self, file: &OpenFile, progress: &Progress) -> Sqe {
        let left = self.0.bytes_init().saturating_sub(progress.done());
        let start = self.0.stable_ptr().wrapping_add(progress.done());
        let write = op::Write::new(file.raw(), start, io_len(left));
        write.offset(progress.offset()).flags(progress.flags()).build()
    }

    #[inline]
    fn by_index(&self, file: &OpenFile, entry: Sqe) -> Sqe {
        file.by_index(entry, &self.0)
    }

    #[inline]
    unsafe fn give_back(self, _: usize) -> B {
        self.0
    }
}

rw_operations! {
    /// Reading into a buffer: see [`File::read_at`](super::File::read_at).
    Read<B: IoBufMut> moves Room;
    /// Writing a buffer: see [`File::write_at`](super::File::write_at).
    Write<B: IoBuf> moves Data;
}

impl<B: IoBufMut> Read<B> {
    /// A read at an offset, for the ring of this thread's runtime.
    #[inline]
    pub(crate) fn at(file: Arc<OpenFile>, buf: B, offset: u64) -> Self {
        let mut read = Self::new(file, Room(buf), Some(offset));
        read.progress.set_place(&read.file);
        read
    }
}

impl<B: IoBuf> Write<B> {
    /// A write at an offset, for the ring of this thread's runtime.
    #[inline]
    pub(crate) fn at(file: Arc<OpenFile>, buf: B, offset: u64) -> Self {
        let mut write = Self::new(file, Data(buf), Some(offset));
        write.progress.set_place(&write.file);
        write
    }
}

/// # Reading and writing
impl File {
    /// Reads at `offset`, as `pread(2)`: how many bytes, and the buffer.
    ///
    /// 0 is the end of the file. Fewer bytes than the buffer has room for are read where the file
    /// ends, and where a pipe, socket or terminal has no more for now; of more than
    /// [`IO_BYTES_MAX`](crate::buffer::IO_BYTES_MAX) it may be a part. The file's own position
    /// stays as it is.
    ///
    /// # Errors
    /// Each gives the buffer back.
    /// - `EBADF`: the file is not open for reading.
    /// - `EINVAL`: the offset is over 2⁶³ − 1; or the file is open with `O_DIRECT`, and offset,
    ///   length or address are not multiples of what [`Metadata::dio_alignment`] says: use an
    ///   [`AlignedBuf`](crate::buffer::AlignedBuf).
    /// - `EISDIR`: it is a directory. `ESPIPE`: an offset other than 0 in a socket.
    /// - `EIO`: the device failed: the bytes may be lost. `ENODATA`, `EREMOTEIO`, `EBADMSG`: so
    ///   do some file systems and devices say that.
    /// - `EAGAIN`: it would wait, and [`NOWAIT`](RwFlags::NOWAIT) forbids that; or a device that
    ///   cannot be polled was opened with `O_NONBLOCK`. What can be polled (pipes, sockets,
    ///   terminals) is waited for, whether `O_NONBLOCK` is set or not.
    /// - `ECONNRESET`, `ETIMEDOUT`, `ENOTCONN`: the socket's connection is gone.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// By the page cache (`RWF_NOWAIT`, Linux 4.14) on this thread, else by the ring
    /// (`IORING_OP_READ`, Linux 5.6).
    ///
    /// See [pread(2)](https://man7.org/linux/man-pages/man2/pread.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// let (n, buf) = futures::executor::block_on(file.read_at(vec![0; 7], 1))?;
    /// assert_eq!(&buf[..n], b"package");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// [`Metadata::dio_alignment`]: super::Metadata::dio_alignment
    #[doc(alias = "pread")]
    pub fn read_at<B: IoBufMut>(&self, buf: B, offset: u64) -> Op<Read<B>> {
        self.op(Read::new(self.open(), Room(buf), Some(offset)))
    }

    /// Reads what comes next, as `read(2)`: at the file's own position, which moves along. For
    /// pipes, sockets, terminals and other files without positions.
    ///
    /// Two reads under way at once of a file that has a position may read the same bytes: positions
    /// are for one at a time.
    ///
    /// # Errors
    /// Those of [`read_at`](Self::read_at).
    ///
    /// See [read(2)](https://man7.org/linux/man-pages/man2/read.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// let engine = Engine::new()?;
    /// let (reader, writer) = std::io::pipe()?;
    /// let (reader, writer) = (engine.file(reader), engine.file(writer));
    /// block_on(writer.write("hello"))?;
    /// let (n, buf) = block_on(reader.read(Vec::with_capacity(16)))?;
    /// assert_eq!((n, &buf[..]), (5, &b"hello"[..]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read<B: IoBufMut>(&self, buf: B) -> Op<Read<B>> {
        self.op(Read::new(self.open(), Room(buf), None))
    }

    /// Reads what comes next until the buffer is full, as [`read`](Self::read) does.
    ///
    /// # Errors
    /// - [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof): it ended first. What there was is at
    ///   the beginning of the buffer: [`done`](crate::buffer::BufError::done) says how much.
    /// - Those of [`read_at`](Self::read_at), also after a part.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// assert_eq!(block_on(file.read_exact(vec![0; 1]))?.1, b"[");
    /// assert_eq!(block_on(file.read_exact(vec![0; 7]))?.1, b"package");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_exact<B: IoBufMut>(&self, buf: B) -> Op<Read<B>> {
        self.op(Read::new(self.open(), Room(buf), None).exact())
    }

    /// Reads at `offset` until the buffer is full.
    ///
    /// # Errors
    /// - [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof): the file ended first. What it had is
    ///   at the beginning of the buffer: [`done`](crate::buffer::BufError::done) says how much.
    /// - Those of [`read_at`](Self::read_at), also after a part.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// let (_, buf) = block_on(file.read_exact_at(vec![0; 9], 0))?;
    /// assert_eq!(buf, b"[package]");
    /// let error = block_on(file.read_exact_at(vec![0; 9], 1 << 40)).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_exact_at<B: IoBufMut>(&self, buf: B, offset: u64) -> Op<Read<B>> {
        self.op(Read::new(self.open(), Room(buf), Some(offset)).exact())
    }

    /// Writes at `offset`, as `pwrite(2)`: how many bytes, and the buffer. To a file open for
    /// appending it goes to the end.
    ///
    /// On regular files and block devices all is written, unless space or a limit runs out; of more
    /// than [`IO_BYTES_MAX`](crate::buffer::IO_BYTES_MAX) it may be a part; pipes and sockets may
    /// take fewer. It is in the page cache then: [`sync_data`](Self::sync_data) makes
    /// it durable.
    ///
    /// # Errors
    /// Each gives the buffer back.
    /// - `EBADF`: the file is not open for writing.
    /// - `ENOSPC`, `EDQUOT` (122): no space left, or over the quota: nothing was written. Free
    ///   some.
    /// - `EFBIG`: past what the file system, or `RLIMIT_FSIZE`, allows. For the latter the process
    ///   also gets `SIGXFSZ`, which ends it unless it is ignored.
    /// - `EINVAL`: as for [`read_at`](Self::read_at).
    /// - `EPIPE`: nobody will read it: the pipe's or socket's other end is closed.
    /// - `EPERM`: the file is sealed, or immutable. `ETXTBSY` (26): it is a program that runs.
    /// - `EIO`: the device failed. `EAGAIN`: as for [`read_at`](Self::read_at).
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// At once on this thread where the file system can (`RWF_NOWAIT`: pipes, tmpfs, XFS, btrfs;
    /// not ext4), else by the ring (`IORING_OP_WRITE`, Linux 5.6).
    ///
    /// See [pwrite(2)](https://man7.org/linux/man-pages/man2/pwrite.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let null = engine.file(std::fs::File::options().write(true).open("/dev/null")?);
    /// let (n, buf) = futures::executor::block_on(null.write_at(vec![7; 100], 0))?;
    /// assert_eq!((n, buf.len()), (100, 100));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "pwrite")]
    pub fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> Op<Write<B>> {
        self.op(Write::new(self.open(), Data(buf), Some(offset)))
    }

    /// Writes what comes next, as `write(2)`: at the file's own position, which moves along. For
    /// pipes, sockets, terminals and other files without positions.
    ///
    /// Where the space of a regular file runs out after a part, Linux (6.18, and before) says how
    /// much was written and leaves the position where it was: what is written next goes over it.
    /// [`write_at`](Self::write_at) is free of that.
    ///
    /// # Errors
    /// Those of [`write_at`](Self::write_at).
    ///
    /// See [write(2)](https://man7.org/linux/man-pages/man2/write.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use std::io::Read;
    /// let engine = Engine::new()?;
    /// let (mut reader, writer) = std::io::pipe()?;
    /// let writer = engine.file(writer);
    /// assert_eq!(futures::executor::block_on(writer.write("hello"))?.0, 5);
    /// let mut read = [0; 5];
    /// reader.read_exact(&mut read)?;
    /// assert_eq!(&read, b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write<B: IoBuf>(&self, buf: B) -> Op<Write<B>> {
        self.op(Write::new(self.open(), Data(buf), None))
    }

    /// Writes all of the buffer as what comes next, as [`write`](Self::write) does.
    ///
    /// # Errors
    /// - [`WriteZero`](std::io::ErrorKind::WriteZero): the file takes no more, and says no reason;
    ///   a regular file that took a part has no more room, most likely.
    /// - Those of [`write_at`](Self::write_at), also after a part was written:
    ///   [`done`](crate::buffer::BufError::done) says how much.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let (reader, writer) = std::io::pipe()?;
    /// assert_eq!(futures::executor::block_on(engine.file(writer).write_all("hello"))?.0, 5);
    /// assert_eq!(std::io::read_to_string(reader)?, "hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_all<B: IoBuf>(&self, buf: B) -> Op<Write<B>> {
        self.op(Write::new(self.open(), Data(buf), None).exact())
    }

    /// Writes all of the buffer at `offset`.
    ///
    /// # Errors
    /// - [`WriteZero`](std::io::ErrorKind::WriteZero): the file takes no more, and says no reason.
    /// - Those of [`write_at`](Self::write_at), also after a part was written:
    ///   [`done`](crate::buffer::BufError::done) says how much.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let null = engine.file(std::fs::File::options().write(true).open("/dev/null")?);
    /// assert_eq!(futures::executor::block_on(null.write_all_at("hello", 0))?.0, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_all_at<B: IoBuf>(&self, buf: B, offset: u64) -> Op<Write<B>> {
        self.op(Write::new(self.open(), Data(buf), Some(offset)).exact())
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;
    use crate::Engine;
    use crate::engine::registered::Registered;
    use annulus_ring::abi::{FixedFd, SqeFlags};

    #[test]
    fn a_registered_file_goes_by_its_place_in_its_own_ring_alone() {
        let engine = Engine::new().expect("an engine");
        let file = engine.file(std::fs::File::open("Cargo.toml").expect("it is there"));
        let target = |sqe: Sqe| (sqe.fd, sqe.flags.contains(SqeFlags::FIXED_FILE));
        let by_descriptor = (file.open().raw(), false);
        assert_eq!(target(Read::at(file.open(), vec![0; 8], 0).entry()), by_descriptor);
        let ports = Arc::clone(engine.ports());
        file.open().set_registered(Registered::new(FixedFd(7), ports));
        assert_eq!(target(Read::at(file.open(), vec![0; 8], 0).entry()), (7, true));
        assert_eq!(target(Write::at(file.open(), vec![0; 8], 0).entry()), (7, true));
        // What may be given to any ring knows nothing of the place.
        let of_any = Read::new(file.open(), Room(vec![0; 8]), Some(0)).entry();
        assert_eq!(target(of_any), by_descriptor);
    }
}
