//! Reading and writing one buffer.

use std::sync::Arc;

use annulus_ring::abi::{RwFlags, Sqe};
use annulus_ring::op;

use super::file::{OpenFile, Way};
use super::{File, Op};
use crate::buffer::{BufError, BufResult, IoBuf, IoBufMut, io_len};
use crate::operation::{Advance, Completion, Operation};

/// The file's own position, where an offset is expected.
const OWN_POSITION: u64 = u64::MAX;

/// How far a transfer has come.
#[derive(Debug)]
pub(super) struct Progress {
    /// Where it began, or the file's own position.
    offset: u64,
    /// How many bytes were moved.
    done: usize,
    /// Whether it goes on until all were moved.
    exact: bool,
    /// How each part is done.
    flags: RwFlags,
}

impl Progress {
    pub(super) fn new(offset: Option<u64>) -> Self {
        // An offset that happens to be the number for "none" is as far out of range as its
        // neighbour, which the kernel refuses.
        let offset = offset.map_or(OWN_POSITION, |offset| offset.min(OWN_POSITION - 1));
        Self { offset, done: 0, exact: false, flags: RwFlags::empty() }
    }

    /// The offset of what comes next.
    #[inline]
    pub(super) fn offset(&self) -> u64 {
        if self.offset == OWN_POSITION { OWN_POSITION } else { self.offset + self.done as u64 }
    }

    #[inline]
    pub(super) fn done(&self) -> usize {
        self.done
    }

    pub(super) fn set_exact(&mut self) {
        self.exact = true;
    }

    pub(super) fn set_flags(&mut self, flags: RwFlags) {
        self.flags = flags;
    }

    #[inline]
    pub(super) fn flags(&self) -> RwFlags {
        self.flags
    }

    /// Takes note of a completion, of `total` bytes in all.
    #[inline]
    pub(super) fn advance(&mut self, completion: &Completion, total: usize) -> Advance {
        let Ok(count) = completion.result else { return Advance::Finished };
        self.done += count as usize;
        let more = self.exact && count > 0 && self.done < total;
        if more { Advance::Again } else { Advance::Finished }
    }

    /// What became of it all. An error after some bytes is told when the next are asked for, unless
    /// all were wanted.
    #[inline]
    pub(super) fn result<B>(
        &self,
        completion: Completion,
        total: usize,
        buf: B,
        way: Way,
    ) -> BufResult<usize, B> {
        match completion.result {
            Err(errno) if self.done == 0 || self.exact => {
                Err(BufError::of(&completion, errno, buf).after(self.done))
            }
            Ok(_) if self.exact && self.done < total => Err(match way {
                Way::Read => BufError::unexpected_eof(self.done, buf),
                Way::Write => BufError::write_zero(self.done, buf),
            }),
            _ => Ok((self.done, buf)),
        }
    }

    /// Does as much as can be done at once: `next` makes the entry of what is left. `None` where
    /// something is left for the ring.
    ///
    /// # Safety
    /// - What the entries point to is valid for the length of this call.
    #[inline]
    pub(super) unsafe fn attempt(
        &mut self,
        file: &OpenFile,
        way: Way,
        total: usize,
        mut next: impl FnMut(&Self) -> Sqe,
    ) -> Option<Completion> {
        if !file.may_attempt(way) {
            return None;
        }
        loop {
            let entry = next(self);
            // SAFETY: the caller's promise.
            let result = unsafe { file.call(way, &entry) }?;
            let count = result.unwrap_or(0) as usize;
            self.done += count;
            // Of a file a part may have been at hand: what is left is, or comes from the disk, or
            // lies behind the end. What a pipe has is all there is now.
            let goes_on = count > 0 && self.done < total && (self.exact || file.is_regular());
            if !goes_on {
                return Some(Completion::new(result));
            }
        }
    }
}

/// Reading into a buffer: see [`File::read_at`](super::File::read_at).
#[derive(Debug)]
pub struct Read<B> {
    file: Arc<OpenFile>,
    buf: B,
    progress: Progress,
}

impl<B: IoBufMut> Read<B> {
    pub(super) fn new(file: Arc<OpenFile>, buf: B, offset: Option<u64>) -> Self {
        Self { file, buf, progress: Progress::new(offset) }
    }

    pub(super) fn exact(mut self) -> Self {
        self.progress.set_exact();
        self
    }

    /// What is to be read now.
    #[inline]
    fn next(file: &OpenFile, buf: &mut B, progress: &Progress) -> Sqe {
        let left = buf.bytes_total().saturating_sub(progress.done());
        let start = buf.stable_mut_ptr().wrapping_add(progress.done());
        let read = op::Read::new(file.raw(), start, io_len(left));
        read.offset(progress.offset()).flags(progress.flags()).build()
    }
}

// SAFETY: the entry points into the buffer, which is owned here and stable (`IoBufMut`), and names
// a descriptor that is kept open here. If it names the buffer by index too, that is the one with
// which the engine's rings have it registered (`OpenFile::by_index`).
unsafe impl<B: IoBufMut> Operation for Read<B> {
    type Output = BufResult<usize, B>;
    const ADVANCES: bool = true;
    const MAY_ATTEMPT: bool = true;

    #[inline]
    fn attempt(&mut self) -> Option<Completion> {
        let Self { file, buf, progress } = self;
        let total = buf.bytes_total();
        // SAFETY: the buffer is owned here, and not touched during the call.
        unsafe { progress.attempt(file, Way::Read, total, |now| Self::next(file, buf, now)) }
    }

    #[inline]
    fn entry(&mut self) -> Sqe {
        let entry = Self::next(&self.file, &mut self.buf, &self.progress);
        self.file.by_index(entry, &self.buf)
    }

