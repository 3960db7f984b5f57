//! Entries done at once, on the caller's thread, by the system call that cannot block.
//!
//! Raw calls on raw pointers: the buffer may be uninitialised, or a guest's memory that changes
//! meanwhile, so no reference to it is ever made.

use crate::abi::{Iovec, MsgFlags, Op, RwFlags, Sqe, SqeFlags};
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

/// Does `sqe` now if that cannot block; else `EAGAIN`.
///
/// # Safety
/// - What the entry points to is valid for the length of the call, as its operation demands.
pub(crate) unsafe fn call(sqe: &Sqe) -> Result<u32, Errno> {
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
        Op::RECV => unsafe { socket(syscall::RECVFROM, MsgFlags::empty(), sqe) },
        // A send to an address (`addr2`) is the ring's business. The ring adds NOSIGNAL too.
        // SAFETY: the caller's promise.
        Op::SEND if sqe.off == 0 => unsafe { socket(syscall::SENDTO, MsgFlags::NOSIGNAL, sqe) },
        _ => Err(Errno::EAGAIN),
    };
    match answer {
        // Some files (and some file systems' writes) refuse NOWAIT itself.
        Err(Errno::EOPNOTSUPP | Errno::EINTR) => Err(Errno::EAGAIN),
        answer => answer,
    }
}

/// `preadv2(2)` or `pwritev2(2)` with the entry's buffer, offset and flags. Offset −1 is the file's
/// position, there as here.
///
/// # Safety
/// - As [`call`].
unsafe fn vectored(number: usize, sqe: &Sqe) -> Result<u32, Errno> {
    let base = core::ptr::with_exposed_provenance_mut(sqe.addr as usize);
    let iovec = Iovec { iov_base: base, iov_len: sqe.len as usize };
    let flags = (sqe.rw_flags | RwFlags::NOWAIT.bits()) as usize;
    // On 64 bits the first half is the whole offset, and the kernel shifts the second one out.
    let (low, high) = (sqe.off as usize, (sqe.off >> 32) as usize);
    let iovec = core::ptr::from_ref(&iovec) as usize;
    // SAFETY: one iovec that lives during the call; its buffer is the caller's promise.
    unsafe { call6(number, [sqe.fd as usize, iovec, 1, low, high, flags]) }
}

/// `recvfrom(2)` or `sendto(2)` with the entry's buffer and flags, without an address. To go on
/// until the buffer is full is what a call that may not wait cannot do.
///
/// # Safety
/// - As [`call`].
unsafe fn socket(number: usize, more: MsgFlags, sqe: &Sqe) -> Result<u32, Errno> {
    let asked = MsgFlags(sqe.rw_flags);
    if asked.contains(MsgFlags::WAITALL) {
        return Err(Errno::EAGAIN);
    }
    let flags = (asked | MsgFlags::DONTWAIT | more).bits() as usize;
    let (addr, bytes) = (sqe.addr as usize, sqe.len as usize);
    // SAFETY: the buffer is the caller's promise; there is no address.
    unsafe { call6(number, [sqe.fd as usize, addr, bytes, flags, 0, 0]) }
}
