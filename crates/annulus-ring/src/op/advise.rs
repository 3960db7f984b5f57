//! Saying how a file or memory will be used.

use super::{Target, address, bare_entry, entry, operation};
use crate::abi::{Fadvice, Madvice, Op, Sqe};

/// Says how a file will be used (`IORING_OP_FADVISE`, Linux 5.6), as `posix_fadvise(2)`.
///
/// # Result
/// 0. It is advice: Linux may do nothing.
///
/// # Errors
/// - `EINVAL`: unknown advice, or a length that is negative as a signed number; from kernels before
///   6.11, a length past `u32::MAX`.
/// - `ESPIPE`: a pipe. `EBADF`: not open, or an empty slot.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// None.
///
/// # Cost
/// `NORMAL`, `RANDOM` and `SEQUENTIAL` are done inline; the others go to a worker thread.
///
/// See
/// [io_uring_prep_fadvise(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_fadvise.3.html),
/// [posix_fadvise(2)](https://man7.org/linux/man-pages/man2/posix_fadvise.2.html).
///
/// ```
/// use annulus_ring::{LocalRing, abi::Fadvice, op};
/// let file = std::fs::File::open("Cargo.toml")?;
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(op::Fadvise::new(&file, Fadvice::WILLNEED).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_FADVISE")]
#[doc(alias = "io_uring_prep_fadvise")]
#[doc(alias = "io_uring_prep_fadvise64")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Fadvise {
    sqe: Sqe,
}

impl Fadvise {
    /// Gives `advice` on all of `file`.
    ///
    /// ```
    /// use annulus_ring::{abi::{Fadvice, Op}, op};
    /// let sqe = op::Fadvise::new(3, Fadvice::RANDOM).build();
    /// assert_eq!((sqe.opcode, sqe.rw_flags, sqe.off, sqe.len), (Op::FADVISE, 1, 0, 0));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, advice: Fadvice) -> Self {
        Self { sqe: Sqe { rw_flags: advice.0, ..entry(Op::FADVISE, file.into()) } }
    }

    /// Only on `len` bytes from `offset` on; a `len` of 0 means to the end of the file. More than
    /// `u32::MAX` needs Linux 6.11.
    ///
    /// ```
    /// use annulus_ring::{abi::Fadvice, op};
    /// let op = op::Fadvise::new(3, Fadvice::DONTNEED);
    /// let (short, long) = (op.range(4096, 512).build(), op.range(4096, 1 << 40).build());
    /// assert_eq!((short.off, short.len, short.addr), (4096, 512, 0));
    /// assert_eq!((long.off, long.len, long.addr), (4096, 0, 1 << 40));
    /// ```
    #[inline]
    pub const fn range(mut self, offset: u64, len: u64) -> Self {
        self.sqe.off = offset;
        (self.sqe.len, self.sqe.addr) = split(len);
        self
    }
}

/// Says how memory will be used (`IORING_OP_MADVISE`, Linux 5.6), as `madvise(2)`.
///
/// # Result
/// 0.
///
/// # Errors
/// - `EINVAL`: the address is not at the beginning of a page, unknown advice, or advice that does
///   not suit the mapping; from kernels before 6.11, a length past `u32::MAX`.
/// - `ENOMEM`: nothing is mapped there. `EFAULT`: a page cannot be populated.
/// - `EAGAIN`: memory is short for now. `EIO`: reading it in failed.
/// - `EPERM`: the mapping is sealed (`mseal(2)`), or poison without the right to do so.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// The memory must stay mapped until the completion. With `DONTNEED`, `FREE`, `REMOVE` and their
/// like its content goes: nothing may refer to it.
///
/// # Cost
/// Always goes to a worker thread.
///
/// See
/// [io_uring_prep_madvise(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_madvise.3.html),
/// [madvise(2)](https://man7.org/linux/man-pages/man2/madvise.2.html).
///
/// ```
/// use annulus_ring::{LocalRing, abi::Madvice, op};
/// #[repr(align(65536))]
/// struct Pages([u8; 65536]);
/// let mut pages = Box::new(Pages([7; 65536]));
/// let advise = op::Madvise::new(pages.0.as_mut_ptr(), 65536, Madvice::NORMAL);
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the memory stays mapped until the completion, and this advice changes nothing in it.
/// unsafe { ring.push(advise.build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_MADVISE")]
#[doc(alias = "io_uring_prep_madvise")]
#[doc(alias = "io_uring_prep_madvise64")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Madvise {
    sqe: Sqe,
}

impl Madvise {
    /// Gives `advice` on `len` bytes from `memory` on. More than `u32::MAX` needs Linux 6.11.
    ///
    /// ```
    /// use annulus_ring::{abi::Madvice, op};
    /// let long = op::Madvise::new(core::ptr::null_mut(), 1 << 40, Madvice::COLD).build();
    /// assert_eq!((long.len, long.off, long.rw_flags), (0, 1 << 40, 20));
    /// ```
    #[inline]
    pub fn new(memory: *mut u8, len: u64, advice: Madvice) -> Self {
        let (len, off) = split(len);
        let addr = address(memory);
        Self { sqe: Sqe { addr, len, off, rw_flags: advice.0, ..bare_entry(Op::MADVISE) } }
    }
}

/// A length goes into the 32 bits that every kernel reads, or, if it does not fit, into the 64 bits
/// that Linux 6.11 looks at first.
const fn split(len: u64) -> (u32, u64) {
    if len <= u32::MAX as u64 { (len as u32, 0) } else { (0, len) }
}

operation!(Fadvise, Madvise);
