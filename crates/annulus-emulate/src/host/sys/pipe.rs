//! Pipes, and moving bytes through them.

use core::ffi::{c_int, c_uint};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use annulus_ring::Errno;

use super::{Answer, answer, errno, int, owned};

/// `pipe2(2)`: both ends, the one that is read first.
pub(in crate::host) fn pipe(flags: u32) -> Result<[OwnedFd; 2], Errno> {
    let mut ends = [-1; 2];
    // SAFETY: room for two numbers.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), flags as i32) };
    if made < 0 {
        return Err(errno());
    }
    // SAFETY: the call made both: they are nobody else's.
    Ok(ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) }))
}

/// `pipe2(2)`, whose numbers the kernel writes where an entry says.
pub(in crate::host) fn pipe_at(addr: u64, flags: u32) -> Answer {
    let ends = core::ptr::with_exposed_provenance_mut(addr as usize);
    // SAFETY: the place is that of an entry under way, writable for it (`Kernel::enter`).
    int(unsafe { libc::pipe2(ends, flags as i32) })
}

/// The same end of the same pipe, opened once more, with calls on it that do not wait. `flags` are
/// those of `fd` (`F_GETFL`).
///
/// # Errors
/// `ENXIO`: it has a name, and nobody reads from it. `ENOENT`: there is no `/proc`. `EACCES`: the
/// pipe is another user's.
pub(in crate::host) fn open_again(fd: RawFd, flags: u32) -> Result<OwnedFd, Errno> {
    let path = std::ffi::CString::new(format!("/proc/self/fd/{fd}")).map_err(|_| Errno::EINVAL)?;
    let opened = flags as c_int & libc::O_ACCMODE | libc::O_NONBLOCK | libc::O_CLOEXEC;
    // SAFETY: a path that lives during the call.
    let end = owned(unsafe { libc::open(path.as_ptr(), opened) })?;
    let is_direct = flags as c_int & libc::O_DIRECT;
    if is_direct != 0 {
        // What is written at a time is a packet: to be said once it is open.
        let flags = libc::O_NONBLOCK | is_direct;
        // SAFETY: numbers.
        int(unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFL, flags) })?;
    }
    Ok(end)
}

/// A place of a file; `None` is the file's own position.
fn place(at: &mut Option<i64>) -> *mut i64 {
    at.as_mut().map_or(core::ptr::null_mut(), |at| &raw mut *at)
}

/// One end of a splice: the file, and where in it.
pub(in crate::host) type End = (RawFd, Option<i64>);

/// `splice(2)`.
pub(in crate::host) fn splice(from: End, to: End, bytes: usize, flags: u32) -> Answer {
    let (mut from_at, mut to_at) = (from.1, to.1);
    let (from_at, to_at) = (place(&mut from_at), place(&mut to_at));
    // SAFETY: numbers, and locals or null.
    answer(unsafe { libc::splice(from.0, from_at, to.0, to_at, bytes, flags as c_uint) })
}

/// `tee(2)`.
pub(in crate::host) fn tee(from: RawFd, to: RawFd, bytes: usize, flags: u32) -> Answer {
    // SAFETY: numbers.
    answer(unsafe { libc::tee(from, to, bytes, flags as c_uint) })
}

/// Whether calls on a descriptor are not to wait (`O_NONBLOCK`).
pub(in crate::host) fn is_nonblocking(fd: RawFd) -> bool {
    // SAFETY: numbers.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags != -1 && flags & libc::O_NONBLOCK != 0
}

#[cfg(test)]
mod tests {
    use super::{open_again, pipe};
    use crate::host::sys::{fs::status_flags, read, write};
    use crate::world::Span;
    use annulus_ring::Errno;
    use std::os::fd::{AsRawFd, OwnedFd};

    fn span(bytes: &[u8]) -> [Span; 1] {
        [Span { addr: bytes.as_ptr().expose_provenance() as u64, bytes: bytes.len() }]
    }

    fn again(end: &OwnedFd) -> Result<OwnedFd, Errno> {
        let end = end.as_raw_fd();
        open_again(end, status_flags(end)?)
    }

    #[test]
    fn an_end_that_is_opened_again_is_of_that_pipe_and_does_not_wait() {
        for (flags, first) in [(0, 8), (libc::O_DIRECT as u32, 3)] {
            let [reader, writer] = pipe(flags).unwrap();
            let [reads, writes] = [again(&reader).unwrap(), again(&writer).unwrap()];
            let room = [0_u8; 8];
            let read = |end: &OwnedFd| read(end.as_raw_fd(), &span(&room), u64::MAX, 0);
            assert_eq!(read(&reads), Err(Errno::EAGAIN));
            // By packets where the program's is.
            for bytes in [b"one", b"two"] {
                assert_eq!(write(writes.as_raw_fd(), &span(bytes), u64::MAX, 0), Ok(3));
            }
            assert_eq!(write(writer.as_raw_fd(), &span(b"x3"), u64::MAX, 0), Ok(2));
            assert_eq!(read(&reader), Ok(first));
            // The program's waits as before.
            assert_eq!(status_flags(reader.as_raw_fd()).unwrap() as i32 & libc::O_NONBLOCK, 0);
        }
    }
}
