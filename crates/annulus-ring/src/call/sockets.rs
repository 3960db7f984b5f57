//! Sockets made, bound, set and ended at once, by the system calls for it: none of them waits for a
//! peer. And messages, told not to wait.

use crate::abi::{MsgFlags, Op, SocketOp, Sqe};
use crate::errno::Errno;
use crate::syscall::{self, call6};

/// Whether [`call`] is for it.
pub(super) fn is_own(opcode: Op) -> bool {
    matches!(opcode, Op::SOCKET | Op::BIND | Op::LISTEN | Op::SHUTDOWN | Op::URING_CMD)
}

/// Makes, binds or ends a socket, reads or sets an option. `EAGAIN` for what
/// only the ring can do: a socket without a descriptor, another command.
///
/// # Safety
/// - What the entry points to is valid for the length of the call, as its operation demands.
pub(super) unsafe fn call(sqe: &Sqe) -> Result<u32, Errno> {
    let (fd, len) = (sqe.fd as usize, sqe.len as usize);
    let (addr, off) = (sqe.addr as usize, sqe.off as usize);
    let (number, args) = match sqe.opcode {
        Op::SOCKET if sqe.splice_fd_in == 0 => (syscall::SOCKET, [fd, off, len, 0]),
        Op::BIND => (syscall::BIND, [fd, addr, off, 0]),
        Op::LISTEN => (syscall::LISTEN, [fd, len, 0, 0]),
        Op::SHUTDOWN => (syscall::SHUTDOWN, [fd, len, 0, 0]),
        Op::URING_CMD => match SocketOp(command(sqe)) {
            SocketOp::GETSOCKOPT => {
                let [level, name] = halves(sqe.addr);
                // SAFETY: the caller's promise.
                return unsafe { get_option(sqe, level, name) };
            }
            // SAFETY: the caller's promise.
            SocketOp::SETSOCKOPT => return unsafe { set_option(sqe) },
            _ => return Err(Errno::EAGAIN),
        },
        _ => return Err(Errno::EAGAIN),
    };
    let [a, b, c, d] = args;
    // SAFETY: addresses and lengths are the caller's promise.
    unsafe { call6(number, [a, b, c, d, 0, 0]) }
}

/// The number of a command: the half of its field that comes first.
fn command(sqe: &Sqe) -> u32 {
    halves(sqe.off)[0]
}

/// The two halves of a field, in the order in which they lie.
fn halves(field: u64) -> [u32; 2] {
    let (low, high) = (field as u32, (field >> 32) as u32);
    if cfg!(target_endian = "little") { [low, high] } else { [high, low] }
}

/// `setsockopt(2)` with the level, name and value of a command.
///
/// # Safety
/// - As [`call`].
unsafe fn set_option(sqe: &Sqe) -> Result<u32, Errno> {
    let [level, name] = halves(sqe.addr);
    let (value, bytes) = (sqe.addr3 as usize, sqe.splice_fd_in as usize);
    let args = [sqe.fd as usize, level as usize, name as usize, value, bytes, 0];
    // SAFETY: the value is the caller's promise.
    unsafe { call6(syscall::SETSOCKOPT, args) }
}

/// `getsockopt(2)` into the room of an entry: how many bytes were written.
///
/// # Safety
/// - As [`call`].
unsafe fn get_option(sqe: &Sqe, level: u32, name: u32) -> Result<u32, Errno> {
    let mut bytes = sqe.splice_fd_in as u32;
    let (value, bytes_at) = (sqe.addr3 as usize, &raw mut bytes as usize);
    let args = [sqe.fd as usize, level as usize, name as usize, value, bytes_at, 0];
    // SAFETY: the room is the caller's promise; the length lives during the call.
    unsafe { call6(syscall::GETSOCKOPT, args) }?;
    Ok(bytes)
}

/// `sendmsg(2)` or `recvmsg(2)` with the entry's header and flags, without waiting. To go on until
/// all is done is what a call that may not wait cannot do.
///
/// # Safety
/// - As [`call`].
pub(super) unsafe fn message(number: usize, more: MsgFlags, sqe: &Sqe) -> Result<u32, Errno> {
    let asked = MsgFlags(sqe.rw_flags);
    if asked.contains(MsgFlags::WAITALL) {
        return Err(Errno::EAGAIN);
    }
    let flags = (asked | MsgFlags::DONTWAIT | more).bits() as usize;
    // SAFETY: the header, and all that it points to, is the caller's promise.
    unsafe { call6(number, [sqe.fd as usize, sqe.addr as usize, flags, 0, 0, 0]) }
}
