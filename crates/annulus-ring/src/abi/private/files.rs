//! The private operations on files and directories.

use core::ffi::c_char;

use super::payload::{FlockOperation, SeekWhence, Statfs};
use super::{address, entry};
use crate::abi::{AtFlags, Op, OpenFlags, Sqe, Timespec};

/// Makes the whole of `dest` share the blocks of `src` (`ioctl(dest, FICLONE, src)`): a copy that
/// takes no space. Result: 0.
///
/// Fields: `fd` = `dest`, `splice_fd_in` = `src`.
///
/// See <https://man7.org/linux/man-pages/man2/ioctl_ficlone.2.html>.
///
/// ```
/// use annulus_ring::abi::{Op, private};
/// let sqe = private::ficlone(4, 3);
/// assert_eq!((sqe.opcode, sqe.fd, sqe.splice_fd_in), (Op::FICLONE, 4, 3));
/// ```
#[doc(alias = "FICLONE")]
pub fn ficlone(dest: i32, src: i32) -> Sqe {
    Sqe { splice_fd_in: src, ..entry(Op::FICLONE, dest) }
}

/// Makes a range of `dest` share the blocks of `src` (`ioctl(dest, FICLONERANGE, …)`). Offsets and
/// `length` in bytes, whole blocks; a `length` of 0 goes to the end. Result: 0.
///
/// Fields: `fd` = `dest`, `off` = `dest_offset`, `splice_fd_in` = `src`, `addr` = `src_offset`,
/// `addr3` = `length`.
///
/// See <https://man7.org/linux/man-pages/man2/ioctl_ficlonerange.2.html>.
///
/// ```
/// use annulus_ring::abi::private;
/// let sqe = private::ficlone_range(4, 8192, 3, 4096, 0);
/// assert_eq!((sqe.fd, sqe.off, sqe.splice_fd_in, sqe.addr, sqe.addr3), (4, 8192, 3, 4096, 0));
/// ```
#[doc(alias = "FICLONERANGE")]
#[doc(alias = "file_clone_range")]
pub fn ficlone_range(dest: i32, dest_offset: u64, src: i32, src_offset: u64, length: u64) -> Sqe {
    Sqe {
        off: dest_offset,
        splice_fd_in: src,
        addr: src_offset,
        addr3: length,
        ..entry(Op::FICLONERANGE, dest)
    }
}

/// Copies up to `len` bytes of `src` to `dest` within the kernel (`copy_file_range(2)`). An offset
/// may be [`POSITION`](super::POSITION). Result: how many bytes.
///
/// Fields, as SPLICE's: `fd` = `dest`, `off` = `dest_offset`, `splice_fd_in` = `src`, `addr` =
/// `src_offset`, `len`.
///
/// See <https://man7.org/linux/man-pages/man2/copy_file_range.2.html>.
///
/// ```
/// use annulus_ring::abi::private::{self, POSITION};
/// let sqe = private::copy_file_range(4, POSITION, 3, 0, 1 << 20);
/// assert_eq!((sqe.fd, sqe.off, sqe.splice_fd_in, sqe.addr, sqe.len), (4, !0, 3, 0, 1 << 20));
/// ```
pub fn copy_file_range(dest: i32, dest_offset: u64, src: i32, src_offset: u64, len: u32) -> Sqe {
    Sqe {
        off: dest_offset,
        splice_fd_in: src,
        addr: src_offset,
        len,
        ..entry(Op::COPY_FILE_RANGE, dest)
    }
}

/// Sends up to `len` bytes of the file `src` to `dest`, at its position (`sendfile(2)`).
/// `src_offset` may be [`POSITION`](super::POSITION). Result: how many bytes.
///
/// Fields: `fd` = `dest`, `splice_fd_in` = `src`, `addr` = `src_offset`, `len`.
///
/// See <https://man7.org/linux/man-pages/man2/sendfile.2.html>.
///
/// ```
/// use annulus_ring::abi::private;
/// let sqe = private::sendfile(5, 3, 4096, 512);
/// assert_eq!((sqe.fd, sqe.splice_fd_in, sqe.addr, sqe.len), (5, 3, 4096, 512));
/// ```
pub fn sendfile(dest: i32, src: i32, src_offset: u64, len: u32) -> Sqe {
    Sqe { splice_fd_in: src, addr: src_offset, len, ..entry(Op::SENDFILE, dest) }
}

