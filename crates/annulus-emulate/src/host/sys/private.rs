//! The system calls that io_uring has no operation for.

use core::ffi::{c_char, c_int, c_long, c_void};
use std::os::fd::RawFd;

use annulus_ring::Errno;
use annulus_ring::abi::private::POSITION;
use annulus_ring::abi::{AtFlags, Sqe};
use annulus_ring::kernel::{Descriptors, Process};

use super::{Answer, answer, int};
use crate::world::Span;

/// `ioctl(FICLONE)` and `ioctl(FICLONERANGE)`.
const SHARE_ALL: u32 = 0x4004_9409;
const SHARE: u32 = 0x4020_940d;
/// `faccessat2(2)` and `fchmodat2(2)`, on every architecture.
const FACCESSAT2: c_long = 439;
const FCHMODAT2: c_long = 452;

/// What `ioctl(FICLONERANGE)` is told: `struct file_clone_range`.
#[repr(C)]
struct Range {
    from: i64,
    from_offset: u64,
    bytes: u64,
    to_offset: u64,
}

fn long(result: c_long) -> Answer {
    answer(result as isize)
}

fn place<T>(addr: u64) -> *mut T {
    core::ptr::with_exposed_provenance_mut(addr as usize)
}

/// Does it if that cannot block; else `EAGAIN`.
pub(in crate::host) fn at_once(sqe: &Sqe) -> Answer {
    // SAFETY: what the entry points to is its maker's, valid while it is under way
    // (`Kernel::enter`).
    unsafe { Process.call(sqe) }
}

/// An offset as calls take it: none is the file's own.
fn offset(value: &mut u64) -> *mut i64 {
    if *value == POSITION { core::ptr::null_mut() } else { core::ptr::from_mut(value).cast() }
}

/// `copy_file_range(2)`.
pub(in crate::host) fn copy(to: (RawFd, u64), from: (RawFd, u64), bytes: usize) -> Answer {
    let (mut to_offset, mut from_offset) = (to.1, from.1);
    let (at, from_at) = (offset(&mut to_offset), offset(&mut from_offset));
    // SAFETY: two offsets that live during the call, or null.
    long(unsafe { libc::syscall(libc::SYS_copy_file_range, from.0, from_at, to.0, at, bytes, 0) })
}

/// `sendfile(2)`.
pub(in crate::host) fn send_file(to: RawFd, from: (RawFd, u64), bytes: usize) -> Answer {
    let mut from_offset = from.1;
    let from_at = offset(&mut from_offset);
    // SAFETY: an offset that lives during the call, or null.
    answer(unsafe { libc::sendfile(to, from.0, from_at, bytes) })
}

/// `ioctl(FICLONE)`.
pub(in crate::host) fn share_all(to: RawFd, from: RawFd) -> Answer {
    // SAFETY: numbers.
    int(unsafe { libc::ioctl(to, SHARE_ALL as _, from) })
}

/// `ioctl(FICLONERANGE)`.
pub(in crate::host) fn share(to: (RawFd, u64), from: (RawFd, u64), bytes: u64) -> Answer {
    let range = Range { from: from.0.into(), from_offset: from.1, bytes, to_offset: to.1 };
    // SAFETY: one structure, which lives during the call.
    int(unsafe { libc::ioctl(to.0, SHARE as _, &raw const range) })
}

/// `getdents64(2)`.
pub(in crate::host) fn list(fd: RawFd, to: Span) -> Answer {
    let at: *mut c_void = place(to.addr);
    // SAFETY: the buffer is an entry's, writable for it (`Kernel::enter`).
    long(unsafe { libc::syscall(libc::SYS_getdents64, fd, at, to.bytes) })
}

/// `lseek(2)`, whose answer goes to `addr`.
pub(in crate::host) fn seek(fd: RawFd, by: i64, whence: u32, addr: u64) -> Answer {
    let to: *mut u64 = place(addr);
    if to.is_null() {
        return Err(Errno::EFAULT);
    }
    // SAFETY: numbers.
    let found = unsafe { libc::lseek(fd, by, whence as c_int) };
    let found = u64::try_from(found).map_err(|_negative| super::errno())?;
    // SAFETY: where it goes is an entry's, writable for it (`Kernel::enter`).
    unsafe { to.write_unaligned(found) };
    Ok(0)
}

/// `flock(2)`.
pub(in crate::host) fn lock(fd: RawFd, operation: u32) -> Answer {
    // SAFETY: numbers.
    int(unsafe { libc::flock(fd, operation as c_int) })
}

// What the kernel writes is what `Statfs` is.
const _: () = assert!(cfg!(target_pointer_width = "64"), "statfs is another on 32 bits");

/// `fstatfs(2)`, to `addr`.
pub(in crate::host) fn space(fd: RawFd, addr: u64) -> Answer {
    let to: *mut c_void = place(addr);
    // SAFETY: where it goes is an entry's, writable for it (`Kernel::enter`).
    long(unsafe { libc::syscall(libc::SYS_fstatfs, fd, to) })
}

