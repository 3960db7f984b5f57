//! Extended attributes, of an open file and by path.
//!
//! A name is a string that ends with a zero byte, such as `user.origin`; a value is any bytes.

use core::ffi::c_char;

use super::{Target, ZERO, address, entry, operation};
use crate::abi::{Op, Sqe, XattrFlags};

/// The setter of the two operations that set.
macro_rules! set_flags {
    ($($Type:ident, $new:literal;)*) => {$(
        impl $Type {
            /// Whether it may be new (`xattr_flags`).
            ///
            /// ```
            #[doc = "# use annulus_ring::{abi::*, op::*};"]
            #[doc = concat!("let op = ", $new, ";")]
            /// assert_eq!(op.flags(XattrFlags::CREATE).build().rw_flags, 1);
            /// ```
            #[doc(alias = "xattr_flags")]
            #[inline]
            pub const fn flags(mut self, flags: XattrFlags) -> Self {
                self.sqe.rw_flags = flags.0;
                self
            }
        }
    )*};
}

/// Sets an extended attribute of an open file (`IORING_OP_FSETXATTR`, Linux 5.19), as
/// `fsetxattr(2)`.
///
/// # Result
/// 0.
///
/// # Errors
/// - `EOPNOTSUPP`: the file system has none, or not of this kind. `EPERM`: `user.` on what is
///   neither a file nor a directory, or `trusted.` without the right.
/// - `EEXIST`: it is there, and `CREATE` wants it new. `ENODATA`: it is not, and `REPLACE` wants
///   it.
/// - `ERANGE` (34): the name is empty or longer than 255 bytes. `E2BIG`: the value is longer than
///   65536 bytes. `ENOSPC`, `EDQUOT` (122): no room for it.
/// - `EFAULT`: the name or the value cannot be read. `EINVAL`: unknown flags.
/// - `EACCES`, `EROFS`: not allowed. `EBADF`: not open, or an empty slot; up to 6.12, any slot.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// The name and the value need live only until the entry is submitted: Linux copies both then.
///
/// # Cost
/// Always goes to a worker thread.
///
/// See `io_uring_prep_fsetxattr(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_fsetxattr.3.html>,
/// [fsetxattr(2)](https://man7.org/linux/man-pages/man2/fsetxattr.2.html).
///
/// ```
/// use annulus_ring::{Errno, LocalRing, abi::XattrFlags, op};
/// let file = std::fs::File::open("Cargo.toml")?;
/// let set = op::FSetXattr::new(&file, c"user.none".as_ptr(), b"1".as_ptr(), 1);
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: name and value are part of the program.
/// unsafe { ring.push(set.flags(XattrFlags::REPLACE).build())? };
/// ring.submit_and_wait(1)?;
/// let result = ring.completions()?.next().unwrap().result();
/// assert!(matches!(result, Err(Errno::ENODATA | Errno::EOPNOTSUPP)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_FSETXATTR")]
#[doc(alias = "io_uring_prep_fsetxattr")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct FSetXattr {
    sqe: Sqe,
}

impl FSetXattr {
    /// Sets the attribute `name` of `file` to the `len` bytes at `value`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op};
    /// let sqe = op::FSetXattr::new(3, c"user.a".as_ptr(), b"1".as_ptr(), 1).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.len), (Op::FSETXATTR, 3, 1));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, name: *const c_char, value: *const u8, len: u32) -> Self {
        let (addr, off) = (address(name), address(value));
        Self { sqe: Sqe { addr, off, len, ..entry(Op::FSETXATTR, file.into()) } }
    }
}

/// Sets an extended attribute by path (`IORING_OP_SETXATTR`, Linux 5.19), as `setxattr(2)`; a
/// symbolic link is followed, and a relative path begins at the working directory.
///
/// # Result
/// 0.
///
/// # Errors
/// Those of [`FSetXattr`], and:
/// - `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`: as for [`OpenAt`](super::OpenAt).
/// - `EFAULT`: the path cannot be read.
///
/// # Pointers
/// The path, the name and the value need live only until the entry is submitted.
///
/// # Cost
/// Always goes to a worker thread.
///
/// See `io_uring_prep_setxattr(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_setxattr.3.html>,
/// [setxattr(2)](https://man7.org/linux/man-pages/man2/setxattr.2.html).
///
/// ```
/// use annulus_ring::{Errno, LocalRing, op};
/// let set = op::SetXattr::new(c"none".as_ptr(), c"user.a".as_ptr(), b"1".as_ptr(), 1);
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: path, name and value are part of the program.
/// unsafe { ring.push(set.build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::ENOENT));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_SETXATTR")]
#[doc(alias = "io_uring_prep_setxattr")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct SetXattr {
    sqe: Sqe,
}

impl SetXattr {
    /// Sets the attribute `name` of the file at `path` to the `len` bytes at `value`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op};
    /// let path = c"log";
    /// let sqe = op::SetXattr::new(path.as_ptr(), c"user.a".as_ptr(), b"1".as_ptr(), 1).build();
    /// assert_eq!((sqe.opcode, sqe.addr3, sqe.len), (Op::SETXATTR, path.as_ptr() as u64, 1));
    /// ```
    #[inline]
    pub fn new(path: *const c_char, name: *const c_char, value: *const u8, len: u32) -> Self {
        Self { sqe: by_path(Op::SETXATTR, path, name, value, len) }
    }
}

