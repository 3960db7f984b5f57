//! Entries done at once, on the caller's thread, by the system call that cannot block.
//!
//! Raw calls on raw pointers: the buffer may be uninitialised, or a guest's memory that changes
//! meanwhile, so no reference to it is ever made.
//!
//! What is about sockets, and moves no byte, is in [`sockets`].
//!
//! Beside them, [`perform`]: what the ring of an older Linux cannot do, by a call that may block.

mod private;
mod sockets;

use core::num::NonZeroU64;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::Advice;

use crate::abi::{AtFlags, Fadvice, Iovec, MsgFlags, Op, PollEvents, RwFlags, Sqe, SqeFlags};
use crate::errno::Errno;
use crate::syscall::{self, call4, call6};

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
#[inline(always)]
pub(crate) unsafe fn call(sqe: &Sqe) -> Result<u32, Errno> {
    // Where the entry is made a moment before, the compiler knows what it is: of entry and
    // questions the bare system call is left. A send to an address (`addr2`) is the ring's
    // business.
    if sqe.opcode == Op::SEND && sqe.off == 0 && !is_for_the_ring(sqe) {
        // The ring adds NOSIGNAL too.
        // SAFETY: the caller's promise.
        return judged(unsafe { socket(syscall::SENDTO, MsgFlags::NOSIGNAL, sqe) });
    }
    // SAFETY: the caller's promise.
    unsafe { call_any(sqe) }
}

/// Whether only the ring can do it as it is asked for.
#[inline(always)]
fn is_for_the_ring(sqe: &Sqe) -> bool {
    sqe.flags.intersects(RING_ONLY) || sqe.personality != 0 || sqe.ioprio != 0
}

/// The answer, where it is one: some files (and some file systems' writes) refuse NOWAIT itself.
#[inline(always)]
fn judged(answer: Result<u32, Errno>) -> Result<u32, Errno> {
    match answer {
        Err(Errno::EOPNOTSUPP | Errno::EINTR) => Err(Errno::EAGAIN),
        answer => answer,
    }
}

/// As [`call`], but for a send to who is connected.
///
/// # Safety
/// - As [`call`].
unsafe fn call_any(sqe: &Sqe) -> Result<u32, Errno> {
    if is_for_the_ring(sqe) {
        return Err(Errno::EAGAIN);
    }
    let answer = match sqe.opcode {
        // A NOP with flags injects results or looks files up: the ring's business.
        Op::NOP if sqe.rw_flags == 0 => return Ok(0),
        // SAFETY: the caller's promise.
        Op::READ => unsafe { single(syscall::PREADV2, sqe) },
        // SAFETY: the caller's promise.
        Op::WRITE => unsafe { single(syscall::PWRITEV2, sqe) },
        // SAFETY: the caller's promise.
        Op::READV => unsafe { vectored(syscall::PREADV2, sqe, sqe.addr as usize, sqe.len) },
        // SAFETY: the caller's promise.
        Op::WRITEV => unsafe { vectored(syscall::PWRITEV2, sqe, sqe.addr as usize, sqe.len) },
        // SAFETY: the caller's promise.
        Op::RECV => unsafe { socket(syscall::RECVFROM, MsgFlags::empty(), sqe) },
        // SAFETY: the caller's promise.
        Op::RECVMSG => unsafe { sockets::message(syscall::RECVMSG, MsgFlags::empty(), sqe) },
        // SAFETY: the caller's promise.
        Op::SENDMSG => unsafe { sockets::message(syscall::SENDMSG, MsgFlags::NOSIGNAL, sqe) },
        // What they refuse is the answer, also where the socket has no such thing.
        // SAFETY: the caller's promise.
        opcode if sockets::is_own(opcode) => return unsafe { sockets::call(sqe) },
        // SAFETY: the caller's promise.
        Op::STATX => unsafe { statx(sqe) },
        Op::FADVISE => advise(sqe),
        Op::POLL_ADD => poll(sqe),
        // SAFETY: the caller's promise.
        Op::PIPE => unsafe { pipe(sqe) },
        // SAFETY: the caller's promise.
        opcode if opcode.is_private() => return unsafe { private::call(sqe) },
        _ => Err(Errno::EAGAIN),
    };
    judged(answer)
}

