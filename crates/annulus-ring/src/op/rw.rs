//! Reading and writing: into one buffer, into several, and again and again.

use super::{Target, address, entry, operation};
use crate::abi::{AttrPi, BufGroup, Iovec, Op, RwAttrFlags, RwFlags, Sqe, SqeFlags};

/// The offset that means "the file's own position", as `read(2)` and `write(2)` use it.
pub(super) const CURRENT_POSITION: u64 = u64::MAX;

/// The setters of every read and write; `$new` is an expression for their examples.
macro_rules! rw_setters {
    ($($Type:ident, $new:literal;)*) => {$(
        impl $Type {
            /// At `offset` bytes from the beginning of the file, as `pread(2)` and `pwrite(2)`; its
            /// own position stays as it is. Without this call it is used and moved.
            ///
            /// `EINVAL` for offsets of 2⁶³ and more, save 2⁶⁴ − 1, which is the own position again.
            /// Pipes ignore it; sockets take 0 alone, and answer `ESPIPE` to others.
            ///
            /// ```
            #[doc = "# use annulus_ring::{abi::*, op::*};"]
            #[doc = concat!("let op = ", $new, ";")]
            /// assert_eq!(op.build().off, u64::MAX);
            /// assert_eq!(op.offset(4096).build().off, 4096);
            /// ```
            #[inline]
            pub const fn offset(mut self, offset: u64) -> Self {
                self.sqe.off = offset;
                self
            }

            /// How it is to be done, for this once (`rw_flags`).
            ///
            /// ```
            #[doc = "# use annulus_ring::{abi::*, op::*};"]
            #[doc = concat!("let op = ", $new, ";")]
            /// assert_eq!(op.flags(RwFlags::NOWAIT).build().rw_flags, 8);
            /// ```
            #[doc(alias = "rw_flags")]
            #[inline]
            pub const fn flags(mut self, flags: RwFlags) -> Self {
                self.sqe.rw_flags = flags.0;
                self
            }

            /// Carries protection information (`attr_ptr`, `IORING_RW_ATTR_FLAG_PI`, Linux 6.14).
            ///
            /// `pi` needs live only until the entry is submitted; the tuples that it points to stay
            /// until the completion. `EINVAL` where the file is not a block device with a
            /// protection format, opened with `O_DIRECT`; check `IORING_FEAT_RW_ATTR` first, since
            /// older kernels ignore the field.
            ///
            /// ```
            #[doc = "# use annulus_ring::{abi::*, op::*};"]
            /// let pi = AttrPi::default();
            #[doc = concat!("let sqe = ", $new, ".protection(&pi).build();")]
            /// assert_eq!((sqe.addr3, sqe.resv), (&raw const pi as u64, RwAttrFlags::PI.bits()));
            /// ```
            #[doc(alias = "attr_ptr")]
            #[inline]
            pub fn protection(mut self, pi: *const AttrPi) -> Self {
                self.sqe.addr3 = address(pi);
                self.sqe.resv = RwAttrFlags::PI.0;
                self
            }
        }
    )*};
}
pub(super) use rw_setters;

/// The setter that writes alone have.
macro_rules! write_setters {
    ($($Type:ident, $new:literal;)*) => {$(
        impl $Type {
            /// Places the data in one of the device's write streams, so that what dies together
            /// lies together (`write_stream`, Linux 6.16). 0 is none.
            ///
            /// A block device opened with `O_DIRECT` answers `EINVAL` where it has fewer: how many
            /// is in `/sys/block/DEVICE/queue/max_write_streams`. Files without streams, and older
            /// kernels, ignore it.
            ///
            /// ```
            #[doc = "# use annulus_ring::{abi::*, op::*};"]
            #[doc = concat!("let sqe = ", $new, ".write_stream(2).build();")]
            /// assert_eq!(sqe.splice_fd_in.to_ne_bytes()[0], 2);
            /// ```
            #[inline]
            pub const fn write_stream(mut self, stream: u8) -> Self {
                // The kernel's field is the first byte of four, on either byte order.
                self.sqe.splice_fd_in = i32::from_ne_bytes([stream, 0, 0, 0]);
                self
            }
        }
    )*};
}
pub(super) use write_setters;