    #[inline]
    fn advance(&mut self, completion: &mut Completion) -> Advance {
        self.progress.advance(completion, self.buf.bytes_total())
    }

    #[inline]
    fn complete(mut self, completion: Completion) -> Self::Output {
        let done = self.progress.done();
        if done > 0 {
            // SAFETY: the kernel said that it wrote so many bytes, from the first on.
            unsafe { self.buf.set_init(done) };
        }
        let total = self.buf.bytes_total();
        self.progress.result(completion, total, self.buf, Way::Read)
    }

    fn reclaim(self, _: Completion) {
        // Bytes that nobody waits for go with their buffer.
    }
}

/// Writing a buffer: see [`File::write_at`](super::File::write_at).
#[derive(Debug)]
pub struct Write<B> {
    file: Arc<OpenFile>,
    buf: B,
    progress: Progress,
}

impl<B: IoBuf> Write<B> {
    pub(super) fn new(file: Arc<OpenFile>, buf: B, offset: Option<u64>) -> Self {
        Self { file, buf, progress: Progress::new(offset) }
    }

    pub(super) fn exact(mut self) -> Self {
        self.progress.set_exact();
        self
    }

    /// What is to be written now.
    #[inline]
    fn next(file: &OpenFile, buf: &B, progress: &Progress) -> Sqe {
        let left = buf.bytes_init().saturating_sub(progress.done());
        let start = buf.stable_ptr().wrapping_add(progress.done());
        let write = op::Write::new(file.raw(), start, io_len(left));
        write.offset(progress.offset()).flags(progress.flags()).build()
    }
}

// SAFETY: the entry points into the buffer, which is owned here and stable (`IoBuf`), and names a
// descriptor that is kept open here. An index: as for reading.
unsafe impl<B: IoBuf> Operation for Write<B> {
    type Output = BufResult<usize, B>;
    const ADVANCES: bool = true;
    const MAY_ATTEMPT: bool = true;

    #[inline]
    fn attempt(&mut self) -> Option<Completion> {
        let Self { file, buf, progress } = self;
        let total = buf.bytes_init();
        // SAFETY: the buffer is owned here, and not touched during the call.
        unsafe { progress.attempt(file, Way::Write, total, |now| Self::next(file, buf, now)) }
    }

    #[inline]
    fn entry(&mut self) -> Sqe {
        let entry = Self::next(&self.file, &self.buf, &self.progress);
        self.file.by_index(entry, &self.buf)
    }

    #[inline]
    fn advance(&mut self, completion: &mut Completion) -> Advance {
        self.progress.advance(completion, self.buf.bytes_init())
    }

    #[inline]
    fn complete(self, completion: Completion) -> Self::Output {
        let total = self.buf.bytes_init();
        self.progress.result(completion, total, self.buf, Way::Write)
    }

    fn reclaim(self, _: Completion) {
        // What was written is written.
    }
}

/// What the futures of reads and writes have in common.
macro_rules! rw_options {
    ($($Type:ident<$B:ident: $Bound:path $(, $static:lifetime)?>;)*) => {$(
        impl<$B: $Bound $(+ $static)?> Op<$Type<$B>> {
            /// How it is done, for this once: the flags of `preadv2(2)`. Past the first poll this
            /// changes nothing.
            ///
            /// - [`DONTCACHE`](RwFlags::DONTCACHE) (Linux 6.14): leave nothing of it in the page
            ///   cache. `EOPNOTSUPP` where the kernel or the file system cannot: do without.
            /// - [`DSYNC`](RwFlags::DSYNC), [`SYNC`](RwFlags::SYNC): a write is durable when it is
            ///   over, as by `O_DSYNC` and `O_SYNC`.
            /// - [`APPEND`](RwFlags::APPEND): at the end of the file, whatever the offset.
            /// - [`NOWAIT`](RwFlags::NOWAIT): `EAGAIN` instead of waiting for a device.
            /// - [`ATOMIC`](RwFlags::ATOMIC) (Linux 6.11): a write happens wholly or not at all,
            ///   also where the power fails.
            ///
            /// See [preadv2(2)](https://man7.org/linux/man-pages/man2/preadv2.2.html).
            ///
            /// ```
            /// use annulus_ring::{Errno, abi::RwFlags};
            /// use annulus_runtime::Engine;
            /// let engine = Engine::new()?;
            /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
            /// let read = file.read_at(vec![0; 9], 0).flags(RwFlags::DONTCACHE);
            /// match futures::executor::block_on(read) {
            ///     Ok((n, buf)) => assert_eq!(&buf[..n], b"[package]"),
            ///     Err(error) => assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP)),
            /// }
            /// # Ok::<(), std::io::Error>(())
            /// ```
            #[doc(alias = "RWF_DONTCACHE")]
            pub fn flags(self, flags: RwFlags) -> Self {
                self.change(|operation| operation.progress.set_flags(flags))
            }
        }
    )*};
}
pub(super) use rw_options;

rw_options! {
    Read<B: IoBufMut>;
    Write<B: IoBuf>;
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
        self.op(Read::new(self.open(), buf, Some(offset)))
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
        self.op(Read::new(self.open(), buf, None))
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
        self.op(Read::new(self.open(), buf, Some(offset)).exact())
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
        self.op(Write::new(self.open(), buf, Some(offset)))
    }

    /// Writes what comes next, as `write(2)`: at the file's own position, which moves along. For
    /// pipes, sockets, terminals and other files without positions.
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
        self.op(Write::new(self.open(), buf, None))
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
        self.op(Write::new(self.open(), buf, Some(offset)).exact())
    }
}