/// The entry's one buffer as a list of one piece.
///
/// # Safety
/// - As [`call`].
#[inline]
unsafe fn single(number: usize, sqe: &Sqe) -> Result<u32, Errno> {
    let base = core::ptr::with_exposed_provenance_mut(sqe.addr as usize);
    let iovec = Iovec { iov_base: base, iov_len: sqe.len as usize };
    // SAFETY: one iovec that lives during the call; its buffer is the caller's promise.
    unsafe { vectored(number, sqe, core::ptr::from_ref(&iovec) as usize, 1) }
}

/// `preadv2(2)` or `pwritev2(2)` with the entry's offset and flags, and the `count` pieces at
/// `iovecs`. Offset −1 is the file's position, there as here.
///
/// # Safety
/// - As [`call`]; `iovecs` is the address of so many pieces, which are the entry's.
#[inline]
unsafe fn vectored(number: usize, sqe: &Sqe, iovecs: usize, count: u32) -> Result<u32, Errno> {
    // Protection information and write streams are what the call has no argument for.
    if sqe.addr3 != 0 || sqe.splice_fd_in != 0 {
        return Err(Errno::EAGAIN);
    }
    let flags = (sqe.rw_flags | RwFlags::NOWAIT.bits()) as usize;
    // On 64 bits the first half is the whole offset, and the kernel shifts the second one out.
    let (low, high) = (sqe.off as usize, (sqe.off >> 32) as usize);
    // SAFETY: the caller's promise.
    match unsafe { call6(number, [sqe.fd as usize, iovecs, count as usize, low, high, flags]) } {
        // The ring does not look at the offset of a pipe.
        Err(Errno::ESPIPE) => Err(Errno::EAGAIN),
        answer => answer,
    }
}

/// `recvfrom(2)` or `sendto(2)` with the entry's buffer and flags, without an address. To go on
/// until the buffer is full is what a call that may not wait cannot do.
///
/// # Safety
/// - As [`call`].
#[inline]
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

/// `statx(2)` of an open descriptor, if it is content with what is cached (`STATX_DONT_SYNC`): a
/// walk along a path may wait for a disk, and fresh attributes for a server.
///
/// # Safety
/// - As [`call`].
unsafe fn statx(sqe: &Sqe) -> Result<u32, Errno> {
    let flags = AtFlags(sqe.rw_flags);
    if !flags.contains(AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC) {
        return Err(Errno::EAGAIN);
    }
    let path: *const u8 = core::ptr::with_exposed_provenance(sqe.addr as usize);
    // SAFETY: the path is a string that the caller keeps valid.
    if !path.is_null() && unsafe { path.read() } != 0 {
        return Err(Errno::EAGAIN);
    }
    let (fd, addr) = (sqe.fd as usize, sqe.addr as usize);
    let args = [fd, addr, sqe.rw_flags as usize, sqe.len as usize, sqe.off as usize, 0];
    // SAFETY: the path, and where the answer goes, are the caller's promise.
    unsafe { call6(syscall::STATX, args) }
}

/// `posix_fadvise(2)`, where the advice is only noted down; the other kinds read or write back.
fn advise(sqe: &Sqe) -> Result<u32, Errno> {
    let advice = match Fadvice(sqe.rw_flags) {
        Fadvice::NORMAL => Advice::Normal,
        Fadvice::RANDOM => Advice::Random,
        Fadvice::SEQUENTIAL => Advice::Sequential,
        _ => return Err(Errno::EAGAIN),
    };
    // Where `len` has not the length, `addr` has.
    let bytes = if sqe.addr == 0 { u64::from(sqe.len) } else { sqe.addr };
    // SAFETY: it is borrowed for this call only; one that is not open is an error, and no harm.
    let file = unsafe { BorrowedFd::borrow_raw(valid(sqe.fd)?) };
    rustix::fs::fadvise(file, sqe.off, NonZeroU64::new(bytes), advice).map_err(errno_of)?;
    Ok(0)
}