/// Reads into one buffer (`IORING_OP_READ`, Linux 5.6), as `read(2)`, or `pread(2)` with
/// [`offset`](Self::offset).
///
/// With [`buffer_select`](Sqe::buffer_select) on the entry, the kernel picks a buffer of a group
/// when the data is there: the pointer may then be null, and `len` bounds the read (0: the buffer's
/// length).
///
/// # Result
/// How many bytes were read, which may be fewer than asked for (what a pipe holds, the rest of a
/// file); 0 at the end of the file. Coming short breaks a link.
///
/// # Errors
/// - `EBADF`: not open, not open for reading, or an empty slot. Our bug or a race with a close.
/// - `EFAULT`: the buffer is not writable memory. A null pointer with a length of 0 is fine.
/// - `EINVAL`: the offset is past 2⁶³; `O_DIRECT` and the offset, the length or the buffer is not
///   aligned (see [`Statx`](super::Statx)); `HIPRI` on a ring without `IOPOLL`.
/// - `EISDIR`: a directory.
/// - `EAGAIN`: it would wait, and [`NOWAIT`](RwFlags::NOWAIT) forbade that: try again without, or
///   poll. That the descriptor is non-blocking does not matter where the file can be polled (pipes,
///   sockets, terminals, eventfds): the ring waits. Only a device that cannot be polled and was
///   opened with `O_NONBLOCK`, as `/dev/hwrng`, ends so too: try again later, or open it without.
/// - `EOPNOTSUPP`: this kernel or file system does not know the flag: do without it.
/// - `ESPIPE`: an offset on a socket.
/// - `ENOBUFS`: the group has no buffer left: give some back, and submit again.
/// - `EIO`: the device failed. `EINTR`: a signal came; submit again. `ECANCELED`: cancelled, or its
///   link was broken.
///
/// # Pointers
/// The buffer is the kernel's until the completion.
///
/// # Cost
/// What the page cache has is copied inline, within the submit. Else `O_DIRECT` goes to the device
/// from there, file systems that can wait by callback do (ext4, XFS, btrfs), pipes and sockets are
/// polled, and only the rest goes to a worker thread.
///
/// See [io_uring_prep_read(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_read.3.html),
/// [preadv2(2)](https://man7.org/linux/man-pages/man2/preadv2.2.html).
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// let file = std::fs::File::open("Cargo.toml")?;
/// let mut text = [0u8; 9];
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: `text` stays where it is, and is not touched before the completion is here.
/// unsafe { ring.push(op::Read::new(&file, text.as_mut_ptr(), 9).offset(0).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(9));
/// assert_eq!(&text, b"[package]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_READ")]
#[doc(alias = "io_uring_prep_read")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Read {
    sqe: Sqe,
}

impl Read {
    /// Reads up to `len` bytes from `file` into `buffer`, at the file's own position.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op};
    /// let mut buffer = [0u8; 16];
    /// let sqe = op::Read::new(0, buffer.as_mut_ptr(), 16).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.len, sqe.off), (Op::READ, 0, 16, u64::MAX));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, buffer: *mut u8, len: u32) -> Self {
        let sqe = Sqe {
            off: CURRENT_POSITION,
            addr: address(buffer),
            len,
            ..entry(Op::READ, file.into())
        };
        Self { sqe }
    }
}