/// Reads the next names of an open directory (`getdents64(2)`) into `buf`:
/// [`Dirent64`](super::Dirent64)s, each as long as its `d_reclen` says. Result: how many bytes; 0
/// at the end.
///
/// Fields: `fd` = `dir`, `addr` = `buf`, `len` = its length in bytes.
///
/// See <https://man7.org/linux/man-pages/man2/getdents.2.html>.
///
/// ```
/// use annulus_ring::abi::private;
/// let mut buf = [0_u64; 512]; // aligned as the names' heads are
/// let sqe = private::getdents64(3, buf.as_mut_ptr().cast(), 4096);
/// assert_eq!((sqe.fd, sqe.addr, sqe.len), (3, buf.as_ptr() as u64, 4096));
/// ```
pub fn getdents64(dir: i32, buf: *mut u8, len: u32) -> Sqe {
    Sqe { addr: address(buf), len, ..entry(Op::GETDENTS64, dir) }
}

/// Moves a file's position (`lseek(2)`), or finds data and holes. The new position does not fit a
/// completion, so it is written to `position`. Result: 0.
///
/// Fields: `fd`, `off` = `offset`, `len` = `whence`, `addr` = `position`.
///
/// See <https://man7.org/linux/man-pages/man2/lseek.2.html>.
///
/// ```
/// use annulus_ring::abi::private::{self, SeekWhence};
/// let mut position = 0;
/// let sqe = private::lseek(3, -1, SeekWhence::END, &mut position);
/// assert_eq!((sqe.off, sqe.len, sqe.addr), (u64::MAX, 2, &raw const position as u64));
/// ```
pub fn lseek(fd: i32, offset: i64, whence: SeekWhence, position: *mut u64) -> Sqe {
    let off = offset.cast_unsigned();
    Sqe { off, len: whence.raw(), addr: address(position), ..entry(Op::LSEEK, fd) }
}

/// Locks or unlocks an open file (`flock(2)`). Result: 0. It may wait for ever; the forms that do
/// not end in `EWOULDBLOCK` instead.
///
/// Fields: `fd`, `len` = `operation`.
///
/// See <https://man7.org/linux/man-pages/man2/flock.2.html>.
///
/// ```
/// use annulus_ring::abi::private::{self, FlockOperation};
/// assert_eq!(private::flock(3, FlockOperation::EX_NB).len, 6);
/// ```
pub fn flock(fd: i32, operation: FlockOperation) -> Sqe {
    Sqe { len: operation.raw(), ..entry(Op::FLOCK, fd) }
}

/// Asks how full the file system of an open file is (`fstatfs(2)`). Result: 0.
///
/// Fields: `fd`, `addr` = `out`.
///
/// See <https://man7.org/linux/man-pages/man2/fstatfs.2.html>.
///
/// ```
/// use annulus_ring::abi::private::{self, Statfs};
/// let mut out = Statfs::default();
/// assert_eq!(private::fstatfs(3, &mut out).addr, &raw const out as u64);
/// ```
pub fn fstatfs(fd: i32, out: *mut Statfs) -> Sqe {
    Sqe { addr: address(out), ..entry(Op::FSTATFS, fd) }
}

/// Changes permissions (`fchmodat2(2)`; `fchmodat(2)` or `fchmod(2)` before Linux 6.6). With
/// `EMPTY_PATH` and an empty path: of `dir` itself. Result: 0.
///
/// Fields: `fd` = `dir`, `addr` = `path`, `len` = `mode`, `rw_flags` = `flags`.
///
/// See <https://man7.org/linux/man-pages/man2/fchmodat2.2.html>.
///
/// ```
/// use annulus_ring::abi::{AT_FDCWD, AtFlags, private};
/// let sqe = private::fchmodat2(AT_FDCWD, c"data".as_ptr(), 0o640, AtFlags::SYMLINK_NOFOLLOW);
/// assert_eq!((sqe.fd, sqe.len, sqe.rw_flags), (-100, 0o640, 0x100));
/// ```
#[doc(alias = "chmod")]
pub fn fchmodat2(dir: i32, path: *const c_char, mode: u32, flags: AtFlags) -> Sqe {
    Sqe { addr: address(path), len: mode, rw_flags: flags.bits(), ..entry(Op::FCHMODAT2, dir) }
}

