//! Entries done at once, on the caller's thread, by the system call that cannot block.
//!
//! Raw calls on raw pointers: the buffer may be uninitialised, or a guest's memory that changes
//! meanwhile, so no reference to it is ever made.

use crate::abi::{Op, Sqe, SqeFlags};
use crate::errno::Errno;
use crate::syscall::{self, call6};

/// Flags that ask for something which only the ring can do.
const RING_ONLY: SqeFlags = SqeFlags(
    SqeFlags::FIXED_FILE.0
        | SqeFlags::IO_DRAIN.0
        | SqeFlags::IO_LINK.0
        | SqeFlags::IO_HARDLINK.0
        | SqeFlags::ASYNC.0
        | SqeFlags::BUFFER_SELECT.0,
);

/// `RWF_NOWAIT`: an error instead of a wait.
const RWF_NOWAIT: u32 = 8;
/// `MSG_DONTWAIT`: the same for sockets.
const MSG_DONTWAIT: u32 = 0x40;
/// `MSG_WAITALL`: go on until the buffer is full, which a call that may not wait cannot do.
const MSG_WAITALL: u32 = 0x100;
/// `MSG_NOSIGNAL`, which the ring adds to every send too.
const MSG_NOSIGNAL: u32 = 0x4000;

/// Does `sqe` now if that cannot block; else `EAGAIN`.
///
/// # Safety
/// - What the entry points to is valid for the length of the call, as its operation demands.
pub(super) unsafe fn call(sqe: &Sqe) -> Result<u32, Errno> {
    if sqe.flags.intersects(RING_ONLY) || sqe.personality != 0 || sqe.ioprio != 0 {
        return Err(Errno::EAGAIN);
    }
    let answer = match sqe.opcode {
        // A NOP with flags injects results or looks files up: the ring's business.
        Op::NOP if sqe.rw_flags == 0 => return Ok(0),
        // SAFETY: the caller's promise.
        Op::READ => unsafe { vectored(syscall::PREADV2, sqe) },
        // SAFETY: the caller's promise.
        Op::WRITE => unsafe { vectored(syscall::PWRITEV2, sqe) },
        // SAFETY: the caller's promise.
        Op::RECV => unsafe { socket(syscall::RECVFROM, 0, sqe) },
        // A send to an address (`addr2`) is the ring's business.
        // SAFETY: the caller's promise.
        Op::SEND if sqe.off == 0 => unsafe { socket(syscall::SENDTO, MSG_NOSIGNAL, sqe) },
        _ => Err(Errno::EAGAIN),
    };
    match answer {
        // Some files (and some file systems' writes) refuse NOWAIT itself.
        Err(Errno::EOPNOTSUPP | Errno::EINTR) => Err(Errno::EAGAIN),
        answer => answer,
    }
}

/// `struct iovec`, as the kernel reads it.
#[repr(C)]
struct Iovec {
    base: usize,
    bytes: usize,
}

/// `preadv2(2)` or `pwritev2(2)` with the entry's buffer, offset and flags. Offset −1 is the file's
/// position, there as here.
///
/// # Safety
/// - As [`call`].
unsafe fn vectored(number: usize, sqe: &Sqe) -> Result<u32, Errno> {
    let iovec = Iovec { base: sqe.addr as usize, bytes: sqe.len as usize };
    let flags = (sqe.rw_flags | RWF_NOWAIT) as usize;
    // On 64 bits the first half is the whole offset, and the kernel shifts the second one out.
    let (low, high) = (sqe.off as usize, (sqe.off >> 32) as usize);
    let iovec = core::ptr::from_ref(&iovec) as usize;
    // SAFETY: one iovec that lives during the call; its buffer is the caller's promise.
    unsafe { call6(number, [sqe.fd as usize, iovec, 1, low, high, flags]) }
}

/// `recvfrom(2)` or `sendto(2)` with the entry's buffer and flags, without an address.
///
/// # Safety
/// - As [`call`].
unsafe fn socket(number: usize, more_flags: u32, sqe: &Sqe) -> Result<u32, Errno> {
    if sqe.rw_flags & MSG_WAITALL != 0 {
        return Err(Errno::EAGAIN);
    }
    let flags = (sqe.rw_flags | MSG_DONTWAIT | more_flags) as usize;
    let (addr, bytes) = (sqe.addr as usize, sqe.len as usize);
    // SAFETY: the buffer is the caller's promise; there is no address.
    unsafe { call6(number, [sqe.fd as usize, addr, bytes, flags, 0, 0]) }
}
