//! The private operations that cannot block: what they ask is in memory.
//!
//! Not here are those that a disk, a server or another program may keep waiting: they need a thread
//! that may wait, and are the kernel's in user space to do.

use std::os::fd::BorrowedFd;

use rustix::fs::SeekFrom;

use super::{RING_ONLY, errno_of, valid};
use crate::abi::private::{FlockOperation, SeekWhence};
use crate::abi::{Op, OpenFlags, Sqe};
use crate::errno::Errno;
use crate::syscall::{self, call4, call6};

/// `F_DUPFD` and `F_DUPFD_CLOEXEC` of `fcntl(2)`.
const DUPLICATE: usize = 0;
const DUPLICATE_CLOEXEC: usize = 1030;
/// `GRND_NONBLOCK` of `getrandom(2)`: not before there is randomness, early in a machine's life.
const RANDOM_NONBLOCK: usize = 1;
/// So many random bytes come at once, and whole.
const RANDOM_BYTES_MAX: u32 = 256;
/// How long a set of signals is.
const SIGNALS_BYTES: usize = 8;

/// Does `sqe` now if that cannot block; else `EAGAIN`.
///
/// # Safety
/// - What the entry points to is valid for the length of the call, as its operation demands.
pub(super) unsafe fn call(sqe: &Sqe) -> Result<u32, Errno> {
    debug_assert!(!sqe.flags.intersects(RING_ONLY), "{sqe:?} is for a ring");
    let (fd, addr, flags) = (sqe.fd as usize, sqe.addr as usize, sqe.rw_flags as usize);
    let (number, args) = match sqe.opcode {
        // SAFETY: the caller's promise.
        Op::LSEEK => return unsafe { seek(sqe) },
        // SAFETY: the caller's promise.
        Op::GETSOCKOPT => return unsafe { option(sqe) },
        Op::GETSOCKNAME => (syscall::GETSOCKNAME, [fd, addr, sqe.off as usize, 0]),
        Op::GETPEERNAME => (syscall::GETPEERNAME, [fd, addr, sqe.off as usize, 0]),
        Op::SOCKETPAIR => (syscall::SOCKETPAIR, [fd, sqe.off as usize, sqe.len as usize, addr]),
        Op::DUP if sqe.rw_flags == 0 => (syscall::FCNTL, [fd, DUPLICATE, 0, 0]),
        Op::DUP if sqe.rw_flags == OpenFlags::CLOEXEC.bits() => {
            (syscall::FCNTL, [fd, DUPLICATE_CLOEXEC, 0, 0])
        }
        Op::DUP => return Err(Errno::EINVAL),
        Op::PIDFD_OPEN => (syscall::PIDFD_OPEN, [fd, flags, 0, 0]),
        Op::PIDFD_SEND_SIGNAL => (syscall::PIDFD_SEND_SIGNAL, [fd, sqe.len as usize, 0, 0]),
        Op::SIGNALFD => (syscall::SIGNALFD4, [fd, addr, SIGNALS_BYTES, flags]),
        Op::GETRANDOM if sqe.len <= RANDOM_BYTES_MAX => {
            (syscall::GETRANDOM, [addr, sqe.len as usize, RANDOM_NONBLOCK, 0])
        }
        _ => return Err(Errno::EAGAIN),
    };
    // SAFETY: the addresses are the caller's promise; no other memory is touched.
    match unsafe { call4(number, args) } {
        Err(Errno::EINTR) => Err(Errno::EAGAIN),
        answer => answer,
    }
}

/// `lseek(2)`, where nobody is asked: the end may be a server's to know, data and holes a disk's.
///
/// # Safety
/// - As [`call`].
unsafe fn seek(sqe: &Sqe) -> Result<u32, Errno> {
    let to = match SeekWhence(sqe.len) {
        SeekWhence::SET if i64::try_from(sqe.off).is_err() => return Err(Errno::EINVAL),
        SeekWhence::SET => SeekFrom::Start(sqe.off),
        SeekWhence::CUR => SeekFrom::Current(sqe.off.cast_signed()),
        _ => return Err(Errno::EAGAIN),
    };
    let position: *mut u64 = core::ptr::with_exposed_provenance_mut(sqe.addr as usize);
    if position.is_null() {
        return Err(Errno::EFAULT);
    }
    // SAFETY: it is borrowed for this call only; one that is not open is an error, and no harm.
    let file = unsafe { BorrowedFd::borrow_raw(valid(sqe.fd)?) };
    let found = rustix::fs::seek(file, to).map_err(errno_of)?;
    // SAFETY: where the position goes is the caller's promise.
    unsafe { position.write_unaligned(found) };
    Ok(0)
}

/// `getsockopt(2)`: the option's length.
///
/// # Safety
/// - As [`call`].
unsafe fn option(sqe: &Sqe) -> Result<u32, Errno> {
    let (level, name) = (sqe.addr as u32 as usize, (sqe.addr >> 32) as usize);
    let mut bytes = sqe.splice_fd_in.cast_unsigned();
    let args = [sqe.fd as usize, level, name, sqe.addr3 as usize, &raw mut bytes as usize, 0];
    // SAFETY: where the value goes is the caller's promise; the length is a local.
    unsafe { call6(syscall::GETSOCKOPT, args) }?;
    Ok(bytes)
}

/// `flock(2)`, which waits until nobody else has the lock unless it is told not to.
pub(super) fn lock(sqe: &Sqe) -> Result<u32, Errno> {
    let operation = match FlockOperation(sqe.len) {
        FlockOperation::SH => rustix::fs::FlockOperation::LockShared,
        FlockOperation::EX => rustix::fs::FlockOperation::LockExclusive,
        FlockOperation::SH_NB => rustix::fs::FlockOperation::NonBlockingLockShared,
        FlockOperation::EX_NB => rustix::fs::FlockOperation::NonBlockingLockExclusive,
        FlockOperation::UN => rustix::fs::FlockOperation::Unlock,
        _ => return Err(Errno::EINVAL),
    };
    // SAFETY: it is borrowed for this call only; one that is not open is an error, and no harm.
    let file = unsafe { BorrowedFd::borrow_raw(valid(sqe.fd)?) };
    loop {
        match rustix::fs::flock(file, operation).map_err(errno_of) {
            Ok(()) => return Ok(0),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