/// Writes from one buffer (`IORING_OP_WRITE`, Linux 5.6), as `write(2)`, or `pwrite(2)` with
/// [`offset`](Self::offset).
///
/// # Result
/// How many bytes were written. On a regular file or block device that is all, unless space or a
/// limit ran out; a pipe or socket may take fewer. Coming short breaks a link.
///
/// # Errors
/// - `EBADF`: not open, not open for writing, or an empty slot.
/// - `EFAULT`: the buffer is not readable memory.
/// - `EINVAL`: the offset is past 2⁶³; `O_DIRECT` and something is not aligned;
///   [`ATOMIC`](RwFlags::ATOMIC) and the length is no power of two, or not within the file's
///   limits; both `APPEND` and `NOAPPEND`; no such [`write_stream`](Self::write_stream); `HIPRI` on
///   a ring without `IOPOLL`.
/// - `ENOSPC`, `EDQUOT` (122): no space left, or over the quota: nothing was written.
/// - `EFBIG`: larger than the file system or `RLIMIT_FSIZE` allows.
/// - `EPIPE`: the reader is gone. The process also gets `SIGPIPE` (which Rust programs ignore),
///   unless [`NOSIGNAL`](RwFlags::NOSIGNAL) is set.
/// - `EAGAIN`: it would wait, and [`NOWAIT`](RwFlags::NOWAIT) forbade that; or the device cannot be
///   polled and was opened with `O_NONBLOCK`. What can be polled is waited for, as in [`Read`].
/// - `EOPNOTSUPP`: this kernel or file system does not know the flag.
/// - `ESPIPE`: an offset on a socket. `EPERM`: the file is sealed or immutable.
/// - `EIO`: writing failed. Later syncs may report what this one could not.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// The buffer must stay as it is until the completion.
///
/// # Cost
/// Buffered writes go to a worker thread, except on file systems that can do them inline (XFS,
/// btrfs, block devices; not ext4), and those of one file go one after the other. `O_DIRECT` goes
/// to the device within the submit, unless blocks must be allocated; a pipe or socket is polled.
///
/// See [io_uring_prep_write(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_write.3.html),
/// [pwritev2(2)](https://man7.org/linux/man-pages/man2/pwritev2.2.html).
///
/// ```
/// use std::io::Read;
/// use annulus_ring::{LocalRing, op};
/// let (mut reader, writer) = std::io::pipe()?;
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the bytes are part of the program.
/// unsafe { ring.push(op::Write::new(&writer, b"hello".as_ptr(), 5).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(5));
/// let mut text = [0; 5];
/// reader.read_exact(&mut text)?;
/// assert_eq!(&text, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_WRITE")]
#[doc(alias = "io_uring_prep_write")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Write {
    sqe: Sqe,
}

impl Write {
    /// Writes `len` bytes from `buffer` to `file`, at the file's own position.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op};
    /// let sqe = op::Write::new(1, b"hi".as_ptr(), 2).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.len, sqe.off), (Op::WRITE, 1, 2, u64::MAX));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, buffer: *const u8, len: u32) -> Self {
        let sqe = Sqe {
            off: CURRENT_POSITION,
            addr: address(buffer),
            len,
            ..entry(Op::WRITE, file.into())
        };
        Self { sqe }
    }
}

