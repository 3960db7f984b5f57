//! Names: renaming, removing, making directories and links.
//!
//! All of these go to a worker thread, always: none saves work over the system call, they only keep
//! the submitting thread from waiting. Every path is a string that ends with a zero byte and needs
//! live only until the entry is submitted (`IORING_FEAT_SUBMIT_STABLE`, 5.5). No slot of the ring's
//! file table can stand for a directory.

use core::ffi::c_char;

use super::{At, ZERO, address, operation};
use crate::abi::{AtFlags, Op, RenameFlags, Sqe};

/// Renames (`IORING_OP_RENAMEAT`, Linux 5.11), as `renameat2(2)`. What had the new name is
/// replaced, in one step.
///
/// # Result
/// 0.
///
/// # Errors
/// - `ENOENT`: there is none of the old name, or a directory of a path is missing; with `EXCHANGE`,
///   none of the new one.
/// - `EEXIST`, `ENOTEMPTY`: the new name is a directory with something in it; `EEXIST` also with
///   `NOREPLACE`, where it is taken.
/// - `EXDEV`: on two file systems: copy, then remove.
/// - `EISDIR`: a file onto a directory. `ENOTDIR`: a directory onto a file, or a part of a path is
///   none.
/// - `EINVAL`: a directory into itself, flags that exclude each other, or that the file system does
///   not know.
/// - `EACCES`, `EPERM`, `EROFS`: not allowed. `EBUSY`: in use by the system. `ENOSPC`, `EDQUOT`
///   (122), `EMLINK` (31): no room for the new name.
/// - `EFAULT`: a path cannot be read. `ENAMETOOLONG`, `ELOOP`: a path is too long, or has too many
///   symbolic links. `EBADF`: a directory is not open.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// Both paths need live only until the entry is submitted.
///
/// # Cost
/// Always goes to a worker thread.
///
/// See `io_uring_prep_renameat(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_renameat.3.html>,
/// [renameat2(2)](https://man7.org/linux/man-pages/man2/renameat2.2.html).
///
/// ```
/// use annulus_ring::{Errno, LocalRing, op::{At, RenameAt}};
/// let mut ring = LocalRing::new(8)?;
/// let rename = RenameAt::new(At::CWD, c"no such file".as_ptr(), At::CWD, c"any".as_ptr());
/// // SAFETY: the paths are part of the program.
/// unsafe { ring.push(rename.build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::ENOENT));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_RENAMEAT")]
#[doc(alias = "io_uring_prep_renameat")]
#[doc(alias = "io_uring_prep_rename")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct RenameAt {
    sqe: Sqe,
}

impl RenameAt {
    /// Renames `old`, beginning at `old_at`, to `new`, beginning at `new_at`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::{At, RenameAt}};
    /// let sqe = RenameAt::new(At::from(3), c"a".as_ptr(), At::from(4), c"b".as_ptr()).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.len), (Op::RENAMEAT, 3, 4));
    /// ```
    #[inline]
    pub fn new(
        old_at: impl Into<At>,
        old: *const c_char,
        new_at: impl Into<At>,
        new: *const c_char,
    ) -> Self {
        Self { sqe: two_paths(Op::RENAMEAT, old_at.into(), old, new_at.into(), new) }
    }

    /// How it is renamed (`rename_flags`).
    ///
    /// ```
    /// use annulus_ring::{abi::RenameFlags, op::{At, RenameAt}};
    /// let op = RenameAt::new(At::CWD, c"a".as_ptr(), At::CWD, c"b".as_ptr());
    /// assert_eq!(op.flags(RenameFlags::NOREPLACE).build().rw_flags, 1);
    /// ```
    #[doc(alias = "rename_flags")]
    #[inline]
    pub const fn flags(mut self, flags: RenameFlags) -> Self {
        self.sqe.rw_flags = flags.0;
        self
    }
}

/// Removes a name (`IORING_OP_UNLINKAT`, Linux 5.11), as `unlinkat(2)`: of a file, or with
/// [`directory`](Self::directory) of an empty directory.
///
/// # Result
/// 0. The file itself goes when nobody has it open any more.
///
/// # Errors
/// - `ENOENT`: no such name.
/// - `EISDIR`: a directory: use [`directory`](Self::directory). `ENOTDIR`: with it, and it is none.
/// - `ENOTEMPTY`: the directory has something in it.
/// - `EACCES`, `EPERM`, `EROFS`: not allowed. `EBUSY`: in use by the system.
/// - `EINVAL`: `directory` and the last part of the path is `.`; or flags besides it.
/// - `EFAULT`: the path cannot be read. `ENAMETOOLONG`, `ELOOP`: it is too long, or has too many
///   symbolic links. `EBADF`: `at` is not open.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// The path needs live only until the entry is submitted.
///
/// # Cost
/// Always goes to a worker thread.
///
/// See `io_uring_prep_unlinkat(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_unlinkat.3.html>,
/// [unlinkat(2)](https://man7.org/linux/man-pages/man2/unlinkat.2.html).
///
/// ```
/// use annulus_ring::{Errno, LocalRing, op::{At, UnlinkAt}};
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the path is part of the program.
/// unsafe { ring.push(UnlinkAt::new(At::CWD, c"src".as_ptr()).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::EISDIR));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_UNLINKAT")]
#[doc(alias = "io_uring_prep_unlinkat")]
#[doc(alias = "io_uring_prep_unlink")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct UnlinkAt {
    sqe: Sqe,
}

