//! What a ring itself needs: times to poll for, waits of followers, memory that is mapped twice.

use core::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use annulus_ring::Errno;

use super::{Answer, errno, int, owned};

fn timespec(time: Duration) -> libc::timespec {
    let tv_sec = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    libc::timespec { tv_sec, tv_nsec: time.subsec_nanos().into() }
}

/// `timerfd_create(2)`, of the monotonic clock, not waiting.
pub(in crate::host) fn timerfd() -> Result<OwnedFd, Errno> {
    let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
    // SAFETY: numbers.
    owned(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })
}

/// Has a timer be readable from a time on; never, without one.
pub(in crate::host) fn arm(timer: &OwnedFd, at: Option<Duration>) -> Answer {
    // A time of 0 is none.
    let at = at.map_or(Duration::ZERO, |at| at.max(Duration::from_nanos(1)));
    let zero = timespec(Duration::ZERO);
    let spec = libc::itimerspec { it_interval: zero, it_value: timespec(at) };
    let (fd, absolute) = (timer.as_raw_fd(), libc::TFD_TIMER_ABSTIME);
    // SAFETY: one structure, which lives during the call; the old one is not asked for.
    int(unsafe { libc::timerfd_settime(fd, absolute, &raw const spec, core::ptr::null_mut()) })
}

/// `ppoll(2)` of one descriptor, until it is readable: at most `limit`, for ever without one, with
/// the signals at `mask` (8 bytes, or null) blocked.
pub(in crate::host) fn await_readable(
    fd: RawFd,
    limit: Option<Duration>,
    mask: *const c_void,
) -> Answer {
    let mut pollfd = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let limit = limit.map(timespec);
    let limit = limit.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: one structure and a time, which live during the call; the mask is null, or the
    // caller's during the call.
    int(unsafe { libc::ppoll(&raw mut pollfd, 1, limit, mask.cast()) })
}

/// `ppoll(2)` of nothing: sleeps for `time`, with the signals at `mask` (8 bytes, or null) blocked.
pub(in crate::host) fn sleep(time: Duration, mask: *const c_void) -> Answer {
    let time = timespec(time);
    // SAFETY: no structures, and a time that lives during the call; the mask is null, or the
    // caller's during the call.
    int(unsafe { libc::ppoll(core::ptr::null_mut(), 0, &raw const time, mask.cast()) })
}

/// Maps memory a second time, if it is shared memory: the pages stay when the first mapping goes.
///
/// # Errors
/// `EFAULT`: nothing is mapped there. `EINVAL`: it is private memory. `ENOMEM`.
pub(in crate::host) fn map_again(addr: u64, bytes: usize) -> Result<u64, Errno> {
    let old = core::ptr::with_exposed_provenance_mut::<c_void>(addr as usize);
    // SAFETY: an old length of 0 leaves the old mapping as it is.
    let new = unsafe { libc::mremap(old, 0, bytes, libc::MREMAP_MAYMOVE) };
    if new == libc::MAP_FAILED { Err(errno()) } else { Ok(new.expose_provenance() as u64) }
}

/// Takes back what [`map_again`] made.
pub(in crate::host) fn unmap(addr: u64, bytes: usize) {
    let start = core::ptr::with_exposed_provenance_mut::<c_void>(addr as usize);
    // SAFETY: the mapping is the caller's own, and nobody's any more.
    unsafe { libc::munmap(start, bytes) };
}

/// `memfd_create(2)`, of a length.
pub(in crate::host) fn memory_file(bytes: usize) -> Result<OwnedFd, Errno> {
    // SAFETY: a text with an end, and a number.
    let fd = owned(unsafe { libc::memfd_create(c"annulus".as_ptr(), libc::MFD_CLOEXEC) })?;
    // SAFETY: numbers.
    int(unsafe { libc::ftruncate(fd.as_raw_fd(), bytes as i64) })?;
    Ok(fd)
}

/// What `/proc` calls a descriptor.
pub(in crate::host) fn name(fd: RawFd) -> Option<String> {
    let name = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    Some(name.to_string_lossy().into_owned())
}

/// The line that `/proc` has of what an epoll watches, if it is one.
pub(in crate::host) fn watched_by(fd: RawFd) -> Option<String> {
    std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()
}

/// `epoll_pwait2(2)` (Linux 5.11), to the nanosecond.
pub(in crate::host) fn epoll_wait_exactly(
    epoll: &OwnedFd,
    events: &mut [libc::epoll_event],
    limit: Duration,
    mask: *const c_void,
) -> Answer {
    let (at, count) = (events.as_mut_ptr(), events.len() as c_int);
    let limit = timespec(limit);
    let (fd, mask_bytes) = (epoll.as_raw_fd(), 8_usize);
    // SAFETY: room for so many events, a time that lives during the call; the mask is null, or the
    // caller's during the call.
    super::answer(unsafe {
        libc::syscall(libc::SYS_epoll_pwait2, fd, at, count, &raw const limit, mask, mask_bytes)
    } as isize)
}

/// Whether two numbers are of one open file (`F_DUPFD_QUERY`, Linux 6.10, or `kcmp(2)`). `None`: a
/// kernel that can tell neither way, as in a container whose filter refuses the latter.
pub(in crate::host) fn is_same(one: RawFd, other: RawFd) -> Option<bool> {
    /// `F_DUPFD_QUERY`.
    const QUERY: c_int = 1027;
    // SAFETY: numbers.
    match unsafe { libc::fcntl(one, QUERY, other) } {
        -1 => is_same_compared(one, other),
        answer => Some(answer == 1),
    }
}

/// As [`is_same`], by `kcmp(2)` alone.
fn is_same_compared(one: RawFd, other: RawFd) -> Option<bool> {
    /// `KCMP_FILE`.
    const FILE: i32 = 0;
    let process = super::interrupt::process();
    // SAFETY: numbers.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, process, process, FILE, one, other) };
    (order >= 0).then_some(order == 0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::{is_same, is_same_compared};

    #[test]
    fn one_open_file_is_known_by_each_of_its_numbers() {
        let (one, other) = std::io::pipe().expect("a pipe");
        let again = one.try_clone().expect("a number");
        for ask in [is_same, is_same_compared] {
            assert_ne!(ask(one.as_raw_fd(), again.as_raw_fd()), Some(false));
            assert_ne!(ask(one.as_raw_fd(), other.as_raw_fd()), Some(true));
            // A number that is not open.
            assert_ne!(ask(one.as_raw_fd(), i32::MAX), Some(true));
        }
        // This kernel knows one of the ways.
        assert_eq!(is_same(one.as_raw_fd(), again.as_raw_fd()), Some(true));
        assert_eq!(is_same(one.as_raw_fd(), other.as_raw_fd()), Some(false));
    }
}
