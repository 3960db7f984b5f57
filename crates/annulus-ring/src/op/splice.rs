//! Moving bytes between a pipe and a file, and copying them from pipe to pipe, inside the kernel.

use super::rw::CURRENT_POSITION;
use super::{Target, entry, operation};
use crate::abi::{Op, SpliceFlags, Sqe, SqeFlags};

/// Moves bytes from one file to another, one of which is a pipe (`IORING_OP_SPLICE`, Linux 5.7), as
/// `splice(2)`.
///
/// # Result
/// How many bytes were moved; 0 at the end of the input. Fewer than asked for breaks a link: also
/// in what is not an error, such as a pipe that held less.
///
/// # Errors
/// - `EINVAL`: neither is a pipe, both are the same pipe, the output was opened with `O_APPEND`,
///   the file cannot be spliced, or unknown flags.
/// - `ESPIPE`: an offset on a pipe.
/// - `EAGAIN`: it would wait, and `NONBLOCK` (or an end with `O_NONBLOCK`) forbade that.
/// - `EPIPE`: the reader is gone. `EFBIG`, `ENOSPC`, `EIO`: as for [`Write`](super::Write).
/// - `EBADF`: one is not open, not open for its direction, or an empty slot.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// None: the offsets are in the entry, and are not written back.
///
/// # Cost
/// Always goes to a worker thread, which waits there for the pipe: many splices on idle pipes
/// occupy many threads.
///
/// See `io_uring_prep_splice(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_splice.3.html>,
/// [splice(2)](https://man7.org/linux/man-pages/man2/splice.2.html).
///
/// ```
/// use std::io::Read;
/// use annulus_ring::{LocalRing, op};
/// let file = std::fs::File::open("Cargo.toml")?;
/// let (mut reader, writer) = std::io::pipe()?;
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: a splice points to nothing.
/// unsafe { ring.push(op::Splice::new(&file, &writer, 9).offset_in(0).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(9));
/// let mut text = [0; 9];
/// reader.read_exact(&mut text)?;
/// assert_eq!(&text, b"[package]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_SPLICE")]
#[doc(alias = "io_uring_prep_splice")]
#[doc(alias = "sendfile")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Splice {
    sqe: Sqe,
}

impl Splice {
    /// Moves up to `len` bytes from `input` to `output`, each at its own position.
    ///
    /// ```
    /// use annulus_ring::{abi::{FixedFd, Op, SpliceFlags}, op::Splice};
    /// let sqe = Splice::new(3, 4, 4096).build();
    /// assert_eq!((sqe.opcode, sqe.splice_fd_in, sqe.fd, sqe.len), (Op::SPLICE, 3, 4, 4096));
    /// let sqe = Splice::new(FixedFd(3), 4, 4096).build();
    /// assert_eq!(sqe.rw_flags, SpliceFlags::FD_IN_FIXED.bits());
    /// ```
    #[inline]
    pub fn new(input: impl Into<Target>, output: impl Into<Target>, len: u32) -> Self {
        let sqe = from_to(Op::SPLICE, input.into(), output.into(), len);
        Self { sqe: Sqe { addr: CURRENT_POSITION, off: CURRENT_POSITION, ..sqe } }
    }

    /// Reads at `offset` of the input, whose own position stays as it is. `ESPIPE` for a pipe.
    ///
    /// ```
    /// use annulus_ring::op::Splice;
    /// assert_eq!(Splice::new(3, 4, 1).build().addr, u64::MAX);
    /// assert_eq!(Splice::new(3, 4, 1).offset_in(4096).build().addr, 4096);
    /// ```
    #[doc(alias = "splice_off_in")]
    #[inline]
    pub const fn offset_in(mut self, offset: u64) -> Self {
        self.sqe.addr = offset;
        self
    }