impl UnlinkAt {
    /// Removes the name `path`, beginning at `at`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::{At, UnlinkAt}};
    /// let sqe = UnlinkAt::new(At::CWD, c"a".as_ptr()).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.rw_flags), (Op::UNLINKAT, -100, 0));
    /// ```
    #[inline]
    pub fn new(at: impl Into<At>, path: *const c_char) -> Self {
        Self { sqe: one_path(Op::UNLINKAT, at.into(), path) }
    }

    /// Removes an empty directory (`AT_REMOVEDIR`).
    ///
    /// ```
    /// use annulus_ring::op::{At, UnlinkAt};
    /// assert_eq!(UnlinkAt::new(At::CWD, c"a".as_ptr()).directory().build().rw_flags, 0x200);
    /// ```
    #[doc(alias = "AT_REMOVEDIR")]
    #[inline]
    pub const fn directory(self) -> Self {
        self.flags(AtFlags::REMOVEDIR)
    }

    /// How the path is meant (`unlink_flags`): `REMOVEDIR` is all there is.
    ///
    /// ```
    /// use annulus_ring::{abi::AtFlags, op::{At, UnlinkAt}};
    /// let op = UnlinkAt::new(At::CWD, c"a".as_ptr());
    /// assert_eq!(op.flags(AtFlags::REMOVEDIR).build().rw_flags, 0x200);
    /// ```
    #[doc(alias = "unlink_flags")]
    #[inline]
    pub const fn flags(mut self, flags: AtFlags) -> Self {
        self.sqe.rw_flags = flags.0;
        self
    }
}

/// Makes a directory (`IORING_OP_MKDIRAT`, Linux 5.15), as `mkdirat(2)`.
///
/// # Result
/// 0.
///
/// # Errors
/// - `EEXIST`: the name is taken. `ENOENT`: a directory of the path is missing. `ENOTDIR`: a part
///   of it is none.
/// - `EACCES`, `EPERM`, `EROFS`: not allowed. `ENOSPC`, `EDQUOT` (122), `EMLINK` (31): no room.
/// - `EFAULT`: the path cannot be read. `ENAMETOOLONG`, `ELOOP`: it is too long, or has too many
///   symbolic links. `EBADF`: `at` is not open.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// The path needs live only until the entry is submitted.
///
/// # Cost
/// Always goes to a worker thread.
///
/// See
/// [io_uring_prep_mkdirat(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_mkdirat.3.html),
/// [mkdirat(2)](https://man7.org/linux/man-pages/man2/mkdirat.2.html).
///
/// ```
/// use annulus_ring::{Errno, LocalRing, op::{At, MkdirAt}};
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the path is part of the program.
/// unsafe { ring.push(MkdirAt::new(At::CWD, c"src".as_ptr(), 0o755).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::EEXIST));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_MKDIRAT")]
#[doc(alias = "io_uring_prep_mkdirat")]
#[doc(alias = "io_uring_prep_mkdir")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct MkdirAt {
    sqe: Sqe,
}

impl MkdirAt {
    /// Makes the directory `path`, beginning at `at`, with the permissions `mode`; the umask is
    /// taken off.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::{At, MkdirAt}};
    /// let sqe = MkdirAt::new(At::CWD, c"a".as_ptr(), 0o700).build();
    /// assert_eq!((sqe.opcode, sqe.len), (Op::MKDIRAT, 0o700));
    /// ```
    #[inline]
    pub fn new(at: impl Into<At>, path: *const c_char, mode: u32) -> Self {
        Self { sqe: Sqe { len: mode, ..one_path(Op::MKDIRAT, at.into(), path) } }
    }
}

/// Makes a symbolic link (`IORING_OP_SYMLINKAT`, Linux 5.15), as `symlinkat(2)`.
///
/// # Result
/// 0.
///
/// # Errors
/// - `EEXIST`: the name is taken. `ENOENT`: a directory of the path is missing, or the target is
///   empty. `ENOTDIR`: a part of the path is none.
/// - `EACCES`, `EPERM`, `EROFS`: not allowed. `ENOSPC`, `EDQUOT` (122): no room.
/// - `EFAULT`: a string cannot be read. `ENAMETOOLONG`, `ELOOP`: one is too long, or the path has
///   too many symbolic links. `EBADF`: `at` is not open.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// Both strings need live only until the entry is submitted.
///
/// # Cost
/// Always goes to a worker thread.
///
/// See `io_uring_prep_symlinkat(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_symlinkat.3.html>,
/// [symlinkat(2)](https://man7.org/linux/man-pages/man2/symlinkat.2.html).
///
/// ```
/// use annulus_ring::{Errno, LocalRing, op::{At, SymlinkAt}};
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the strings are part of the program.
/// unsafe { ring.push(SymlinkAt::new(c"target".as_ptr(), At::CWD, c"src".as_ptr()).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::EEXIST));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_SYMLINKAT")]
#[doc(alias = "io_uring_prep_symlinkat")]
#[doc(alias = "io_uring_prep_symlink")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct SymlinkAt {
    sqe: Sqe,
}

