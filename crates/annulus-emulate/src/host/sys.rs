//! The system calls that the work is done by, on the raw addresses and numbers of entries: nothing
//! here decides anything.

pub(super) mod fs;
pub(super) mod futex;
pub(super) mod interrupt;
pub(super) mod names;
pub(super) mod net;
pub(super) mod pipe;
pub(super) mod private;
mod ring;
pub(super) mod signal;
pub(super) mod wait;

use core::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use annulus_ring::Errno;
use annulus_ring::abi::ClockId;

use crate::world::Span;
pub(super) use ring::{
    arm, await_readable, epoll_wait_exactly, is_same, map_again, memory_file, name, sleep, timerfd,
    unmap, watched_by,
};

/// What a call answered: a count, or why it failed.
pub(super) type Answer = Result<u32, Errno>;

fn errno() -> Errno {
    let last = std::io::Error::last_os_error().raw_os_error();
    last.map_or(Errno::EIO, Errno::from_raw)
}

fn answer(result: isize) -> Answer {
    u32::try_from(result).map_err(|_negative| errno())
}

fn int(result: c_int) -> Answer {
    answer(result as isize)
}

fn owned(result: c_int) -> Result<OwnedFd, Errno> {
    if result < 0 {
        return Err(errno());
    }
    // SAFETY: a call that makes a descriptor answered with it: it is nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

// A piece is what `libc` has as one.
const _: () = assert!(
    size_of::<Span>() == size_of::<libc::iovec>()
        && align_of::<Span>() == align_of::<libc::iovec>()
        && core::mem::offset_of!(Span, addr) == core::mem::offset_of!(libc::iovec, iov_base)
        && core::mem::offset_of!(Span, bytes) == core::mem::offset_of!(libc::iovec, iov_len)
);

/// Pieces as `libc` has them.
fn iovecs(pieces: &[Span]) -> (*const libc::iovec, c_int) {
    (pieces.as_ptr().cast(), pieces.len() as c_int)
}

/// A piece as `libc` has it.
fn iovec(piece: &Span) -> libc::iovec {
    let iov_base = core::ptr::with_exposed_provenance_mut(piece.addr as usize);
    libc::iovec { iov_base, iov_len: piece.bytes }
}

/// What the time is.
pub(super) fn now(clock: ClockId) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock is one of three that every Linux has, and the time is written to a local.
    unsafe { libc::clock_gettime(clock.raw() as libc::clockid_t, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// `preadv2(2)`; an offset of −1 is the file's own position.
pub(super) fn read(fd: RawFd, to: &[Span], offset: u64, flags: u32) -> Answer {
    let (to, count) = iovecs(to);
    // SAFETY: the pieces are those of an entry under way, writable for it (`Kernel::enter`).
    answer(unsafe { libc::preadv2(fd, to, count, offset as i64, flags as c_int) })
}

/// `pwritev2(2)`.
pub(super) fn write(fd: RawFd, from: &[Span], offset: u64, flags: u32) -> Answer {
    let (from, count) = iovecs(from);
    // SAFETY: the pieces are those of an entry under way, readable for it (`Kernel::enter`).
    answer(unsafe { libc::pwritev2(fd, from, count, offset as i64, flags as c_int) })
}

/// `poll(2)` of one descriptor, without waiting: what it is ready for.
pub(super) fn poll(fd: RawFd, events: u32) -> Answer {
    let mut pollfd = libc::pollfd { fd, events: events as i16, revents: 0 };
    // SAFETY: one structure, which lives during the call.
    int(unsafe { libc::poll(&raw mut pollfd, 1, 0) })?;
    if pollfd.revents & libc::POLLNVAL != 0 {
        return Err(Errno::EBADF);
    }
    Ok(u32::from(pollfd.revents as u16))
}

/// A descriptor for [`poll_any`]: is there something to read, or the end?
pub(super) fn to_poll(fd: RawFd) -> libc::pollfd {
    libc::pollfd { fd, events: libc::POLLIN, revents: 0 }
}

/// The same, of several: whether one of them is ready.
pub(super) fn poll_any(fds: &mut [libc::pollfd]) -> Result<bool, Errno> {
    let count = fds.len() as libc::nfds_t;
    // SAFETY: so many structures, which live during the call.
    int(unsafe { libc::poll(fds.as_mut_ptr(), count, 0) }).map(|ready| ready > 0)
}

/// Another descriptor of the same open file, which children do not get.
///
/// It is out of the way, where there is room: a program may know which number it gets next.
pub(super) fn duplicate(fd: RawFd) -> Result<OwnedFd, Errno> {
    const OURS_FROM: c_int = 512;
    // SAFETY: numbers.
    let far = owned(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, OURS_FROM) });
    match far {
        Err(Errno::EINVAL | Errno::EMFILE) => {
            // SAFETY: numbers.
            let near = owned(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) });
            // There may be none, not even those.
            near.map_err(|errno| if errno == Errno::EINVAL { Errno::EMFILE } else { errno })
        }
        far => far,
    }
}