/// Reads into several buffers in turn (`IORING_OP_READV`, Linux 5.1), as `readv(2)`, or `preadv(2)`
/// with [`offset`](Self::offset).
///
/// # Result
/// How many bytes were read, in all.
///
/// # Errors
/// Those of [`Read`] (a non-blocking descriptor is waited for here too), and:
/// - `EINVAL`: more than 1024 pieces (`IOV_MAX`), or a length that is negative as a signed number;
///   with [`buffer_select`](Sqe::buffer_select), any number of pieces but one.
/// - `EFAULT`: the array itself cannot be read.
///
/// # Pointers
/// The array needs live only until the entry is submitted (`IORING_FEAT_SUBMIT_STABLE`, 5.5): Linux
/// copies it then, also when the entry waits behind a link. What it points to is the kernel's until
/// the completion.
///
/// # Cost
/// That of [`Read`], and copying the array; more than one piece costs an allocation, which the ring
/// keeps for the next.
///
/// See [io_uring_prep_readv(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_readv.3.html),
/// [preadv2(2)](https://man7.org/linux/man-pages/man2/preadv2.2.html).
///
/// ```
/// use std::io::IoSliceMut;
/// use annulus_ring::{LocalRing, op};
/// let file = std::fs::File::open("Cargo.toml")?;
/// let (mut bracket, mut word) = ([0u8; 1], [0u8; 7]);
/// let mut pieces = [IoSliceMut::new(&mut bracket), IoSliceMut::new(&mut word)];
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: both buffers stay where they are, and are not touched before the completion is here.
/// unsafe { ring.push(op::Readv::new(&file, pieces.as_mut_ptr().cast(), 2).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(8));
/// assert_eq!((&bracket, &word), (b"[", b"package"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_READV")]
#[doc(alias = "io_uring_prep_readv")]
#[doc(alias = "io_uring_prep_readv2")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Readv {
    sqe: Sqe,
}

impl Readv {
    /// Reads from `file` into the `count` pieces at `iovecs`, at the file's own position.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op};
    /// let sqe = op::Readv::new(0, core::ptr::null(), 3).build();
    /// assert_eq!((sqe.opcode, sqe.len, sqe.off), (Op::READV, 3, u64::MAX));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, iovecs: *const Iovec, count: u32) -> Self {
        let addr = address(iovecs);
        Self {
            sqe: Sqe { off: CURRENT_POSITION, addr, len: count, ..entry(Op::READV, file.into()) },
        }
    }
}

/// Writes from several buffers in turn (`IORING_OP_WRITEV`, Linux 5.1), as `writev(2)`, or
/// `pwritev(2)` with [`offset`](Self::offset).
///
/// # Result
/// How many bytes were written, in all.
///
/// # Errors
/// Those of [`Write`] (a non-blocking descriptor is waited for here too), and:
/// - `EINVAL`: more than 1024 pieces (`IOV_MAX`), or a length that is negative as a signed number.
/// - `EFAULT`: the array itself cannot be read.
///
/// # Pointers
/// The array needs live only until the entry is submitted (`IORING_FEAT_SUBMIT_STABLE`, 5.5), also
/// when it waits behind a link. What it points to must stay as it is until the completion.
///
/// # Cost
/// That of [`Write`], and copying the array.
///
/// See `io_uring_prep_writev(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_writev.3.html>,
/// [pwritev2(2)](https://man7.org/linux/man-pages/man2/pwritev2.2.html).
///
/// ```
/// use std::io::{IoSlice, Read};
/// use annulus_ring::{LocalRing, op};
/// let (mut reader, writer) = std::io::pipe()?;
/// let pieces = [IoSlice::new(b"ring "), IoSlice::new(b"of rings")];
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the bytes are part of the program.
/// unsafe { ring.push(op::Writev::new(&writer, pieces.as_ptr().cast(), 2).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(13));
/// let mut text = [0; 13];
/// reader.read_exact(&mut text)?;
/// assert_eq!(&text, b"ring of rings");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_WRITEV")]
#[doc(alias = "io_uring_prep_writev")]
#[doc(alias = "io_uring_prep_writev2")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Writev {
    sqe: Sqe,
}

impl Writev {
    /// Writes the `count` pieces at `iovecs` to `file`, at the file's own position.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op};
    /// let sqe = op::Writev::new(1, core::ptr::null(), 3).build();
    /// assert_eq!((sqe.opcode, sqe.len, sqe.off), (Op::WRITEV, 3, u64::MAX));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, iovecs: *const Iovec, count: u32) -> Self {
        let addr = address(iovecs);
        Self {
            sqe: Sqe { off: CURRENT_POSITION, addr, len: count, ..entry(Op::WRITEV, file.into()) },
        }
    }
}