/// Reads an extended attribute of an open file (`IORING_OP_FGETXATTR`, Linux 5.19), as
/// `fgetxattr(2)`.
///
/// # Result
/// The value's length. With a `len` of 0 nothing is written: this asks how long it is.
///
/// # Errors
/// - `ENODATA`: there is none of that name. `EOPNOTSUPP`: the file system has none.
/// - `ERANGE` (34): the value is longer than `len`: ask how long it is, and try again. Or the name
///   is empty or longer than 255 bytes.
/// - `EFAULT`: the name cannot be read, or the value not written.
/// - `EACCES`: not allowed. `EBADF`: not open, or an empty slot; up to 6.12, any slot.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// The name needs live only until the entry is submitted; the value is the kernel's until the
/// completion.
///
/// # Cost
/// Always goes to a worker thread.
///
/// See `io_uring_prep_fgetxattr(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_fgetxattr.3.html>,
/// [fgetxattr(2)](https://man7.org/linux/man-pages/man2/fgetxattr.2.html).
///
/// ```
/// use annulus_ring::{Errno, LocalRing, op};
/// let file = std::fs::File::open("Cargo.toml")?;
/// let mut value = [0u8; 64];
/// let mut ring = LocalRing::new(8)?;
/// let get = op::FGetXattr::new(&file, c"user.none".as_ptr(), value.as_mut_ptr(), 64);
/// // SAFETY: the name is part of the program; `value` stays until the completion.
/// unsafe { ring.push(get.build())? };
/// ring.submit_and_wait(1)?;
/// let result = ring.completions()?.next().unwrap().result();
/// assert!(matches!(result, Err(Errno::ENODATA | Errno::EOPNOTSUPP)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_FGETXATTR")]
#[doc(alias = "io_uring_prep_fgetxattr")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct FGetXattr {
    sqe: Sqe,
}

impl FGetXattr {
    /// Reads the attribute `name` of `file` to `value`, which has room for `len` bytes.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op};
    /// let sqe = op::FGetXattr::new(3, c"user.a".as_ptr(), core::ptr::null_mut(), 0).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.len), (Op::FGETXATTR, 3, 0));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, name: *const c_char, value: *mut u8, len: u32) -> Self {
        let (addr, off) = (address(name), address(value));
        Self { sqe: Sqe { addr, off, len, ..entry(Op::FGETXATTR, file.into()) } }
    }
}

/// Reads an extended attribute by path (`IORING_OP_GETXATTR`, Linux 5.19), as `getxattr(2)`; a
/// symbolic link is followed, and a relative path begins at the working directory.
///
/// # Result
/// The value's length, as [`FGetXattr`].
///
/// # Errors
/// Those of [`FGetXattr`], and:
/// - `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`: as for [`OpenAt`](super::OpenAt).
/// - `EFAULT`: the path cannot be read.
///
/// # Pointers
/// The path and the name need live only until the entry is submitted; the value is the kernel's
/// until the completion.
///
/// # Cost
/// Always goes to a worker thread.
///
/// See `io_uring_prep_getxattr(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_getxattr.3.html>,
/// [getxattr(2)](https://man7.org/linux/man-pages/man2/getxattr.2.html).
///
/// ```
/// use annulus_ring::{Errno, LocalRing, op};
/// let mut value = [0u8; 64];
/// let mut ring = LocalRing::new(8)?;
/// let (path, name) = (c"none".as_ptr(), c"user.a".as_ptr());
/// // SAFETY: path and name are part of the program; `value` stays until the completion.
/// unsafe { ring.push(op::GetXattr::new(path, name, value.as_mut_ptr(), 64).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::ENOENT));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_GETXATTR")]
#[doc(alias = "io_uring_prep_getxattr")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct GetXattr {
    sqe: Sqe,
}

impl GetXattr {
    /// Reads the attribute `name` of the file at `path` to `value`, which has room for `len` bytes.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op};
    /// let path = c"log";
    /// let op = op::GetXattr::new(path.as_ptr(), c"user.a".as_ptr(), core::ptr::null_mut(), 0);
    /// assert_eq!((op.build().opcode, op.build().addr3), (Op::GETXATTR, path.as_ptr() as u64));
    /// ```
    #[inline]
    pub fn new(path: *const c_char, name: *const c_char, value: *mut u8, len: u32) -> Self {
        Self { sqe: by_path(Op::GETXATTR, path, name, value, len) }
    }
}

/// An entry on the attribute of a path: the path is the third address.
#[inline]
fn by_path(op: Op, path: *const c_char, name: *const c_char, value: *const u8, len: u32) -> Sqe {
    let (addr, off, addr3) = (address(name), address(value), address(path));
    Sqe { opcode: op, addr, off, addr3, len, ..ZERO }
}

set_flags! {
    FSetXattr, "FSetXattr::new(3, c\"user.a\".as_ptr(), b\"1\".as_ptr(), 1)";
    SetXattr, "SetXattr::new(c\"log\".as_ptr(), c\"user.a\".as_ptr(), b\"1\".as_ptr(), 1)";
}
operation!(FSetXattr, SetXattr, FGetXattr, GetXattr);