/// Whether a number is open.
pub(super) fn is_open(fd: RawFd) -> bool {
    // SAFETY: numbers.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

/// A file in memory, of so many zeros: `memfd_create(2)`.
pub(super) fn memory(bytes: usize) -> Result<OwnedFd, Errno> {
    // SAFETY: a text that lives for ever.
    let memory =
        owned(unsafe { libc::memfd_create(c"annulus-buffers".as_ptr(), libc::MFD_CLOEXEC) })?;
    // SAFETY: numbers.
    int(unsafe { libc::ftruncate(memory.as_raw_fd(), bytes as i64) })?;
    Ok(memory)
}

/// How many files the process may have open.
pub(super) fn files_max() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: one structure, which lives during the call.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit.rlim_cur
}

/// How many processors the machine has.
pub(super) fn processors() -> u32 {
    // SAFETY: a number.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) };
    // Where nobody says, none is refused.
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// `close(2)`.
pub(super) fn close(fd: RawFd) -> Answer {
    // SAFETY: the number is an entry's, whose maker owns it and gives it up (`Kernel::enter`).
    int(unsafe { libc::close(fd) })
}

/// `epoll_create1(2)`.
pub(super) fn epoll() -> Result<OwnedFd, Errno> {
    // SAFETY: a number.
    owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

/// `epoll_ctl(2)`.
pub(super) fn epoll_ctl(epoll: &OwnedFd, op: c_int, fd: RawFd, events: u32, data: u64) -> Answer {
    let mut event = libc::epoll_event { events, u64: data };
    // SAFETY: one event, which lives during the call.
    int(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), op, fd, &raw mut event) })
}

/// `epoll_pwait2(2)`, or `epoll_pwait(2)` before Linux 5.11: waits at most `limit`, for ever
/// without one, with the signals at `mask` (8 bytes, or null) blocked.
pub(super) fn epoll_wait(
    epoll: &OwnedFd,
    events: &mut [libc::epoll_event],
    limit: Option<Duration>,
    mask: *const c_void,
) -> Answer {
    let (at, count) = (events.as_mut_ptr(), events.len() as c_int);
    // Rounded up: to wake too early is to wake twice.
    let millis = limit.map_or(-1, |limit| {
        let up = limit.saturating_add(Duration::from_nanos(999_999));
        c_int::try_from(up.as_millis()).unwrap_or(c_int::MAX)
    });
    let fd = epoll.as_raw_fd();
    // SAFETY: room for so many events; the mask is null, or the caller's during the call.
    int(unsafe { libc::epoll_pwait(fd, at, count, millis, mask.cast()) })
}

/// `eventfd(2)`, not waiting.
pub(super) fn eventfd() -> Result<OwnedFd, Errno> {
    // SAFETY: numbers.
    owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })
}

/// Adds one to an eventfd. One that is full says so already.
pub(super) fn signal(fd: RawFd) {
    let one = 1_u64;
    // SAFETY: eight bytes that live during the call.
    unsafe { libc::write(fd, (&raw const one).cast(), 8) };
}

/// Takes what an eventfd has.
pub(super) fn drain(fd: RawFd) {
    take_count(fd);
}

/// The same: whether it had anything.
pub(super) fn take_count(fd: RawFd) -> bool {
    let mut count = 0_u64;
    // SAFETY: room for eight bytes during the call.
    unsafe { libc::read(fd, (&raw mut count).cast(), 8) == 8 }
}

/// Has a descriptor stay open in a program that this one becomes.
pub(super) fn keep_over_exec(fd: RawFd) -> Answer {
    // SAFETY: numbers.
    int(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) })
}