/// Changes owner and group (`fchownat(2)`); `u32::MAX` leaves one as it is. Result: 0.
///
/// Fields: `fd` = `dir`, `addr` = `path`, `len` = `uid`, `splice_fd_in` = `gid`, `rw_flags` =
/// `flags`.
///
/// See <https://man7.org/linux/man-pages/man2/fchownat.2.html>.
///
/// ```
/// use annulus_ring::abi::{AT_FDCWD, AtFlags, private};
/// let sqe = private::fchownat(AT_FDCWD, c"data".as_ptr(), u32::MAX, 100, AtFlags::empty());
/// assert_eq!((sqe.len, sqe.splice_fd_in), (u32::MAX, 100));
/// ```
#[doc(alias = "chown")]
pub fn fchownat(dir: i32, path: *const c_char, uid: u32, gid: u32, flags: AtFlags) -> Sqe {
    Sqe {
        addr: address(path),
        len: uid,
        splice_fd_in: gid.cast_signed(),
        rw_flags: flags.bits(),
        ..entry(Op::FCHOWNAT, dir)
    }
}

/// Sets the times of access and change, in this order (`utimensat(2)`). A `tv_nsec` may be
/// [`UTIME_NOW`](super::UTIME_NOW) or [`UTIME_OMIT`](super::UTIME_OMIT); null `times` are now for
/// both; a null `path` is `dir` itself. Result: 0.
///
/// Fields: `fd` = `dir`, `addr` = `path`, `off` = `times`, `rw_flags` = `flags`.
///
/// See <https://man7.org/linux/man-pages/man2/utimensat.2.html>.
///
/// ```
/// use annulus_ring::abi::{AtFlags, Timespec, private::{self, UTIME_OMIT}};
/// let times = [Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, Timespec::default()];
/// let sqe = private::utimensat(3, std::ptr::null(), &times, AtFlags::empty());
/// assert_eq!((sqe.addr, sqe.off), (0, &raw const times as u64));
/// ```
#[doc(alias = "futimens")]
pub fn utimensat(
    dir: i32,
    path: *const c_char,
    times: *const [Timespec; 2],
    flags: AtFlags,
) -> Sqe {
    Sqe {
        addr: address(path),
        off: address(times),
        rw_flags: flags.bits(),
        ..entry(Op::UTIMENSAT, dir)
    }
}

/// Reads where a symbolic link points (`readlinkat(2)`), without a terminating zero. Result: how
/// many bytes; all of `len` if the link may be longer.
///
/// Fields: `fd` = `dir`, `addr` = `path`, `off` = `buf`, `len` = its length in bytes.
///
/// See <https://man7.org/linux/man-pages/man2/readlinkat.2.html>.
///
/// ```
/// use annulus_ring::abi::{AT_FDCWD, private};
/// let mut buf = [0; 64];
/// let sqe = private::readlinkat(AT_FDCWD, c"link".as_ptr(), buf.as_mut_ptr(), 64);
/// assert_eq!((sqe.off, sqe.len), (buf.as_ptr() as u64, 64));
/// ```
pub fn readlinkat(dir: i32, path: *const c_char, buf: *mut u8, len: u32) -> Sqe {
    Sqe { addr: address(path), off: address(buf), len, ..entry(Op::READLINKAT, dir) }
}

/// Lists the names of an open file's extended attributes (`flistxattr(2)`), each ended by a zero.
/// Result: how many bytes; with `len` 0, how many there would be.
///
/// Fields: `fd`, `addr` = `buf`, `len` = its length in bytes.
///
/// See <https://man7.org/linux/man-pages/man2/flistxattr.2.html>.
///
/// ```
/// use annulus_ring::abi::private;
/// assert_eq!(private::flistxattr(3, std::ptr::null_mut(), 0).fd, 3);
/// ```
pub fn flistxattr(fd: i32, buf: *mut u8, len: u32) -> Sqe {
    Sqe { addr: address(buf), len, ..entry(Op::FLISTXATTR, fd) }
}

/// Removes an extended attribute of an open file (`fremovexattr(2)`). Result: 0.
///
/// Fields: `fd`, `addr` = `name`.
///
/// See <https://man7.org/linux/man-pages/man2/fremovexattr.2.html>.
///
/// ```
/// use annulus_ring::abi::private;
/// let name = c"user.tag";
/// assert_eq!(private::fremovexattr(3, name.as_ptr()).addr, name.as_ptr() as u64);
/// ```
pub fn fremovexattr(fd: i32, name: *const c_char) -> Sqe {
    Sqe { addr: address(name), ..entry(Op::FREMOVEXATTR, fd) }
}

