//! Asking for a file's attributes.

use core::ffi::c_char;

use super::{At, ZERO, address, operation};
use crate::abi::{self, AtFlags, Op, Sqe, StatxMask};

/// Asks for a file's attributes (`IORING_OP_STATX`, Linux 5.6), as `statx(2)`. A slot of the ring's
/// file table cannot be asked.
///
/// # Result
/// 0. Look at [`stx_mask`](abi::Statx::stx_mask): only the fields that it names were filled in.
///
/// # Errors
/// - `ENOENT`: no such file; or the path is empty and [`EMPTY_PATH`](AtFlags::EMPTY_PATH) is not
///   set.
/// - `EACCES`: a directory of the path may not be searched. `ENOTDIR`: a part of it is none.
///   `ELOOP`: too many symbolic links. `ENAMETOOLONG`: it is longer than 4095 bytes.
/// - `EFAULT`: the path cannot be read, or the result not written.
/// - `EINVAL`: flags or a mask that the kernel does not know, or both `FORCE_SYNC` and `DONT_SYNC`.
/// - `EBADF`: `at` is not open and the path is relative or empty.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// The path needs live only until the entry is submitted; the result is the kernel's until the
/// completion.
///
/// # Cost
/// Always goes to a worker thread: 30 µs of CPU time against 1.1 for the system call, on the
/// machine where this library is measured. On a local file system call `statx(2)`.
///
/// See [io_uring_prep_statx(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_statx.3.html),
/// [statx(2)](https://man7.org/linux/man-pages/man2/statx.2.html).
///
/// ```
/// use annulus_ring::{LocalRing, abi, op};
/// let mut found = abi::Statx::default();
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the path is part of the program; `found` stays where it is until the completion.
/// unsafe { ring.push(op::Statx::new(op::At::CWD, c"Cargo.toml".as_ptr(), &mut found).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// assert_eq!(found.stx_size, std::fs::metadata("Cargo.toml")?.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_STATX")]
#[doc(alias = "io_uring_prep_statx")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Statx {
    sqe: Sqe,
}

impl Statx {
    /// Asks for what `stat(2)` gives of `path`, a string that ends with a zero byte, beginning at
    /// `at`; `found` is filled in.
    ///
    /// ```
    /// use annulus_ring::{abi, op::{At, Statx}};
    /// let mut found = abi::Statx::default();
    /// let sqe = Statx::new(At::CWD, c"log".as_ptr(), &mut found).build();
    /// assert_eq!((sqe.opcode, sqe.len), (abi::Op::STATX, abi::StatxMask::BASIC_STATS.bits()));
    /// ```
    #[inline]
    pub fn new(at: impl Into<At>, path: *const c_char, found: *mut abi::Statx) -> Self {
        let at: At = at.into();
        let (addr, off) = (address(path), address(found));
        let len = StatxMask::BASIC_STATS.0;
        Self { sqe: Sqe { opcode: Op::STATX, fd: at.fd(), addr, off, len, ..ZERO } }
    }

    /// Which attributes are asked for, instead of those of `stat(2)`.
    ///
    /// ```
    /// use annulus_ring::{abi::StatxMask, op::{At, Statx}};
    /// let op = Statx::new(At::CWD, c"log".as_ptr(), core::ptr::null_mut());
    /// assert_eq!(op.mask(StatxMask::SIZE).build().len, 0x200);
    /// ```
    #[inline]
    pub const fn mask(mut self, mask: StatxMask) -> Self {
        self.sqe.len = mask.0;
        self
    }

    /// How the path is meant (`statx_flags`): `SYMLINK_NOFOLLOW`, `NO_AUTOMOUNT`, `EMPTY_PATH`,
    /// `STATX_FORCE_SYNC`, `STATX_DONT_SYNC`.
    ///
    /// ```
    /// use annulus_ring::{abi::AtFlags, op::{At, Statx}};
    /// let op = Statx::new(At::from(3), c"".as_ptr(), core::ptr::null_mut());
    /// assert_eq!(op.flags(AtFlags::EMPTY_PATH).build().rw_flags, 0x1000);
    /// ```
    #[doc(alias = "statx_flags")]
    #[inline]
    pub const fn flags(mut self, flags: AtFlags) -> Self {
        self.sqe.rw_flags = flags.0;
        self
    }
}

operation!(Statx);
