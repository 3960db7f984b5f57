//! The system calls on files: by descriptor, by path, and on their attributes.

use core::ffi::{CStr, c_int, c_long, c_void};
use std::os::fd::RawFd;

use annulus_ring::abi::OpenHow;

use super::{Answer, answer, int};
use crate::world::Span;

fn long(result: c_long) -> Answer {
    answer(result as isize)
}

fn address(span: Span) -> *mut c_void {
    core::ptr::with_exposed_provenance_mut(span.addr as usize)
}

/// The status flags of an open file (`F_GETFL`).
pub(in crate::host) fn status_flags(fd: RawFd) -> Answer {
    // SAFETY: numbers.
    int(unsafe { libc::fcntl(fd, libc::F_GETFL) })
}

/// Sets those status flags that can be set (`F_SETFL`).
pub(in crate::host) fn set_status_flags(fd: RawFd, flags: c_int) -> Answer {
    // SAFETY: numbers.
    int(unsafe { libc::fcntl(fd, libc::F_SETFL, flags) })
}

/// What kind of file it is: the type bits of `fstat(2)`'s mode.
pub(in crate::host) fn kind(fd: RawFd) -> Result<libc::mode_t, annulus_ring::Errno> {
    let mut stat = core::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: room for one structure, which lives during the call.
    int(unsafe { libc::fstat(fd, stat.as_mut_ptr()) })?;
    // SAFETY: the call filled it.
    Ok(unsafe { stat.assume_init_ref() }.st_mode & libc::S_IFMT)
}

/// `fsync(2)` or `fdatasync(2)`.
pub(in crate::host) fn sync(fd: RawFd, data_only: bool) -> Answer {
    let call = if data_only { libc::fdatasync } else { libc::fsync };
    // SAFETY: a number.
    int(unsafe { call(fd) })
}

/// `sync_file_range(2)`.
pub(in crate::host) fn sync_range(fd: RawFd, offset: u64, bytes: u32, flags: u32) -> Answer {
    // SAFETY: numbers.
    int(unsafe { libc::sync_file_range(fd, offset as i64, bytes.into(), flags) })
}

/// `fallocate(2)`.
pub(in crate::host) fn allocate(fd: RawFd, mode: u32, offset: u64, bytes: u64) -> Answer {
    // SAFETY: numbers.
    int(unsafe { libc::fallocate(fd, mode as c_int, offset as i64, bytes as i64) })
}

/// `ftruncate(2)`.
pub(in crate::host) fn truncate(fd: RawFd, bytes: u64) -> Answer {
    // SAFETY: numbers.
    int(unsafe { libc::ftruncate(fd, bytes as i64) })
}

/// `posix_fadvise(2)`.
pub(in crate::host) fn advise(fd: RawFd, offset: u64, bytes: u64, advice: u32) -> Answer {
    // SAFETY: numbers.
    let error = unsafe { libc::posix_fadvise(fd, offset as i64, bytes as i64, advice as c_int) };
    if error == 0 { Ok(0) } else { Err(annulus_ring::Errno::from_raw(error)) }
}

/// `madvise(2)`.
pub(in crate::host) fn advise_memory(memory: Span, advice: u32) -> Answer {
    // SAFETY: the memory is an entry's, whose maker promised what the advice demands of it
    // (`Kernel::enter`).
    int(unsafe { libc::madvise(address(memory), memory.bytes, advice as c_int) })
}

/// `openat(2)`.
pub(in crate::host) fn open(directory: RawFd, path: &CStr, flags: c_int, mode: u32) -> Answer {
    // SAFETY: a path that lives during the call.
    int(unsafe { libc::openat(directory, path.as_ptr(), flags, mode) })
}

