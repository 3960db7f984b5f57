//! Opening and closing.

use core::ffi::c_char;

use super::at::file_index;
use super::{At, Target, ZERO, address, operation};
use crate::abi::{FILE_INDEX_ALLOC, FixedFd, Op, OpenFlags, OpenHow, Sqe, SqeFlags};

/// The setters of what can open into a slot of the ring's file table.
macro_rules! direct_setters {
    ($($Type:ident, $new:literal;)*) => {$(
        impl $Type {
            /// Puts the file into `slot` of the ring's file table instead of a descriptor (Linux
            /// 5.15). What the slot held is closed. The result is then 0.
            ///
            /// Besides the errors above: `ENXIO` if the ring has no file table, `EINVAL` if it is
            /// shorter, or together with `CLOEXEC`, which a slot cannot have.
            ///
            /// ```
            #[doc = "# use annulus_ring::{abi::*, op::*};"]
            #[doc = concat!("let op = ", $new, ";")]
            /// assert_eq!(op.direct(FixedFd(5)).build().splice_fd_in, 6);
            /// ```
            #[doc(alias = "file_index")]
            #[inline]
            pub const fn direct(mut self, slot: FixedFd) -> Self {
                self.sqe.splice_fd_in = file_index(slot);
                self
            }

            /// Puts the file into a free slot of the ring's file table, which Linux picks (5.19).
            /// The result is then the slot.
            ///
            /// Besides the errors above: `ENFILE` if no slot is free, `ENXIO` if the ring has no
            /// file table, `EINVAL` together with `CLOEXEC`.
            ///
            /// ```
            #[doc = "# use annulus_ring::{abi::*, op::*};"]
            #[doc = concat!("let op = ", $new, ";")]
            /// assert_eq!(op.direct_alloc().build().splice_fd_in as u32, FILE_INDEX_ALLOC);
            /// ```
            #[doc(alias = "IORING_FILE_INDEX_ALLOC")]
            #[inline]
            pub const fn direct_alloc(mut self) -> Self {
                self.sqe.splice_fd_in = FILE_INDEX_ALLOC as i32;
                self
            }
        }
    )*};
}

/// Opens a file (`IORING_OP_OPENAT`, Linux 5.6), as `openat(2)`: to a descriptor, or with
/// [`direct`](Self::direct) to a slot of the ring's file table.
///
/// # Result
/// The descriptor: the caller's to close. With a slot: 0, or the slot that Linux picked.
///
/// # Errors
/// - `ENOENT`: no such file, or a directory of the path is missing.
/// - `EEXIST`: it is there, and `CREAT | EXCL` wants a new one.
/// - `EACCES`, `EPERM`: not allowed. `EROFS`: writing to a read-only file system.
/// - `EISDIR`: writing to a directory. `ENOTDIR`: a part of the path is none, or `DIRECTORY` and it
///   is none. `ELOOP`: too many symbolic links, or `NOFOLLOW` and it is one.
/// - `EMFILE`: the process has no descriptor left (`RLIMIT_NOFILE`): close some, or use slots.
///   `ENFILE`: the system, or the table, has none left.
/// - `EFAULT`: the path cannot be read. `ENAMETOOLONG`: it is longer than 4095 bytes.
/// - `EINVAL`: flags that contradict each other, or `DIRECT` on a file system without it.
/// - `EBADF`: `at` is not open and the path is relative.
/// - `ENXIO`, `ENODEV`, `EBUSY`, `ETXTBSY` (26), `EOVERFLOW`: as `open(2)` has them.
/// - `EAGAIN`: it would wait, and the flags forbade that. `ECANCELED`: cancelled, or its link was
///   broken.
///
/// # Pointers
/// The path needs live only until the entry is submitted (`IORING_FEAT_SUBMIT_STABLE`, 5.5): Linux
/// copies it then.
///
/// # Cost
/// What the name cache can answer is opened inline. Everything else, and always with `CREAT`,
/// `TRUNC` or `TMPFILE`, goes to a worker thread.
///
/// See
/// [io_uring_prep_openat(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_openat.3.html),
/// [openat(2)](https://man7.org/linux/man-pages/man2/openat.2.html).
///
/// ```
/// use std::os::fd::{FromRawFd, OwnedFd};
/// use annulus_ring::{LocalRing, abi::OpenFlags, op};
/// let mut ring = LocalRing::new(8)?;
/// let open = op::OpenAt::new(op::At::CWD, c"Cargo.toml".as_ptr()).flags(OpenFlags::CLOEXEC);
/// // SAFETY: the path is part of the program.
/// unsafe { ring.push(open.build())? };
/// ring.submit_and_wait(1)?;
/// let fd = ring.completions()?.next().unwrap().result()?;
/// // SAFETY: the descriptor was made for this completion: nobody else has it.
/// let file = std::fs::File::from(unsafe { OwnedFd::from_raw_fd(fd as i32) });
/// assert!(file.metadata()?.is_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_OPENAT")]
#[doc(alias = "io_uring_prep_openat")]
#[doc(alias = "io_uring_prep_openat_direct")]
#[doc(alias = "io_uring_prep_open")]
#[doc(alias = "io_uring_prep_open_direct")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct OpenAt {
    sqe: Sqe,
}