impl SymlinkAt {
    /// Makes the link `path`, beginning at `at`, which points to `target`: any string.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::{At, SymlinkAt}};
    /// let (target, path) = (c"/etc", c"a");
    /// let sqe = SymlinkAt::new(target.as_ptr(), At::CWD, path.as_ptr()).build();
    /// assert_eq!((sqe.opcode, sqe.fd), (Op::SYMLINKAT, -100));
    /// assert_eq!((sqe.addr, sqe.off), (target.as_ptr() as u64, path.as_ptr() as u64));
    /// ```
    #[inline]
    pub fn new(target: *const c_char, at: impl Into<At>, path: *const c_char) -> Self {
        let sqe = one_path(Op::SYMLINKAT, at.into(), target);
        Self { sqe: Sqe { off: address(path), ..sqe } }
    }
}

/// Gives a file another name (`IORING_OP_LINKAT`, Linux 5.15), as `linkat(2)`.
///
/// # Result
/// 0.
///
/// # Errors
/// - `EEXIST`: the new name is taken. `ENOENT`: there is none of the old name, a directory of a
///   path is missing, or the file has no name any more.
/// - `EXDEV`: on two file systems. `EPERM`: a directory, or the file system has no hard links, or
///   `fs.protected_hardlinks` forbids it. `EMLINK` (31): it has too many names.
/// - `EACCES`, `EROFS`: not allowed. `ENOSPC`, `EDQUOT` (122): no room. `ENOTDIR`: a part of a path
///   is none.
/// - `EINVAL`: flags besides `SYMLINK_FOLLOW` and `EMPTY_PATH`.
/// - `EFAULT`: a path cannot be read. `ENAMETOOLONG`, `ELOOP`: a path is too long, or has too many
///   symbolic links. `EBADF`: a directory is not open.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// Both paths need live only until the entry is submitted.
///
/// # Cost
/// Always goes to a worker thread.
///
/// See
/// [io_uring_prep_linkat(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_linkat.3.html),
/// [linkat(2)](https://man7.org/linux/man-pages/man2/linkat.2.html).
///
/// ```
/// use annulus_ring::{Errno, LocalRing, op::{At, LinkAt}};
/// let mut ring = LocalRing::new(8)?;
/// let link = LinkAt::new(At::CWD, c"Cargo.toml".as_ptr(), At::CWD, c"src".as_ptr());
/// // SAFETY: the paths are part of the program.
/// unsafe { ring.push(link.build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::EEXIST));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_LINKAT")]
#[doc(alias = "io_uring_prep_linkat")]
#[doc(alias = "io_uring_prep_link")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct LinkAt {
    sqe: Sqe,
}

impl LinkAt {
    /// Gives the file `old`, beginning at `old_at`, the name `new`, beginning at `new_at`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::{At, LinkAt}};
    /// let sqe = LinkAt::new(At::from(3), c"a".as_ptr(), At::from(4), c"b".as_ptr()).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.len), (Op::LINKAT, 3, 4));
    /// ```
    #[inline]
    pub fn new(
        old_at: impl Into<At>,
        old: *const c_char,
        new_at: impl Into<At>,
        new: *const c_char,
    ) -> Self {
        Self { sqe: two_paths(Op::LINKAT, old_at.into(), old, new_at.into(), new) }
    }

    /// How the old path is meant (`hardlink_flags`): `SYMLINK_FOLLOW`, or `EMPTY_PATH` to name what
    /// `old_at` is open on.
    ///
    /// ```
    /// use annulus_ring::{abi::AtFlags, op::{At, LinkAt}};
    /// let op = LinkAt::new(At::from(3), c"".as_ptr(), At::CWD, c"b".as_ptr());
    /// assert_eq!(op.flags(AtFlags::EMPTY_PATH).build().rw_flags, 0x1000);
    /// ```
    #[doc(alias = "hardlink_flags")]
    #[inline]
    pub const fn flags(mut self, flags: AtFlags) -> Self {
        self.sqe.rw_flags = flags.0;
        self
    }
}

/// An entry on one path.
#[inline]
fn one_path(op: Op, at: At, path: *const c_char) -> Sqe {
    Sqe { opcode: op, fd: at.fd(), addr: address(path), ..ZERO }
}

/// An entry on two paths: the second directory is where others have a length.
#[inline]
fn two_paths(op: Op, old_at: At, old: *const c_char, new_at: At, new: *const c_char) -> Sqe {
    Sqe { off: address(new), len: new_at.fd() as u32, ..one_path(op, old_at, old) }
}

operation!(RenameAt, UnlinkAt, MkdirAt, SymlinkAt, LinkAt);