    /// Writes at `offset` of the output, whose own position stays as it is. `ESPIPE` for a pipe.
    ///
    /// ```
    /// use annulus_ring::op::Splice;
    /// assert_eq!(Splice::new(3, 4, 1).build().off, u64::MAX);
    /// assert_eq!(Splice::new(3, 4, 1).offset_out(4096).build().off, 4096);
    /// ```
    #[inline]
    pub const fn offset_out(mut self, offset: u64) -> Self {
        self.sqe.off = offset;
        self
    }
}

/// Copies bytes from pipe to pipe, and leaves them in the first (`IORING_OP_TEE`, Linux 5.8), as
/// `tee(2)`.
///
/// # Result
/// How many bytes were copied; 0 if the writer of the first pipe is gone and it is empty. Fewer
/// than asked for breaks a link.
///
/// # Errors
/// - `EINVAL`: one is not a pipe, both are the same, or unknown flags.
/// - `EAGAIN`: it would wait, and `NONBLOCK` (or an end with `O_NONBLOCK`) forbade that.
/// - `EPIPE`: the reader is gone. `EBADF`: one is not open, not open for its direction, or an empty
///   slot.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// None.
///
/// # Cost
/// Always goes to a worker thread. The pages are shared, not copied.
///
/// See [io_uring_prep_tee(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_tee.3.html),
/// [tee(2)](https://man7.org/linux/man-pages/man2/tee.2.html).
///
/// ```
/// use std::io::{Read, Write};
/// use annulus_ring::{LocalRing, op};
/// let (mut first, mut writer) = std::io::pipe()?;
/// let (mut second, output) = std::io::pipe()?;
/// writer.write_all(b"twice")?;
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: a tee points to nothing.
/// unsafe { ring.push(op::Tee::new(&first, &output, 5).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(5));
/// let mut text = [[0; 5]; 2];
/// first.read_exact(&mut text[0])?;
/// second.read_exact(&mut text[1])?;
/// assert_eq!(text, [*b"twice", *b"twice"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_TEE")]
#[doc(alias = "io_uring_prep_tee")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Tee {
    sqe: Sqe,
}

impl Tee {
    /// Copies up to `len` bytes from the pipe `input` to the pipe `output`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::Tee};
    /// let sqe = Tee::new(3, 4, 4096).build();
    /// assert_eq!((sqe.opcode, sqe.splice_fd_in, sqe.fd, sqe.len), (Op::TEE, 3, 4, 4096));
    /// ```
    #[inline]
    pub fn new(input: impl Into<Target>, output: impl Into<Target>, len: u32) -> Self {
        Self { sqe: from_to(Op::TEE, input.into(), output.into(), len) }
    }
}

/// An entry on two files: the one that is written to is where others have theirs.
#[inline]
const fn from_to(op: Op, input: Target, output: Target, len: u32) -> Sqe {
    let flags = if input.flags().contains(SqeFlags::FIXED_FILE) {
        SpliceFlags::FD_IN_FIXED
    } else {
        SpliceFlags::empty()
    };
    Sqe { splice_fd_in: input.fd(), len, rw_flags: flags.0, ..entry(op, output) }
}

/// The setter of both.
macro_rules! splice_flags {
    ($($Type:ident),*) => {$(
        impl $Type {
            /// How it is done (`splice_flags`). That the input is a slot is kept.
            ///
            /// ```
            /// use annulus_ring::{abi::{FixedFd, SpliceFlags}, op};
            #[doc = concat!("let op = op::", stringify!($Type), "::new(FixedFd(3), 4, 1);")]
            /// assert_eq!(op.flags(SpliceFlags::NONBLOCK).build().rw_flags, 0x8000_0002);
            /// ```
            #[doc(alias = "splice_flags")]
            #[inline]
            pub const fn flags(mut self, flags: SpliceFlags) -> Self {
                let kept = self.sqe.rw_flags & SpliceFlags::FD_IN_FIXED.0;
                self.sqe.rw_flags = flags.0 | kept;
                self
            }
        }
    )*};
}

splice_flags!(Splice, Tee);
operation!(Splice, Tee);
