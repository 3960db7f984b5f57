//! The private operations on processes and signals, and randomness.

use super::{address, entry};
use crate::abi::{Op, OpenFlags, Sqe};

/// Makes a descriptor of a process (`pidfd_open(2)`), for WAITID and POLL_ADD. Result: the
/// descriptor, which is closed at `execve`.
///
/// Fields: `fd` = `pid`, `rw_flags` = `flags`: `NONBLOCK` or nothing.
///
/// See <https://man7.org/linux/man-pages/man2/pidfd_open.2.html>.
///
/// ```
/// use annulus_ring::abi::{OpenFlags, private};
/// assert_eq!(private::pidfd_open(1, OpenFlags::empty()).fd, 1);
/// ```
pub fn pidfd_open(pid: i32, flags: OpenFlags) -> Sqe {
    Sqe { rw_flags: flags.bits(), ..entry(Op::PIDFD_OPEN, pid) }
}

/// Sends a signal to the process of a pidfd (`pidfd_send_signal(2)`): to that one, even if its
/// number was given to another since. Result: 0.
///
/// Fields: `fd` = `pidfd`, `len` = `signal`.
///
/// See <https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html>.
///
/// ```
/// use annulus_ring::abi::private;
/// let kill = private::pidfd_send_signal(5, 9);
/// assert_eq!((kill.fd, kill.len), (5, 9));
/// ```
#[doc(alias = "kill")]
pub fn pidfd_send_signal(pidfd: i32, signal: u32) -> Sqe {
    Sqe { len: signal, ..entry(Op::PIDFD_SEND_SIGNAL, pidfd) }
}

/// Makes a descriptor that signals are read from (`signalfd4(2)`), or with an `fd` other than −1
/// changes which ones. They must be blocked in every thread, else they are delivered as ever.
/// Result: the descriptor.
///
/// Fields: `fd`, `addr` = `mask`, whose bit *n* − 1 is signal *n*; `rw_flags` = `flags`: `CLOEXEC`,
/// `NONBLOCK`.
///
/// See <https://man7.org/linux/man-pages/man2/signalfd.2.html>.
///
/// ```
/// use annulus_ring::abi::{OpenFlags, private};
/// let interrupt = 1_u64 << (2 - 1);
/// let sqe = private::signalfd(-1, &interrupt, OpenFlags::CLOEXEC);
/// assert_eq!((sqe.fd, sqe.addr), (-1, &raw const interrupt as u64));
/// ```
#[doc(alias = "signalfd4")]
pub fn signalfd(fd: i32, mask: *const u64, flags: OpenFlags) -> Sqe {
    Sqe { addr: address(mask), rw_flags: flags.bits(), ..entry(Op::SIGNALFD, fd) }
}

/// Fills memory with random bytes (`getrandom(2)` without flags): an operation, so that a simulated
/// world decides them. Result: how many bytes, all of `len` up to 256.
///
/// Fields: `addr` = `buf`, `len` = its length in bytes; `fd` is −1.
///
/// See <https://man7.org/linux/man-pages/man2/getrandom.2.html>.
///
/// ```
/// use annulus_ring::abi::private;
/// let mut seed = [0; 32];
/// let sqe = private::getrandom(seed.as_mut_ptr(), 32);
/// assert_eq!((sqe.fd, sqe.addr, sqe.len), (-1, seed.as_ptr() as u64, 32));
/// ```
pub fn getrandom(buf: *mut u8, len: u32) -> Sqe {
    Sqe { addr: address(buf), len, ..entry(Op::GETRANDOM, -1) }
}