/// Lists the names of the extended attributes of the file at `path` (`listxattr(2)`), each ended by
/// a zero; a symbolic link is followed. Result: how many bytes; with `len` 0, how many there would
/// be.
///
/// Fields: `addr` = `path`, `off` = `buf`, `len` = its length in bytes.
///
/// See <https://man7.org/linux/man-pages/man2/listxattr.2.html>.
///
/// ```
/// use annulus_ring::abi::private;
/// let mut buf = [0; 64];
/// let sqe = private::listxattr(c"data".as_ptr(), buf.as_mut_ptr(), 64);
/// assert_eq!((sqe.off, sqe.len), (buf.as_ptr() as u64, 64));
/// ```
pub fn listxattr(path: *const c_char, buf: *mut u8, len: u32) -> Sqe {
    Sqe { addr: address(path), off: address(buf), len, ..entry(Op::LISTXATTR, 0) }
}

/// Removes an extended attribute of the file at `path` (`removexattr(2)`); a symbolic link is
/// followed. Result: 0.
///
/// Fields: `addr` = `path`, `off` = `name`.
///
/// See <https://man7.org/linux/man-pages/man2/removexattr.2.html>.
///
/// ```
/// use annulus_ring::abi::private;
/// let name = c"user.tag";
/// let sqe = private::removexattr(c"data".as_ptr(), name.as_ptr());
/// assert_eq!(sqe.off, name.as_ptr() as u64);
/// ```
pub fn removexattr(path: *const c_char, name: *const c_char) -> Sqe {
    Sqe { addr: address(path), off: address(name), ..entry(Op::REMOVEXATTR, 0) }
}

/// Makes all of the file system durable that an open file is on (`syncfs(2)`). Result: 0.
///
/// Fields: `fd`.
///
/// See <https://man7.org/linux/man-pages/man2/syncfs.2.html>.
///
/// ```
/// use annulus_ring::abi::private;
/// assert_eq!(private::syncfs(3).fd, 3);
/// ```
pub fn syncfs(fd: i32) -> Sqe {
    entry(Op::SYNCFS, fd)
}

/// Makes another descriptor of the same open file (`fcntl(fd, F_DUPFD_CLOEXEC, 0)`, without
/// `CLOEXEC` `F_DUPFD`). Result: the descriptor.
///
/// Fields: `fd`, `rw_flags` = `flags`: `CLOEXEC` or nothing.
///
/// See <https://man7.org/linux/man-pages/man2/fcntl.2.html>.
///
/// ```
/// use annulus_ring::abi::{OpenFlags, private};
/// assert_eq!(private::dup(3, OpenFlags::CLOEXEC).rw_flags, 0o2000000);
/// ```
#[doc(alias = "F_DUPFD_CLOEXEC")]
pub fn dup(fd: i32, flags: OpenFlags) -> Sqe {
    Sqe { rw_flags: flags.bits(), ..entry(Op::DUP, fd) }
}

/// Asks whether this process may use a file as `mode` says (`faccessat2(2)`): 4 to read it, 2 to
/// write it, 1 to run it or to search it, 0 whether it is there. Of the effective user with
/// `EACCESS` (0x200) among `flags`, else of the real one. Result: 0. It may be otherwise a moment
/// later.
///
/// Fields: `fd` = `dir`, `addr` = `path`, `len` = `mode`, `rw_flags` = `flags`.
///
/// See <https://man7.org/linux/man-pages/man2/access.2.html>.
///
/// ```
/// use annulus_ring::abi::{AT_FDCWD, AtFlags, private};
/// let sqe = private::faccessat2(AT_FDCWD, c"data".as_ptr(), 4, AtFlags::empty());
/// assert_eq!((sqe.fd, sqe.len, sqe.rw_flags), (-100, 4, 0));
/// ```
#[doc(alias = "access")]
pub fn faccessat2(dir: i32, path: *const c_char, mode: u32, flags: AtFlags) -> Sqe {
    Sqe { addr: address(path), len: mode, rw_flags: flags.bits(), ..entry(Op::FACCESSAT2, dir) }
}