/// `poll(2)` without a wait: `EAGAIN` if nothing is ready.
fn poll(sqe: &Sqe) -> Result<u32, Errno> {
    let events =
        if cfg!(target_endian = "little") { sqe.rw_flags } else { sqe.rw_flags.rotate_left(16) };
    // The call knows the events of its 16 bits, and neither edges nor more than one answer.
    let Ok(asked) = u16::try_from(events) else { return Err(Errno::EAGAIN) };
    if sqe.len != 0 {
        return Err(Errno::EAGAIN);
    }
    // SAFETY: it is borrowed for this call only; one that is not open is an error, and no harm.
    let file = unsafe { BorrowedFd::borrow_raw(valid(sqe.fd)?) };
    // The same 16 bits, signed or not: where rustix calls libc, as under Miri, they are signed.
    let asked = PollFlags::from_bits_retain(asked as _);
    let mut files = [PollFd::from_borrowed_fd(file, asked)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut files, Some(&now)).map_err(errno_of)?;
    let ready = files[0].revents();
    if ready.contains(PollFlags::NVAL) {
        return Err(Errno::EBADF);
    }
    let ready = PollEvents(ready.bits() as u32);
    if ready.is_empty() { Err(Errno::EAGAIN) } else { Ok(ready.bits()) }
}

/// `pipe2(2)`, which never waits: two descriptors. Into a ring's table only the ring puts them.
///
/// # Safety
/// - As [`call`].
unsafe fn pipe(sqe: &Sqe) -> Result<u32, Errno> {
    if sqe.splice_fd_in != 0 {
        return Err(Errno::EAGAIN);
    }
    let args = [sqe.addr as usize, sqe.rw_flags as usize, 0, 0];
    // SAFETY: where the two go is the caller's promise.
    unsafe { call4(syscall::PIPE2, args) }
}

/// Does an entry on this thread, however long it takes, that Linux got an operation for after 6.1,
/// one that a reactor must undo, or that is to be done where no ring is any more; `EOPNOTSUPP` for
/// every other one.
///
/// # Safety
/// - As [`call`].
pub(crate) unsafe fn perform(sqe: &Sqe) -> Result<u32, Errno> {
    match sqe.opcode {
        Op::UNLINKAT if !sqe.flags.intersects(RING_ONLY) => {
            let args = [sqe.fd as usize, sqe.addr as usize, sqe.rw_flags as usize, 0];
            // SAFETY: the path is the caller's promise.
            unsafe { call4(syscall::UNLINKAT, args) }
        }
        Op::FTRUNCATE if !sqe.flags.intersects(RING_ONLY) => {
            // SAFETY: as in `advise`.
            let file = unsafe { BorrowedFd::borrow_raw(valid(sqe.fd)?) };
            if i64::try_from(sqe.off).is_err() {
                // As the ring says it; a C library has another word for it.
                return Err(Errno::EINVAL);
            }
            loop {
                match rustix::fs::ftruncate(file, sqe.off).map_err(errno_of) {
                    Ok(()) => return Ok(0),
                    Err(Errno::EINTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
        Op::FLOCK if !sqe.flags.intersects(RING_ONLY) => private::lock(sqe),
        _ => Err(Errno::EOPNOTSUPP),
    }
}

/// `close(2)`. An error says that data was lost; the descriptor is gone all the same.
///
/// # Safety
/// - The descriptor is the caller's own, who does not use it afterwards.
pub(crate) unsafe fn close(raw: RawFd) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    let answer = unsafe { call4(syscall::CLOSE, [raw as usize, 0, 0, 0]) };
    debug_assert_ne!(answer, Err(Errno::EBADF), "descriptor {raw} was closed by somebody else");
    answer.map(drop)
}

/// A number that may be borrowed: −1 is the one that may not.
fn valid(raw: RawFd) -> Result<RawFd, Errno> {
    if raw >= 0 { Ok(raw) } else { Err(Errno::EBADF) }
}

fn errno_of(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}