impl OpenAt {
    /// Opens `path`, a string that ends with a zero byte, beginning at `at`; for reading, and kept
    /// across `execve(2)`, unless [`flags`](Self::flags) says otherwise.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::{At, OpenAt}};
    /// let sqe = OpenAt::new(At::CWD, c"log".as_ptr()).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.rw_flags, sqe.len), (Op::OPENAT, -100, 0, 0));
    /// ```
    #[inline]
    pub fn new(at: impl Into<At>, path: *const c_char) -> Self {
        let at: At = at.into();
        Self { sqe: Sqe { opcode: Op::OPENAT, fd: at.fd(), addr: address(path), ..ZERO } }
    }

    /// How it is opened (`open_flags`). A raw ring adds nothing: ask for
    /// [`CLOEXEC`](OpenFlags::CLOEXEC).
    ///
    /// ```
    /// use annulus_ring::{abi::OpenFlags, op::{At, OpenAt}};
    /// let open = OpenAt::new(At::CWD, c"log".as_ptr()).flags(OpenFlags::WRONLY);
    /// assert_eq!(open.build().rw_flags, 1);
    /// ```
    #[doc(alias = "open_flags")]
    #[inline]
    pub const fn flags(mut self, flags: OpenFlags) -> Self {
        self.sqe.rw_flags = flags.0;
        self
    }

    /// The permissions of a file that is made; the umask is taken off. Ignored without `CREAT` or
    /// `TMPFILE`.
    ///
    /// ```
    /// use annulus_ring::op::{At, OpenAt};
    /// assert_eq!(OpenAt::new(At::CWD, c"log".as_ptr()).mode(0o600).build().len, 0o600);
    /// ```
    #[inline]
    pub const fn mode(mut self, mode: u32) -> Self {
        self.sqe.len = mode;
        self
    }
}

/// Opens a file, and says how its path is resolved (`IORING_OP_OPENAT2`, Linux 5.6), as
/// `openat2(2)`: to a descriptor, or with [`direct`](Self::direct) to a slot.
///
/// # Result
/// As [`OpenAt`].
///
/// # Errors
/// Those of [`OpenAt`], and:
/// - `EINVAL`: flags or bits of `resolve` that the kernel does not know, or a mode where nothing is
///   made.
/// - `EXDEV`: the path leaves the directory or crosses a mount, and `resolve` forbids that.
///   `ELOOP`: it has a symbolic link, and `resolve` forbids those.
/// - `EAGAIN`: `CACHED` and the name cache does not have it: try again without. With `BENEATH` or
///   `IN_ROOT`: something was moved meanwhile; try again.
/// - `E2BIG`: a longer [`OpenHow`] than the kernel knows, with something in what it does not know.
/// - `EFAULT`: `how` cannot be read.
///
/// # Pointers
/// The path and `how` need live only until the entry is submitted.
///
/// # Cost
/// That of [`OpenAt`].
///
/// See
/// [io_uring_prep_openat2(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_openat2.3.html),
/// [openat2(2)](https://man7.org/linux/man-pages/man2/openat2.2.html).
///
/// ```
/// use annulus_ring::{Errno, LocalRing, abi::{OpenHow, ResolveFlags}, op};
/// let how = OpenHow { resolve: ResolveFlags::BENEATH, ..OpenHow::default() };
/// let mut ring = LocalRing::new(8)?;
/// let open = op::OpenAt2::new(op::At::CWD, c"../Cargo.toml".as_ptr(), &how);
/// // SAFETY: the path is part of the program, and `how` lives until after the submit.
/// unsafe { ring.push(open.build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::EXDEV));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_OPENAT2")]
#[doc(alias = "io_uring_prep_openat2")]
#[doc(alias = "io_uring_prep_openat2_direct")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct OpenAt2 {
    sqe: Sqe,
}