/// `openat2(2)`.
pub(in crate::host) fn open_how(directory: RawFd, path: &CStr, how: &OpenHow) -> Answer {
    let (how, bytes) = (core::ptr::from_ref(how), size_of::<OpenHow>());
    // SAFETY: a path and a structure of that size, which live during the call.
    long(unsafe { libc::syscall(libc::SYS_openat2, directory, path.as_ptr(), how, bytes) })
}

/// `statx(2)`, to `addr`.
pub(in crate::host) fn statx(
    directory: RawFd,
    path: &CStr,
    flags: u32,
    mask: u32,
    addr: u64,
) -> Answer {
    let (path, to) = (path.as_ptr(), core::ptr::with_exposed_provenance_mut::<u8>(addr as usize));
    // SAFETY: a path that lives during the call; the result is an entry's, writable for it
    // (`Kernel::enter`).
    long(unsafe { libc::syscall(libc::SYS_statx, directory, path, flags, mask, to) })
}

/// `renameat2(2)`.
pub(in crate::host) fn rename(from: (RawFd, &CStr), to: (RawFd, &CStr), flags: u32) -> Answer {
    let (old, new) = (from.1.as_ptr(), to.1.as_ptr());
    // SAFETY: two paths that live during the call.
    long(unsafe { libc::syscall(libc::SYS_renameat2, from.0, old, to.0, new, flags) })
}

/// `unlinkat(2)`.
pub(in crate::host) fn unlink(directory: RawFd, path: &CStr, flags: u32) -> Answer {
    // SAFETY: a path that lives during the call.
    int(unsafe { libc::unlinkat(directory, path.as_ptr(), flags as c_int) })
}

/// `mkdirat(2)`.
pub(in crate::host) fn mkdir(directory: RawFd, path: &CStr, mode: u32) -> Answer {
    // SAFETY: a path that lives during the call.
    int(unsafe { libc::mkdirat(directory, path.as_ptr(), mode) })
}

/// `symlinkat(2)`.
pub(in crate::host) fn symlink(target: &CStr, directory: RawFd, path: &CStr) -> Answer {
    // SAFETY: two paths that live during the call.
    int(unsafe { libc::symlinkat(target.as_ptr(), directory, path.as_ptr()) })
}

/// `linkat(2)`.
pub(in crate::host) fn link(from: (RawFd, &CStr), to: (RawFd, &CStr), flags: u32) -> Answer {
    let (old, new) = (from.1.as_ptr(), to.1.as_ptr());
    // SAFETY: two paths that live during the call.
    int(unsafe { libc::linkat(from.0, old, to.0, new, flags as c_int) })
}

/// `fgetxattr(2)`.
pub(in crate::host) fn attribute(fd: RawFd, name: &CStr, to: Span) -> Answer {
    // SAFETY: a name that lives during the call; the value is an entry's, writable for it
    // (`Kernel::enter`).
    answer(unsafe { libc::fgetxattr(fd, name.as_ptr(), address(to), to.bytes) })
}

/// `getxattr(2)`.
pub(in crate::host) fn attribute_of(path: &CStr, name: &CStr, to: Span) -> Answer {
    // SAFETY: a path and a name that live during the call; the value is an entry's, writable for it
    // (`Kernel::enter`).
    answer(unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), address(to), to.bytes) })
}

/// `fsetxattr(2)`.
pub(in crate::host) fn set_attribute(fd: RawFd, name: &CStr, value: &[u8], flags: u32) -> Answer {
    let (at, bytes) = (value.as_ptr().cast(), value.len());
    // SAFETY: a name and a value that live during the call.
    int(unsafe { libc::fsetxattr(fd, name.as_ptr(), at, bytes, flags as c_int) })
}

/// `setxattr(2)`.
pub(in crate::host) fn set_attribute_of(
    path: &CStr,
    name: &CStr,
    value: &[u8],
    flags: u32,
) -> Answer {
    let (at, bytes) = (value.as_ptr().cast(), value.len());
    // SAFETY: a path, a name and a value that live during the call.
    int(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), at, bytes, flags as c_int) })
}