/// `flistxattr(2)`.
pub(in crate::host) fn attributes(fd: RawFd, to: Span) -> Answer {
    // SAFETY: the buffer is an entry's, writable for it (`Kernel::enter`).
    answer(unsafe { libc::flistxattr(fd, place(to.addr), to.bytes) })
}

/// `fremovexattr(2)`.
pub(in crate::host) fn remove_attribute(fd: RawFd, name: u64) -> Answer {
    // SAFETY: the name is an entry's, which keeps it (`Kernel::enter`).
    int(unsafe { libc::fremovexattr(fd, place(name)) })
}

/// `listxattr(2)`.
pub(in crate::host) fn attributes_at(path: u64, to: Span) -> Answer {
    // SAFETY: the path is an entry's, and the buffer, writable for it (`Kernel::enter`).
    answer(unsafe { libc::listxattr(place(path), place(to.addr), to.bytes) })
}

/// `removexattr(2)`.
pub(in crate::host) fn remove_attribute_at(path: u64, name: u64) -> Answer {
    // SAFETY: path and name are an entry's, which keeps them (`Kernel::enter`).
    int(unsafe { libc::removexattr(place(path), place(name)) })
}

/// `syncfs(2)`.
pub(in crate::host) fn sync_all(fd: RawFd) -> Answer {
    // SAFETY: a number.
    int(unsafe { libc::syncfs(fd) })
}

/// `fchmodat2(2)`; where there is none (Linux 6.6), what the calls before it can do.
pub(in crate::host) fn set_mode(directory: RawFd, path: u64, mode: u32, flags: u32) -> Answer {
    let path: *const c_char = place(path);
    // SAFETY: the path is an entry's, which keeps it (`Kernel::enter`).
    let done = long(unsafe { libc::syscall(FCHMODAT2, directory, path, mode, flags) });
    // A filter of system calls that is older than the call has another word for that.
    if !matches!(done, Err(Errno::ENOSYS | Errno::EPERM)) {
        return done;
    }
    if flags == 0 {
        // SAFETY: as above.
        return int(unsafe { libc::fchmodat(directory, path, mode, 0) });
    }
    // SAFETY: as above.
    let is_empty = flags == AtFlags::EMPTY_PATH.bits() && !path.is_null() && unsafe { *path } == 0;
    if !is_empty {
        return done.map_err(|errno| match errno {
            Errno::ENOSYS => Errno::EOPNOTSUPP,
            errno => errno,
        });
    }
    // SAFETY: numbers.
    match int(unsafe { libc::fchmod(directory, mode) }) {
        // A place, and not an open file.
        Err(Errno::EBADF) => set_mode_of_place(directory, mode),
        done => done,
    }
}

/// The same of a descriptor that is a place (`O_PATH`), by its other name.
fn set_mode_of_place(place: RawFd, mode: u32) -> Answer {
    let path = std::ffi::CString::new(format!("/proc/self/fd/{place}")).unwrap_or_default();
    // SAFETY: a path that lives during the call.
    match int(unsafe { libc::chmod(path.as_ptr(), mode) }) {
        Err(Errno::ENOENT) => Err(Errno::EBADF),
        done => done,
    }
}

/// `fchownat(2)`.
pub(in crate::host) fn set_owner(
    directory: RawFd,
    path: u64,
    (user, group): (u32, u32),
    flags: u32,
) -> Answer {
    // SAFETY: the path is an entry's, which keeps it (`Kernel::enter`).
    int(unsafe { libc::fchownat(directory, place(path), user, group, flags as c_int) })
}

/// `utimensat(2)`: past the C library, which wants a path.
pub(in crate::host) fn set_times(directory: RawFd, path: u64, times: u64, flags: u32) -> Answer {
    let (path, times): (*const c_char, *const c_void) = (place(path), place(times));
    // SAFETY: path and times are an entry's, which keeps them, or null (`Kernel::enter`).
    long(unsafe { libc::syscall(libc::SYS_utimensat, directory, path, times, flags) })
}

/// `readlinkat(2)`.
pub(in crate::host) fn link(directory: RawFd, path: u64, to: Span) -> Answer {
    // SAFETY: the path is an entry's, and the buffer, writable for it (`Kernel::enter`).
    answer(unsafe { libc::readlinkat(directory, place(path), place(to.addr), to.bytes) })
}

/// `faccessat2(2)`; where there is none (Linux 5.8), `faccessat(2)`, which has no flags.
pub(in crate::host) fn may_use(directory: RawFd, path: u64, mode: u32, flags: u32) -> Answer {
    let path: *const c_char = place(path);
    // SAFETY: the path is an entry's, which keeps it (`Kernel::enter`).
    match long(unsafe { libc::syscall(FACCESSAT2, directory, path, mode, flags) }) {
        Err(Errno::ENOSYS | Errno::EPERM) if flags == 0 => {
            // SAFETY: as above.
            long(unsafe { libc::syscall(libc::SYS_faccessat, directory, path, mode) })
        }
        done => done,
    }
}

/// `getrandom(2)`.
pub(in crate::host) fn random(to: Span) -> Answer {
    // SAFETY: the buffer is an entry's, writable for it (`Kernel::enter`).
    answer(unsafe { libc::getrandom(place(to.addr), to.bytes, 0) })
}