impl OpenAt2 {
    /// Opens `path`, a string that ends with a zero byte, beginning at `at`, as `how` says.
    ///
    /// ```
    /// use annulus_ring::{abi::{Op, OpenHow}, op::{At, OpenAt2}};
    /// let how = OpenHow::default();
    /// let sqe = OpenAt2::new(At::CWD, c"log".as_ptr(), &how).build();
    /// assert_eq!((sqe.opcode, sqe.off, sqe.len), (Op::OPENAT2, &raw const how as u64, 24));
    /// ```
    #[inline]
    pub fn new(at: impl Into<At>, path: *const c_char, how: *const OpenHow) -> Self {
        let at: At = at.into();
        let (addr, off) = (address(path), address(how));
        let len = size_of::<OpenHow>() as u32;
        Self { sqe: Sqe { opcode: Op::OPENAT2, fd: at.fd(), addr, off, len, ..ZERO } }
    }
}

/// Closes a descriptor or empties a slot of the ring's file table (`IORING_OP_CLOSE`, Linux 5.6;
/// slots 5.15), as `close(2)`.
///
/// Operations already submitted keep the file open until they are complete: closing cancels
/// nothing.
///
/// # Result
/// 0. Also after an error, except `EBADF`, the descriptor is gone: never close it again.
///
/// # Errors
/// - `EBADF`: not open, an empty slot, or a ring, which cannot be closed this way.
/// - `EINVAL`: a slot past the table's end. `ENXIO`: a slot, and the ring has no file table.
/// - `EIO`, `ENOSPC`, `EDQUOT` (122): what was written before could not be (network file systems).
/// - `ECANCELED`: cancelled, or its link was broken: the file is still open.
///
/// # Pointers
/// None.
///
/// # Cost
/// Inline, except files that must be flushed (network file systems, FUSE), which go to a worker
/// thread. What frees a deleted file's space is done later.
///
/// See [io_uring_prep_close(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_close.3.html),
/// [close(2)](https://man7.org/linux/man-pages/man2/close.2.html).
///
/// ```
/// use std::os::fd::IntoRawFd;
/// use annulus_ring::{LocalRing, op};
/// let fd = std::fs::File::open("Cargo.toml")?.into_raw_fd();
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the descriptor is ours alone, and nothing uses it any more.
/// unsafe { ring.push(op::Close::new(fd).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_CLOSE")]
#[doc(alias = "io_uring_prep_close")]
#[doc(alias = "io_uring_prep_close_direct")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Close {
    sqe: Sqe,
}

impl Close {
    /// Closes `file`: a descriptor, or the slot of a [`FixedFd`].
    ///
    /// ```
    /// use annulus_ring::{abi::{FixedFd, SqeFlags}, op::Close};
    /// let (fd, slot) = (Close::new(5).build(), Close::new(FixedFd(5)).build());
    /// assert_eq!((fd.fd, fd.splice_fd_in), (5, 0));
    /// // A slot is named as what is opened into it is, not by IOSQE_FIXED_FILE.
    /// assert_eq!((slot.fd, slot.splice_fd_in, slot.flags), (0, 6, SqeFlags::empty()));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>) -> Self {
        let file: Target = file.into();
        let sqe = Sqe { opcode: Op::CLOSE, ..ZERO };
        if file.flags().contains(SqeFlags::FIXED_FILE) {
            let slot = FixedFd(file.fd() as u32);
            Self { sqe: Sqe { splice_fd_in: file_index(slot), ..sqe } }
        } else {
            Self { sqe: Sqe { fd: file.fd(), ..sqe } }
        }
    }
}

direct_setters! {
    OpenAt, "OpenAt::new(At::CWD, c\"log\".as_ptr())";
    OpenAt2, "OpenAt2::new(At::CWD, c\"log\".as_ptr(), &OpenHow::default())";
}
operation!(OpenAt, OpenAt2, Close);