/// Reads whenever there is something to read, each time into another buffer of a group
/// (`IORING_OP_READ_MULTISHOT`, Linux 6.7). For files that can be polled: pipes, terminals, tun
/// devices, eventfds; sockets have [`Recv`](Op::RECV).
///
/// # Result
/// Many completions. Each has the number of bytes and names its
/// [buffer](crate::abi::Cqe::buffer_id); as long as [`has_more`](crate::abi::Cqe::has_more), others
/// will follow. The last one has not: it is 0 at the end of the file, or an error.
///
/// # Errors
/// Those of [`Read`], and:
/// - `EBADFD`: the file cannot be polled, such as a regular file: use [`Read`].
/// - `ENOBUFS`: the group has no buffer left, and this operation has ended: give buffers back and
///   submit it again.
///
/// It also ends, with a good result but no more to follow, when the completion queue overflows.
///
/// # Pointers
/// None of its own: the group's buffers are the kernel's until a completion names them.
///
/// # Cost
/// One entry for any number of reads, each done inline when the poll fires.
///
/// See `io_uring_prep_read_multishot(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_read_multishot.3.html>.
///
/// ```
/// use std::io::Write;
/// use annulus_ring::{LocalRing, abi::BufGroup, op};
/// let (reader, mut writer) = std::io::pipe()?;
/// let mut memory = [[0u8; 16]; 4];
/// let mut ring = LocalRing::new(8)?;
/// let provide = op::ProvideBuffers::new(BufGroup(3), memory.as_mut_ptr().cast(), 16, 4);
/// // SAFETY: `memory` outlives the operations; what is read of it has been named by a completion.
/// unsafe { ring.push(provide.build().link().skip_success())? };
/// // SAFETY: it points to nothing of its own.
/// unsafe { ring.push(op::ReadMultishot::new(&reader, BufGroup(3)).build())? };
/// ring.submit()?;
/// for word in ["one", "two"] {
///     writer.write_all(word.as_bytes())?;
///     ring.submit_and_wait(1)?;
///     let cqe = ring.completions()?.next().unwrap();
///     assert!(cqe.has_more());
///     let buffer = &memory[usize::from(cqe.buffer_id().unwrap())];
///     assert_eq!(&buffer[..cqe.result()? as usize], word.as_bytes());
/// }
/// drop(writer);
/// ring.submit_and_wait(1)?;
/// let last = ring.completions()?.next().unwrap();
/// assert_eq!((last.result(), last.has_more()), (Ok(0), false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_READ_MULTISHOT")]
#[doc(alias = "io_uring_prep_read_multishot")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct ReadMultishot {
    sqe: Sqe,
}

impl ReadMultishot {
    /// Reads from `file` into buffers of `group`.
    ///
    /// ```
    /// use annulus_ring::{abi::BufGroup, op};
    /// assert_eq!(op::ReadMultishot::new(7, BufGroup(0)).build().fd, 7);
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, group: BufGroup) -> Self {
        let sqe = Sqe { off: CURRENT_POSITION, ..entry(Op::READ_MULTISHOT, file.into()) };
        let flags = sqe.flags.union(SqeFlags::BUFFER_SELECT);
        Self { sqe: Sqe { flags, buf_index: group.0, ..sqe } }
    }
}

rw_setters! {
    Read, "Read::new(0, core::ptr::null_mut(), 0)";
    Write, "Write::new(1, core::ptr::null(), 0)";
    Readv, "Readv::new(0, core::ptr::null(), 0)";
    Writev, "Writev::new(1, core::ptr::null(), 0)";
    ReadMultishot, "ReadMultishot::new(0, BufGroup(0))";
}
write_setters! {
    Write, "Write::new(1, core::ptr::null(), 0)";
    Writev, "Writev::new(1, core::ptr::null(), 0)";
}
operation!(Read, Write, Readv, Writev, ReadMultishot);
